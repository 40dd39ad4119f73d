//! Messages through the whole broker: who gets what, how, and who gets nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod support;

use std::num::NonZeroU16;

use enviomq_broker::{BrokerConfig, BrokerHandle, DropReason};
use mqtt::{
    Ack, ControlPacket, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, Subscribe,
    SubscriptionOptions,
};
use support::*;

#[tokio::test]
async fn every_qos_arrives_in_both_versions() {
    for (publisher, subscriber) in [
        (v5("p"), v5("s")),
        (v3("p"), v5("s")),
        (v5("p"), v3("s")),
        (v3("p"), v3("s")),
    ] {
        let broker = broker();
        let mut subscriber = Peer::connect(&broker, "subscriber", subscriber).await;
        let mut publisher = Peer::connect(&broker, "publisher", publisher).await;
        subscriber.subscribe("chat/mensaje", QoS::ExactlyOnce).await;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let sent = publish("chat/mensaje", "hola", qos);
            assert_eq!(publisher.publish(sent).await, ReasonCode::Success);
            let got = subscriber.receive_publish().await;
            assert_eq!(
                (got.qos, &*got.topic, &got.payload[..]),
                (qos, "chat/mensaje", &b"hola"[..])
            );
            acknowledge(&mut subscriber, &got).await;
        }
        subscriber.gets_nothing().await;
    }
}

async fn acknowledge(peer: &mut Peer, got: &Publish) {
    match got.qos {
        QoS::AtMostOnce => {}
        QoS::AtLeastOnce => peer.puback(got).await,
        QoS::ExactlyOnce => {
            let ack = Ack::new(got.packet_id.unwrap(), ReasonCode::Success);
            peer.send(ControlPacket::PubRec(ack.clone())).await;
            assert!(matches!(
                peer.receive().await,
                Some(ControlPacket::PubRel(_))
            ));
            peer.send(ControlPacket::PubComp(ack)).await;
        }
    }
}

/// Shows [MQTT-3.3.2-3], [MQTT-3.10.4-1], [MQTT-3.10.4-2], [MQTT-3.10.4-5].
#[tokio::test]
async fn wildcards_match_and_an_unsubscribed_filter_does_not() {
    let broker = broker();
    let mut subscriber = Peer::connect(&broker, "subscriber", v5("s")).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    subscriber.subscribe("demo/+/up", QoS::AtMostOnce).await;
    subscriber.subscribe("chat/#", QoS::AtMostOnce).await;
    for (topic, arrives) in [
        ("demo/7/up", true),
        ("demo/7/down", false),
        ("chat", true),
        ("chat/a/b", true),
        ("articulos/1", false),
    ] {
        let reason = publisher
            .publish(publish(topic, "x", QoS::AtLeastOnce))
            .await;
        if arrives {
            assert_eq!(reason, ReasonCode::Success);
            assert_eq!(&*subscriber.receive_publish().await.topic, topic);
        } else {
            assert_eq!(reason, ReasonCode::NoMatchingSubscribers);
        }
    }
    assert_eq!(subscriber.unsubscribe("chat/#").await, ReasonCode::Success);
    assert_eq!(
        subscriber.unsubscribe("chat/#").await,
        ReasonCode::NoSubscriptionExisted
    );
    let reason = publisher
        .publish(publish("chat/x", "x", QoS::AtLeastOnce))
        .await;
    assert_eq!(reason, ReasonCode::NoMatchingSubscribers);
    subscriber.gets_nothing().await;
}

#[tokio::test]
async fn payloads_pass_unchanged_whatever_they_are() {
    let broker = broker();
    let mut subscriber = Peer::connect(&broker, "subscriber", v5("s")).await;
    let mut publisher = Peer::connect(&broker, "publisher", v3("p")).await;
    subscriber.subscribe("chat/#", QoS::AtLeastOnce).await;
    let mebibyte: Vec<u8> = (0..1 << 20).map(|index: u32| index as u8).collect();
    for payload in [
        Vec::new(),
        vec![0xFF, 0xFE, 0x00, 0xC0],
        b"<script>alert(1)</script>".to_vec(),
        mebibyte,
    ] {
        publisher
            .publish(publish("chat/x", payload.clone(), QoS::AtLeastOnce))
            .await;
        let got = subscriber.receive_publish().await;
        assert!(got.payload == payload, "{} bytes", payload.len());
        subscriber.puback(&got).await;
    }
}

