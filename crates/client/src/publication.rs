//! Publications: what is asked to be sent, and what became of it.

use bytes::Bytes;
use mqtt::{ByteString, Publish, PublishProperties, QoS, ReasonCode, TopicName};
use tokio::sync::watch;

use crate::ClientError;

/// A message to be published.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// Where to.
    pub topic: TopicName,
    /// Any bytes.
    pub payload: Bytes,
    /// How surely.
    pub qos: QoS,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// 5.0 only; without Topic Alias and Subscription Identifiers.
    pub properties: Option<Box<PublishProperties>>,
}

impl PublishRequest {
    /// QoS 0, not retained, no properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> PublishRequest {
        PublishRequest {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: None,
        }
    }

    /// The same with this QoS.
    #[must_use]
    pub fn qos(self, qos: QoS) -> PublishRequest {
        PublishRequest { qos, ..self }
    }

    /// The same with the RETAIN flag like this.
    #[must_use]
    pub fn retain(self, retain: bool) -> PublishRequest {
        PublishRequest { retain, ..self }
    }

    pub(crate) fn into_publish(self) -> Publish {
        Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic.as_byte_string().clone(),
            packet_id: None,
            payload: self.payload,
            properties: self.properties,
        }
    }
}

/// How far a publication has come. Never further than is known.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Handed to the client.
    Waiting,
    /// Handed to the network; QoS 1 and 2 wait for the broker.
    Sent,
    /// The end.
    Done(Outcome),
}

/// What became of a publication.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// QoS 0: handed to the network. Nobody will say more.
    Sent,
    /// QoS 1 and 2: the broker has taken responsibility.
    Accepted {
        /// Success, or that nobody subscribes at the moment.
        reason: ReasonCode,
    },
    /// The broker refused it.
    Refused {
        /// Why.
        reason: ReasonCode,
        /// Why, in its words.
        reason_string: Option<ByteString>,
    },
    /// Not a byte of it left.
    NotSent {
        /// What was in the way.
        why: ClientError,
    },
    /// It left, but the connection ended before the broker answered: it may have arrived.
    Unconfirmed {
        /// How the connection ended.
        why: ClientError,
    },
}

/// A publication under way.
#[derive(Debug, Clone)]
pub struct Publication {
    progress: watch::Receiver<Progress>,
}

impl Publication {
    /// To follow how far it has come.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits for the end.
    pub async fn done(mut self) -> Outcome {
        let end = self
            .progress
            .wait_for(|progress| matches!(progress, Progress::Done(_)))
            .await
            .map(|end| end.clone());
        match end {
            Ok(Progress::Done(outcome)) => outcome,
            // The task is gone with its runtime: what it knew is what is known.
            _ => {
                let why = ClientError::Closed;
                match *self.progress.borrow() {
                    Progress::Waiting => Outcome::NotSent { why },
                    _ => Outcome::Unconfirmed { why },
                }
            }
        }
    }
}

/// The end that tells the [`Publication`].
#[derive(Debug, Clone)]
pub(crate) struct Watcher(watch::Sender<Progress>);

impl Watcher {
    pub(crate) fn new() -> (Watcher, Publication) {
        let (sender, progress) = watch::channel(Progress::Waiting);
        (Watcher(sender), Publication { progress })
    }

    /// The bytes are with the network; a later word is not overwritten.
    pub(crate) fn sent(&self) {
        self.0.send_if_modified(|progress| {
            let was_waiting = matches!(progress, Progress::Waiting);
            if was_waiting {
                *progress = Progress::Sent;
            }
            was_waiting
        });
    }

    pub(crate) fn done(&self, outcome: Outcome) {
        self.0.send_replace(Progress::Done(outcome));
    }
}
