//! Every packet of both versions in both directions: the bytes by hand, the value they mean.
//!
//! Each row is decoded at once and in pieces, encoded, and shown to a second implementation.

use std::num::{NonZeroU16, NonZeroU32};

use crate::support::{self, From, V3_1_1, V5};
use bytes::{Bytes, BytesMut};
use enviomq_mqtt::{
    Ack, Auth, AuthProperties, ByteString, Codec, ConnAck, ConnAckProperties, Connect,
    ConnectProperties, ControlPacket, Disconnect, DisconnectProperties, PacketId, Publish,
    PublishProperties, QoS, ReasonCode, ReasonProperties, RetainHandling, SubAck, Subscribe,
    SubscriptionOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe, UserProperties, Will,
};
use smallvec::smallvec;

macro_rules! golden {
    ($($name:ident: $from:ident, $version:ident, $text:literal => $packet:expr;)*) => {
        $(#[test]
        fn $name() {
            check(From::$from, $version, $text, &$packet);
        })*
    };
}

fn check(from: From, version: enviomq_mqtt::ProtocolVersion, text: &str, packet: &ControlPacket) {
    let bytes = support::bytes(text);
    let codec = || support::codec_for(from, version, &bytes);
    assert_eq!(
        support::decode_one(&mut codec(), &bytes).as_ref(),
        Ok(packet)
    );
    assert_eq!(
        support::decode_in_pieces(&mut codec(), &bytes).as_ref(),
        Ok(packet)
    );

    let mut written = BytesMut::new();
    let writer = Codec::new(Some(version), u32::MAX);
    writer.encode(packet, &mut written).unwrap();
    assert_eq!(written, bytes, "written {written:02x?}");

    support::second_opinion(version, &bytes).unwrap();
}