/// Shows [MQTT-4.6.0-5].
#[tokio::test]
async fn mqtt_3_3_1_3_a_repeated_message_arrives_as_a_first_one() {
    for (publisher, subscriber) in [(v5("p"), v5("s")), (v3("p"), v3("s"))] {
        let broker = broker();
        let mut subscriber = Peer::connect(&broker, "subscriber", subscriber).await;
        subscriber.subscribe("chat/#", QoS::ExactlyOnce).await;
        let mut publisher = Peer::connect(&broker, "publisher", publisher).await;
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let repeated = Publish {
                dup: true,
                ..publish("chat/x", "hola", qos)
            };
            publisher.publish(repeated).await;
            let got = subscriber.receive_publish().await;
            assert_eq!((got.dup, got.qos), (false, qos));
            acknowledge(&mut subscriber, &got).await;
        }
    }
}

/// Also [MQTT-3.1.2-27].
#[tokio::test]
async fn mqtt_3_3_2_11_no_client_gets_more_aliases_than_it_takes() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    for maximum in [None, Some(0), Some(1)] {
        let mut connect = v5("s");
        connect.properties.topic_alias_maximum = maximum;
        let mut subscriber = Peer::connect(&broker, "subscriber", connect).await;
        subscriber.subscribe("chat/#", QoS::AtMostOnce).await;
        // The publisher's own aliases are between it and the broker.
        for (topic, alias) in [("chat/x", 2), ("chat/y", 3), ("chat/x", 2)] {
            let aliased = PublishProperties {
                topic_alias: NonZeroU16::new(alias),
                ..PublishProperties::default()
            };
            publisher
                .publish(Publish {
                    properties: Some(Box::new(aliased)),
                    ..publish(topic, "hola", QoS::AtLeastOnce)
                })
                .await;
            let got = subscriber.receive_publish().await;
            let alias = got.properties.and_then(|properties| properties.topic_alias);
            let alias = alias.map_or(0, NonZeroU16::get);
            assert!(alias <= maximum.unwrap_or(0), "{alias}");
        }
    }
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let broker = broker();
    let mut subscriber = Peer::connect(&broker, "subscriber", v5("s")).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    subscriber.subscribe("demo/#", QoS::AtMostOnce).await;
    let reader = async {
        for expected in 0..5_000_u32 {
            let got = subscriber.receive_publish().await;
            assert_eq!(got.payload[..], expected.to_be_bytes());
        }
    };
    let writer = async {
        for number in 0..5_000_u32 {
            let payload = number.to_be_bytes().to_vec();
            publisher
                .publish(publish("demo/x", payload, QoS::AtMostOnce))
                .await;
        }
    };
    tokio::join!(reader, writer);
}

#[tokio::test]
async fn a_fan_out_wider_than_a_turn_reaches_everyone() {
    let broker = broker();
    let mut subscribers = Vec::new();
    for index in 0..1_500 {
        let (ours, theirs) = transport::Transport::memory_pair(4096);
        broker.attach(theirs, "subscriber");
        let mut peer = Peer::over(ours, ProtocolVersion::V5);
        peer.say_connect(v5(&format!("s{index}"))).await;
        peer.subscribe("chat/#", QoS::AtMostOnce).await;
        subscribers.push(peer);
    }
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    let reason = publisher
        .publish(publish("chat/x", "a todos", QoS::AtLeastOnce))
        .await;
    assert_eq!(reason, ReasonCode::Success);
    for subscriber in &mut subscribers {
        assert_eq!(&subscriber.receive_publish().await.payload[..], b"a todos");
    }
    assert_eq!(broker.metrics().messages_routed, 1_500);
}

