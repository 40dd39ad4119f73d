//! Inbound messages: PUBLISH and PUBREL from the client (3.3, 3.6, 4.3).

use std::num::NonZeroU64;
use std::time::Instant;

use mqtt::flow::topic_alias::AliasError;
use mqtt::{
    Ack, ByteString, Message, PacketId, ProtocolVersion, Publish, QoS, ReasonCode,
    ReasonProperties, TopicName,
};

use crate::journal::Sequence;
use crate::session::connect::our_receive_maximum;
use crate::session::promises::Owed;
use crate::session::reply::Reply;
use crate::session::{Action, ProtocolError, Session};

/// Names the acknowledgement that waits for the outcome of one [`Action::Publish`].
///
/// A fan-out may take several turns: acknowledgements keep their order whenever this comes back.
/// One of an earlier connection is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the acknowledgement waits until this comes back by handle_published"]
pub struct PublishToken(Option<NonZeroU64>);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It was given to this many receivers; with none, a 5.0 client is told so (0x10).
    Routed {
        /// Outboxes that took it.
        receivers: usize,
    },
    /// The policy forbids it: 0x87 in 5.0; acknowledged in 3.1.1, which has no word for it.
    NotAuthorized {
        /// Tells a 5.0 client which identity may not publish where.
        reason_string: Option<ByteString>,
    },
    /// A limit of the broker forbids it: 0x97 in 5.0; acknowledged in 3.1.1.
    QuotaExceeded,
}

impl Session {
    pub(super) fn handle_publish(
        &mut self,
        publish: Publish,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        self.count_against_receive_maximum(&publish)?;
        let topic = self.resolve_topic(&publish)?;
        let token = match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => self.promise(Owed::PubAck(packet_id)),
            (QoS::ExactlyOnce, Some(packet_id)) => {
                if !self.received.accept(packet_id) {
                    // Routed before: the first PUBREC was lost, or the client could not wait.
                    let replies = &mut self.link.replies;
                    self.promises.repeat_pubrec(packet_id, replies);
                    return Ok(());
                }
                self.promise(Owed::PubRec(packet_id))
            }
            _ => PublishToken(None),
        };
        let message = Message::from_publish(publish, topic, now);
        self.link
            .actions
            .push_back(Action::Publish { message, token });
        Ok(())
    }

    pub(super) fn published(
        &mut self,
        token: PublishToken,
        outcome: PublishOutcome,
        sequence: Sequence,
    ) {
        let Some(place) = token.0.map(NonZeroU64::get) else {
            return; // QoS 0: nothing is owed.
        };
        let reply = match self.promises.owed(place) {
            Some(&mut Owed::PubAck(packet_id)) => Reply::PubAck(self.outcome(packet_id, outcome)),
            Some(&mut Owed::PubRec(packet_id)) => {
                let ack = self.outcome(packet_id, outcome);
                if ack.reason.is_error() {
                    self.received.release(packet_id); // [MQTT-4.3.3-9]: the identifier is free
                }
                Reply::PubRec(ack)
            }
            _ => return,
        };
        let replies = &mut self.link.replies;
        self.promises.answer(place, reply, sequence, replies);
    }

    /// A PUBREL for an identifier we do not hold is answered all the same \[MQTT-4.3.3-11\]: our
    /// first PUBCOMP was lost on the way. In 5.0 the Reason Code says that we had forgotten it.
    pub(super) fn handle_pubrel(&mut self, ack: &Ack) {
        let known = self.received.release(ack.packet_id);
        let reason = if known || self.link.version == ProtocolVersion::V3_1_1 {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let pubcomp = Ack::new(ack.packet_id, reason);
        self.link.replies.push_back(Reply::PubComp(pubcomp));
    }

    /// 5.0 clients know our Receive Maximum and must keep to it \[MQTT-3.3.4-9\]; 3.1.1 clients are
    /// slowed down by [`Session::wants_packets`] instead.
    fn count_against_receive_maximum(&mut self, publish: &Publish) -> Result<(), ProtocolError> {
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        let maximum = our_receive_maximum(&self.limits).get();
        if self.link.unanswered >= maximum && self.link.version == ProtocolVersion::V5 {
            return Err(ProtocolError::ReceiveMaximumExceeded);
        }
        self.link.unanswered = self.link.unanswered.saturating_add(1);
        Ok(())
    }

    fn resolve_topic(&mut self, publish: &Publish) -> Result<TopicName, ProtocolError> {
        match (publish.topic_name(), publish.topic_alias()) {
            (Some(topic), None) => Ok(topic),
            (Some(topic), Some(alias)) => {
                self.link.aliases.define(alias, &topic)?;
                Ok(topic)
            }
            (None, Some(alias)) => Ok(self.link.aliases.recall(alias)?),
            (None, None) => Err(ProtocolError::TopicMissing),
        }
    }

    fn promise(&mut self, owed: Owed) -> PublishToken {
        PublishToken(NonZeroU64::new(self.promises.open(owed)))
    }

    fn outcome(&self, packet_id: PacketId, outcome: PublishOutcome) -> Ack {
        if self.link.version == ProtocolVersion::V3_1_1 {
            return Ack::new(packet_id, ReasonCode::Success);
        }
        match outcome {
            PublishOutcome::Routed { receivers: 0 } => {
                Ack::new(packet_id, ReasonCode::NoMatchingSubscribers)
            }
            PublishOutcome::Routed { .. } => Ack::new(packet_id, ReasonCode::Success),
            PublishOutcome::NotAuthorized { reason_string } => Ack {
                properties: self.explain(reason_string),
                ..Ack::new(packet_id, ReasonCode::NotAuthorized)
            },
            PublishOutcome::QuotaExceeded => Ack::new(packet_id, ReasonCode::QuotaExceeded),
        }
    }

    /// Words only for a client that did not refuse them \[MQTT-3.1.2-29\].
    fn explain(&self, reason_string: Option<ByteString>) -> Option<Box<ReasonProperties>> {
        let reason_string = reason_string.filter(|_| self.link.problem_information)?;
        Some(Box::new(ReasonProperties {
            reason_string: Some(reason_string),
            ..ReasonProperties::default()
        }))
    }
}

impl From<AliasError> for ProtocolError {
    fn from(error: AliasError) -> ProtocolError {
        match error {
            AliasError::TooLarge => ProtocolError::TopicAliasTooLarge,
            AliasError::Unknown => ProtocolError::TopicAliasUnknown,
        }
    }
}
