//! PUBACK, PUBREC, PUBREL, PUBCOMP: one shape, four names (3.4 to 3.7).

use bytestring::ByteString;

use crate::{PacketId, ReasonCode, UserProperties};

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
