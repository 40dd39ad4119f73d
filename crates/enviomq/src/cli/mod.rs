//! The command line: commands, flags and what they override.
//!
//! Help texts are not here but in the catalogue, under `help.COMMAND.ARGUMENT`;
//! `localize` puts them in before anything is parsed, so that `--help` and usage
//! errors speak the right language too.

mod localize;
mod usage;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::commands::bench::{BenchArgs, BenchBrokerArgs};
use crate::failure::Failure;
use crate::language::Language;

pub(crate) use localize::localized;

#[derive(Debug, Parser)]
#[command(name = "enviomq", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    #[arg(long, global = true, value_name = "en|es", value_parser = language_parser())]
    pub(crate) lang: Option<Language>,
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(UpArgs),
    Broker(BrokerArgs),
    Publisher(ServiceArgs),
    Subscriber(ServiceArgs),
    Pub(PubArgs),
    Sub(SubArgs),
    Link(LinkArgs),
    #[command(subcommand)]
    Config(ConfigCommand),
    Healthcheck(HealthcheckArgs),
    Completions(CompletionsArgs),
    Bench(BenchArgs),
    /// The broker that `bench` measures, in a process of its own.
    #[command(hide = true)]
    BenchBroker(BenchBrokerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[arg(long, value_name = "NAME|IP")]
    pub(crate) host: Vec<String>,
    #[arg(long)]
    pub(crate) port: Option<u16>,
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) publisher_listen: Option<String>,
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) subscriber_listen: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    #[arg(long, value_name = "NAME|IP")]
    pub(crate) host: Vec<String>,
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
}

/// Publisher and subscriber take the same flags.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) broker: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) join: Option<PathBuf>,
}

/// Where to connect and as whom, for `pub` and `sub`.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    #[arg(long)]
    pub(crate) host: Option<String>,
    #[arg(long)]
    pub(crate) port: Option<u16>,
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with = "identity"
    )]
    pub(crate) cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "5")]
    pub(crate) protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    #[value(name = "3.1.1")]
    V3_1_1,
    #[value(name = "5", alias = "5.0")]
    V5,
}

#[derive(Debug, Args)]
pub(crate) struct PubArgs {
    pub(crate) topic: String,
    #[arg(conflicts_with = "file")]
    pub(crate) message: Option<String>,
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    #[arg(long)]
    pub(crate) retain: bool,
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SubArgs {
    #[arg(required = true, value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Hex,
}

/// A role with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    Publisher,
    Subscriber,
}

impl Page {
    /// The name of its identity, its section and its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    #[arg(value_enum)]
    pub(crate) page: Page,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum ConfigCommand {
    Show,
    Example,
    Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Broker,
    Publisher,
    Subscriber,
}

#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    #[arg(value_enum, default_value = "broker")]
    pub(crate) role: Role,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// What parsing comes to when it does not come to a command.
pub(crate) enum Stop {
    /// Help or version was asked for; the text goes to stdout.
    Asked(String),
    /// The arguments do not make a command.
    Wrong(Failure),
}

/// Parses the arguments, program name included.
pub(crate) fn parse(arguments: &[String], language: Language) -> Result<Cli, Stop> {
    localized(Cli::command(), language)
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| usage::explain(&error, language))
}

fn language_parser() -> impl clap::builder::TypedValueParser<Value = Language> {
    PossibleValuesParser::new(["en", "es"])
        .map(|tag| Language::from_tag(&tag).unwrap_or(Language::English))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn help(line: &str, language: Language) -> String {
        match parse(&words(line), language) {
            Err(Stop::Asked(text)) => text,
            _ => panic!("{line} prints help"),
        }
    }

    #[test]
    fn help_speaks_both_languages_and_mixes_none() {
        let english = help("enviomq --help", Language::English);
        assert!(
            english.contains("Usage:") && english.contains("Commands:"),
            "{english}"
        );
        let spanish = help("enviomq --help", Language::Spanish);
        for word in [
            "Usage", "Commands", "Options", "Print", "OPTIONS", "COMMAND]",
        ] {
            assert!(!spanish.contains(word), "{word} in:\n{spanish}");
        }
        assert!(spanish.contains("Uso:"), "{spanish}");
        let up = help("enviomq up --help", Language::Spanish);
        assert!(up.contains("[OPCIONES]") && up.contains("--port"), "{up}");
    }

    #[test]
    fn usage_errors_speak_both_languages_and_name_the_nearest_word() {
        let spoken = |line: &str, language| match parse(&words(line), language) {
            Err(Stop::Wrong(failure)) => failure.render(language),
            _ => panic!("{line} is wrong"),
        };
        let english = spoken("enviomq up --prt 1", Language::English);
        assert!(
            english.contains("--prt") && english.contains("--port"),
            "{english}"
        );
        let spanish = spoken("enviomq pubisher", Language::Spanish);
        assert!(spanish.contains("publisher"), "{spanish}");
        let missing = spoken("enviomq pub", Language::Spanish);
        assert!(missing.contains("TOPIC"), "{missing}");
        let value = spoken("enviomq pub a b --qos 3", Language::English);
        assert!(value.contains("--qos") && value.contains('3'), "{value}");
    }
}
