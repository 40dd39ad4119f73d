//! The packets of MQTT, one model for both versions.

pub mod ack;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod disconnect;
pub mod publish;
pub mod subscribe;
pub mod unsubscribe;

use crate::ProtocolVersion;
use crate::packet::ack::Ack;
use crate::packet::auth::Auth;
use crate::packet::connack::ConnAck;
use crate::packet::connect::Connect;
use crate::packet::disconnect::Disconnect;
use crate::packet::publish::Publish;
use crate::packet::subscribe::{SubAck, Subscribe};
use crate::packet::unsubscribe::{UnsubAck, Unsubscribe};
use crate::primitive::Sink;

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

    /// Type and flags.
    pub(crate) fn first_byte(&self) -> u8 {
        let packet_type = self.packet_type();
        let flags = match self {
            Self::Publish(publish) => publish.flags(),
            _ => packet_type.required_flags().unwrap_or(0),
        };
        (packet_type as u8) << 4 | flags
    }

    /// Writes everything after the fixed header.
    pub(crate) fn encode_body<S: Sink>(&self, version: ProtocolVersion, out: &mut S) {
        match self {
            Self::Connect(connect) => connect.encode(out),
            Self::ConnAck(connack) => connack.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.encode(version, out);
            }
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::SubAck(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::UnsubAck(unsuback) => unsuback.encode(version, out),
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(disconnect) => disconnect.encode(version, out),
            Self::Auth(auth) => auth.encode(out),
        }
    }

    /// The same answer without Reason String and User Properties, which must be left out where
    /// they would make it too large for the peer; nothing for packets that are not answers.
    pub(crate) fn without_diagnostics(&self) -> Option<ControlPacket> {
        let mut shorter = self.clone();
        match &mut shorter {
            Self::ConnAck(connack) => {
                connack.properties.reason_string = None;
                connack.properties.user_properties.clear();
            }
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.properties = None;
            }
            Self::SubAck(suback) => suback.properties = None,
            Self::UnsubAck(unsuback) => unsuback.properties = None,
            Self::Disconnect(Disconnect {
                properties: Some(properties),
                ..
            }) => {
                properties.reason_string = None;
                properties.user_properties.clear();
            }
            Self::Auth(auth) => {
                auth.properties.reason_string = None;
                auth.properties.user_properties.clear();
            }
            _ => return None,
        }
        Some(shorter)
    }
}

impl PacketType {
    pub(crate) const fn from_bits(bits: u8) -> Option<PacketType> {
        let packet_type = match bits {
            1 => PacketType::Connect,
            2 => PacketType::ConnAck,
            3 => PacketType::Publish,
            4 => PacketType::PubAck,
            5 => PacketType::PubRec,
            6 => PacketType::PubRel,
            7 => PacketType::PubComp,
            8 => PacketType::Subscribe,
            9 => PacketType::SubAck,
            10 => PacketType::Unsubscribe,
            11 => PacketType::UnsubAck,
            12 => PacketType::PingReq,
            13 => PacketType::PingResp,
            14 => PacketType::Disconnect,
            15 => PacketType::Auth,
            _ => return None,
        };
        Some(packet_type)
    }

    /// The flags of the fixed header, where they mean nothing (table 2-2); PUBLISH uses them.
    pub(crate) const fn required_flags(self) -> Option<u8> {
        match self {
            PacketType::Publish => None,
            PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => Some(0b0010),
            _ => Some(0),
        }
    }
}
