//! SUBSCRIBE, SUBACK, and the options of a subscription (3.8, 3.9).

use crate::packet::ack::ReasonProperties;
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Identifier, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, PacketId, ProtocolVersion, QoS, ReasonCode, TopicFilter, UserProperties};

/// Asks for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Answered by the SUBACK that carries the same one.
    pub packet_id: PacketId,
    /// At least one.
    pub filters: Vec<(TopicFilter, SubscriptionOptions)>,
    /// 1 to 268,435,455; 5.0 only.
    pub subscription_identifier: Option<u32>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

/// Subscription Options (3.8.3.1). 3.1.1 has only the QoS; the default of the others is its behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SubscriptionOptions {
    /// The highest QoS the server may use towards the subscriber.
    pub maximum_qos: QoS,
    /// Do not send back what this client published.
    pub no_local: bool,
    /// Keep the RETAIN flag as the publisher set it.
    pub retain_as_published: bool,
    /// Which retained messages to send at the subscription.
    pub retain_handling: RetainHandling,
}

/// Whether retained messages are sent when a subscription is made (3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    SendAtSubscribe = 0,
    /// Only if the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// Answers a SUBSCRIBE, one Reason Code per filter, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubAck {
    /// Of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Granted QoS or refusal; in 3.1.1 every refusal is written as 0x80.
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only.
    pub properties: Option<Box<ReasonProperties>>,
}

impl From<QoS> for SubscriptionOptions {
    /// What 3.1.1 can say.
    fn from(maximum_qos: QoS) -> SubscriptionOptions {
        SubscriptionOptions {
            maximum_qos,
            ..SubscriptionOptions::default()
        }
    }
}

impl Subscribe {
    pub(crate) fn decode(
        mut fields: Fields,
        version: ProtocolVersion,
    ) -> Result<Subscribe, DecodeError> {
        let mut subscribe = Subscribe {
            packet_id: fields.packet_id()?,
            filters: Vec::new(),
            subscription_identifier: None,
            user_properties: UserProperties::new(),
        };
        if version == ProtocolVersion::V5 {
            let mut received = Properties::open(&mut fields, Carrier::Subscribe)?;
            while let Some(property) = received.next()? {
                match property {
                    Property::SubscriptionIdentifier(Identifier(id)) => {
                        subscribe.subscription_identifier = Some(id);
                    }
                    Property::UserProperty(pair) => subscribe.user_properties.push(pair),
                    _ => return Err(DecodeError::PropertyNotAllowed),
                }
            }
        }
        if fields.is_empty() {
            return Err(DecodeError::NothingAsked);
        }
        while !fields.is_empty() {
            let filter = filter(&mut fields)?;
            let options = SubscriptionOptions::from_bits(fields.u8()?, version)?;
            if options.no_local && filter.share().is_some() {
                return Err(DecodeError::NoLocalOnShared);
            }
            subscribe.filters.push((filter, options));
        }
        Ok(subscribe)
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_u16(self.packet_id.get());
        if version == ProtocolVersion::V5 {
            property::put_section(out, self);
        }
        for (filter, options) in &self.filters {
            out.put_string(filter);
            out.put_u8(options.to_bits(version));
        }
    }
}

impl PropertySet for Subscribe {
    fn put<S: Sink>(&self, out: &mut S) {
        let identifier = self.subscription_identifier.map(Identifier);
        property::put(out, PropertyId::SubscriptionIdentifier, identifier.as_ref());
        property::put_user_properties(out, &self.user_properties);
    }
}

impl SubscriptionOptions {
    fn from_bits(bits: u8, version: ProtocolVersion) -> Result<SubscriptionOptions, DecodeError> {
        let reserved = match version {
            ProtocolVersion::V3_1_1 => 0b1111_1100,
            ProtocolVersion::V5 => 0b1100_0000,
        };
        if bits & reserved != 0 {
            return Err(DecodeError::ReservedBits);
        }
        Ok(SubscriptionOptions {
            maximum_qos: QoS::from_bits(bits & 0b11).ok_or(DecodeError::SubscriptionOption)?,
            no_local: bits & 0b100 != 0,
            retain_as_published: bits & 0b1000 != 0,
            retain_handling: match bits >> 4 {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeError::SubscriptionOption),
            },
        })
    }

    const fn to_bits(self, version: ProtocolVersion) -> u8 {
        match version {
            ProtocolVersion::V3_1_1 => self.maximum_qos as u8,
            ProtocolVersion::V5 => {
                self.maximum_qos as u8
                    | (self.no_local as u8) << 2
                    | (self.retain_as_published as u8) << 3
                    | (self.retain_handling as u8) << 4
            }
        }
    }
}

impl SubAck {
    pub(crate) fn decode(
        mut fields: Fields,
        version: ProtocolVersion,
    ) -> Result<SubAck, DecodeError> {
        let packet_id = fields.packet_id()?;
        let (properties, reasons) = match version {
            ProtocolVersion::V3_1_1 => (None, reasons(fields, may_answer_in_3_1_1)?),
            ProtocolVersion::V5 => (
                ReasonProperties::decode(&mut fields, Carrier::SubAck)?,
                reasons(fields, may_answer)?,
            ),
        };
        Ok(SubAck {
            packet_id,
            reasons,
            properties,
        })
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_u16(self.packet_id.get());
        if version == ProtocolVersion::V5 {
            ReasonProperties::encode(self.properties.as_deref(), out);
        }
        for reason in &self.reasons {
            match version {
                // 3.1.1 has one failure [MQTT-3.9.3-2].
                ProtocolVersion::V3_1_1 if reason.is_error() => {
                    out.put_u8(ReasonCode::UnspecifiedError as u8);
                }
                _ => out.put_u8(*reason as u8),
            }
        }
    }
}

/// The next Topic Filter of a SUBSCRIBE or UNSUBSCRIBE.
pub(crate) fn filter(fields: &mut Fields) -> Result<TopicFilter, DecodeError> {
    TopicFilter::try_from(fields.string()?).map_err(|_| DecodeError::TopicFilter)
}

/// The Reason Codes of a SUBACK or UNSUBACK: one at least, because one filter at least was asked for.
pub(crate) fn reasons(
    fields: Fields,
    may_answer: fn(ReasonCode) -> bool,
) -> Result<Vec<ReasonCode>, DecodeError> {
    if fields.is_empty() {
        return Err(DecodeError::Truncated);
    }
    let reason = |value: &u8| ReasonCode::from_u8(*value).filter(|reason| may_answer(*reason));
    let reasons: Option<Vec<ReasonCode>> = fields.rest().iter().map(reason).collect();
    reasons.ok_or(DecodeError::ReasonCodeNotAllowed)
}

/// The properties of a packet that can carry nothing but User Properties.
pub(crate) struct UserPropertiesOnly<'a>(pub(crate) &'a UserProperties);

impl PropertySet for UserPropertiesOnly<'_> {
    fn put<S: Sink>(&self, out: &mut S) {
        property::put_user_properties(out, self.0);
    }
}

/// Table 3-8.
const fn may_answer(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success
            | GrantedQoS1
            | GrantedQoS2
            | UnspecifiedError
            | ImplementationSpecificError
            | NotAuthorized
            | TopicFilterInvalid
            | PacketIdentifierInUse
            | QuotaExceeded
            | SharedSubscriptionsNotSupported
            | SubscriptionIdentifiersNotSupported
            | WildcardSubscriptionsNotSupported
    )
}

const fn may_answer_in_3_1_1(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success | GrantedQoS1 | GrantedQoS2 | UnspecifiedError
    )
}
