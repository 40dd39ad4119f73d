//! PUBLISH: an Application Message on its way (3.3).

use std::num::NonZeroU16;

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

use crate::{PacketId, QoS, TopicName, UserProperties};

/// A PUBLISH as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The sender may have sent it before.
    pub dup: bool,
    /// Quality of Service.
    pub qos: QoS,
    /// To be kept by the server, or delivered because it was kept.
    pub retain: bool,
    /// A valid Topic Name, or empty when a Topic Alias stands for it.
    pub topic: ByteString,
    /// Present exactly if `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// Any bytes, also none.
    pub payload: Bytes,
    /// Boxed because most messages have none; 5.0 only.
    pub properties: Option<Box<PublishProperties>>,
}

/// Properties of PUBLISH, and of the Will where they make sense there (3.3.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishProperties {
    /// Payload Format Indicator: `Some(true)` promises UTF-8.
    pub payload_format_is_utf8: Option<bool>,
    /// Seconds the message is worth delivering; 0 is legal.
    pub message_expiry_interval_s: Option<u32>,
    /// Stands for, or introduces, a topic on this Network Connection.
    pub topic_alias: Option<NonZeroU16>,
    /// Where an answer is expected.
    pub response_topic: Option<ByteString>,
    /// Belongs to the answer.
    pub correlation_data: Option<Bytes>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Of the subscriptions that matched; only from server to client.
    pub subscription_identifiers: SmallVec<[u32; 2]>,
    /// Content Type.
    pub content_type: Option<ByteString>,
}

impl Publish {
    /// The Topic Name, or nothing when a Topic Alias stands for it.
    ///
    /// Costs no second validation: `topic` holds a Topic Name by the promise of its field.
    #[must_use]
    pub fn topic_name(&self) -> Option<TopicName> {
        (!self.topic.is_empty()).then(|| TopicName::from_validated(self.topic.clone()))
    }

    /// The Topic Alias, if there is one.
    #[must_use]
    pub fn topic_alias(&self) -> Option<NonZeroU16> {
        self.properties.as_ref()?.topic_alias
    }
}

impl PublishProperties {
    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn detached(&self) -> PublishProperties {
        let text = |text: &ByteString| ByteString::from(&**text);
        PublishProperties {
            payload_format_is_utf8: self.payload_format_is_utf8,
            message_expiry_interval_s: self.message_expiry_interval_s,
            topic_alias: self.topic_alias,
            response_topic: self.response_topic.as_ref().map(text),
            correlation_data: self.correlation_data.as_deref().map(Bytes::copy_from_slice),
            user_properties: self
                .user_properties
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            subscription_identifiers: self.subscription_identifiers.clone(),
            content_type: self.content_type.as_ref().map(text),
        }
    }

    /// Bytes it occupies, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let pair = |(name, value): &(ByteString, ByteString)| {
            size_of_val(name) + size_of_val(value) + name.len() + value.len()
        };
        size_of::<PublishProperties>()
            + self.response_topic.as_deref().map_or(0, str::len)
            + self.correlation_data.as_deref().map_or(0, <[u8]>::len)
            + self.content_type.as_deref().map_or(0, str::len)
            + self.user_properties.iter().map(pair).sum::<usize>()
    }
}
