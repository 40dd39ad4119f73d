//! The words of the transcripts: packets, messages and times, as short as they can be said.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt::{
    Ack, ByteString, Connect, ControlPacket, Disconnect, Message, PacketId, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, Subscribe, TopicFilter, TopicName, Unsubscribe,
    Will,
};
use smallvec::SmallVec;

use crate::outbox::Delivery;
use crate::session::{Refusal, SessionLimits, admit};

pub(super) use mqtt::ProtocolVersion::{V3_1_1, V5};
pub(super) use mqtt::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

/// A CONNECT of a client called "device", changed by `change`.
pub(super) fn connect(version: ProtocolVersion, change: impl FnOnce(&mut Connect)) -> Connect {
    let mut connect = Connect::new(version, "device");
    change(&mut connect);
    connect
}

/// A client whose session stays an hour.
pub(super) fn persistent(version: ProtocolVersion) -> Connect {
    connect(version, |connect| {
        connect.clean_start = false;
        if version == V5 {
            connect.properties.session_expiry_interval_s = Some(3_600);
        }
    })
}

/// The CONNACK of a refused CONNECT.
pub(super) fn refused(connect: Connect) -> Refusal {
    admit(connect, &SessionLimits::default(), || "assigned-1".into()).unwrap_err()
}

pub(super) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub(super) fn topic(text: &str) -> TopicName {
    TopicName::try_from(text).unwrap()
}

pub(super) fn filter(text: &str) -> TopicFilter {
    TopicFilter::try_from(text).unwrap()
}

/// A PUBLISH as the client sends it; identifier 0 for QoS 0.
pub(super) fn publish(qos: QoS, packet_id: u16, payload: &str) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: "a/b".into(),
        packet_id: PacketId::new(packet_id),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        properties: None,
    }
}

/// The same with properties.
pub(super) fn publish_with(
    publish: Publish,
    change: impl FnOnce(&mut PublishProperties),
) -> Publish {
    let mut properties = PublishProperties::default();
    change(&mut properties);
    Publish {
        properties: Some(Box::new(properties)),
        ..publish
    }
}

/// A message on topic `a/b` as the router delivers it.
pub(super) fn delivery(qos: QoS, payload: &str) -> Delivery {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    deliver(qos, Message::new(topic("a/b"), payload))
}

pub(super) fn deliver(qos: QoS, message: Message) -> Delivery {
    Delivery {
        message: Arc::new(message),
        qos,
        retain: false,
        subscription_identifiers: SmallVec::new(),
    }
}

pub(super) fn will(payload: &str) -> Will {
    Will {
        topic: topic("will"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos: AtMostOnce,
        retain: false,
        delay_interval_s: 0,
        properties: None,
    }
}

pub(super) fn subscribe(packet_id: u16, filters: &[&str]) -> Subscribe {
    Subscribe {
        packet_id: id(packet_id),
        filters: filters
            .iter()
            .map(|text| (filter(text), AtLeastOnce.into()))
            .collect(),
        subscription_identifier: None,
        user_properties: Vec::new(),
    }
}

pub(super) fn unsubscribe(packet_id: u16, filters: &[&str]) -> Unsubscribe {
    Unsubscribe {
        packet_id: id(packet_id),
        filters: filters.iter().map(|text| filter(text)).collect(),
        user_properties: Vec::new(),
    }
}

pub(super) fn puback(packet_id: u16) -> ControlPacket {
    ControlPacket::PubAck(Ack::new(id(packet_id), ReasonCode::Success))
}

pub(super) fn pubrec(packet_id: u16) -> ControlPacket {
    ControlPacket::PubRec(Ack::new(id(packet_id), ReasonCode::Success))
}

pub(super) fn pubrel(packet_id: u16) -> ControlPacket {
    ControlPacket::PubRel(Ack::new(id(packet_id), ReasonCode::Success))
}

pub(super) fn pubcomp(packet_id: u16) -> ControlPacket {
    ControlPacket::PubComp(Ack::new(id(packet_id), ReasonCode::Success))
}

pub(super) fn disconnect(reason: ReasonCode) -> ControlPacket {
    ControlPacket::Disconnect(Disconnect::new(reason))
}

/// The same acknowledgement with another Reason Code.
pub(super) fn because(packet: ControlPacket, reason: ReasonCode) -> ControlPacket {
    let with = |ack: Ack| Ack { reason, ..ack };
    match packet {
        ControlPacket::PubAck(ack) => ControlPacket::PubAck(with(ack)),
        ControlPacket::PubRec(ack) => ControlPacket::PubRec(with(ack)),
        ControlPacket::PubRel(ack) => ControlPacket::PubRel(with(ack)),
        ControlPacket::PubComp(ack) => ControlPacket::PubComp(with(ack)),
        other => panic!("{other:?} is no acknowledgement"),
    }
}

pub(super) fn text(text: &'static str) -> ByteString {
    ByteString::from_static(text)
}

/// Whatever can be said on the wire.
pub(super) trait Packet {
    fn packet(self) -> ControlPacket;
}

macro_rules! packets {
    ($($packet:ident)*) => {$(
        impl Packet for mqtt::$packet {
            fn packet(self) -> ControlPacket {
                ControlPacket::$packet(self)
            }
        }
    )*};
}

packets!(Publish Subscribe SubAck Unsubscribe UnsubAck Disconnect);

impl Packet for ControlPacket {
    fn packet(self) -> ControlPacket {
        self
    }
}

/// `90.secs()` reads better than a constructor.
pub(super) trait Seconds {
    fn secs(self) -> Duration;
}

impl Seconds for u64 {
    fn secs(self) -> Duration {
        Duration::from_secs(self)
    }
}
