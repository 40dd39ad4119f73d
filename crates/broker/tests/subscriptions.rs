//! SUBSCRIBE and UNSUBSCRIBE through the whole broker: several filters, replacement, retained messages.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod support;

use std::num::NonZeroU16;

use mqtt::{
    Ack, ControlPacket, Publish, QoS, ReasonCode, RetainHandling, Subscribe, SubscriptionOptions,
    Unsubscribe,
};
use support::*;

async fn subscribe_all(
    peer: &mut Peer,
    filters: &[(&str, QoS)],
    identifier: Option<u32>,
) -> Vec<ReasonCode> {
    let filters = filters
        .iter()
        .map(|(filter, qos)| (filter.parse().unwrap(), (*qos).into()))
        .collect();
    peer.send(ControlPacket::Subscribe(Subscribe {
        packet_id: id(1),
        filters,
        subscription_identifier: identifier,
        user_properties: Vec::new(),
    }))
    .await;
    match peer.receive().await {
        Some(ControlPacket::SubAck(suback)) => suback.reasons,
        other => panic!("expected SUBACK, got {other:?}"),
    }
}

async fn unsubscribe_all(peer: &mut Peer, filters: &[&str]) -> Vec<ReasonCode> {
    peer.send(ControlPacket::Unsubscribe(Unsubscribe {
        packet_id: id(2),
        filters: filters
            .iter()
            .map(|filter| filter.parse().unwrap())
            .collect(),
        user_properties: Vec::new(),
    }))
    .await;
    match peer.receive().await {
        Some(ControlPacket::UnsubAck(unsuback)) => unsuback.reasons,
        other => panic!("expected UNSUBACK, got {other:?}"),
    }
}

fn retained(topic: &str, payload: &'static str, qos: QoS) -> Publish {
    Publish {
        retain: true,
        ..publish(topic, payload, qos)
    }
}

async fn payload_of_next(peer: &mut Peer) -> String {
    let got = peer.receive_publish().await;
    if got.qos == QoS::AtLeastOnce {
        peer.puback(&got).await;
    }
    String::from_utf8(got.payload.to_vec()).unwrap()
}

fn with(retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_handling,
        ..QoS::AtLeastOnce.into()
    }
}

/// Also [MQTT-3.9.3-1].
#[tokio::test]
async fn mqtt_3_8_4_5_several_filters_are_several_subscriptions_with_one_suback() {
    for (connect, not_authorized) in [
        (v5("a"), ReasonCode::NotAuthorized),
        (v3("a"), ReasonCode::UnspecifiedError),
    ] {
        let broker = broker();
        let mut peer = Peer::connect(&broker, "alumno", connect).await;
        let filters = [
            ("chat/x", QoS::ExactlyOnce),
            ("plant/x", QoS::AtLeastOnce),
            ("demo/+", QoS::AtMostOnce),
            ("articulos/#", QoS::AtLeastOnce),
        ];
        assert_eq!(
            subscribe_all(&mut peer, &filters, None).await,
            [
                ReasonCode::GrantedQoS2,
                not_authorized,
                ReasonCode::Success,
                ReasonCode::GrantedQoS1
            ]
        );
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        for (topic, qos) in [
            ("demo/1", QoS::AtMostOnce),
            ("articulos/1", QoS::AtLeastOnce),
            ("chat/x", QoS::ExactlyOnce),
        ] {
            publisher
                .publish(publish(topic, topic, QoS::ExactlyOnce))
                .await;
            let got = peer.receive_publish().await;
            assert_eq!((&*got.topic, got.qos), (topic, qos));
        }
        peer.gets_nothing().await;
    }
}

/// Also [MQTT-3.11.3-1].
#[tokio::test]
async fn mqtt_3_10_4_6_several_filters_are_several_ends_with_one_unsuback() {
    for connect in [v5("a"), v3("a")] {
        let is_5_0 = connect.version == mqtt::ProtocolVersion::V5;
        let broker = broker();
        let mut peer = Peer::connect(&broker, "alumno", connect).await;
        for filter in ["chat/x", "demo/+", "articulos/#"] {
            peer.subscribe(filter, QoS::AtMostOnce).await;
        }
        let (over, none) = (ReasonCode::Success, ReasonCode::NoSubscriptionExisted);
        let reasons = unsubscribe_all(&mut peer, &["chat/x", "chat/y", "demo/+"]).await;
        let expected: &[ReasonCode] = if is_5_0 { &[over, none, over] } else { &[] };
        assert_eq!(reasons, expected);
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        for topic in ["chat/x", "demo/1", "articulos/1"] {
            publisher
                .publish(publish(topic, topic, QoS::AtLeastOnce))
                .await;
        }
        assert_eq!(payload_of_next(&mut peer).await, "articulos/1");
        peer.gets_nothing().await;
    }
}

