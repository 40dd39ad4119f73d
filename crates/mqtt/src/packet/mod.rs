//! The packets of MQTT, one model for both versions.

pub mod ack;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod disconnect;
pub mod publish;
pub mod subscribe;
pub mod unsubscribe;

use crate::packet::ack::Ack;
use crate::packet::auth::Auth;
use crate::packet::connack::ConnAck;
use crate::packet::connect::Connect;
use crate::packet::disconnect::Disconnect;
use crate::packet::publish::Publish;
use crate::packet::subscribe::{SubAck, Subscribe};
use crate::packet::unsubscribe::{UnsubAck, Unsubscribe};

/// One MQTT Control Packet, decoded (chapter 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlPacket {
    /// Client to server, first and once.
    Connect(Box<Connect>),
    /// Server to client: the answer to CONNECT.
    ConnAck(Box<ConnAck>),
    /// Either way: an Application Message.
    Publish(Publish),
    /// Answer to a QoS 1 PUBLISH.
    PubAck(Ack),
    /// First answer to a QoS 2 PUBLISH.
    PubRec(Ack),
    /// Answer to PUBREC.
    PubRel(Ack),
    /// Answer to PUBREL; the exchange is over.
    PubComp(Ack),
    /// Client to server.
    Subscribe(Subscribe),
    /// Server to client.
    SubAck(SubAck),
    /// Client to server.
    Unsubscribe(Unsubscribe),
    /// Server to client.
    UnsubAck(UnsubAck),
    /// Client to server.
    PingReq,
    /// Server to client.
    PingResp,
    /// The last packet of a Network Connection.
    Disconnect(Disconnect),
    /// Enhanced authentication, 5.0 only.
    Auth(Auth),
}

/// The four bits that say which packet follows (2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// CONNECT
    Connect = 1,
    /// CONNACK
    ConnAck = 2,
    /// PUBLISH
    Publish = 3,
    /// PUBACK
    PubAck = 4,
    /// PUBREC
    PubRec = 5,
    /// PUBREL
    PubRel = 6,
    /// PUBCOMP
    PubComp = 7,
    /// SUBSCRIBE
    Subscribe = 8,
    /// SUBACK
    SubAck = 9,
    /// UNSUBSCRIBE
    Unsubscribe = 10,
    /// UNSUBACK
    UnsubAck = 11,
    /// PINGREQ
    PingReq = 12,
    /// PINGRESP
    PingResp = 13,
    /// DISCONNECT
    Disconnect = 14,
    /// AUTH, 5.0 only
    Auth = 15,
}

impl ControlPacket {
    /// Which of the fifteen it is.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}