/// Shows [MQTT-3.3.1-5], [MQTT-3.3.1-7], [MQTT-3.3.1-9], [MQTT311-3.3.1-8].
#[tokio::test]
async fn a_new_subscription_gets_the_retained_message_and_an_empty_one_removes_it() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    let retained = |payload: &'static str| Publish {
        retain: true,
        ..publish("chat/estado", payload, QoS::AtLeastOnce)
    };
    publisher.publish(retained("abierto")).await;
    assert_eq!(broker.metrics().retained_count, 1);

    let mut subscriber = Peer::connect(&broker, "subscriber", v3("s")).await;
    subscriber.subscribe("chat/+", QoS::AtLeastOnce).await;
    let got = subscriber.receive_publish().await;
    assert_eq!(
        (got.retain, got.qos, &got.payload[..]),
        (true, QoS::AtLeastOnce, &b"abierto"[..])
    );
    subscriber.puback(&got).await;

    // To a subscription that exists, the same arrives as an ordinary message.
    publisher.publish(retained("cerrado")).await;
    let got = subscriber.receive_publish().await;
    assert_eq!((got.retain, &got.payload[..]), (false, &b"cerrado"[..]));
    subscriber.puback(&got).await;

    publisher.publish(retained("")).await;
    assert_eq!(broker.metrics().retained_count, 0);
    let mut late = Peer::connect(&broker, "subscriber", v5("late")).await;
    late.subscribe("chat/#", QoS::AtLeastOnce).await;
    late.gets_nothing().await;
}

#[tokio::test]
async fn more_retained_messages_than_a_turn_takes_all_arrive() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    for index in 0..3_000 {
        let topic = format!("demo/{index:05}");
        publisher
            .publish(Publish {
                retain: true,
                ..publish(&topic, "x", QoS::AtMostOnce)
            })
            .await;
    }
    publisher.gets_nothing().await;
    let mut subscriber = Peer::connect(&broker, "subscriber", v5("s")).await;
    subscriber.subscribe("demo/+", QoS::AtMostOnce).await;
    for index in 0..3_000 {
        let got = subscriber.receive_publish().await;
        assert_eq!(*got.topic, format!("demo/{index:05}"));
    }
    subscriber.gets_nothing().await;
}

/// A client that lets a message lie, so that what it subscribes to now waits behind it.
async fn stuck(broker: &BrokerHandle, publisher: &mut Peer) -> Peer {
    let (ours, theirs) = transport::Transport::memory_pair(256);
    broker.attach(theirs, "subscriber");
    let mut stuck = Peer::over(ours, ProtocolVersion::V5);
    stuck.say_connect(staying("s", 60)).await;
    stuck.subscribe("chat/#", QoS::AtLeastOnce).await;
    publisher
        .publish(publish("chat/x", vec![b'x'; 1000], QoS::AtLeastOnce))
        .await;
    stuck
        .send(ControlPacket::Subscribe(Subscribe {
            packet_id: id(2),
            filters: vec![("demo/+".parse().unwrap(), QoS::AtLeastOnce.into())],
            subscription_identifier: None,
            user_properties: Vec::new(),
        }))
        .await;
    let probe = || publish("demo/probe", "", QoS::AtLeastOnce);
    while publisher.publish(probe()).await == ReasonCode::NoMatchingSubscribers {
        tokio::task::yield_now().await;
    }
    stuck
}

fn retained(topic: &str, payload: &'static str) -> Publish {
    Publish {
        retain: true,
        ..publish(topic, payload, QoS::AtLeastOnce)
    }
}

