//! CONNACK: the server's answer to CONNECT (3.2).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, MaximumQoS, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, ProtocolVersion, QoS, ReasonCode, UserProperties};

/// Accepts or refuses a client, and tells what the server grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
    /// The server kept a session for this client; only with [`ReasonCode::Success`].
    pub session_present: bool,
    /// In 3.1.1 written as the nearest Connect Return code.
    pub reason: ReasonCode,
    /// 5.0 only; default in 3.1.1.
    pub properties: ConnAckProperties,
}

/// Properties of CONNACK (3.2.2.3). An absent one has the meaning named at its field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnAckProperties {
    /// Absent: as the client asked.
    pub session_expiry_interval_s: Option<u32>,
    /// QoS 1 and 2 exchanges the server handles at once; absent means 65,535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Highest QoS the server takes; only 0 or 1 may be sent, absent means 2.
    pub maximum_qos: Option<QoS>,
    /// Absent means yes.
    pub retain_available: Option<bool>,
    /// Bytes of the largest packet the server accepts.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The identifier the server chose for a client that sent none.
    pub assigned_client_identifier: Option<ByteString>,
    /// Highest Topic Alias the server accepts; absent means 0, none.
    pub topic_alias_maximum: Option<u16>,
    /// For people and logs.
    pub reason_string: Option<ByteString>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Absent means yes.
    pub wildcard_subscription_available: Option<bool>,
    /// Absent means yes.
    pub subscription_identifiers_available: Option<bool>,
    /// Absent means yes.
    pub shared_subscription_available: Option<bool>,
    /// Replaces the keep alive of the client.
    pub server_keep_alive_s: Option<u16>,
    /// Basis for Response Topics.
    pub response_information: Option<ByteString>,
    /// Another server to use.
    pub server_reference: Option<ByteString>,
    /// Enhanced authentication.
    pub authentication_method: Option<ByteString>,
    /// Enhanced authentication.
    pub authentication_data: Option<Bytes>,
}

impl ConnAck {
    /// An answer with this reason, no session, no properties.
    #[must_use]
    pub fn new(reason: ReasonCode) -> ConnAck {
        ConnAck {
            session_present: false,
            reason,
            properties: ConnAckProperties::default(),
        }
    }
}

impl ConnAck {
    pub(crate) fn decode(
        mut fields: Fields,
        version: ProtocolVersion,
    ) -> Result<ConnAck, DecodeError> {
        let flags = fields.u8()?;
        if flags & !SESSION_PRESENT != 0 {
            return Err(DecodeError::ReservedBits);
        }
        let reason = match version {
            ProtocolVersion::V3_1_1 => ReasonCode::from_connect_return_code(fields.u8()?),
            ProtocolVersion::V5 => {
                ReasonCode::from_u8(fields.u8()?).filter(|reason| may_answer(*reason))
            }
        };
        let mut connack = ConnAck::new(reason.ok_or(DecodeError::ReasonCodeNotAllowed)?);
        connack.session_present = flags == SESSION_PRESENT;
        if connack.session_present && connack.reason != ReasonCode::Success {
            return Err(DecodeError::SessionPresentOnRefusal);
        }
        if version == ProtocolVersion::V5 {
            connack.properties = ConnAckProperties::decode(&mut fields)?;
        }
        fields.end()?;
        Ok(connack)
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        out.put_u8(if self.session_present {
            SESSION_PRESENT
        } else {
            0
        });
        match version {
            ProtocolVersion::V3_1_1 => out.put_u8(self.reason.to_connect_return_code()),
            ProtocolVersion::V5 => {
                out.put_u8(self.reason as u8);
                property::put_section(out, &self.properties);
            }
        }
    }
}

