//! The sender's seam, by the real client.

use client::{Client, ClientError, Options, Outcome, Progress, PublishRequest};
use futures_util::stream::{self, BoxStream, StreamExt};
use mqtt::{QoS, TopicName};
use store::sent::Change;
use store::{Draft, SentState};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::sender::Outgoing;
use crate::link::{CODE_UNSENDABLE, LinkState, Why};

/// The connection of the publisher. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    client: Client,
    state: watch::Receiver<LinkState>,
}

impl Link {
    /// Starts the client; the task keeps the state for the page.
    pub(crate) fn start(options: Options) -> (Link, watch::Receiver<LinkState>, JoinHandle<()>) {
        let (client, mut messages) = Client::start(options);
        let (shown, state) = watch::channel(LinkState::Connecting);
        let mut connection = client.state();
        let watcher = tokio::spawn(async move {
            loop {
                let now = connection.borrow_and_update().clone();
                shown.send_if_modified(|shown| shown.follow(LinkState::from(&now)));
                tokio::select! {
                    changed = connection.changed() => if changed.is_err() { return },
                    // Nothing is subscribed to. Should a message arrive all the same, it is
                    // taken and dropped, because the client would wait for somebody to.
                    message = messages.next() => if message.is_none() { return },
                }
            }
        });
        let link = Link {
            client,
            state: state.clone(),
        };
        (link, state, watcher)
    }

    /// Says goodbye to the broker; whatever still waits for an answer gets its end.
    pub(crate) async fn close(&self) {
        self.client.close().await;
    }

    /// Why a message did not leave. "Not connected" is said better by why we are not.
    fn why(&self, error: &ClientError) -> Why {
        match (&*self.state.borrow(), error) {
            (LinkState::Down(why), ClientError::NotConnected) => why.clone(),
            _ => Why::from(error),
        }
    }

    fn change(&self, outcome: Outcome) -> Change {
        match outcome {
            Outcome::Sent => plain(SentState::Sent),
            Outcome::Accepted { reason } => Change {
                reason: Some(reason as u8),
                ..plain(SentState::Accepted)
            },
            Outcome::Refused {
                reason,
                reason_string,
            } => Change {
                reason: Some(reason as u8),
                detail: reason_string.map(|text| text.to_string()),
                ..plain(SentState::Refused)
            },
            Outcome::NotSent { why } => because(SentState::NotSent, self.why(&why)),
            Outcome::Unconfirmed { why } => because(SentState::Unconfirmed, Why::from(&why)),
        }
    }
}

impl Outgoing for Link {
    fn send(&self, draft: &Draft) -> BoxStream<'static, Change> {
        let Some(request) = request(draft) else {
            // The form has checked both, but the row may come from a program with other rules.
            let why = Why {
                code: CODE_UNSENDABLE.to_owned(),
                detail: String::new(),
            };
            return stream::iter([because(SentState::NotSent, why)]).boxed();
        };
        let progress = self.client.publish(request).progress();
        let start = Some((self.clone(), progress, false));
        let next = |following: Option<(Link, watch::Receiver<Progress>, bool)>| async move {
            let (link, mut progress, mut said_sent) = following?;
            loop {
                let now = progress.borrow_and_update().clone();
                match now {
                    Progress::Done(outcome) => return Some((link.change(outcome), None)),
                    Progress::Sent if !said_sent => {
                        said_sent = true;
                        let sent = link.change(Outcome::Sent);
                        return Some((sent, Some((link, progress, said_sent))));
                    }
                    _ => progress.changed().await.ok()?,
                }
            }
        };
        stream::unfold(start, next).boxed()
    }
}

fn request(draft: &Draft) -> Option<PublishRequest> {
    let topic = TopicName::try_from(draft.topic.as_str()).ok()?;
    let qos = QoS::from_bits(draft.qos)?;
    let request = PublishRequest::new(topic, draft.payload.clone());
    Some(request.qos(qos).retain(draft.retain))
}

fn plain(state: SentState) -> Change {
    Change {
        state,
        reason: None,
        code: None,
        detail: None,
    }
}

fn because(state: SentState, why: Why) -> Change {
    Change {
        code: Some(why.code),
        detail: Some(why.detail).filter(|detail| !detail.is_empty()),
        ..plain(state)
    }
}
