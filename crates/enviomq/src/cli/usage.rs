//! Usage: what clap objects to, said in the reader's language.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Stop;
use crate::failure::{Exit, Failure};
use crate::language::Language;

/// Turns clap's error into help for stdout or a failure of ours.
pub(crate) fn explain(error: &clap::Error, language: Language) -> Stop {
    let context = |kind| error.get(kind).map(words).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    let failure = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Stop::Asked(error.render().to_string());
        }
        ErrorKind::UnknownArgument => with_suggestion(
            Failure::new("ENV-U801").with("argument", argument),
            &context(ContextKind::SuggestedArg),
            language,
        ),
        ErrorKind::InvalidSubcommand => with_suggestion(
            Failure::new("ENV-U802").with("command", context(ContextKind::InvalidSubcommand)),
            &context(ContextKind::SuggestedSubcommand),
            language,
        ),
        ErrorKind::MissingRequiredArgument => Failure::new("ENV-U803").with("argument", argument),
        ErrorKind::ArgumentConflict => Failure::new("ENV-U805")
            .with("argument", argument)
            .with("other", context(ContextKind::PriorArg)),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals => {
            let valid = context(ContextKind::ValidValue);
            let failure = Failure::new("ENV-U804")
                .with("argument", argument)
                .with("value", context(ContextKind::InvalidValue));
            match std::error::Error::source(error) {
                Some(source) => failure.because(source),
                None if valid.is_empty() => failure,
                None => failure.because(valid),
            }
        }
        _ => Failure::new("ENV-U806").because_lines(error.render().to_string().trim().lines()),
    };
    Stop::Wrong(failure.exit(Exit::Usage).mend(help_command(error)))
}

fn with_suggestion(failure: Failure, suggestion: &str, language: Language) -> Failure {
    if suggestion.is_empty() {
        return failure;
    }
    failure.because(language.say("usage.did_you_mean", &[("word", &suggestion)]))
}

/// The help of the command that was tried, read from its usage line.
fn help_command(error: &clap::Error) -> String {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    };
    let command: Vec<&str> = usage
        .trim_start_matches("Usage:")
        .split_whitespace()
        .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .filter(|word| !word.starts_with('-'))
        .collect();
    match command.as_slice() {
        [] => "enviomq --help".to_owned(),
        words => format!("{} --help", words.join(" ")),
    }
}

fn words(value: &ContextValue) -> String {
    match value {
        ContextValue::None => String::new(),
        ContextValue::Bool(truth) => truth.to_string(),
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::StyledStrs(texts) => {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            texts.join(", ")
        }
        ContextValue::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
