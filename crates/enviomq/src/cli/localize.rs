//! Localize: the help of every command and argument, in the language of the reader.

use clap::{Arg, ArgAction, Command};

use crate::language::Language;

/// The command tree with every text from the catalogue.
pub(crate) fn localized(command: Command, language: Language) -> Command {
    // Clap adds `--help`, `--version` and a `help` command with English texts of
    // its own; ours take their place.
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .global(true);
    let version = Arg::new("version")
        .short('V')
        .long("version")
        .action(ArgAction::Version);
    let command = command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help)
        .arg(version);
    let mut command = translate(command, language, "");
    command.build();
    usage_lines(command, language)
}

fn translate(command: Command, language: Language, path: &str) -> Command {
    let text = |part: &str| language.find(&format!("help{path}.{part}"));
    let common = |part: &str| language.find(&format!("help.common.{part}"));
    let template = format!(
        "{{about-with-newline}}\n{}: {{usage}}\n\n{{all-args}}{{after-help}}",
        language.text("help.usage")
    );
    // As declared; what every command understands comes last.
    let mut order = 0;
    let mut command = command
        .disable_help_subcommand(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .help_template(template)
        .subcommand_help_heading(language.text("help.commands"))
        .subcommand_value_name(language.text("help.command"))
        .mut_args(|argument| {
            let name = argument.get_id().as_str().to_owned();
            let heading = if argument.is_positional() {
                language.text("help.arguments")
            } else {
                language.text("help.options")
            };
            order += 1;
            let place = if argument.is_global_set() {
                500 + order
            } else {
                order
            };
            let argument = argument.help_heading(heading).display_order(place);
            // Ours say these in the reader's language; clap would add its own.
            let argument = if argument.get_action().takes_values() {
                argument.hide_default_value(true).hide_possible_values(true)
            } else {
                argument
            };
            match text(&name).or_else(|| common(&name)) {
                Some(help) => argument.help(help).long_help(None::<&str>),
                None => argument,
            }
        });
    if let Some(about) = text("about") {
        command = command.about(about).long_about(None::<&str>);
    }
    if let Some(after) = text("after") {
        command = command.after_help(after);
    }
    command.mut_subcommands(|inner| {
        let path = format!("{path}.{}", inner.get_name());
        translate(inner, language, &path)
    })
}

/// Replaces the word that clap itself puts into a usage line.
fn usage_lines(mut command: Command, language: Language) -> Command {
    let usage = command.render_usage().to_string();
    let usage = usage
        .trim_start_matches("Usage: ")
        .replace("[OPTIONS]", &language.text("help.options_in_usage"));
    command
        .override_usage(usage)
        .mut_subcommands(|inner| usage_lines(inner, language))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory as _;

    fn assert_translated(command: &Command, path: &str) {
        for language in [Language::English, Language::Spanish] {
            let find = |part: &str| language.find(&format!("help{path}.{part}"));
            assert!(find("about").is_some(), "help{path}.about in {language:?}");
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let common = language.find(&format!("help.common.{name}"));
                assert!(
                    find(name).or(common).is_some(),
                    "help{path}.{name} in {language:?}"
                );
            }
        }
        for inner in command
            .get_subcommands()
            .filter(|inner| !inner.is_hide_set())
        {
            assert_translated(inner, &format!("{path}.{}", inner.get_name()));
        }
    }

    #[test]
    fn every_command_and_argument_is_explained_in_both_languages() {
        assert_translated(&Cli::command(), "");
    }
}
