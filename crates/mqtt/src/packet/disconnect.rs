//! DISCONNECT: the last packet of a Network Connection (3.14).

use bytestring::ByteString;

use crate::codec::Receiver;
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, ProtocolVersion, ReasonCode, UserProperties};

/// Says goodbye, in 5.0 also why. In 3.1.1 only a client sends it, without a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// [`ReasonCode::Success`] is a normal disconnection: the Will is forgotten.
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: Option<Box<DisconnectProperties>>,
}

/// Properties of DISCONNECT (3.14.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DisconnectProperties {
    /// A client changes its mind; never sent by a server.
    pub session_expiry_interval_s: Option<u32>,
    /// For people and logs.
    pub reason_string: Option<ByteString>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Another server to use; never sent by a client.
    pub server_reference: Option<ByteString>,
}

impl Disconnect {
    /// A DISCONNECT without properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Disconnect {
        Disconnect {
            reason,
            properties: None,
        }
    }
}

impl Disconnect {
    pub(crate) fn decode(
        mut fields: Fields,
        version: ProtocolVersion,
        receiver: Receiver,
    ) -> Result<Disconnect, DecodeError> {
        let mut disconnect = Disconnect::new(ReasonCode::Success);
        if version == ProtocolVersion::V5 && !fields.is_empty() {
            disconnect.reason = reason_of(fields.u8()?, receiver)?;
            if !fields.is_empty() {
                disconnect.properties = DisconnectProperties::decode(&mut fields, receiver)?;
            }
        }
        fields.end()?;
        Ok(disconnect)
    }

    pub(crate) fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
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

impl DisconnectProperties {
    fn decode(
        fields: &mut Fields,
        receiver: Receiver,
    ) -> Result<Option<Box<DisconnectProperties>>, DecodeError> {
        let mut received = Properties::open(fields, Carrier::Disconnect)?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut properties = Box::<DisconnectProperties>::default();
        while let Some(property) = received.next()? {
            match (property, receiver) {
                // A server never sends it [MQTT-3.14.2-2].
                (Property::SessionExpiryInterval(interval), Receiver::Server) => {
                    properties.session_expiry_interval_s = Some(interval);
                }
                (Property::ServerReference(server), Receiver::Client) => {
                    properties.server_reference = Some(server);
                }
                (Property::SessionExpiryInterval(_) | Property::ServerReference(_), _) => {
                    return Err(DecodeError::PropertyFromWrongSide);
                }
                (Property::ReasonString(text), _) => properties.reason_string = Some(text),
                (Property::UserProperty(pair), _) => properties.user_properties.push(pair),
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        Ok(Some(properties))
    }
}

impl PropertySet for DisconnectProperties {
    fn put<S: Sink>(&self, out: &mut S) {
        property::put(
            out,
            PropertyId::SessionExpiryInterval,
            self.session_expiry_interval_s.as_ref(),
        );
        property::put(out, PropertyId::ReasonString, self.reason_string.as_ref());
        property::put_user_properties(out, &self.user_properties);
        property::put(
            out,
            PropertyId::ServerReference,
            self.server_reference.as_ref(),
        );
    }
}

/// Table 3-10, which says for each value who may send it.
fn reason_of(value: u8, receiver: Receiver) -> Result<ReasonCode, DecodeError> {
    use ReasonCode::*;
    ReasonCode::from_u8(value)
        .filter(|reason| match reason {
            Success
            | UnspecifiedError
            | MalformedPacket
            | ProtocolError
            | ImplementationSpecificError
            | TopicNameInvalid
            | ReceiveMaximumExceeded
            | TopicAliasInvalid
            | PacketTooLarge
            | MessageRateTooHigh
            | QuotaExceeded
            | AdministrativeAction
            | PayloadFormatInvalid => true,
            DisconnectWithWill => receiver == Receiver::Server,
            NotAuthorized
            | ServerBusy
            | ServerShuttingDown
            | BadAuthenticationMethod
            | KeepAliveTimeout
            | SessionTakenOver
            | TopicFilterInvalid
            | RetainNotSupported
            | QoSNotSupported
            | UseAnotherServer
            | ServerMoved
            | SharedSubscriptionsNotSupported
            | ConnectionRateExceeded
            | MaximumConnectTime
            | SubscriptionIdentifiersNotSupported
            | WildcardSubscriptionsNotSupported => receiver == Receiver::Client,
            _ => false,
        })
        .ok_or(DecodeError::ReasonCodeNotAllowed)
}