#[tokio::test]
async fn mqtt_3_8_4_3_the_same_filter_again_replaces_the_subscription() {
    for connect in [v5("a"), v3("a")] {
        let broker = broker();
        let is_5_0 = connect.version == mqtt::ProtocolVersion::V5;
        let mut peer = Peer::connect(&broker, "alumno", connect).await;
        for (qos, identifier) in [(QoS::ExactlyOnce, 1), (QoS::AtMostOnce, 2)] {
            let identifier = is_5_0.then_some(identifier);
            subscribe_all(&mut peer, &[("chat/#", qos)], identifier).await;
        }
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        publisher
            .publish(publish("chat/x", "hola", QoS::ExactlyOnce))
            .await;
        let got = peer.receive_publish().await;
        assert_eq!(got.qos, QoS::AtMostOnce);
        if is_5_0 {
            assert_eq!(got.properties.unwrap().subscription_identifiers[..], [2]);
        }
        peer.gets_nothing().await;
        unsubscribe_all(&mut peer, &["chat/#"]).await;
        let reason = publisher
            .publish(publish("chat/x", "hola", QoS::AtLeastOnce))
            .await;
        assert_eq!(reason, ReasonCode::NoMatchingSubscribers);
    }
}

#[tokio::test]
async fn mqtt_3_8_4_4_a_replaced_subscription_loses_nothing_and_gets_what_is_retained_again() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher
        .publish(retained("chat/estado", "abierto", QoS::AtMostOnce))
        .await;
    let mut connect = v5("a");
    connect.properties.receive_maximum = NonZeroU16::new(1);
    let mut peer = Peer::connect(&broker, "alumno", connect).await;
    peer.subscribe("chat/#", QoS::AtLeastOnce).await;
    assert_eq!(payload_of_next(&mut peer).await, "abierto");
    for payload in ["1", "2", "3"] {
        publisher
            .publish(publish("chat/x", payload, QoS::AtLeastOnce))
            .await;
    }
    // The others wait for this one to be acknowledged.
    let first = peer.receive_publish().await;
    peer.subscribe("chat/#", QoS::AtLeastOnce).await;
    peer.puback(&first).await;
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(payload_of_next(&mut peer).await);
    }
    peer.gets_nothing().await;
    assert!(got.contains(&"abierto".to_owned()), "{got:?}");
    got.retain(|payload| payload != "abierto");
    assert_eq!(got, ["2", "3"]);
}

#[tokio::test]
async fn mqtt_3_8_4_4_what_is_retained_is_not_lost_if_its_subscription_is_replaced_at_once() {
    for second in [RetainHandling::SendIfNew, RetainHandling::DoNotSend] {
        let broker = broker();
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        publisher
            .publish(retained("chat/estado", "abierto", QoS::AtLeastOnce))
            .await;
        let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
        let both = [RetainHandling::SendIfNew, second].map(|retain_handling| {
            // SUBSCRIBE chat/#, QoS 1
            let options = 1 | (retain_handling as u8) << 4;
            [b"\x82\x0c\0\x01\0\0\x06chat/#", &[options][..]].concat()
        });
        peer.send_bytes(&both.concat()).await;
        let mut subacks = 0;
        let mut messages = 0;
        for _ in 0..3 {
            peer.send(ControlPacket::PingReq).await;
            loop {
                match peer.receive().await {
                    Some(ControlPacket::SubAck(_)) => subacks += 1,
                    Some(ControlPacket::Publish(got)) => {
                        assert_eq!((got.retain, &got.payload[..]), (true, &b"abierto"[..]));
                        peer.puback(&got).await;
                        messages += 1;
                    }
                    Some(ControlPacket::PingResp) => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!((subacks, messages), (2, 1));
    }
}

#[tokio::test]
async fn mqtt_3_3_1_10_retain_handling_1_is_for_new_subscriptions() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher
        .publish(retained("chat/estado", "abierto", QoS::AtLeastOnce))
        .await;
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    for _ in 0..2 {
        peer.subscribe("chat/#", with(RetainHandling::SendIfNew))
            .await;
        assert_eq!(payload_of_next(&mut peer).await, "abierto");
        peer.subscribe("chat/#", with(RetainHandling::SendIfNew))
            .await;
        peer.gets_nothing().await;
        assert_eq!(peer.unsubscribe("chat/#").await, ReasonCode::Success);
    }
}

#[tokio::test]
async fn mqtt_3_3_1_11_retain_handling_2_is_for_none() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher
        .publish(retained("chat/estado", "abierto", QoS::AtLeastOnce))
        .await;
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    for _ in 0..2 {
        peer.subscribe("chat/#", with(RetainHandling::DoNotSend))
            .await;
        peer.gets_nothing().await;
    }
    publisher
        .publish(retained("chat/estado", "cerrado", QoS::AtLeastOnce))
        .await;
    assert_eq!(payload_of_next(&mut peer).await, "cerrado");
}

#[tokio::test]
async fn mqtt_3_3_1_8_an_ordinary_message_leaves_the_retained_one_alone() {
    let broker = broker();
    for version in [v5("p"), v3("p")] {
        let mut publisher = Peer::connect(&broker, "publisher", version).await;
        publisher
            .publish(retained("chat/estado", "abierto", QoS::AtLeastOnce))
            .await;
        for payload in ["passing", ""] {
            publisher
                .publish(publish("chat/estado", payload, QoS::AtLeastOnce))
                .await;
        }
        let mut late = Peer::connect(&broker, "subscriber", v5("late")).await;
        late.subscribe("chat/#", QoS::AtLeastOnce).await;
        assert_eq!(payload_of_next(&mut late).await, "abierto");
        late.gets_nothing().await;
    }
}

#[tokio::test]
async fn mqtt311_3_3_1_7_a_retained_qos_0_message_replaces_the_one_before() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v3("p")).await;
    for (payload, qos) in [("old", QoS::ExactlyOnce), ("new", QoS::AtMostOnce)] {
        publisher
            .publish(retained("chat/estado", payload, qos))
            .await;
    }
    publisher.gets_nothing().await;
    let mut late = Peer::connect(&broker, "subscriber", v3("late")).await;
    late.subscribe("chat/#", QoS::ExactlyOnce).await;
    assert_eq!(payload_of_next(&mut late).await, "new");
    late.gets_nothing().await;
}

