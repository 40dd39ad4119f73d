//! A message on its way through: from one PUBLISH to another.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use enviomq_mqtt::{
    AliasUse, ControlPacket, EncodeError, Message, PacketId, ProtocolVersion, Publish,
    PublishHeader, PublishProperties, QoS, TopicName, Will,
};
use smallvec::smallvec;

use crate::support::{self, From, V3_1_1, V5};

/// Encodes, checks the announced length, and reads it as the subscriber does.
fn delivered(
    message: &Message,
    version: ProtocolVersion,
    header: &PublishHeader<'_>,
    now: Instant,
) -> Publish {
    let mut out = BytesMut::from("before");
    message
        .encode_publish(&mut out, version, header, now)
        .unwrap();
    let packet = &out[6..];
    assert_eq!(packet.len(), message.encoded_publish_len(version, header));
    support::second_opinion(version, packet).unwrap();
    match support::decode_one(&mut support::receiver_of(From::Server, version), packet) {
        Ok(ControlPacket::Publish(publish)) => publish,
        other => panic!("{other:?}"),
    }
}

fn received(text: &str, now: Instant) -> Message {
    let packet = support::decode_one(
        &mut support::receiver_of(From::Client, V5),
        &support::bytes(text),
    );
    let Ok(ControlPacket::Publish(publish)) = packet else {
        panic!("{packet:?}")
    };
    let topic = publish.topic_name().unwrap();
    Message::from_publish(publish, topic, now)
}

fn topic(text: &str) -> TopicName {
    TopicName::try_from(text).unwrap()
}

#[test]
fn a_plain_message_costs_a_header_and_nothing_else() {
    let message = Message::new(topic("a/b"), "hello");
    let mut out = BytesMut::new();
    message
        .encode_publish(&mut out, V5, &PublishHeader::default(), Instant::now())
        .unwrap();
    assert_eq!(out, support::bytes("30 0b 0003 'a/b' 00 'hello'"));
    out.clear();
    message
        .encode_publish(&mut out, V3_1_1, &PublishHeader::default(), Instant::now())
        .unwrap();
    assert_eq!(out, support::bytes("30 0a 0003 'a/b' 'hello'"));
}

#[test]
fn the_header_belongs_to_the_receiver() {
    let message = Message {
        qos: QoS::ExactlyOnce,
        retain: true,
        ..Message::new(topic("a"), "x")
    };
    let header = PublishHeader {
        qos: QoS::AtLeastOnce,
        dup: true,
        retain: false,
        packet_id: PacketId::new(7),
        subscription_identifiers: &[3, 200],
        topic_alias: None,
    };
    let publish = delivered(&message, V5, &header, Instant::now());
    assert_eq!(
        (publish.qos, publish.dup, publish.retain),
        (QoS::AtLeastOnce, true, false)
    );
    assert_eq!(publish.packet_id, PacketId::new(7));
    assert_eq!(
        publish.properties.unwrap().subscription_identifiers[..],
        [3, 200]
    );
    assert!(
        delivered(&message, V3_1_1, &header, Instant::now())
            .properties
            .is_none()
    );
}

/// Also [MQTT-3.3.2-4], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-18], [MQTT-3.3.2-20].
#[test]
fn mqtt_3_3_2_15_what_the_publisher_said_about_the_payload_is_passed_on_unaltered() {
    let now = Instant::now();
    let message = received(
        "30 29 0001 'a' 24 23 0005 01 01 03 0004 'json' 08 0002 're' 09 0002 'id' 26 0001 'k' 0001 'v' 26 0001 'k' 0001 'w' 'x'",
        now,
    );
    let publish = delivered(&message, V5, &PublishHeader::default(), now);
    let expected = PublishProperties {
        payload_format_is_utf8: Some(true),
        response_topic: Some("re".into()),
        correlation_data: Some(Bytes::from_static(b"id")),
        user_properties: vec![("k".into(), "v".into()), ("k".into(), "w".into())],
        content_type: Some("json".into()),
        ..PublishProperties::default()
    };
    assert_eq!(
        publish.properties.as_deref(),
        Some(&expected),
        "and the alias of the publisher is not"
    );
}

#[test]
fn mqtt_3_3_2_6_the_expiry_shrinks_by_the_whole_seconds_waited() {
    let start = Instant::now();
    let message = received("30 0a 0001 'a' 05 02 0000000a 'x'", start);
    let remaining = |waited_ms| {
        let now = start + Duration::from_millis(waited_ms);
        let publish = delivered(&message, V5, &PublishHeader::default(), now);
        publish
            .properties
            .unwrap()
            .message_expiry_interval_s
            .unwrap()
    };
    assert_eq!(remaining(0), 10);
    assert_eq!(remaining(999), 10);
    assert_eq!(remaining(1_000), 9);
    assert_eq!(remaining(9_999), 1);
    assert!(!message.is_expired(start + Duration::from_secs(10)));
    assert!(message.is_expired(start + Duration::from_millis(10_001)));
}

