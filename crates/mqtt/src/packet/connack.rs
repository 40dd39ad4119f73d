//! CONNACK: the server's answer to CONNECT (3.2).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{QoS, ReasonCode, UserProperties};

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
