//! `enviomq config`: what is in force and why; the example file and the reference page.

use serde_json::json;

use super::Outcome;
use crate::cli::ConfigCommand;
use crate::config::{Source, example_file, reference_page};
use crate::context::Context;
use crate::failure::Exit;
use crate::output;

pub(crate) fn run(context: &Context, command: ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Show if context.json => output::line(&as_json(context))?,
        ConfigCommand::Show => output::text(&as_table(context))?,
        ConfigCommand::Example => output::text(&example_file())?,
        ConfigCommand::Reference => output::text(&reference_page())?,
    }
    Ok(Exit::Ok)
}

fn as_table(context: &Context) -> String {
    let rows: Vec<(String, String, String)> = context
        .values
        .iter()
        .map(|(key, raw, source)| {
            let value = raw.to_string();
            let value = if value.is_empty() {
                "—".to_owned()
            } else {
                value
            };
            let source = match source {
                Source::Default => context.say("config.default", &[]),
                other => other.to_string(),
            };
            (key.path.to_owned(), value, source)
        })
        .collect();
    let key_width = rows
        .iter()
        .map(|(key, ..)| key.len())
        .max()
        .unwrap_or_default();
    let value_width = rows
        .iter()
        .map(|(_, value, _)| value.chars().count())
        .max()
        .unwrap_or_default()
        .min(40);
    let file = match &context.config_file {
        Some(path) => path.display().to_string(),
        None => context.say("config.no_file", &[]),
    };
    let mut text = format!(
        "{:key_width$}  {}\n{:key_width$}  {file}\n\n",
        context.say("config.data_dir", &[]),
        context.data_dir.display(),
        context.say("config.file", &[]),
    );
    for (key, value, source) in rows {
        text.push_str(&format!(
            "{key:key_width$}  {value:value_width$}  {source}\n"
        ));
    }
    text
}

fn as_json(context: &Context) -> String {
    let settings: serde_json::Map<String, serde_json::Value> = context
        .values
        .iter()
        .map(|(key, raw, source)| {
            let kind = match source {
                Source::Default => "default",
                Source::File { .. } => "file",
                Source::Environment { .. } => "environment",
                Source::Flag { .. } => "flag",
            };
            let entry =
                json!({ "value": raw.to_string(), "source": kind, "from": source.to_string() });
            (key.path.to_owned(), entry)
        })
        .collect();
    json!({
        "data_dir": context.data_dir,
        "file": context.config_file,
        "settings": settings,
    })
    .to_string()
}
