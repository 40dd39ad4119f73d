//! The Application Message as it is routed, and its PUBLISH for one receiver.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::packet::PacketType;
use crate::packet::connect::Will;
use crate::packet::publish::{self, Publish, PublishProperties};
use crate::primitive::{Measure, Sink, VariableByteInteger};
use crate::property::{self, Identifier, PropertyId};
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

    /// Bytes that [`Message::encode_publish`] appends: compare them with the receiver's
    /// Maximum Packet Size first.
    #[must_use]
    pub fn encoded_publish_len(
        &self,
        version: ProtocolVersion,
        header: &PublishHeader<'_>,
    ) -> usize {
        let remaining_length = self.layout(version, header).remaining_length;
        1 + VariableByteInteger::len_of(remaining_length as u32) + remaining_length
    }

    /// Appends the PUBLISH for one receiver, with the expiry that remains at `now`.
    ///
    /// # Errors
    /// `PacketTooLarge` if it is above what MQTT can say, `FieldTooLong` if a property is above
    /// 65,535 bytes; `out` is unchanged.
    pub fn encode_publish(
        &self,
        out: &mut BytesMut,
        version: ProtocolVersion,
        header: &PublishHeader<'_>,
        now: Instant,
    ) -> Result<(), EncodeError> {
        let layout = self.layout(version, header);
        if layout.remaining_length > VariableByteInteger::MAX as usize {
            return Err(EncodeError::PacketTooLarge);
        }
        if layout.has_long_field {
            return Err(EncodeError::FieldTooLong);
        }
        out.reserve(MAX_FIXED_HEADER + layout.remaining_length);

        out.put_u8(
            (PacketType::Publish as u8) << 4
                | publish::flags(header.dup, header.qos, header.retain),
        );
        out.put_variable_byte_integer(layout.remaining_length as u32);
        out.put_string(header.topic(&self.topic));
        if header.qos != QoS::AtMostOnce {
            out.put_u16(header.packet_id.map_or(0, PacketId::get));
        }
        if version == ProtocolVersion::V5 {
            out.put_variable_byte_integer(layout.properties_len as u32);
            if layout.properties_len > 0 {
                self.put_properties(out, header, now);
            }
        }
        out.put(&self.payload);
        Ok(())
    }

    fn layout(&self, version: ProtocolVersion, header: &PublishHeader<'_>) -> Layout {
        let packet_id_len = if header.qos == QoS::AtMostOnce { 0 } else { 2 };
        let mut layout = Layout {
            remaining_length: 2
                + header.topic(&self.topic).len()
                + packet_id_len
                + self.payload.len(),
            ..Layout::default()
        };
        if version == ProtocolVersion::V5 {
            if self.has_properties(header) {
                let mut measure = Measure::default();
                // Only the value of the expiry depends on the time, never its length.
                self.put_properties_with(&mut measure, header, self.expires_at.map(|_| 0));
                layout.properties_len = measure.len();
                layout.has_long_field = measure.finish() == Err(EncodeError::FieldTooLong);
            }
            layout.remaining_length +=
                VariableByteInteger::len_of(layout.properties_len as u32) + layout.properties_len;
        }
        layout
    }

    fn has_properties(&self, header: &PublishHeader<'_>) -> bool {
        self.properties.is_some()
            || self.expires_at.is_some()
            || header.topic_alias.is_some()
            || !header.subscription_identifiers.is_empty()
    }

    fn put_properties(&self, out: &mut BytesMut, header: &PublishHeader<'_>, now: Instant) {
        self.put_properties_with(
            out,
            header,
            self.expires_at.map(|end| remaining_s(end, now)),
        );
    }

    fn put_properties_with<S: Sink>(
        &self,
        out: &mut S,
        header: &PublishHeader<'_>,
        expiry_s: Option<u32>,
    ) {
        let alias = header.topic_alias.map(AliasUse::alias);
        property::put(out, PropertyId::TopicAlias, alias.as_ref());
        property::put(out, PropertyId::MessageExpiryInterval, expiry_s.as_ref());
        for identifier in header.subscription_identifiers {
            property::put(
                out,
                PropertyId::SubscriptionIdentifier,
                Some(&Identifier(*identifier)),
            );
        }
        if let Some(properties) = &self.properties {
            properties.put_routed(out);
        }
    }
}

/// The lengths a PUBLISH announces.
#[derive(Debug, Default)]
struct Layout {
    properties_len: usize,
    remaining_length: usize,
    has_long_field: bool,
}

impl PublishHeader<'_> {
    /// What stands in the place of the topic.
    fn topic<'t>(&self, topic: &'t TopicName) -> &'t str {
        match self.topic_alias {
            Some(AliasUse::Recall(_)) => "",
            _ => topic,
        }
    }
}

impl AliasUse {
    /// The alias itself.
    #[must_use]
    pub const fn alias(self) -> NonZeroU16 {
        match self {
            AliasUse::Define(alias) | AliasUse::Recall(alias) => alias,
        }
    }
}

/// The received interval minus the whole seconds waited \[MQTT-3.3.2-6\].
fn remaining_s(end: Instant, now: Instant) -> u32 {
    let remaining = end.saturating_duration_since(now);
    let seconds = remaining.as_secs() + u64::from(remaining.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
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

/// One byte of type and flags, four of length at most.
const MAX_FIXED_HEADER: usize = 5;
