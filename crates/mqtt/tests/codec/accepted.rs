//! Packets that look odd and are right: other codecs refuse some of them.

use enviomq_mqtt::{ControlPacket, Disconnect, QoS, ReasonCode};

use crate::support::{self, From, V3_1_1, V5};

fn accept(from: From, version: enviomq_mqtt::ProtocolVersion, text: &str) -> ControlPacket {
    let bytes = support::bytes(text);
    let codec = || support::codec_for(from, version, &bytes);
    let packet = support::decode_one(&mut codec(), &bytes).unwrap();
    assert_eq!(
        support::decode_in_pieces(&mut codec(), &bytes).unwrap(),
        packet
    );
    packet
}

fn published(from: From, text: &str) -> enviomq_mqtt::Publish {
    match accept(from, V5, text) {
        ControlPacket::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_3_1_1_length_may_take_more_bytes_than_needed() {
    assert_eq!(
        accept(From::Client, V3_1_1, "c0 8000"),
        ControlPacket::PingReq
    );
    accept(From::Client, V3_1_1, "10 8c00 0004 'MQTT' 04 02 0000 0000");
}

#[test]
fn an_acknowledgement_may_write_out_what_it_could_leave_out() {
    for text in ["40 02 0001", "40 03 0001 00", "40 04 0001 00 00"] {
        let ControlPacket::PubAck(ack) = accept(From::Client, V5, text) else {
            panic!("{text}")
        };
        assert_eq!((ack.reason, ack.properties), (ReasonCode::Success, None));
    }
}

#[test]
fn a_disconnect_may_write_out_what_it_could_leave_out() {
    for text in ["e0 00", "e0 01 00", "e0 02 00 00"] {
        let normal = ControlPacket::Disconnect(Disconnect::new(ReasonCode::Success));
        assert_eq!(accept(From::Client, V5, text), normal);
    }
}

#[test]
fn a_message_expiry_interval_of_0_is_legal() {
    let publish = published(From::Client, "30 0a 0001 'a' 05 02 00000000 'x'");
    assert_eq!(
        publish.properties.unwrap().message_expiry_interval_s,
        Some(0)
    );
}

#[test]
fn a_topic_alias_maximum_of_0_is_legal() {
    accept(
        From::Client,
        V5,
        "10 10 0004 'MQTT' 05 02 0000 03 22 0000 0000",
    );
}

#[test]
fn a_user_property_may_come_twice_and_keeps_its_order() {
    let publish = published(
        From::Client,
        "30 12 0001 'a' 0e 26 0001 'k' 0001 'v' 26 0001 'k' 0001 'w'",
    );
    let values: Vec<_> = publish
        .properties
        .unwrap()
        .user_properties
        .iter()
        .map(|pair| pair.1.to_string())
        .collect();
    assert_eq!(values, ["v", "w"]);
}

#[test]
fn a_topic_may_start_with_a_slash_contain_spaces_or_be_one() {
    for text in [
        "30 04 0001 '/' 00",
        "30 07 0004 '/a b' 00",
        "30 08 0005 '$SYS/' 00",
    ] {
        assert!(published(From::Client, text).topic_name().is_some());
    }
}

#[test]
fn mqtt_1_5_4_3_a_byte_order_mark_is_part_of_the_topic() {
    assert_eq!(
        published(From::Client, "30 07 0004 efbbbf61 00").topic,
        "\u{FEFF}a"
    );
}

#[test]
fn an_empty_payload_and_an_empty_password_are_values() {
    assert!(
        published(From::Client, "31 04 0001 'a' 00")
            .payload
            .is_empty()
    );
    let packet = accept(
        From::Client,
        V5,
        "10 0f 0004 'MQTT' 05 42 0000 00 0000 0000",
    );
    let ControlPacket::Connect(connect) = packet else {
        panic!("{packet:?}")
    };
    assert_eq!(connect.password.as_deref(), Some(&[][..]));
}

#[test]
fn a_will_may_be_empty_and_have_qos_2() {
    let packet = accept(
        From::Client,
        V3_1_1,
        "10 12 0004 'MQTT' 04 36 0000 0001 'c' 0001 'w' 0000",
    );
    let ControlPacket::Connect(connect) = packet else {
        panic!("{packet:?}")
    };
    let will = connect.will.unwrap();
    assert!(will.payload.is_empty() && will.retain && will.qos == QoS::ExactlyOnce);
}
