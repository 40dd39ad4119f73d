//! PUBACK, PUBREC, PUBREL, PUBCOMP: one shape, four names (3.4 to 3.7).

use bytestring::ByteString;

use crate::packet::PacketType;
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, PacketId, ProtocolVersion, ReasonCode, UserProperties};

/// One of the four answers in a QoS 1 or QoS 2 exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Of the PUBLISH it speaks about.
    pub packet_id: PacketId,
    /// Always [`ReasonCode::Success`] in 3.1.1.
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: Option<Box<ReasonProperties>>,
}

/// The two properties that explain a Reason Code to people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReasonProperties {
    /// Reason String; not for machines.
    pub reason_string: Option<ByteString>,
    /// User Properties.
    pub user_properties: UserProperties,
}

impl Ack {
    /// An answer without properties.
    #[must_use]
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Ack {
        Ack {
            packet_id,
            reason,
            properties: None,
        }
    }
}

impl Ack {
    pub(crate) fn decode(
        kind: PacketType,
        mut fields: Fields,
        version: ProtocolVersion,
    ) -> Result<Ack, DecodeError> {
        let mut ack = Ack::new(fields.packet_id()?, ReasonCode::Success);
        if version == ProtocolVersion::V5 && !fields.is_empty() {
            ack.reason = reason_of(kind, fields.u8()?)?;
            // Without a Property Length there are no properties (3.4.2.2.1).
            if !fields.is_empty() {
                ack.properties = ReasonProperties::decode(&mut fields, Carrier::Ack)?;
            }
        }
        fields.end()?;
        Ok(ack)
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_u16(self.packet_id.get());
        if version == ProtocolVersion::V3_1_1 {
            return;
        }
        match &self.properties {
            Some(properties) => {
                out.put_u8(self.reason as u8);
                property::put_section(out, &**properties);
            }
            None if self.reason == ReasonCode::Success => {}
            None => out.put_u8(self.reason as u8),
        }
    }
}

impl ReasonProperties {
    pub(crate) fn decode(
        fields: &mut Fields,
        carrier: Carrier,
    ) -> Result<Option<Box<ReasonProperties>>, DecodeError> {
        let mut received = Properties::open(fields, carrier)?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut properties = Box::<ReasonProperties>::default();
        while let Some(property) = received.next()? {
            match property {
                Property::ReasonString(text) => properties.reason_string = Some(text),
                Property::UserProperty(pair) => properties.user_properties.push(pair),
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        Ok(Some(properties))
    }

    /// The section of these properties, also when there are none.
    pub(crate) fn encode<S: Sink>(properties: Option<&ReasonProperties>, out: &mut S) {
        match properties {
            Some(properties) => property::put_section(out, properties),
            None => out.put_u8(0),
        }
    }
}

impl PropertySet for ReasonProperties {
    fn put<S: Sink>(&self, out: &mut S) {
        property::put(out, PropertyId::ReasonString, self.reason_string.as_ref());
        property::put_user_properties(out, &self.user_properties);
    }
}

fn reason_of(kind: PacketType, value: u8) -> Result<ReasonCode, DecodeError> {
    use ReasonCode::*;
    ReasonCode::from_u8(value)
        .filter(|reason| match kind {
            PacketType::PubAck | PacketType::PubRec => matches!(
                reason,
                Success
                    | NoMatchingSubscribers
                    | UnspecifiedError
                    | ImplementationSpecificError
                    | NotAuthorized
                    | TopicNameInvalid
                    | PacketIdentifierInUse
                    | QuotaExceeded
                    | PayloadFormatInvalid
            ),
            _ => matches!(reason, Success | PacketIdentifierNotFound),
        })
        .ok_or(DecodeError::ReasonCodeNotAllowed)
}
