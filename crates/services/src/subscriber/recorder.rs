//! Recorder: messages into the database in groups, and only then their acknowledgements.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use store::{History, NewMessage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A message that has arrived and is not acknowledged yet.
pub(crate) struct Arrival {
    pub(crate) message: NewMessage,
    /// Tells the broker that the message is safe.
    pub(crate) acknowledge: Box<dyn FnOnce() + Send>,
}

/// Tells whether what arrives can be stored.
#[derive(Debug, Default)]
pub(crate) struct Storing {
    /// What the database says, while it refuses.
    problem: watch::Sender<Option<String>>,
}

impl Storing {
    /// What the database says, while it refuses.
    pub(crate) fn problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.subscribe()
    }
}

/// Stores everything that arrives until `stop` or the end of `arrivals`.
///
/// What is ready together is stored together. While the database refuses, nothing is
/// acknowledged; the broker then holds the rest back, and memory stays bounded.
pub(crate) async fn run(
    history: History,
    arrivals: impl Stream<Item = Arrival> + Send,
    storing: Storing,
    stop: CancellationToken,
) {
    let groups = arrivals
        .ready_chunks(GROUP_MAX)
        .take_until(stop.clone().cancelled_owned());
    let mut groups = std::pin::pin!(groups);
    while let Some(group) = groups.next().await {
        let (messages, acknowledge): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|arrival| (arrival.message, arrival.acknowledge))
            .unzip();
        if !store(&history, messages, &storing, &stop).await {
            return;
        }
        for acknowledge in acknowledge {
            acknowledge();
        }
    }
}

/// Stores a group, however often it has to be tried; false if `stop` came first.
async fn store(
    history: &History,
    messages: Vec<NewMessage>,
    storing: &Storing,
    stop: &CancellationToken,
) -> bool {
    loop {
        // Payloads are shared, so the copy is a few words for each message.
        match history.record(messages.clone()).await {
            Ok(_) => {
                storing
                    .problem
                    .send_if_modified(|problem| problem.take().is_some());
                return true;
            }
            Err(error) => {
                tracing::error!(%error, code = error.code(), "messages cannot be stored and are not acknowledged");
                storing.problem.send_replace(Some(error.to_string()));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    }
}

/// Messages stored in one go.
const GROUP_MAX: usize = 128;
const TRY_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use store::Retention;

    fn arrival(text: &str, acknowledge: impl FnOnce() + Send + 'static) -> Arrival {
        Arrival {
            message: NewMessage {
                at_ms: crate::web::now_ms(),
                topic: "chat/mensaje".to_owned(),
                payload: text.to_owned().into(),
                qos: 1,
                retain: false,
            },
            acknowledge: Box::new(acknowledge),
        }
    }

    #[tokio::test]
    async fn a_message_is_on_disk_before_it_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("received.db");
        let history = History::open(&path, Retention::default()).unwrap();
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let arrivals = (0..500).map(|n| {
            let (newest, acknowledged) = (history.newest(), Arc::clone(&acknowledged));
            arrival(&n.to_string(), move || {
                assert!(
                    *newest.borrow() > n,
                    "message {n} was acknowledged too early"
                );
                acknowledged.fetch_add(1, Ordering::Relaxed);
            })
        });
        let arrivals = stream::iter(arrivals.collect::<Vec<_>>());
        run(
            history.clone(),
            arrivals,
            Storing::default(),
            CancellationToken::new(),
        )
        .await;
        assert_eq!(acknowledged.load(Ordering::Relaxed), 500);
        assert_eq!(history.count().await.unwrap(), 500);
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_not_acknowledged_and_the_page_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("received.db");
        let history = History::open(&path, Retention::default()).unwrap();
        history.close();
        let storing = Storing::default();
        let mut problem = storing.problem();
        let arrivals = stream::iter([arrival("x", || panic!("acknowledged"))]);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(history, arrivals, storing, stop.clone()));
        problem.wait_for(Option::is_some).await.unwrap();
        stop.cancel();
        running.await.unwrap();
    }
}
