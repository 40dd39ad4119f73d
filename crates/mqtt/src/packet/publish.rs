//! PUBLISH: an Application Message on its way (3.3).

use std::num::NonZeroU16;

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

use crate::codec::Receiver;
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Identifier, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, PacketId, ProtocolVersion, QoS, TopicName, UserProperties};

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

impl Publish {
    pub(crate) fn decode(
        flags: u8,
        mut fields: Fields,
        version: ProtocolVersion,
        receiver: Receiver,
    ) -> Result<Publish, DecodeError> {
        let qos = QoS::from_bits(flags >> 1 & 0b11).ok_or(DecodeError::QoS3)?;
        let dup = flags & DUP != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::DupWithQoS0);
        }
        let topic = fields.string()?;
        if topic
            .as_bytes()
            .iter()
            .any(|byte| matches!(byte, b'+' | b'#'))
        {
            return Err(DecodeError::TopicName);
        }
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            _ => Some(fields.packet_id()?),
        };
        let properties = match version {
            ProtocolVersion::V3_1_1 => None,
            ProtocolVersion::V5 => PublishProperties::decode(&mut fields, receiver)?,
        };
        if topic.is_empty() {
            match version {
                ProtocolVersion::V3_1_1 => return Err(DecodeError::TopicName),
                ProtocolVersion::V5
                    if properties.as_ref().is_none_or(|p| p.topic_alias.is_none()) =>
                {
                    return Err(DecodeError::TopicMissing);
                }
                ProtocolVersion::V5 => {}
            }
        }
        let retain = flags & RETAIN != 0;
        Ok(Publish {
            dup,
            qos,
            retain,
            topic,
            packet_id,
            payload: fields.rest(),
            properties,
        })
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_string(&self.topic);
        if self.qos != QoS::AtMostOnce {
            out.put_u16(self.packet_id.map_or(0, PacketId::get));
        }
        if version == ProtocolVersion::V5 {
            match &self.properties {
                Some(properties) => property::put_section(out, &**properties),
                None => out.put_u8(0),
            }
        }
        out.put(&self.payload);
    }

    pub(crate) fn flags(&self) -> u8 {
        flags(self.dup, self.qos, self.retain)
    }
}

/// The lower half of the first byte (3.3.1).
pub(crate) fn flags(dup: bool, qos: QoS, retain: bool) -> u8 {
    let dup = if dup { DUP } else { 0 };
    let retain = if retain { RETAIN } else { 0 };
    dup | (qos as u8) << 1 | retain
}

impl PublishProperties {
    fn decode(
        fields: &mut Fields,
        receiver: Receiver,
    ) -> Result<Option<Box<PublishProperties>>, DecodeError> {
        let mut received = Properties::open(fields, Carrier::Publish)?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut properties = Box::<PublishProperties>::default();
        while let Some(property) = received.next()? {
            properties.set(property)?;
        }
        if receiver == Receiver::Server && !properties.subscription_identifiers.is_empty() {
            return Err(DecodeError::PropertyFromWrongSide); // [MQTT-3.3.4-6]
        }
        Ok(Some(properties))
    }

    /// Takes one received property in.
    pub(crate) fn set(&mut self, property: Property) -> Result<(), DecodeError> {
        match property {
            Property::PayloadFormatIndicator(v) => self.payload_format_is_utf8 = Some(v),
            Property::MessageExpiryInterval(v) => self.message_expiry_interval_s = Some(v),
            Property::TopicAlias(v) => {
                self.topic_alias = Some(NonZeroU16::new(v).ok_or(DecodeError::TopicAliasZero)?);
            }
            Property::ResponseTopic(topic) => {
                // It will be the Topic Name of the answer [MQTT-3.3.2-14].
                let topic = TopicName::try_from(topic).map_err(|_| DecodeError::TopicName)?;
                self.response_topic = Some(topic.into());
            }
            Property::CorrelationData(v) => self.correlation_data = Some(v),
            Property::UserProperty(pair) => self.user_properties.push(pair),
            Property::SubscriptionIdentifier(Identifier(id)) => {
                self.subscription_identifiers.push(id);
            }
            Property::ContentType(v) => self.content_type = Some(v),
            _ => return Err(DecodeError::PropertyNotAllowed),
        }
        Ok(())
    }

    /// Writes those that travel unchanged from publisher to subscriber.
    pub(crate) fn put_routed<S: Sink>(&self, out: &mut S) {
        property::put(
            out,
            PropertyId::PayloadFormatIndicator,
            self.payload_format_is_utf8.as_ref(),
        );
        property::put(out, PropertyId::ContentType, self.content_type.as_ref());
        property::put(out, PropertyId::ResponseTopic, self.response_topic.as_ref());
        property::put(
            out,
            PropertyId::CorrelationData,
            self.correlation_data.as_ref(),
        );
        property::put_user_properties(out, &self.user_properties);
    }
}

impl PropertySet for PublishProperties {
    fn put<S: Sink>(&self, out: &mut S) {
        property::put(out, PropertyId::TopicAlias, self.topic_alias.as_ref());
        property::put(
            out,
            PropertyId::MessageExpiryInterval,
            self.message_expiry_interval_s.as_ref(),
        );
        for identifier in &self.subscription_identifiers {
            property::put(
                out,
                PropertyId::SubscriptionIdentifier,
                Some(&Identifier(*identifier)),
            );
        }
        self.put_routed(out);
    }
}

const RETAIN: u8 = 0b0001;
const DUP: u8 = 0b1000;
