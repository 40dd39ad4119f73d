//! Commands: one file each; this one only says which runs where.

pub(crate) mod bench;
mod broker;
mod completions;
mod config;
mod connection;
mod healthcheck;
mod link;
mod publish;
mod service;
mod subscribe;
mod up;

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use tracing::level_filters::LevelFilter;

use crate::cli::{Cli, Command};
use crate::config::{LogLevel, Source};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::telemetry;

pub(crate) use connection::explain;
pub(crate) use healthcheck::reachable;

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Runs the command that was parsed.
pub(crate) fn run(cli: Cli, context: &Context) -> Outcome {
    let runs_on = matches!(
        cli.command,
        Command::Up(_) | Command::Broker(_) | Command::Publisher(_) | Command::Subscriber(_)
    );
    let level = match context.values.source("log.level") {
        // A tool says what it has to say on its own; its log is for whoever asks.
        Source::Default if !runs_on => LogLevel(LevelFilter::WARN),
        _ => context.config.log.level,
    };
    telemetry::start(level, context.config.log.format);
    match cli.command {
        Command::Up(_) => on_all_cores(up::run(context)),
        Command::Broker(_) => on_all_cores(broker::run(context)),
        Command::Publisher(arguments) => on_all_cores(service::publisher(context, &arguments)),
        Command::Subscriber(arguments) => on_all_cores(service::subscriber(context, &arguments)),
        Command::Pub(arguments) => on_this_thread(publish::run(context, &arguments)),
        Command::Sub(arguments) => on_this_thread(subscribe::run(context, &arguments)),
        Command::Link(arguments) => link::run(context, arguments.page),
        Command::Config(command) => config::run(context, command),
        Command::Healthcheck(arguments) => {
            on_this_thread(healthcheck::run(context, arguments.role))
        }
        Command::Completions(arguments) => completions::run(context, arguments.shell),
        Command::Bench(arguments) => on_all_cores(bench::run(context, &arguments)),
        Command::BenchBroker(arguments) => on_all_cores(bench::run_broker(&arguments)),
    }
}

fn on_all_cores(command: impl Future<Output = Outcome>) -> Outcome {
    runtime(&mut Builder::new_multi_thread())?.block_on(command)
}

fn on_this_thread(command: impl Future<Output = Outcome>) -> Outcome {
    runtime(&mut Builder::new_current_thread())?.block_on(command)
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new("ENV-P803").because(error).mend("ulimit -a"))
}
