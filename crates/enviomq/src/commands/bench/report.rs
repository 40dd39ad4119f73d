//! Report: the figures of one scenario, their median over the runs, and how they are printed.

use serde::Serialize;

use super::BenchArgs;
use super::subject::Link;
use crate::context::Context;

/// What one run measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenario: &'static str,
    pub(crate) link: Link,
    pub(crate) broker: String,
    /// User and system time of the broker's process over delivered messages, in microseconds.
    pub(crate) cpu_us_per_message: f64,
    pub(crate) messages_per_second: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
}

impl Figures {
    /// One line of the table; the ratio says how many times the CPU of `first` this one takes.
    pub(crate) fn row(&self, first: Option<&Self>) -> String {
        let ratio = match first {
            Some(first) if first.cpu_us_per_message > 0.0 => {
                format!("{:5.2}", self.cpu_us_per_message / first.cpu_us_per_message)
            }
            _ => "    -".to_owned(),
        };
        format!(
            "{:<10}  {:<5}  {:<18}  {:>8.2}  {:>10.0}  {:>8}  {:>8}  {ratio}",
            self.scenario,
            self.link.name(),
            self.broker,
            self.cpu_us_per_message,
            self.messages_per_second,
            self.p50_us,
            self.p99_us,
        )
    }
}

/// What was asked for, and the names of the columns.
pub(crate) fn heading(context: &Context, arguments: &BenchArgs) -> String {
    let load = match arguments.rate {
        Some(rate) => context.say("bench.fixed", &[("rate", &rate)]),
        None => context.say("bench.closed", &[("window", &arguments.window)]),
    };
    let asked = context.say(
        "bench.asked",
        &[
            ("qos", &arguments.qos),
            ("payload", &arguments.payload),
            ("seconds", &arguments.seconds),
            ("runs", &arguments.runs),
            ("load", &load),
        ],
    );
    format!("{asked}\n\n{}", context.say("bench.columns", &[]))
}

/// All figures as one JSON array.
pub(crate) fn json(all: &[Figures]) -> String {
    serde_json::json!(all).to_string()
}

/// The run in the middle by CPU per message.
pub(crate) fn median(mut runs: Vec<Figures>) -> Option<Figures> {
    runs.sort_by(|a, b| a.cpu_us_per_message.total_cmp(&b.cpu_us_per_message));
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(broker: &str, cpu_us_per_message: f64) -> Figures {
        Figures {
            scenario: "50 to 1",
            link: Link::Mtls,
            broker: broker.to_owned(),
            cpu_us_per_message,
            messages_per_second: 1000.0,
            p50_us: 100,
            p99_us: 900,
        }
    }

    #[test]
    fn the_run_in_the_middle_stands_for_all() {
        let runs = [3.0, 1.0, 2.0].map(|cpu| figures("ours", cpu));
        assert_eq!(median(runs.to_vec()).unwrap().cpu_us_per_message, 2.0);
        assert!(median(Vec::new()).is_none());
    }

    #[test]
    fn the_ratio_says_how_much_more_the_other_takes() {
        let ours = figures("ours", 2.0);
        assert!(figures("theirs", 7.0).row(Some(&ours)).ends_with(" 3.50"));
        assert!(ours.row(Some(&ours)).ends_with(" 1.00"));
    }
}
