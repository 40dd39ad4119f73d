//! EnvioMQ: broker, publisher, subscriber and the tools around them in one executable.

#[cfg(test)]
mod catalogue;
mod certificates;
mod cli;
mod commands;
mod config;
mod context;
mod data_folder;
mod enrolment;
mod failure;
mod health;
mod language;
mod network;
mod output;
mod roles;
mod self_test;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

use rustix::fs::Mode;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::language::Language;

rust_i18n::i18n!("locales");

// Messages are many small allocations of short life, freed on another thread than the one
// that made them: what mimalloc is built for and musl's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whatever this process writes is private unless a line of code says otherwise.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let arguments: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let language = Language::detect(&arguments, |name| std::env::var(name).ok());

    let cli = match cli::parse(&arguments, language) {
        Ok(cli) => cli,
        Err(cli::Stop::Asked(text)) => {
            return finish(output::text(&text).map(|()| Exit::Ok), language, false);
        }
        Err(cli::Stop::Wrong(failure)) => return finish(Err(failure), language, false),
    };
    let language = cli.global.lang.unwrap_or(language);
    let json = cli.global.json;
    let outcome = Context::gather(&cli.global, &cli.command, language)
        .and_then(|context| commands::run(cli, &context));
    finish(outcome, language, json)
}

/// Tells the person what went wrong, if anything did, and the shell how it ended.
fn finish(outcome: Result<Exit, Failure>, language: Language, json: bool) -> ExitCode {
    let exit = outcome.unwrap_or_else(|failure| {
        output::complaint(&if json {
            failure.to_json(language)
        } else {
            failure.render(language)
        });
        failure.exit_code()
    });
    exit.into()
}