/// The messages on `demo/...` except probes, until nothing more comes.
async fn demo_messages(peer: &mut Peer) -> Vec<(String, String, bool)> {
    let mut messages = Vec::new();
    loop {
        peer.send(ControlPacket::PingReq).await;
        let mut quiet = true;
        loop {
            match peer.receive().await {
                Some(ControlPacket::Publish(got)) => {
                    quiet = false;
                    peer.puback(&got).await;
                    if got.topic.starts_with("demo/") && &*got.topic != "demo/probe" {
                        let payload = String::from_utf8(got.payload.to_vec()).unwrap();
                        messages.push((got.topic.to_string(), payload, got.retain));
                    }
                }
                Some(ControlPacket::PingResp) => break,
                Some(_) => quiet = false,
                None => panic!("closed"),
            }
        }
        if quiet {
            return messages;
        }
    }
}

#[tokio::test]
async fn what_is_retained_after_a_subscription_arrives_once_and_in_order() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher.publish(retained("demo/x", "before")).await;
    let mut subscriber = stuck(&broker, &mut publisher).await;
    publisher.publish(retained("demo/x", "1")).await;
    publisher.publish(retained("demo/x", "2")).await;
    let one = |payload: &str| ("demo/x".to_owned(), payload.to_owned(), false);
    assert_eq!(demo_messages(&mut subscriber).await, [one("1"), one("2")]);
}

#[tokio::test]
async fn retained_messages_that_a_client_left_without_come_first_when_it_returns() {
    let broker = broker();
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher.publish(retained("demo/old", "kept")).await;
    let subscriber = stuck(&broker, &mut publisher).await;
    publisher
        .publish(publish("demo/new", "live", QoS::AtLeastOnce))
        .await;
    drop(subscriber);
    let mut subscriber = Peer::connect(&broker, "subscriber", staying("s", 60)).await;
    assert_eq!(
        demo_messages(&mut subscriber).await,
        [
            ("demo/old".to_owned(), "kept".to_owned(), true),
            ("demo/new".to_owned(), "live".to_owned(), false)
        ]
    );
}

#[tokio::test]
async fn a_denied_publish_is_told_in_5_0_and_never_routed() {
    let broker = broker();
    let mut subscriber = Peer::connect(&broker, "subscriber", v5("s")).await;
    subscriber.subscribe("#", QoS::AtMostOnce).await;
    let mut newer = Peer::connect(&broker, "publisher", v5("p5")).await;
    newer
        .send(ControlPacket::Publish(publish(
            "plant/x",
            "no",
            QoS::AtLeastOnce,
        )))
        .await;
    let Some(ControlPacket::PubAck(ack)) = newer.receive().await else {
        panic!("expected PUBACK");
    };
    assert_eq!(ack.reason, ReasonCode::NotAuthorized);
    let words = ack.properties.unwrap().reason_string.unwrap();
    assert!(
        words.contains("publisher") && words.contains("plant/x"),
        "{words}"
    );

    let mut older = Peer::connect(&broker, "publisher", v3("p3")).await;
    let reason = older
        .publish(publish("plant/x", "no", QoS::ExactlyOnce))
        .await;
    assert_eq!(reason, ReasonCode::Success);
    subscriber.gets_nothing().await;
    assert_eq!(broker.metrics().publishes_denied, 2);
}

#[tokio::test]
async fn a_denied_subscription_is_refused_in_both_versions() {
    let broker = broker();
    let mut newer = Peer::connect(&broker, "alumno", v5("a")).await;
    assert_eq!(
        newer.try_subscribe("#", QoS::AtMostOnce).await,
        ReasonCode::NotAuthorized
    );
    let mut older = Peer::connect(&broker, "alumno", v3("b")).await;
    assert_eq!(
        older.try_subscribe("plant/x", QoS::AtMostOnce).await,
        ReasonCode::UnspecifiedError
    );
    assert_eq!(broker.metrics().subscribes_denied, 2);
}