golden! {
    // 3.1 CONNECT
    connect_3_1_1_smallest: Client, V3_1_1,
        "10 0d 0004 'MQTT' 04 02 000a 0001 'c'"
        => connect(Connect { keep_alive_s: 10, ..Connect::new(V3_1_1, "c") });
    // Also [MQTT-3.1.3-1], [MQTT-3.1.3-3].
    mqtt_3_1_3_5_connect_3_1_1_with_everything: Client, V3_1_1,
        "10 29 0004 'MQTT' 04 ec 003c 0006 'client' 0004 'will' 0003 'bye' 0004 'user' 0004 'pass'"
        => connect(Connect {
            clean_start: false,
            will: Some(Will { qos: QoS::AtLeastOnce, retain: true, ..will("bye") }),
            username: Some("user".into()),
            password: Some(Bytes::from_static(b"pass")),
            ..Connect::new(V3_1_1, "client")
        });
    mqtt_3_1_3_6_connect_3_1_1_may_leave_the_client_identifier_to_the_server: Client, V3_1_1,
        "10 0c 0004 'MQTT' 04 02 0000 0000"
        => connect(Connect { keep_alive_s: 0, ..Connect::new(V3_1_1, "") });
    mqtt_2_2_2_1_connect_5_smallest: Client, V5,
        "10 0d 0004 'MQTT' 05 02 0000 00 0000"
        => connect(Connect { keep_alive_s: 0, ..Connect::new(V5, "") });
    connect_5_with_a_password_alone: Client, V5,
        "10 16 0004 'MQTT' 05 42 0000 00 0001 'c' 0006 'secret'"
        => connect(Connect { keep_alive_s: 0, password: Some(Bytes::from_static(b"secret")), ..Connect::new(V5, "c") });
    mqtt_3_1_3_1_connect_5_with_every_property: Client, V5,
        "10 8a01 0004 'MQTT' 05 d6 003c 31 11 ffffffff 21 0014 27 00010000 22 0000 19 01 17 00 26 0001 'k' 0001 'v' 26 0001 'k' 0001 'w' 15 0005 'SCRAM' 16 0004 'data' 0006 'client' 2e 18 0000001e 02 00000000 01 01 03 000a 'text/plain' 08 0006 'answer' 09 0002 00ff 26 0001 'a' 0001 'b' 0004 'will' 0003 'bye' 0004 'user' 0004 'pass'"
        => connect(Connect {
            will: Some(Will {
                qos: QoS::ExactlyOnce,
                delay_interval_s: 30,
                properties: Some(Box::new(PublishProperties {
                    payload_format_is_utf8: Some(true),
                    message_expiry_interval_s: Some(0),
                    response_topic: Some("answer".into()),
                    correlation_data: Some(Bytes::from_static(&[0, 0xFF])),
                    user_properties: pairs(&[("a", "b")]),
                    content_type: Some("text/plain".into()),
                    ..PublishProperties::default()
                })),
                ..will("bye")
            }),
            username: Some("user".into()),
            password: Some(Bytes::from_static(b"pass")),
            properties: ConnectProperties {
                session_expiry_interval_s: Some(u32::MAX),
                receive_maximum: NonZeroU16::new(20),
                maximum_packet_size: NonZeroU32::new(65_536),
                topic_alias_maximum: Some(0),
                request_response_information: Some(true),
                request_problem_information: Some(false),
                user_properties: pairs(&[("k", "v"), ("k", "w")]),
                authentication_method: Some("SCRAM".into()),
                authentication_data: Some(Bytes::from_static(b"data")),
            },
            ..Connect::new(V5, "client")
        });

    // 3.2 CONNACK
    connack_3_1_1_with_a_session: Server, V3_1_1, "20 02 01 00"
        => ControlPacket::ConnAck(Box::new(ConnAck { session_present: true, ..ConnAck::new(ReasonCode::Success) }));
    connack_3_1_1_not_authorized: Server, V3_1_1, "20 02 00 05"
        => ControlPacket::ConnAck(Box::new(ConnAck::new(ReasonCode::NotAuthorized)));
    mqtt_2_2_2_1_connack_5_smallest: Server, V5, "20 03 00 00 00"
        => ControlPacket::ConnAck(Box::new(ConnAck::new(ReasonCode::Success)));
    connack_5_refuses: Server, V5, "20 0e 00 85 0b 1f 0008 'too long'"
        => ControlPacket::ConnAck(Box::new(ConnAck {
            properties: ConnAckProperties { reason_string: Some("too long".into()), ..ConnAckProperties::default() },
            ..ConnAck::new(ReasonCode::ClientIdentifierNotValid)
        }));
    connack_5_with_every_property: Server, V5,
        "20 4d 01 00 4a 11 0000000a 21 0100 24 01 25 01 27 00100000 12 0006 'auto-1' 22 000a 1f 0002 'hi' 26 0001 'k' 0001 'v' 28 01 29 01 2a 00 13 001e 1a 0005 'resp/' 1c 0005 'other' 15 0001 'M' 16 0001 'd'"
        => ControlPacket::ConnAck(Box::new(ConnAck {
            session_present: true,
            reason: ReasonCode::Success,
            properties: ConnAckProperties {
                session_expiry_interval_s: Some(10),
                receive_maximum: NonZeroU16::new(256),
                maximum_qos: Some(QoS::AtLeastOnce),
                retain_available: Some(true),
                maximum_packet_size: NonZeroU32::new(1024 * 1024),
                assigned_client_identifier: Some("auto-1".into()),
                topic_alias_maximum: Some(10),
                reason_string: Some("hi".into()),
                user_properties: pairs(&[("k", "v")]),
                wildcard_subscription_available: Some(true),
                subscription_identifiers_available: Some(true),
                shared_subscription_available: Some(false),
                server_keep_alive_s: Some(30),
                response_information: Some("resp/".into()),
                server_reference: Some("other".into()),
                authentication_method: Some("M".into()),
                authentication_data: Some(Bytes::from_static(b"d")),
            },
        }));

    // 3.3 PUBLISH
    publish_3_1_1_at_most_once: Client, V3_1_1, "30 0a 0003 'a/b' 'hello'"
        => ControlPacket::Publish(publish("a/b", b"hello"));
    publish_3_1_1_with_all_flags: Server, V3_1_1, "3d 08 0003 'a/b' 0102 'x'"
        => ControlPacket::Publish(Publish {
            dup: true, qos: QoS::ExactlyOnce, retain: true, packet_id: PacketId::new(258), ..publish("a/b", b"x")
        });
    publish_3_1_1_without_payload: Client, V3_1_1, "31 03 0001 'a'"
        => ControlPacket::Publish(Publish { retain: true, ..publish("a", b"") });
    publish_5_without_properties: Client, V5, "32 15 000c 'chat/mensaje' 000a 00 'Hola'"
        => ControlPacket::Publish(Publish {
            qos: QoS::AtLeastOnce, packet_id: PacketId::new(10), ..publish("chat/mensaje", b"Hola")
        });
    publish_5_with_every_property_of_a_client: Client, V5,
        "34 2f 0001 'a' 0001 27 23 0005 02 0000000a 01 00 03 0004 'json' 08 0002 're' 09 0002 'id' 26 0001 'k' 0000 26 0000 0001 'v' 00ff"
        => ControlPacket::Publish(Publish {
            qos: QoS::ExactlyOnce,
            packet_id: PacketId::new(1),
            properties: Some(Box::new(PublishProperties {
                payload_format_is_utf8: Some(false),
                message_expiry_interval_s: Some(10),
                topic_alias: NonZeroU16::new(5),
                response_topic: Some("re".into()),
                correlation_data: Some(Bytes::from_static(b"id")),
                user_properties: pairs(&[("k", ""), ("", "v")]),
                subscription_identifiers: smallvec![],
                content_type: Some("json".into()),
            })),
            ..publish("a", &[0, 0xFF])
        });
    mqtt_3_3_4_4_publish_5_to_overlapping_subscriptions: Server, V5, "30 0f 0001 'a' 0a 0b 01 0b ffffff7f 0b 8001 'x'"
        => ControlPacket::Publish(Publish {
            properties: Some(Box::new(PublishProperties {
                subscription_identifiers: smallvec![1, 268_435_455, 128],
                ..PublishProperties::default()
            })),
            ..publish("a", b"x")
        });
    publish_5_with_an_alias_in_place_of_the_topic: Client, V5, "30 07 0000 03 23 0001 'x'"
        => ControlPacket::Publish(Publish {
            properties: Some(Box::new(PublishProperties {
                topic_alias: NonZeroU16::new(1),
                ..PublishProperties::default()
            })),
            ..publish("", b"x")
        });

    // 3.4 to 3.7 PUBACK, PUBREC, PUBREL, PUBCOMP
    puback_3_1_1: Client, V3_1_1, "40 02 0001" => ControlPacket::PubAck(ack(1, ReasonCode::Success));
    pubrec_3_1_1: Server, V3_1_1, "50 02 ffff" => ControlPacket::PubRec(ack(65_535, ReasonCode::Success));
    mqtt_3_6_1_1_pubrel_3_1_1: Client, V3_1_1, "62 02 0001" => ControlPacket::PubRel(ack(1, ReasonCode::Success));
    pubcomp_3_1_1: Server, V3_1_1, "70 02 0001" => ControlPacket::PubComp(ack(1, ReasonCode::Success));
    puback_5_success_in_its_short_form: Server, V5, "40 02 0001" => ControlPacket::PubAck(ack(1, ReasonCode::Success));
    puback_5_no_matching_subscribers: Server, V5, "40 03 0001 10"
        => ControlPacket::PubAck(ack(1, ReasonCode::NoMatchingSubscribers));
    puback_5_with_every_property: Server, V5, "40 10 0001 87 0c 1f 0002 'no' 26 0001 'k' 0001 'v'"
        => ControlPacket::PubAck(explained(1, ReasonCode::NotAuthorized));
    pubrec_5_with_every_property: Client, V5, "50 10 0002 97 0c 1f 0002 'no' 26 0001 'k' 0001 'v'"
        => ControlPacket::PubRec(explained(2, ReasonCode::QuotaExceeded));
    pubrel_5_identifier_not_found: Server, V5, "62 03 0003 92"
        => ControlPacket::PubRel(ack(3, ReasonCode::PacketIdentifierNotFound));
    pubcomp_5_with_every_property: Server, V5, "70 10 0003 92 0c 1f 0002 'no' 26 0001 'k' 0001 'v'"
        => ControlPacket::PubComp(explained(3, ReasonCode::PacketIdentifierNotFound));

    // 3.8, 3.9 SUBSCRIBE, SUBACK
    mqtt_3_8_1_1_subscribe_3_1_1: Client, V3_1_1, "82 0c 000a 0003 'a/+' 01 0001 '#' 02"
        => ControlPacket::Subscribe(Subscribe {
            packet_id: id(10),
            filters: vec![(filter("a/+"), QoS::AtLeastOnce.into()), (filter("#"), QoS::ExactlyOnce.into())],
            subscription_identifier: None,
            user_properties: vec![],
        });
    subscribe_5_with_every_option_and_property: Client, V5,
        "82 20 000a 0a 0b 8001 26 0001 'k' 0001 'v' 0001 'a' 2e 000c '$share/g/a/#' 11"
        => ControlPacket::Subscribe(Subscribe {
            packet_id: id(10),
            filters: vec![
                (filter("a"), SubscriptionOptions {
                    maximum_qos: QoS::ExactlyOnce,
                    no_local: true,
                    retain_as_published: true,
                    retain_handling: RetainHandling::DoNotSend,
                }),
                (filter("$share/g/a/#"), SubscriptionOptions {
                    retain_handling: RetainHandling::SendIfNew,
                    ..QoS::AtLeastOnce.into()
                }),
            ],
            subscription_identifier: Some(128),
            user_properties: pairs(&[("k", "v")]),
        });
    suback_3_1_1: Server, V3_1_1, "90 06 000a 00 01 02 80"
        => ControlPacket::SubAck(SubAck {
            packet_id: id(10),
            reasons: vec![ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2, ReasonCode::UnspecifiedError],
            properties: None,
        });
    suback_5: Server, V5, "90 05 000a 00 01 87"
        => ControlPacket::SubAck(SubAck {
            packet_id: id(10), reasons: vec![ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized], properties: None,
        });
    suback_5_with_every_property: Server, V5, "90 10 000a 0c 1f 0002 'no' 26 0001 'k' 0001 'v' 9e"
        => ControlPacket::SubAck(SubAck {
            packet_id: id(10),
            reasons: vec![ReasonCode::SharedSubscriptionsNotSupported],
            properties: explanation(),
        });

    // 3.10, 3.11 UNSUBSCRIBE, UNSUBACK
    mqtt_3_10_1_1_unsubscribe_3_1_1: Client, V3_1_1, "a2 0a 0001 0001 'a' 0003 'b/#'"
        => ControlPacket::Unsubscribe(Unsubscribe {
            packet_id: id(1), filters: vec![filter("a"), filter("b/#")], user_properties: vec![],
        });
    unsubscribe_5_with_every_property: Client, V5, "a2 0d 0001 07 26 0001 'k' 0001 'v' 0001 'a'"
        => ControlPacket::Unsubscribe(Unsubscribe {
            packet_id: id(1), filters: vec![filter("a")], user_properties: pairs(&[("k", "v")]),
        });
    unsuback_3_1_1: Server, V3_1_1, "b0 02 0001"
        => ControlPacket::UnsubAck(UnsubAck { packet_id: id(1), reasons: vec![], properties: None });
    unsuback_5_with_every_property: Server, V5, "b0 11 0001 0c 1f 0002 'no' 26 0001 'k' 0001 'v' 00 11"
        => ControlPacket::UnsubAck(UnsubAck {
            packet_id: id(1),
            reasons: vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted],
            properties: explanation(),
        });

    // 3.12, 3.13 PINGREQ, PINGRESP
    pingreq_3_1_1: Client, V3_1_1, "c0 00" => ControlPacket::PingReq;
    pingreq_5: Client, V5, "c0 00" => ControlPacket::PingReq;
    pingresp_3_1_1: Server, V3_1_1, "d0 00" => ControlPacket::PingResp;
    pingresp_5: Server, V5, "d0 00" => ControlPacket::PingResp;

    // 3.14 DISCONNECT
    disconnect_3_1_1: Client, V3_1_1, "e0 00" => ControlPacket::Disconnect(Disconnect::new(ReasonCode::Success));
    disconnect_5_normal_in_its_short_form: Client, V5, "e0 00"
        => ControlPacket::Disconnect(Disconnect::new(ReasonCode::Success));
    disconnect_5_with_will: Client, V5, "e0 01 04"
        => ControlPacket::Disconnect(Disconnect::new(ReasonCode::DisconnectWithWill));
    disconnect_5_with_every_property_of_a_client: Client, V5, "e0 13 00 11 11 00000000 1f 0002 'no' 26 0001 'k' 0001 'v'"
        => ControlPacket::Disconnect(Disconnect {
            reason: ReasonCode::Success,
            properties: Some(Box::new(DisconnectProperties {
                session_expiry_interval_s: Some(0),
                reason_string: Some("no".into()),
                user_properties: pairs(&[("k", "v")]),
                server_reference: None,
            })),
        });
    disconnect_5_with_every_property_of_a_server: Server, V5, "e0 1b 9d 19 1f 0002 'no' 26 0001 'k' 0001 'v' 1c 000a 'other:8883'"
        => ControlPacket::Disconnect(Disconnect {
            reason: ReasonCode::ServerMoved,
            properties: Some(Box::new(DisconnectProperties {
                session_expiry_interval_s: None,
                reason_string: Some("no".into()),
                user_properties: pairs(&[("k", "v")]),
                server_reference: Some("other:8883".into()),
            })),
        });

    // 3.15 AUTH
    auth_5_with_every_property: Client, V5, "f0 1a 18 18 15 0005 'SCRAM' 16 0001 ff 1f 0002 'go' 26 0001 'k' 0001 'v'"
        => ControlPacket::Auth(Auth {
            reason: ReasonCode::ContinueAuthentication,
            properties: AuthProperties {
                authentication_method: Some("SCRAM".into()),
                authentication_data: Some(Bytes::from_static(&[0xFF])),
                reason_string: Some("go".into()),
                user_properties: pairs(&[("k", "v")]),
            },
        });
    auth_5_success_in_its_short_form: Server, V5, "f0 00"
        => ControlPacket::Auth(Auth { reason: ReasonCode::Success, properties: AuthProperties::default() });
}

