//! Replies: the packets of ours that are not messages, in the order they leave.

use bytes::BytesMut;
use mqtt::{
    Ack, Codec, ConnAck, ControlPacket, Disconnect, EncodeError, ReasonCode, SubAck, UnsubAck,
};

/// A packet that waits to leave; small, because a burst queues a thousand of them.
#[derive(Debug)]
pub(super) enum Reply {
    ConnAck(Box<ConnAck>),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    SubAck(Box<SubAck>),
    UnsubAck(Box<UnsubAck>),
    PingResp,
    Disconnect(ReasonCode),
}

impl Reply {
    /// Whether it is the last word on a QoS 1 or 2 message of the client, which may then send
    /// another one (4.9).
    pub(super) fn ends_exchange(&self) -> bool {
        match self {
            Reply::PubAck(_) | Reply::PubComp(_) => true,
            Reply::PubRec(ack) => ack.reason.is_error(),
            _ => false,
        }
    }

    /// Appends the packet, without its explanations if those make it too large \[MQTT-3.4.2-2\].
    ///
    /// A packet that is still larger than the client accepts is not sent \[MQTT-3.1.2-24\].
    pub(super) fn encode(self, codec: &Codec, out: &mut BytesMut) {
        let mut packet = ControlPacket::from(self);
        if codec.encode(&packet, out) == Err(EncodeError::PacketTooLarge) {
            strip(&mut packet);
            // Not even its bare form fits: a client that accepts so little gets nothing.
            let _ = codec.encode(&packet, out);
        }
    }
}

impl From<Reply> for ControlPacket {
    fn from(reply: Reply) -> ControlPacket {
        match reply {
            Reply::ConnAck(connack) => ControlPacket::ConnAck(connack),
            Reply::PubAck(ack) => ControlPacket::PubAck(ack),
            Reply::PubRec(ack) => ControlPacket::PubRec(ack),
            Reply::PubRel(ack) => ControlPacket::PubRel(ack),
            Reply::PubComp(ack) => ControlPacket::PubComp(ack),
            Reply::SubAck(suback) => ControlPacket::SubAck(*suback),
            Reply::UnsubAck(unsuback) => ControlPacket::UnsubAck(*unsuback),
            Reply::PingResp => ControlPacket::PingResp,
            Reply::Disconnect(reason) => ControlPacket::Disconnect(Disconnect::new(reason)),
        }
    }
}

/// Only what the session itself explains has anything to lose.
fn strip(packet: &mut ControlPacket) {
    if let ControlPacket::PubAck(ack) | ControlPacket::PubRec(ack) = packet {
        ack.properties = None;
    }
}
