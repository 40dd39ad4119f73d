//! UNSUBSCRIBE and UNSUBACK (3.10, 3.11).

use crate::packet::ack::ReasonProperties;
use crate::packet::subscribe::{self, UserPropertiesOnly};
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Properties, Property};
use crate::{DecodeError, PacketId, ProtocolVersion, ReasonCode, TopicFilter, UserProperties};

/// Ends subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Answered by the UNSUBACK that carries the same one.
    pub packet_id: PacketId,
    /// At least one; compared character by character with the subscriptions.
    pub filters: Vec<TopicFilter>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

/// Answers an UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubAck {
    /// Of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One per filter, in its order; empty when received in 3.1.1, which does not send them.
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only.
    pub properties: Option<Box<ReasonProperties>>,
}

impl Unsubscribe {
    pub(crate) fn decode(
        mut fields: Fields,
        version: ProtocolVersion,
    ) -> Result<Unsubscribe, DecodeError> {
        let packet_id = fields.packet_id()?;
        let mut user_properties = UserProperties::new();
        if version == ProtocolVersion::V5 {
            let mut received = Properties::open(&mut fields, Carrier::Unsubscribe)?;
            while let Some(property) = received.next()? {
                match property {
                    Property::UserProperty(pair) => user_properties.push(pair),
                    _ => return Err(DecodeError::PropertyNotAllowed),
                }
            }
        }
        if fields.is_empty() {
            return Err(DecodeError::NothingAsked);
        }
        let mut filters = Vec::new();
        while !fields.is_empty() {
            filters.push(subscribe::filter(&mut fields)?);
        }
        Ok(Unsubscribe {
            packet_id,
            filters,
            user_properties,
        })
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_u16(self.packet_id.get());
        if version == ProtocolVersion::V5 {
            property::put_section(out, &UserPropertiesOnly(&self.user_properties));
        }
        for filter in &self.filters {
            out.put_string(filter);
        }
    }
}

impl UnsubAck {
    pub(crate) fn decode(
        mut fields: Fields,
        version: ProtocolVersion,
    ) -> Result<UnsubAck, DecodeError> {
        let mut unsuback = UnsubAck {
            packet_id: fields.packet_id()?,
            reasons: Vec::new(),
            properties: None,
        };
        if version == ProtocolVersion::V5 {
            unsuback.properties = ReasonProperties::decode(&mut fields, Carrier::UnsubAck)?;
            unsuback.reasons = subscribe::reasons(fields, may_answer)?;
        } else {
            fields.end()?;
        }
        Ok(unsuback)
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_u16(self.packet_id.get());
        if version == ProtocolVersion::V5 {
            ReasonProperties::encode(self.properties.as_deref(), out);
            for reason in &self.reasons {
                out.put_u8(*reason as u8);
            }
        }
    }
}

/// Table 3-9.
const fn may_answer(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success
            | NoSubscriptionExisted
            | UnspecifiedError
            | ImplementationSpecificError
            | NotAuthorized
            | TopicFilterInvalid
            | PacketIdentifierInUse
    )
}