#[test]
fn an_expiry_of_136_years_and_one_of_0_are_kept() {
    let now = Instant::now();
    for interval_s in [0, u32::MAX] {
        let message = received(&format!("30 0a 0001 'a' 05 02 {interval_s:08x} 'x'"), now);
        let publish = delivered(&message, V5, &PublishHeader::default(), now);
        assert_eq!(
            publish.properties.unwrap().message_expiry_interval_s,
            Some(interval_s)
        );
        assert!(!message.is_expired(now));
    }
}

#[test]
fn an_alias_is_sent_with_the_topic_once_and_then_in_its_place() {
    let message = Message::new(topic("a/long/topic"), "x");
    let alias = NonZeroU16::new(3).unwrap();
    let header = |topic_alias| PublishHeader {
        topic_alias: Some(topic_alias),
        ..PublishHeader::default()
    };
    let first = delivered(
        &message,
        V5,
        &header(AliasUse::Define(alias)),
        Instant::now(),
    );
    let second = delivered(
        &message,
        V5,
        &header(AliasUse::Recall(alias)),
        Instant::now(),
    );
    assert_eq!(
        (&*first.topic, first.topic_alias()),
        ("a/long/topic", Some(alias))
    );
    assert_eq!((&*second.topic, second.topic_alias()), ("", Some(alias)));
}

#[test]
fn lengths_of_every_size_are_announced_right() {
    for len in [0, 100, 122, 123, 130, 16_370, 16_380, 16_390, 70_000] {
        let message = Message::new(topic("a"), vec![1; len]);
        assert_eq!(
            delivered(&message, V5, &PublishHeader::default(), Instant::now())
                .payload
                .len(),
            len
        );
    }
}

#[test]
fn a_property_too_long_for_its_field_leaves_the_buffer_as_it_was() {
    let properties = PublishProperties {
        content_type: Some("x".repeat(65_536).into()),
        ..PublishProperties::default()
    };
    let message = Message {
        properties: Some(Box::new(properties)),
        ..Message::new(topic("a"), "x")
    };
    let mut out = BytesMut::from("before");
    let header = PublishHeader::default();
    assert_eq!(
        message.encode_publish(&mut out, V5, &header, Instant::now()),
        Err(EncodeError::FieldTooLong)
    );
    assert_eq!(out, "before");
    message
        .encode_publish(&mut out, V3_1_1, &header, Instant::now())
        .unwrap();
}

#[test]
fn a_message_larger_than_mqtt_can_say_is_refused() {
    let message = Message::new(topic("a"), vec![0; 268_435_453]);
    let mut out = BytesMut::new();
    let refused = message.encode_publish(&mut out, V5, &PublishHeader::default(), Instant::now());
    assert_eq!(refused, Err(EncodeError::PacketTooLarge));
    assert!(out.is_empty());
}

#[test]
fn a_will_becomes_a_message_whose_expiry_starts_when_it_is_published() {
    let now = Instant::now();
    let properties = PublishProperties {
        message_expiry_interval_s: Some(5),
        ..PublishProperties::default()
    };
    let will = Will {
        topic: topic("w"),
        payload: "bye".into(),
        qos: QoS::AtLeastOnce,
        retain: true,
        delay_interval_s: 9,
        properties: Some(Box::new(properties)),
    };
    let message = Message::from_will(will, now);
    assert_eq!(
        (message.qos, message.retain, &message.payload[..]),
        (QoS::AtLeastOnce, true, &b"bye"[..])
    );
    assert_eq!(message.expires_at, Some(now + Duration::from_secs(5)));
    assert!(message.properties.is_none());
}

#[test]
fn a_detached_message_is_equal_and_shares_nothing() {
    let message = received(
        "30 17 0003 'a/b' 10 08 0002 're' 09 0002 'id' 03 0003 'txt' 'x'",
        Instant::now(),
    );
    let detached = message.detached();
    assert_eq!(detached, message);
    assert_ne!(detached.topic.as_ptr(), message.topic.as_ptr());
    assert_ne!(detached.payload.as_ptr(), message.payload.as_ptr());
    assert!(detached.size() >= 4 + 2 + 2 + 3);
}

#[test]
fn one_hop_only_subscription_identifiers_are_not_passed_on() {
    let properties = PublishProperties {
        subscription_identifiers: smallvec![9],
        ..PublishProperties::default()
    };
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "a".into(),
        packet_id: None,
        payload: Bytes::new(),
        properties: Some(Box::new(properties)),
    };
    assert!(
        Message::from_publish(publish, topic("a"), Instant::now())
            .properties
            .is_none()
    );
}
