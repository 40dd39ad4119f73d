//! The MQTT protocol, versions 3.1.1 and 5.0: packets, topics, messages, flows.
//!
//! One packet model serves both versions; the [`Codec`] knows which one it speaks.
//! Nothing here opens a socket, reads a clock, or awaits.
//!
//! | specification (5.0) | module |
//! |---|---|
//! | 1.5 Data representation | `primitive` |
//! | 2.1 Structure of an MQTT Control Packet | [`codec`] |
//! | 2.2.2 Properties | `property` |
//! | 2.4 Reason Code | [`reason`] |
//! | 3 MQTT Control Packets | [`packet`] |
//! | 4.3, 4.4, 4.9 Delivery, redelivery, flow control | [`flow`] |
//! | 4.7, 4.8 Topics and shared subscriptions | [`topic`] |
//! | 4.13 Handling errors | [`error`] |

pub mod codec;
pub mod error;
pub mod flow;
pub mod message;
pub mod packet;
mod primitive;
mod property;
pub mod reason;
pub mod topic;

use std::num::NonZeroU16;

pub use bytestring::ByteString;

pub use crate::codec::Codec;
pub use crate::error::{DecodeError, EncodeError};
pub use crate::message::{AliasUse, Message, PublishHeader};
pub use crate::packet::ack::{Ack, ReasonProperties};
pub use crate::packet::auth::{Auth, AuthProperties};
pub use crate::packet::connack::{ConnAck, ConnAckProperties};
pub use crate::packet::connect::{Connect, ConnectProperties, Will};
pub use crate::packet::disconnect::{Disconnect, DisconnectProperties};
pub use crate::packet::publish::{Publish, PublishProperties};
pub use crate::packet::subscribe::{RetainHandling, SubAck, Subscribe, SubscriptionOptions};
pub use crate::packet::unsubscribe::{UnsubAck, Unsubscribe};
pub use crate::packet::{ControlPacket, PacketType};
pub use crate::reason::ReasonCode;
pub use crate::topic::{InvalidTopicFilter, InvalidTopicName, TopicFilter, TopicName};

/// Packet Identifier: 1 to 65,535, never 0 (2.2.1).
pub type PacketId = NonZeroU16;

/// User Properties in the order they were sent; a name may appear more than once (3.1.2.11.8).
pub type UserProperties = Vec<(ByteString, ByteString)>;

/// Which of the two MQTT versions a Network Connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// Protocol level 4.
    V3_1_1,
    /// Protocol level 5.
    V5,
}

/// How hard both peers try to deliver a message (4.3). Ordered: a lower one promises less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    /// Fire and forget.
    #[default]
    AtMostOnce = 0,
    /// Acknowledged with PUBACK; may arrive twice.
    AtLeastOnce = 1,
    /// PUBREC, PUBREL, PUBCOMP; arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS of this number; nothing for 3 and above.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<QoS> {
        match bits {
            0 => Some(QoS::AtMostOnce),
            1 => Some(QoS::AtLeastOnce),
            2 => Some(QoS::ExactlyOnce),
            _ => None,
        }
    }
}
