//! Replies: the packets of ours that are not messages, in the order they leave.

use bytes::BytesMut;
use mqtt::{Ack, Codec, ConnAck, ControlPacket, Disconnect, ReasonCode, SubAck, UnsubAck};

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

    /// Answers to single filters in it.
    pub(super) fn reason_code_count(&self) -> usize {
        match self {
            Reply::SubAck(suback) => suback.reasons.len(),
            Reply::UnsubAck(unsuback) => unsuback.reasons.len(),
            _ => 0,
        }
    }

    /// Appends the packet; the codec leaves its explanations out if they make it too large.
    ///
    /// A packet that is still larger than the client accepts is not sent \[MQTT-3.1.2-24\]: a client
    /// that accepts so little hears nothing.
    pub(super) fn encode(self, codec: &Codec, out: &mut BytesMut) {
        let _ = codec.encode(&ControlPacket::from(self), out);
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