impl ConnAckProperties {
    fn decode(fields: &mut Fields) -> Result<ConnAckProperties, DecodeError> {
        let mut received = Properties::open(fields, Carrier::ConnAck)?;
        let mut p = ConnAckProperties::default();
        while let Some(property) = received.next()? {
            match property {
                Property::SessionExpiryInterval(v) => p.session_expiry_interval_s = Some(v),
                Property::ReceiveMaximum(v) => p.receive_maximum = Some(v),
                Property::MaximumQoS(MaximumQoS(v)) => p.maximum_qos = Some(v),
                Property::RetainAvailable(v) => p.retain_available = Some(v),
                Property::MaximumPacketSize(v) => p.maximum_packet_size = Some(v),
                Property::AssignedClientIdentifier(v) => p.assigned_client_identifier = Some(v),
                Property::TopicAliasMaximum(v) => p.topic_alias_maximum = Some(v),
                Property::ReasonString(v) => p.reason_string = Some(v),
                Property::UserProperty(pair) => p.user_properties.push(pair),
                Property::WildcardSubscriptionAvailable(v) => {
                    p.wildcard_subscription_available = Some(v);
                }
                Property::SubscriptionIdentifierAvailable(v) => {
                    p.subscription_identifiers_available = Some(v);
                }
                Property::SharedSubscriptionAvailable(v) => {
                    p.shared_subscription_available = Some(v);
                }
                Property::ServerKeepAlive(v) => p.server_keep_alive_s = Some(v),
                Property::ResponseInformation(v) => p.response_information = Some(v),
                Property::ServerReference(v) => p.server_reference = Some(v),
                Property::AuthenticationMethod(v) => p.authentication_method = Some(v),
                Property::AuthenticationData(v) => p.authentication_data = Some(v),
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        if p.authentication_data.is_some() && p.authentication_method.is_none() {
            return Err(DecodeError::AuthenticationMethodMissing);
        }
        Ok(p)
    }
}

impl PropertySet for ConnAckProperties {
    fn put<S: Sink>(&self, out: &mut S) {
        // 2 is said by leaving it out (3.2.2.3.4).
        let maximum_qos = self
            .maximum_qos
            .filter(|qos| *qos < QoS::ExactlyOnce)
            .map(MaximumQoS);
        property::put(
            out,
            PropertyId::SessionExpiryInterval,
            self.session_expiry_interval_s.as_ref(),
        );
        property::put(
            out,
            PropertyId::ReceiveMaximum,
            self.receive_maximum.as_ref(),
        );
        property::put(out, PropertyId::MaximumQoS, maximum_qos.as_ref());
        property::put(
            out,
            PropertyId::RetainAvailable,
            self.retain_available.as_ref(),
        );
        property::put(
            out,
            PropertyId::MaximumPacketSize,
            self.maximum_packet_size.as_ref(),
        );
        property::put(
            out,
            PropertyId::AssignedClientIdentifier,
            self.assigned_client_identifier.as_ref(),
        );
        property::put(
            out,
            PropertyId::TopicAliasMaximum,
            self.topic_alias_maximum.as_ref(),
        );
        property::put(out, PropertyId::ReasonString, self.reason_string.as_ref());
        property::put_user_properties(out, &self.user_properties);
        property::put(
            out,
            PropertyId::WildcardSubscriptionAvailable,
            self.wildcard_subscription_available.as_ref(),
        );
        property::put(
            out,
            PropertyId::SubscriptionIdentifierAvailable,
            self.subscription_identifiers_available.as_ref(),
        );
        property::put(
            out,
            PropertyId::SharedSubscriptionAvailable,
            self.shared_subscription_available.as_ref(),
        );
        property::put(
            out,
            PropertyId::ServerKeepAlive,
            self.server_keep_alive_s.as_ref(),
        );
        property::put(
            out,
            PropertyId::ResponseInformation,
            self.response_information.as_ref(),
        );
        property::put(
            out,
            PropertyId::ServerReference,
            self.server_reference.as_ref(),
        );
        property::put(
            out,
            PropertyId::AuthenticationMethod,
            self.authentication_method.as_ref(),
        );
        property::put(
            out,
            PropertyId::AuthenticationData,
            self.authentication_data.as_ref(),
        );
    }
}

/// Table 3-1.
const fn may_answer(reason: ReasonCode) -> bool {
    use ReasonCode::*;
    matches!(
        reason,
        Success
            | UnspecifiedError
            | MalformedPacket
            | ProtocolError
            | ImplementationSpecificError
            | UnsupportedProtocolVersion
            | ClientIdentifierNotValid
            | BadUserNameOrPassword
            | NotAuthorized
            | ServerUnavailable
            | ServerBusy
            | Banned
            | BadAuthenticationMethod
            | TopicNameInvalid
            | PacketTooLarge
            | QuotaExceeded
            | PayloadFormatInvalid
            | RetainNotSupported
            | QoSNotSupported
            | UseAnotherServer
            | ServerMoved
            | ConnectionRateExceeded
    )
}

const SESSION_PRESENT: u8 = 1;
