//! What the codec remembers and limits: version, order of the first packet, sizes.

use std::num::NonZeroU32;

use bytes::BytesMut;
use enviomq_mqtt::{
    Ack, Codec, ConnAck, Connect, ControlPacket, DecodeError, Disconnect, EncodeError, PacketId,
    Publish, QoS, ReasonCode, ReasonProperties, SubAck,
};

use crate::support::{self, From, V3_1_1, V5};

#[test]
fn a_server_learns_the_version_from_connect() {
    let mut codec = Codec::new(None, 1024);
    assert_eq!(codec.version(), None);
    support::decode_one(
        &mut codec,
        &support::bytes("10 0c 0004 'MQTT' 04 02 0000 0000"),
    )
    .unwrap();
    assert_eq!(codec.version(), Some(V3_1_1));
}

#[test]
fn a_server_knows_the_version_of_a_connect_that_is_broken_further_on() {
    let mut codec = Codec::new(None, 1024);
    let reserved_flag = support::bytes("10 0d 0004 'MQTT' 05 03 0000 00 0000");
    assert_eq!(
        support::decode_one(&mut codec, &reserved_flag),
        Err(DecodeError::ReservedBits)
    );
    assert_eq!(codec.version(), Some(V5));
}

#[test]
fn mqtt_3_1_0_1_the_first_packet_is_connect() {
    let mut codec = Codec::new(None, 1024);
    assert_eq!(
        codec.decode(&mut BytesMut::from(&[0xC0][..])),
        Err(DecodeError::ConnectExpected)
    );
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_is_refused() {
    let mut codec = support::receiver_of(From::Client, V5);
    assert_eq!(
        codec.decode(&mut BytesMut::from(&[0x10][..])),
        Err(DecodeError::SecondConnect)
    );
}

/// Shows [MQTT311-3.1.2-2].
#[test]
fn a_client_of_an_unknown_version_is_answered_in_the_form_it_most_likely_reads() {
    // Level, and the CONNACK: 3.1 and the bridges of mosquitto read that of 3.1.1.
    let answers = [
        ("03", "20 02 00 01"),
        ("84", "20 02 00 01"),
        ("06", "20 03 00 84 00"),
        ("7f", "20 03 00 84 00"),
    ];
    for (level, answer) in answers {
        let mut codec = Codec::new(None, 1024);
        let connect = support::bytes(&format!("10 0d 0004 'MQTT' {level} 02 0000 00 0000"));
        let error = support::decode_one(&mut codec, &connect).unwrap_err();
        assert_eq!(codec.version(), None);
        let refusal = ControlPacket::ConnAck(Box::new(ConnAck::new(error.reason())));
        let mut out = BytesMut::new();
        codec.encode(&refusal, &mut out).unwrap();
        assert_eq!(out, support::bytes(answer), "level {level}");
    }
}

#[test]
fn several_packets_in_one_buffer_come_out_in_order() {
    let mut codec = support::receiver_of(From::Client, V5);
    let mut input = BytesMut::from(&*support::bytes("c0 00 40 02 0001 e0 00 c0"));
    let ping = codec.decode(&mut input).unwrap();
    let ack = codec.decode(&mut input).unwrap();
    let bye = codec.decode(&mut input).unwrap();
    assert_eq!(ping, Some(ControlPacket::PingReq));
    assert_eq!(
        ack,
        Some(ControlPacket::PubAck(Ack::new(
            PacketId::MIN,
            ReasonCode::Success
        )))
    );
    assert_eq!(
        bye,
        Some(ControlPacket::Disconnect(Disconnect::new(
            ReasonCode::Success
        )))
    );
    assert_eq!(codec.decode(&mut input), Ok(None));
    assert_eq!(&input[..], [0xC0], "what is not whole stays");
}

#[test]
fn topic_and_payload_are_slices_of_the_receive_buffer() {
    let mut codec = support::receiver_of(From::Client, V5);
    let mut input = BytesMut::from(&*support::bytes("30 09 0003 'a/b' 00 'xyz'"));
    let buffer = input.as_ptr_range();
    let Some(ControlPacket::Publish(publish)) = codec.decode(&mut input).unwrap() else {
        panic!()
    };
    assert!(buffer.contains(&publish.topic.as_ptr()));
    assert!(buffer.contains(&publish.payload.as_ptr()));
}

#[test]
fn mqtt_3_2_2_15_a_packet_above_the_maximum_is_refused_before_its_body_comes() {
    let mut codec = Codec::new(None, 128);
    assert_eq!(
        codec.decode(&mut BytesMut::from(&[0x10, 0x7E][..])),
        Ok(None)
    ); // 128 in all
    assert_eq!(
        codec.decode(&mut BytesMut::from(&[0x10, 0x7F][..])),
        Err(DecodeError::PacketTooLarge)
    );
    assert_eq!(
        DecodeError::PacketTooLarge.reason(),
        ReasonCode::PacketTooLarge
    );
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut codec = Codec::new(Some(V5), u32::MAX);
    let mut input = BytesMut::from(&support::bytes("30 ffffff7f 0001 'a'")[..]);
    let capacity = input.capacity();
    assert_eq!(codec.decode(&mut input), Ok(None));
    assert_eq!(input.capacity(), capacity);
}

#[test]
fn mqtt_3_4_2_2_an_explanation_too_large_for_the_peer_is_left_out() {
    let mut codec = Codec::new(Some(V5), 1024);
    codec.set_peer_max_packet_size(20);
    let explained = ReasonProperties {
        reason_string: Some("twenty bytes and more".into()),
        user_properties: vec![],
    };
    let ack = Ack {
        properties: Some(Box::new(explained)),
        ..Ack::new(PacketId::MIN, ReasonCode::NotAuthorized)
    };
    let mut out = BytesMut::new();
    codec.encode(&ControlPacket::PubAck(ack), &mut out).unwrap();
    assert_eq!(out, support::bytes("40 03 0001 87"));
}

#[test]
fn what_is_too_large_for_the_peer_is_not_written_at_all() {
    let mut codec = Codec::new(Some(V5), 1024);
    codec.set_peer_max_packet_size(10);
    let suback = ControlPacket::SubAck(SubAck {
        packet_id: PacketId::MIN,
        reasons: vec![ReasonCode::Success; 10],
        properties: None,
    });
    let mut out = BytesMut::from("before");
    assert_eq!(
        codec.encode(&suback, &mut out),
        Err(EncodeError::PacketTooLarge)
    );
    assert_eq!(
        codec.encode(&publish(vec![0; 10]), &mut out),
        Err(EncodeError::PacketTooLarge)
    );
    assert_eq!(out, "before");
}

#[test]
fn a_field_that_its_two_bytes_of_length_cannot_hold_is_not_written() {
    let connect = Connect::new(V5, "x".repeat(65_536));
    let mut out = BytesMut::new();
    let codec = Codec::new(Some(V5), 1024);
    let packet = ControlPacket::Connect(Box::new(connect));
    assert_eq!(
        codec.encode(&packet, &mut out),
        Err(EncodeError::FieldTooLong)
    );
    assert!(out.is_empty());
}

#[test]
fn a_payload_is_not_a_field_and_may_be_longer() {
    let mut out = BytesMut::new();
    Codec::new(Some(V5), 1024)
        .encode(&publish(vec![7; 70_000]), &mut out)
        .unwrap();
    let mut receiver = Codec::new(Some(V5), NonZeroU32::MAX.get());
    let Ok(Some(ControlPacket::Publish(publish))) = receiver.decode(&mut out) else {
        panic!()
    };
    assert_eq!(publish.payload.len(), 70_000);
}

#[test]
fn mqtt311_3_9_3_2_every_refusal_of_a_subscription_is_0x80() {
    let suback = SubAck {
        packet_id: PacketId::MIN,
        reasons: vec![ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized],
        properties: Some(Box::default()),
    };
    let mut out = BytesMut::new();
    Codec::new(Some(V3_1_1), 1024)
        .encode(&ControlPacket::SubAck(suback), &mut out)
        .unwrap();
    assert_eq!(out, support::bytes("90 04 0001 01 80"));
}

fn publish(payload: Vec<u8>) -> ControlPacket {
    ControlPacket::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "a".into(),
        packet_id: None,
        payload: payload.into(),
        properties: None,
    })
}