#[tokio::test]
async fn mqtt311_3_1_2_7_retained_messages_outlive_the_session_of_their_publisher() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v3("p")).await;
    publisher
        .publish(retained("chat/estado", "abierto", QoS::AtLeastOnce))
        .await;
    publisher.disconnect().await;
    until(&broker, |metrics| metrics.sessions_current == 0).await;
    // Nor does a clean session of the same name take them away.
    let publisher = Peer::connect(&broker, "publisher", v3("p")).await;
    let mut late = Peer::connect(&broker, "subscriber", v3("late")).await;
    late.subscribe("chat/#", QoS::AtLeastOnce).await;
    assert_eq!(payload_of_next(&mut late).await, "abierto");
    publisher.disconnect().await;
}

#[tokio::test]
async fn mqtt_3_3_4_5_each_copy_has_the_identifier_of_its_own_subscription() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher
        .publish(retained("chat/estado", "abierto", QoS::AtMostOnce))
        .await;
    publisher.gets_nothing().await;
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    // A retained message is sent once for each subscription, and says for which.
    for (filter, identifier) in [("chat/#", 7), ("chat/+", 8)] {
        subscribe_all(&mut peer, &[(filter, QoS::AtMostOnce)], Some(identifier)).await;
        let got = peer.receive_publish().await;
        let identifiers = got.properties.unwrap().subscription_identifiers;
        assert_eq!(identifiers[..], [identifier]);
    }
    peer.gets_nothing().await;
}

#[tokio::test]
async fn mqtt_3_10_4_3_a_message_already_begun_is_completed_after_unsubscribe() {
    for connect in [staying("a", 60), {
        let mut connect = v3("a");
        connect.clean_start = false;
        connect
    }] {
        let broker = broker();
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        let mut peer = Peer::connect(&broker, "alumno", connect.clone()).await;
        peer.subscribe("chat/#", QoS::ExactlyOnce).await;
        for (payload, qos) in [("one", QoS::AtLeastOnce), ("two", QoS::ExactlyOnce)] {
            publisher.publish(publish("chat/x", payload, qos)).await;
        }
        let first = peer.receive_publish().await;
        let second = peer.receive_publish().await;
        unsubscribe_all(&mut peer, &["chat/#"]).await;
        let received = Ack::new(second.packet_id.unwrap(), ReasonCode::Success);
        peer.send(ControlPacket::PubRec(received.clone())).await;
        let release = ControlPacket::PubRel(received.clone());
        assert_eq!(peer.receive().await, Some(release.clone()));
        drop(peer);

        // Neither is forgotten with the connection.
        let mut peer = Peer::connect(&broker, "alumno", connect).await;
        let again = peer.receive_publish().await;
        assert_eq!(again, Publish { dup: true, ..first });
        assert_eq!(peer.receive().await, Some(release));
        peer.puback(&again).await;
        peer.send(ControlPacket::PubComp(received)).await;
        peer.gets_nothing().await;
    }
}
