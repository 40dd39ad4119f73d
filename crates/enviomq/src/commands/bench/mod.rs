//! `enviomq bench`: what a delivered message costs the broker, in CPU and in time.
//!
//! The broker runs in a process of its own, so that its CPU time is its own; the
//! load runs here. Both share the machine: read the CPU per message and the
//! ratios, not the messages per second.

mod broker;
mod load;
mod report;
mod scenario;
mod subject;

use clap::Args;

pub(crate) use broker::{BenchBrokerArgs, run as run_broker};

use self::report::Figures;
use self::scenario::Scenario;
use self::subject::{Link, Materials, Subject};
use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output;

/// What to measure, and how long.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[arg(long, value_enum)]
    pub(crate) scenario: Vec<scenario::Shape>,
    #[arg(long, value_enum)]
    pub(crate) link: Vec<Link>,
    #[arg(long, default_value = "0", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    #[arg(long, value_name = "BYTES", default_value = "256", value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub(crate) payload: u32,
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) window: u32,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) runs: u32,
    #[arg(long, value_enum)]
    pub(crate) against: Option<subject::Peer>,
}

/// Runs every scenario over every link, the peer in turn with us.
pub(crate) async fn run(context: &Context, arguments: &BenchArgs) -> Outcome {
    let materials = Materials::create()?;
    let mut all = Vec::new();
    if !context.json {
        output::line(&report::heading(context, arguments))?;
    }
    for link in choices(&arguments.link, &[Link::Tcp, Link::Mtls]) {
        for shape in choices(&arguments.scenario, scenario::Shape::ALL) {
            let scenario = Scenario::new(shape, arguments);
            let measured = measure(&materials, &scenario, link, arguments).await?;
            if !context.json {
                for figures in &measured {
                    output::line(&figures.row(measured.first()))?;
                }
            }
            all.extend(measured);
        }
    }
    if context.json {
        output::line(&report::json(&all))?;
    }
    Ok(Exit::Ok)
}

/// Ours first, then the peer, `runs` times in turn; the median of each.
async fn measure(
    materials: &Materials,
    scenario: &Scenario,
    link: Link,
    arguments: &BenchArgs,
) -> Result<Vec<Figures>, Failure> {
    let mut subjects = vec![Subject::EnvioMq];
    subjects.extend(arguments.against.map(Subject::Peer));
    let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); subjects.len()];
    for _ in 0..arguments.runs {
        for (subject, figures) in subjects.iter().zip(&mut runs) {
            let running = subject.start(materials, link).await?;
            figures.push(load::run(&running, scenario, materials).await?);
        }
    }
    Ok(runs.into_iter().filter_map(report::median).collect())
}

fn choices<T: Copy>(chosen: &[T], all: &[T]) -> Vec<T> {
    if chosen.is_empty() { all } else { chosen }.to_vec()
}
