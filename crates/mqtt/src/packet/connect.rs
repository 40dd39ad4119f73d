//! CONNECT, with the Will and the credentials (3.1).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::packet::publish::PublishProperties;
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, ProtocolVersion, QoS, TopicName, UserProperties};

/// The first packet of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The version the client asks for; everything after it is spoken in that version.
    pub version: ProtocolVersion,
    /// Clean Start; in 3.1.1 this bit is called Clean Session and also ends the session at the end.
    pub clean_start: bool,
    /// Seconds between two packets of the client at most; 0 switches the check off.
    pub keep_alive_s: u16,
    /// Empty: the server chooses one.
    pub client_id: ByteString,
    /// What to publish for the client when it is lost.
    pub will: Option<Will>,
    /// User Name.
    pub username: Option<ByteString>,
    /// Password; in 3.1.1 only together with a user name.
    pub password: Option<Bytes>,
    /// 5.0 only; default in 3.1.1.
    pub properties: ConnectProperties,
}

/// Properties of CONNECT (3.1.2.11).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectProperties {
    /// Absent means 0; `u32::MAX` means the session never expires.
    pub session_expiry_interval_s: Option<u32>,
    /// QoS 1 and 2 exchanges the client handles at once; absent means 65,535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Bytes of the largest packet the client accepts.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Highest Topic Alias the client accepts; absent means 0, none.
    pub topic_alias_maximum: Option<u16>,
    /// Whether CONNACK may carry Response Information; absent means no.
    pub request_response_information: Option<bool>,
    /// Whether packets other than PUBLISH, CONNACK, DISCONNECT may carry diagnostics; absent means yes.
    pub request_problem_information: Option<bool>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Starts enhanced authentication.
    pub authentication_method: Option<ByteString>,
    /// Only with a method.
    pub authentication_data: Option<Bytes>,
}

/// The Will: a message the server publishes when the client is lost (3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Will Topic.
    pub topic: TopicName,
    /// Will Payload.
    pub payload: Bytes,
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
    /// Will Delay Interval; 0 in 3.1.1.
    pub delay_interval_s: u32,
    /// Will Properties apart from the delay; never an alias or a Subscription Identifier.
    pub properties: Option<Box<PublishProperties>>,
}

impl Connect {
    /// A clean start with a keep alive of 60 s, no Will, no credentials, no properties.
    #[must_use]
    pub fn new(version: ProtocolVersion, client_id: impl Into<ByteString>) -> Connect {
        Connect {
            version,
            clean_start: true,
            keep_alive_s: 60,
            client_id: client_id.into(),
            will: None,
            username: None,
            password: None,
            properties: ConnectProperties::default(),
        }
    }
}

/// Reads protocol name and level, the only part of MQTT that is the same in all versions.
///
/// `Err(level)` is a level we do not speak; a name other than "MQTT" counts as level 3, whose name
/// was "MQIsdp".
pub(crate) fn decode_protocol(
    fields: &mut Fields,
) -> Result<Result<ProtocolVersion, u8>, DecodeError> {
    if &*fields.binary()? != PROTOCOL_NAME.as_bytes() {
        return Ok(Err(3));
    }
    Ok(match fields.u8()? {
        4 => Ok(ProtocolVersion::V3_1_1),
        5 => Ok(ProtocolVersion::V5),
        level => Err(level),
    })
}

impl Connect {
    /// Reads what follows the protocol level.
    pub(crate) fn decode(
        version: ProtocolVersion,
        mut fields: Fields,
    ) -> Result<Connect, DecodeError> {
        let flags = Flags::from_bits(fields.u8()?, version)?;
        let keep_alive_s = fields.u16()?;
        let properties = match version {
            ProtocolVersion::V3_1_1 => ConnectProperties::default(),
            ProtocolVersion::V5 => ConnectProperties::decode(&mut fields)?,
        };
        let client_id = fields.string()?;
        let will = match flags.will {
            Some((qos, retain)) => Some(Will::decode(&mut fields, version, qos, retain)?),
            None => None,
        };
        let username = if flags.username {
            Some(fields.string()?)
        } else {
            None
        };
        let password = if flags.password {
            Some(fields.binary()?)
        } else {
            None
        };
        fields.end()?;
        Ok(Connect {
            version,
            clean_start: flags.clean_start,
            keep_alive_s,
            client_id,
            will,
            username,
            password,
            properties,
        })
    }

    /// Writes the packet in its own version.
    pub(crate) fn encode<S: Sink>(&self, out: &mut S) {
        out.put_string(PROTOCOL_NAME);
        out.put_u8(match self.version {
            ProtocolVersion::V3_1_1 => 4,
            ProtocolVersion::V5 => 5,
        });
        out.put_u8(self.flags().to_bits());
        out.put_u16(self.keep_alive_s);
        if self.version == ProtocolVersion::V5 {
            property::put_section(out, &self.properties);
        }
        out.put_string(&self.client_id);
        if let Some(will) = &self.will {
            will.encode(self.version, out);
        }
        if let Some(username) = &self.username {
            out.put_string(username);
        }
        if let Some(password) = &self.password {
            out.put_binary(password);
        }
    }

