//! CONNECT, with the Will and the credentials (3.1).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::packet::publish::PublishProperties;
use crate::{ProtocolVersion, QoS, TopicName, UserProperties};

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
