//! Load: raw MQTT 5 clients that cost as little as they can, and the clock over them.
//!
//! Each payload begins with the number of its publisher and the moment it was
//! written, so that a subscriber can tell the delay and give the publisher room
//! for the next message.

mod publisher;
mod subscriber;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::publisher::Publisher;
use self::subscriber::Subscriber;
use self::wire::Connector;
use super::report::Figures;
use super::scenario::Scenario;
use super::subject::{Materials, Running};
use crate::failure::Failure;

/// Connects everyone, lets the load run warm, then measures.
pub(crate) async fn run(
    broker: &Running,
    scenario: &Scenario,
    materials: &Materials,
) -> Result<Figures, Failure> {
    let shared = Arc::new(Shared::new(scenario));
    let mut tasks: JoinSet<Result<Histogram<u64>, String>> = JoinSet::new();
    let connector = Connector::new(broker, materials);
    let mut subscribed = Vec::new();
    for index in 0..scenario.subscriber_count() {
        let (ready, wait) = oneshot::channel();
        subscribed.push(wait);
        let wire = connector.connect(format!("bench-sub-{index}")).await?;
        let filter = scenario.filter(index);
        let subscriber = Subscriber::new(wire, Arc::clone(&shared), scenario.qos);
        tasks.spawn(subscriber.run(filter, ready));
    }
    for wait in subscribed {
        wait.await.map_err(|_| broken("a subscriber was cut off"))?;
    }
    for index in 0..scenario.publisher_count() {
        let wire = connector.connect(format!("bench-pub-{index}")).await?;
        let publisher = Publisher::new(wire, Arc::clone(&shared), scenario.clone(), index);
        tasks.spawn(publisher.run());
    }

    tokio::time::sleep(WARM_UP).await;
    let before = Snapshot::take(broker, &shared)?;
    shared.measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(scenario.duration).await;
    shared.measuring.store(false, Ordering::Relaxed);
    let after = Snapshot::take(broker, &shared)?;

    shared.stop();
    let mut delays = histogram();
    while let Some(ended) = tasks.join_next().await {
        let own = ended.map_err(broken)?.map_err(broken)?;
        delays.add(own).map_err(broken)?;
    }
    let delivered = (after.delivered - before.delivered) as f64;
    if delivered == 0.0 {
        return Err(broken("nothing was delivered"));
    }
    Ok(Figures {
        scenario: scenario.shape.name(),
        link: broker.link,
        broker: broker.name.clone(),
        cpu_us_per_message: (after.cpu - before.cpu).as_secs_f64() * 1e6 / delivered,
        messages_per_second: delivered / (after.at - before.at).as_secs_f64(),
        p50_us: delays.value_at_quantile(0.5),
        p99_us: delays.value_at_quantile(0.99),
    })
}

/// What all tasks of one run see.
struct Shared {
    epoch: Instant,
    measuring: AtomicBool,
    stopped: CancellationToken,
    publishers: Vec<Progress>,
}

/// How far the messages of one publisher have come; a cache line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Progress {
    delivered: AtomicU64,
    moved: Notify,
}

impl Shared {
    fn new(scenario: &Scenario) -> Self {
        Self {
            epoch: Instant::now(),
            measuring: AtomicBool::new(false),
            stopped: CancellationToken::new(),
            publishers: (0..scenario.publisher_count())
                .map(|_| Progress::default())
                .collect(),
        }
    }

    fn delivered(&self) -> u64 {
        let count = |progress: &Progress| progress.delivered.load(Ordering::Relaxed);
        self.publishers.iter().map(count).sum()
    }

    fn stop(&self) {
        self.stopped.cancel();
        for progress in &self.publishers {
            progress.moved.notify_one();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// The state of broker and load at one moment.
struct Snapshot {
    at: Instant,
    cpu: Duration,
    delivered: u64,
}

impl Snapshot {
    fn take(broker: &Running, shared: &Shared) -> Result<Self, Failure> {
        Ok(Self {
            at: Instant::now(),
            cpu: broker.cpu().ok_or_else(|| broken("the broker has ended"))?,
            delivered: shared.delivered(),
        })
    }
}

fn histogram() -> Histogram<u64> {
    // Up to a minute with three digits: 300 KiB each.
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("invariant: constant bounds that fit")
}

fn broken(evidence: impl std::fmt::Display) -> Failure {
    Failure::new("ENV-B903")
        .because(evidence)
        .mend("enviomq bench --runs 1")
}

/// Until caches, routes and sockets are what they will be.
const WARM_UP: Duration = Duration::from_secs(1);