    fn flags(&self) -> Flags {
        Flags {
            clean_start: self.clean_start,
            will: self.will.as_ref().map(|will| (will.qos, will.retain)),
            username: self.username.is_some(),
            password: self.password.is_some(),
        }
    }
}

/// Connect Flags (3.1.2.3).
struct Flags {
    clean_start: bool,
    will: Option<(QoS, bool)>,
    username: bool,
    password: bool,
}

impl Flags {
    fn from_bits(bits: u8, version: ProtocolVersion) -> Result<Flags, DecodeError> {
        if bits & 0b1 != 0 {
            return Err(DecodeError::ReservedBits);
        }
        let will_qos = QoS::from_bits(bits >> 3 & 0b11).ok_or(DecodeError::QoS3)?;
        let will_retain = bits & 0b10_0000 != 0;
        let has_will = bits & 0b100 != 0;
        if !has_will && (will_qos != QoS::AtMostOnce || will_retain) {
            return Err(DecodeError::WillFlags);
        }
        let password = bits & 0b100_0000 != 0;
        let username = bits & 0b1000_0000 != 0;
        if version == ProtocolVersion::V3_1_1 && password && !username {
            return Err(DecodeError::PasswordWithoutUserName);
        }
        let will = has_will.then_some((will_qos, will_retain));
        Ok(Flags {
            clean_start: bits & 0b10 != 0,
            will,
            username,
            password,
        })
    }

    fn to_bits(&self) -> u8 {
        let will = self.will.map_or(0, |(qos, retain)| {
            0b100 | (qos as u8) << 3 | u8::from(retain) << 5
        });
        will | u8::from(self.clean_start) << 1
            | u8::from(self.password) << 6
            | u8::from(self.username) << 7
    }
}

impl ConnectProperties {
    fn decode(fields: &mut Fields) -> Result<ConnectProperties, DecodeError> {
        let mut received = Properties::open(fields, Carrier::Connect)?;
        let mut p = ConnectProperties::default();
        while let Some(property) = received.next()? {
            match property {
                Property::SessionExpiryInterval(v) => p.session_expiry_interval_s = Some(v),
                Property::ReceiveMaximum(v) => p.receive_maximum = Some(v),
                Property::MaximumPacketSize(v) => p.maximum_packet_size = Some(v),
                Property::TopicAliasMaximum(v) => p.topic_alias_maximum = Some(v),
                Property::RequestResponseInformation(v) => p.request_response_information = Some(v),
                Property::RequestProblemInformation(v) => p.request_problem_information = Some(v),
                Property::UserProperty(pair) => p.user_properties.push(pair),
                Property::AuthenticationMethod(v) => p.authentication_method = Some(v),
                Property::AuthenticationData(v) => p.authentication_data = Some(v),
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        if p.authentication_data.is_some() && p.authentication_method.is_none() {
            return Err(DecodeError::AuthenticationMethodMissing); // 3.1.2.11.10
        }
        Ok(p)
    }
}

impl PropertySet for ConnectProperties {
    fn put<S: Sink>(&self, out: &mut S) {
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
        property::put(
            out,
            PropertyId::MaximumPacketSize,
            self.maximum_packet_size.as_ref(),
        );
        property::put(
            out,
            PropertyId::TopicAliasMaximum,
            self.topic_alias_maximum.as_ref(),
        );
        property::put(
            out,
            PropertyId::RequestResponseInformation,
            self.request_response_information.as_ref(),
        );
        property::put(
            out,
            PropertyId::RequestProblemInformation,
            self.request_problem_information.as_ref(),
        );
        property::put_user_properties(out, &self.user_properties);
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

impl Will {
    fn decode(
        fields: &mut Fields,
        version: ProtocolVersion,
        qos: QoS,
        retain: bool,
    ) -> Result<Will, DecodeError> {
        let mut delay_interval_s = 0;
        let mut properties = None;
        if version == ProtocolVersion::V5 {
            let mut received = Properties::open(fields, Carrier::Will)?;
            while let Some(property) = received.next()? {
                match property {
                    Property::WillDelayInterval(v) => delay_interval_s = v,
                    other => properties
                        .get_or_insert_with(Box::<PublishProperties>::default)
                        .set(other)?,
                }
            }
        }
        let topic = TopicName::try_from(fields.string()?).map_err(|_| DecodeError::TopicName)?;
        let payload = fields.binary()?;
        Ok(Will {
            topic,
            payload,
            qos,
            retain,
            delay_interval_s,
            properties,
        })
    }

    fn encode<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        if version == ProtocolVersion::V5 {
            property::put_section(out, self);
        }
        out.put_string(&self.topic);
        out.put_binary(&self.payload);
    }
}

impl PropertySet for Will {
    fn put<S: Sink>(&self, out: &mut S) {
        let delay = Some(self.delay_interval_s).filter(|delay| *delay != 0);
        property::put(out, PropertyId::WillDelayInterval, delay.as_ref());
        if let Some(properties) = &self.properties {
            property::put(
                out,
                PropertyId::MessageExpiryInterval,
                properties.message_expiry_interval_s.as_ref(),
            );
            properties.put_routed(out);
        }
    }
}

const PROTOCOL_NAME: &str = "MQTT";
