//! Scenario: who publishes to whom, how much, and how fast.

use std::time::Duration;

use clap::ValueEnum;
use mqtt::QoS;

use super::BenchArgs;

/// The three shapes every broker is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// One publisher, fifty subscribers of the same topic.
    FanOut,
    /// Fifty publishers, one subscriber of all their topics.
    FanIn,
    /// One hundred publishers, each with a subscriber of its own.
    Pairs,
}

impl Shape {
    /// In the order they are run.
    pub(crate) const ALL: &[Self] = &[Self::FanOut, Self::FanIn, Self::Pairs];

    /// As in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOut => "1 to 50",
            Self::FanIn => "50 to 1",
            Self::Pairs => "100 pairs",
        }
    }
}

/// One shape with its load.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) shape: Shape,
    pub(crate) qos: QoS,
    pub(crate) payload_bytes: usize,
    /// Messages of one publisher not yet delivered to everyone.
    pub(crate) window: u32,
    /// Deliveries per second over all publishers; none: as fast as the window lets.
    pub(crate) rate: Option<u32>,
    pub(crate) duration: Duration,
}

impl Scenario {
    pub(crate) fn new(shape: Shape, arguments: &BenchArgs) -> Self {
        Self {
            shape,
            qos: QoS::from_bits(arguments.qos).unwrap_or_default(),
            payload_bytes: arguments.payload as usize,
            window: arguments.window,
            rate: arguments.rate,
            duration: Duration::from_secs(arguments.seconds),
        }
    }

    pub(crate) fn publisher_count(&self) -> usize {
        match self.shape {
            Shape::FanOut => 1,
            Shape::FanIn => 50,
            Shape::Pairs => 100,
        }
    }

    pub(crate) fn subscriber_count(&self) -> usize {
        match self.shape {
            Shape::FanOut => 50,
            Shape::FanIn => 1,
            Shape::Pairs => 100,
        }
    }

    /// Deliveries that one PUBLISH causes.
    pub(crate) fn receivers_per_message(&self) -> u64 {
        match self.shape {
            Shape::FanOut => 50,
            Shape::FanIn | Shape::Pairs => 1,
        }
    }

    /// Where publisher number `index` publishes; inside what every identity may use.
    pub(crate) fn topic(&self, index: usize) -> String {
        format!("demo/bench/{index}")
    }

    /// What subscriber number `index` asks for.
    pub(crate) fn filter(&self, index: usize) -> String {
        match self.shape {
            Shape::FanOut => self.topic(0),
            Shape::FanIn => "demo/bench/+".to_owned(),
            Shape::Pairs => self.topic(index),
        }
    }

    /// Time between two messages of one publisher at a fixed rate.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let per_second = f64::from(self.rate?) / self.receivers_per_message() as f64;
        Some(Duration::from_secs_f64(
            self.publisher_count() as f64 / per_second,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_rate_counts_deliveries_over_all_publishers() {
        for (shape, interval_ms) in [
            (Shape::FanOut, 5.0),
            (Shape::FanIn, 5.0),
            (Shape::Pairs, 10.0),
        ] {
            let scenario = Scenario {
                shape,
                qos: QoS::AtMostOnce,
                payload_bytes: 256,
                window: 20,
                rate: Some(10_000),
                duration: Duration::from_secs(1),
            };
            let interval = scenario.interval().unwrap();
            assert!((interval.as_secs_f64() * 1e3 - interval_ms).abs() < 1e-6);
        }
    }
}
