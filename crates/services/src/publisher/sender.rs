//! Sender: write the message down, send it, record each change of what is known of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use store::sent::Change;
use store::{Draft, SentLog, SentState, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

/// The way to the broker, as the sender sees it.
pub(crate) trait Outgoing: Send + Sync + 'static {
    /// Sends a message and tells what becomes known of it, in order, until its end.
    fn send(&self, draft: &Draft) -> BoxStream<'static, Change>;
}

/// Sends messages and keeps their rows true. Clones share everything.
#[derive(Clone)]
pub(crate) struct Sender {
    log: SentLog,
    outgoing: Arc<dyn Outgoing>,
    places: Arc<Semaphore>,
    following: TaskTracker,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// Why a message was not even tried.
#[derive(Debug)]
pub(crate) enum NotTried {
    /// Too many others are waiting for their end.
    Busy,
    /// It could not be written down, so it was not sent.
    NotStored(StoreError),
    /// There is nothing to send again.
    Nothing,
}

/// A message that is written down and on its way.
pub(crate) struct Following {
    pub(crate) id: i64,
    end: JoinHandle<()>,
}

impl Following {
    /// Waits for the end of the message, but not long: a page is waiting to be shown.
    pub(crate) async fn moment(self) {
        let _ = timeout(MOMENT, self.end).await;
    }
}

impl Sender {
    pub(crate) fn new(log: SentLog, outgoing: Arc<dyn Outgoing>) -> Sender {
        Sender {
            log,
            outgoing,
            places: Arc::new(Semaphore::new(ON_THEIR_WAY_MAX)),
            following: TaskTracker::new(),
        }
    }

    /// Writes `draft` down and sends it.
    pub(crate) async fn send(&self, draft: Draft) -> Result<Following, NotTried> {
        let place = self.place()?;
        let inserted = self.log.insert(draft.clone()).await;
        let id = inserted.map_err(NotTried::NotStored)?;
        Ok(self.follow(id, &draft, place))
    }

    /// Sends the message of row `id` once more, in a row of its own.
    pub(crate) async fn send_again(&self, id: i64, at_ms: i64) -> Result<Following, NotTried> {
        let place = self.place()?;
        let copied = self.log.insert_again(id, at_ms).await;
        let copied = copied.map_err(NotTried::NotStored)?;
        let (id, draft) = copied.ok_or(NotTried::Nothing)?;
        Ok(self.follow(id, &draft, place))
    }

    /// Lets what is on its way end by itself for a moment, then calls `close` and waits for
    /// what that ends.
    pub(crate) async fn finish<F: Future<Output = ()>>(&self, close: impl FnOnce() -> F) {
        self.following.close();
        let _ = timeout(FINISH, self.following.wait()).await;
        close().await;
        let _ = timeout(FINISH, self.following.wait()).await;
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, NotTried> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| NotTried::Busy)
    }

    fn follow(&self, id: i64, draft: &Draft, place: OwnedSemaphorePermit) -> Following {
        let mut changes = self.outgoing.send(draft);
        let (log, qos) = (self.log.clone(), draft.qos);
        let end = self.following.spawn(async move {
            let mut ended = false;
            while let Some(change) = changes.next().await {
                ended = change.state.is_final(qos);
                record(&log, id, change).await;
                if ended {
                    break;
                }
            }
            if !ended {
                record(&log, id, lost()).await;
            }
            drop(place);
        });
        Following { id, end }
    }
}

/// Records a change; tries again for a while if the disk refuses.
///
/// A row whose change is never recorded says less than is known, not more, and a restart
/// turns it into "not confirmed".
async fn record(log: &SentLog, id: i64, change: Change) {
    for _ in 0..RECORD_TRIES {
        match log.set_state(id, change.clone()).await {
            Ok(()) => return,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, row = id, "what became of message {id} could not be recorded");
                sleep(RECORD_AGAIN).await;
            }
        }
    }
}

/// The way to the broker ended without a word about the message.
fn lost() -> Change {
    Change {
        state: SentState::Unconfirmed,
        reason: None,
        code: None,
        detail: None,
    }
}

/// Messages without an end at one time; one more is answered with "try later".
const ON_THEIR_WAY_MAX: usize = 1000;
/// On loopback the broker answers within a few milliseconds.
const MOMENT: Duration = Duration::from_millis(400);
const FINISH: Duration = Duration::from_secs(1);
const RECORD_TRIES: usize = 30;
const RECORD_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use store::Retention;

    /// Tells the same story of every message, then falls silent.
    struct Story(Vec<SentState>);

    impl Outgoing for Story {
        fn send(&self, _: &Draft) -> BoxStream<'static, Change> {
            let change = |state| Change { state, ..lost() };
            stream::iter(self.0.clone()).map(change).boxed()
        }
    }

    async fn end_of(story: &[SentState], qos: u8) -> SentState {
        let dir = tempfile::tempdir().unwrap();
        let log = SentLog::open(&dir.path().join("sent.db"), Retention::default()).unwrap();
        let sender = Sender::new(log.clone(), Arc::new(Story(story.to_vec())));
        let draft = Draft {
            at_ms: crate::web::now_ms(),
            topic: "t".to_owned(),
            payload: "x".into(),
            qos,
            retain: false,
        };
        let following = sender
            .send(draft)
            .await
            .unwrap_or_else(|_| panic!("not tried"));
        let id = following.id;
        following.end.await.unwrap();
        log.record_by_id(id).await.unwrap().unwrap().state
    }

    #[tokio::test]
    async fn the_last_thing_known_is_what_the_row_says() {
        use SentState::{Accepted, NotSent, Refused, Sent, Unconfirmed};
        assert_eq!(end_of(&[Sent, Accepted], 1).await, Accepted);
        assert_eq!(end_of(&[Sent, Refused], 2).await, Refused);
        assert_eq!(end_of(&[NotSent], 1).await, NotSent);
        assert_eq!(end_of(&[Sent], 0).await, Sent);
        assert_eq!(end_of(&[Sent, Unconfirmed], 1).await, Unconfirmed);
    }

    #[tokio::test]
    async fn silence_is_never_taken_for_success() {
        assert_eq!(end_of(&[SentState::Sent], 1).await, SentState::Unconfirmed);
        assert_eq!(end_of(&[], 1).await, SentState::Unconfirmed);
        assert_eq!(end_of(&[], 0).await, SentState::Unconfirmed);
    }
}
