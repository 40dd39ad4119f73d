//! The Application Message as it is routed, and its PUBLISH for one receiver.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::packet::connect::Will;
use crate::packet::publish::{Publish, PublishProperties};
use crate::{EncodeError, PacketId, ProtocolVersion, QoS, TopicName};

/// An Application Message; immutable, shared by all its receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its Topic Name; an alias is resolved before.
    pub topic: TopicName,
    /// Any bytes.
    pub payload: Bytes,
    /// As published.
    pub qos: QoS,
    /// As published.
    pub retain: bool,
    /// What travels unchanged from publisher to subscriber: never an alias, a Subscription
    /// Identifier or the expiry interval, which is `expires_at` here.
    pub properties: Option<Box<PublishProperties>>,
    /// After this moment it is not delivered any more.
    pub expires_at: Option<Instant>,
}

/// What a PUBLISH says to one receiver only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishHeader<'a> {
    /// Granted for this delivery.
    pub qos: QoS,
    /// Sent before on another Network Connection.
    pub dup: bool,
    /// For this receiver.
    pub retain: bool,
    /// Present exactly if `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// Of all matching subscriptions of this receiver; not written in 3.1.1.
    pub subscription_identifiers: &'a [u32],
    /// Only in 5.0, within the Topic Alias Maximum of the receiver.
    pub topic_alias: Option<AliasUse>,
}

/// How a PUBLISH uses a Topic Alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasUse {
    /// Topic and alias are both sent: the receiver learns it.
    Define(NonZeroU16),
    /// The alias stands for the topic, which is left out.
    Recall(NonZeroU16),
}

impl Message {
    /// A QoS 0 message without properties.
    #[must_use]
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Message {
        Message {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: None,
            expires_at: None,
        }
    }

    /// The message a received PUBLISH carries; `topic` is its topic with the alias resolved.
    #[must_use]
    pub fn from_publish(publish: Publish, topic: TopicName, now: Instant) -> Message {
        let (properties, expires_at) = routed_properties(publish.properties, now);
        Message {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            properties,
            expires_at,
        }
    }

    /// The message of a Will whose time has come; its expiry counts from `now` (3.1.3.2.4).
    #[must_use]
    pub fn from_will(will: Will, now: Instant) -> Message {
        let (properties, expires_at) = routed_properties(will.properties, now);
        Message {
            topic: will.topic,
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            properties,
            expires_at,
        }
    }

    /// Whether it may no longer be delivered (3.3.2.3.3).
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        // "after", not "at": an interval of 0 still allows a delivery in the same turn.
        self.expires_at.is_some_and(|end| now > end)
    }
}

impl Message {
    /// A copy that keeps no receive buffer alive: for what stays longer than a turn.
    #[must_use]
    pub fn detached(&self) -> Message {
        Message {
            topic: self.topic.detached(),
            payload: Bytes::copy_from_slice(&self.payload),
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.as_deref().map(|p| Box::new(p.detached())),
            expires_at: self.expires_at,
        }
    }

    /// Bytes it occupies, roughly: what a queue limit counts.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Message>()
            + self.topic.len()
            + self.payload.len()
            + self
                .properties
                .as_deref()
                .map_or(0, PublishProperties::size)
    }

    /// Bytes that [`Message::encode_publish`] would append: compare it with the receiver's
    /// Maximum Packet Size first.
    #[must_use]
    pub fn encoded_publish_len(
        &self,
        version: ProtocolVersion,
        header: &PublishHeader<'_>,
    ) -> usize {
        let _ = (version, header);
        0
    }

    /// Appends the PUBLISH for one receiver, with the expiry that remains at `now`.
    ///
    /// # Errors
    /// `PacketTooLarge` above 256 MiB, `FieldTooLong` for a string above 65,535 bytes; `out` is unchanged.
    pub fn encode_publish(
        &self,
        out: &mut BytesMut,
        version: ProtocolVersion,
        header: &PublishHeader<'_>,
        now: Instant,
    ) -> Result<(), EncodeError> {
        let _ = (out, version, header, now);
        Ok(())
    }
}

/// Takes out what belongs to one hop; drops the box if nothing remains.
fn routed_properties(
    properties: Option<Box<PublishProperties>>,
    now: Instant,
) -> (Option<Box<PublishProperties>>, Option<Instant>) {
    let Some(mut properties) = properties else {
        return (None, None);
    };
    properties.topic_alias = None;
    properties.subscription_identifiers.clear();
    // 136 years at most, which every clock can add.
    let expires_at = properties
        .message_expiry_interval_s
        .take()
        .and_then(|s| now.checked_add(Duration::from_secs(s.into())));
    let properties = (*properties != PublishProperties::default()).then_some(properties);
    (properties, expires_at)
}