fn connect(connect: Connect) -> ControlPacket {
    ControlPacket::Connect(Box::new(connect))
}

fn will(payload: &'static str) -> Will {
    Will {
        topic: TopicName::try_from("will").unwrap(),
        payload: payload.into(),
        qos: QoS::AtMostOnce,
        retain: false,
        delay_interval_s: 0,
        properties: None,
    }
}

fn publish(topic: &str, payload: &'static [u8]) -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic.into(),
        packet_id: None,
        payload: Bytes::from_static(payload),
        properties: None,
    }
}

fn ack(packet_id: u16, reason: ReasonCode) -> Ack {
    Ack::new(id(packet_id), reason)
}

fn explained(packet_id: u16, reason: ReasonCode) -> Ack {
    Ack {
        properties: explanation(),
        ..ack(packet_id, reason)
    }
}

fn explanation() -> Option<Box<ReasonProperties>> {
    Some(Box::new(ReasonProperties {
        reason_string: Some("no".into()),
        user_properties: pairs(&[("k", "v")]),
    }))
}

fn pairs(pairs: &[(&str, &str)]) -> UserProperties {
    pairs
        .iter()
        .map(|(name, value)| (ByteString::from(*name), ByteString::from(*value)))
        .collect()
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::try_from(text).unwrap()
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}