#[tokio::test]
async fn subscriptions_are_bounded_in_number_and_depth() {
    let broker = broker_with(BrokerConfig {
        subscriptions_max_per_session: 2,
        filter_levels_max: 3,
        ..BrokerConfig::default()
    });
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    peer.subscribe("chat/1", QoS::AtMostOnce).await;
    peer.subscribe("chat/2", QoS::AtMostOnce).await;
    peer.subscribe("chat/2", QoS::AtLeastOnce).await;
    let third = peer.try_subscribe("chat/3", QoS::AtMostOnce).await;
    assert_eq!(third, ReasonCode::QuotaExceeded);
    let deep = peer.try_subscribe("chat/a/b/c", QoS::AtMostOnce).await;
    assert_eq!(deep, ReasonCode::TopicFilterInvalid);
}

#[tokio::test]
async fn more_filters_in_one_packet_than_a_session_may_have_are_not_even_looked_at() {
    let broker = broker_with(BrokerConfig {
        subscriptions_max_per_session: 2,
        ..BrokerConfig::default()
    });
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    peer.send(ControlPacket::Subscribe(Subscribe {
        packet_id: id(1),
        filters: vec![("chat/x".parse().unwrap(), QoS::AtMostOnce.into()); 4],
        subscription_identifier: None,
        user_properties: Vec::new(),
    }))
    .await;
    let Some(ControlPacket::SubAck(suback)) = peer.receive().await else {
        panic!("expected SUBACK");
    };
    let (granted, refused) = (ReasonCode::Success, ReasonCode::QuotaExceeded);
    assert_eq!(suback.reasons, [granted, granted, refused, refused]);
}

#[tokio::test]
async fn no_local_and_retain_as_published_are_kept() {
    let broker = broker();
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    let options = SubscriptionOptions {
        no_local: true,
        retain_as_published: true,
        ..SubscriptionOptions::default()
    };
    peer.subscribe("chat/#", options).await;
    let own = publish("chat/x", "mine", QoS::AtLeastOnce);
    assert_eq!(peer.publish(own).await, ReasonCode::NoMatchingSubscribers);
    let mut other = Peer::connect(&broker, "alumno", v5("b")).await;
    other
        .publish(Publish {
            retain: true,
            ..publish("chat/x", "theirs", QoS::AtLeastOnce)
        })
        .await;
    let got = peer.receive_publish().await;
    assert_eq!((got.retain, &got.payload[..]), (true, &b"theirs"[..]));
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_only_its_outbox() {
    let broker = broker_with(BrokerConfig {
        outbox_max_count: 50,
        ..BrokerConfig::default()
    });
    let (ours, theirs) = transport::Transport::memory_pair(512);
    broker.attach(theirs, "subscriber");
    let mut stuck = Peer::over(ours, ProtocolVersion::V5);
    stuck.say_connect(v5("stuck")).await;
    stuck.subscribe("demo/#", QoS::AtMostOnce).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    for _ in 0..1_000 {
        let message = publish("demo/x", vec![0; 1024], QoS::AtMostOnce);
        publisher.publish(message).await;
        // Acknowledged means routed, so that each message meets the outbox alone.
        publisher.gets_nothing().await;
    }
    let metrics = broker.metrics();
    let dropped = metrics.dropped_for(DropReason::OutboxFullQos0);
    assert_eq!(metrics.messages_routed + dropped, 1_000);
    assert!(dropped > 0);
    // What was not dropped is still there, and the stuck reader can go on.
    for _ in 0..metrics.messages_routed {
        stuck.receive_publish().await;
    }
    stuck.gets_nothing().await;
}

#[tokio::test]
async fn garbage_ends_one_connection_and_is_counted() {
    let broker = broker();
    let mut bystander = Peer::connect(&broker, "alumno", v5("a")).await;
    let mut peer = Peer::connect(&broker, "alumno", v5("b")).await;
    peer.send_bytes(&[0xFF; 8]).await;
    assert_eq!(peer.receive_disconnect().await, ReasonCode::MalformedPacket);
    bystander.gets_nothing().await;
    let metrics = broker.metrics();
    assert_eq!((metrics.protocol_errors, metrics.connection_panics), (1, 0));
}
