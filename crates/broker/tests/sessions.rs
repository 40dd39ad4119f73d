//! Sessions through the whole broker: takeover, absence, expiry, Will, shutdown.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod support;

use std::time::Duration;

use enviomq_broker::{BrokerConfig, DropReason};
use mqtt::{ControlPacket, Disconnect, ProtocolVersion, QoS, ReasonCode};
use support::*;

#[tokio::test]
async fn mqtt_3_1_4_3_a_second_connection_takes_the_session_over() {
    let broker = broker();
    let mut first = Peer::connect(&broker, "alumno", staying("a", 60)).await;
    first.subscribe("chat/#", QoS::AtLeastOnce).await;
    let (mut second, connack) = Peer::connect_with(&broker, "alumno", staying("a", 60)).await;
    assert!(connack.session_present);
    assert_eq!(
        first.receive_disconnect().await,
        ReasonCode::SessionTakenOver
    );
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    let reason = publisher
        .publish(publish("chat/x", "hola", QoS::AtLeastOnce))
        .await;
    assert_eq!(reason, ReasonCode::Success);
    assert_eq!(&second.receive_publish().await.payload[..], b"hola");
    let metrics = broker.metrics();
    assert_eq!(
        (metrics.sessions_taken_over, metrics.sessions_current),
        (1, 2)
    );
}

#[tokio::test]
async fn a_takeover_does_not_wait_for_a_reader_that_does_not_read() {
    let broker = broker();
    let (ours, theirs) = transport::Transport::memory_pair(256);
    broker.attach(theirs, "subscriber");
    let mut stuck = Peer::over(ours, ProtocolVersion::V5);
    stuck.say_connect(staying("s", 60)).await;
    stuck.subscribe("demo/#", QoS::AtLeastOnce).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    for number in 0..20_u8 {
        let payload = vec![number; 1000];
        publisher
            .publish(publish("demo/x", payload, QoS::AtLeastOnce))
            .await;
    }
    let (mut second, connack) = Peer::connect_with(&broker, "subscriber", staying("s", 60)).await;
    assert!(connack.session_present);
    for number in 0..20_u8 {
        let got = second.receive_publish().await;
        assert_eq!(got.payload[..], vec![number; 1000]);
        second.puback(&got).await;
    }
    second.gets_nothing().await;
}

#[tokio::test]
async fn many_connections_that_fight_for_one_session_end_with_one_owner() {
    let broker = broker();
    let mut peers: Vec<Peer> = (0..20)
        .map(|_| Peer::link(&broker, "alumno", ProtocolVersion::V5))
        .collect();
    for peer in &mut peers {
        peer.send(ControlPacket::Connect(Box::new(staying("a", 60))))
            .await;
    }
    let mut owners = 0;
    for peer in &mut peers {
        let Some(ControlPacket::ConnAck(connack)) = peer.receive().await else {
            panic!("expected CONNACK");
        };
        assert_eq!(connack.reason, ReasonCode::Success);
    }
    // Every CONNACK is out, so whoever lost has been told.
    for peer in &mut peers {
        peer.send(ControlPacket::PingReq).await;
        match peer.receive().await {
            Some(ControlPacket::PingResp) => owners += 1,
            Some(ControlPacket::Disconnect(end)) => {
                assert_eq!(end.reason, ReasonCode::SessionTakenOver);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(owners, 1);
    assert_eq!(broker.metrics().sessions_current, 1);
}

#[tokio::test]
async fn two_identities_with_one_client_identifier_do_not_meet() {
    let broker = broker();
    let mut a = Peer::connect(&broker, "alumno-1", staying("bomba", 60)).await;
    a.subscribe("chat/#", QoS::AtLeastOnce).await;
    let (mut b, connack) = Peer::connect_with(&broker, "alumno-2", staying("bomba", 60)).await;
    assert!(!connack.session_present);
    a.gets_nothing().await;
    let reason = b
        .publish(publish("chat/x", "para a", QoS::AtLeastOnce))
        .await;
    assert_eq!(reason, ReasonCode::Success);
    assert_eq!(&a.receive_publish().await.payload[..], b"para a");
    b.gets_nothing().await;
}

/// Shows [MQTT-3.1.2-5], [MQTT-3.1.2-23], [MQTT-4.5.0-1], [MQTT311-3.1.2-5].
#[tokio::test]
async fn an_absent_client_finds_what_was_sent_meanwhile() {
    for connect in [staying("s", 60), persistent_v3("s")] {
        let broker = broker();
        let mut peer = Peer::connect(&broker, "subscriber", connect.clone()).await;
        peer.subscribe("chat/#", QoS::AtLeastOnce).await;
        peer.disconnect().await;
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        for payload in ["1", "2", "3"] {
            publisher
                .publish(publish("chat/x", payload, QoS::AtLeastOnce))
                .await;
        }
        publisher
            .publish(publish("chat/x", "qos 0", QoS::AtMostOnce))
            .await;
        publisher.gets_nothing().await;
        let dropped = broker.metrics().dropped_for(DropReason::OfflineQos0);
        assert_eq!(dropped, 1);

        let (mut peer, connack) = Peer::connect_with(&broker, "subscriber", connect).await;
        assert!(connack.session_present);
        for payload in [b"1", b"2", b"3"] {
            let got = peer.receive_publish().await;
            assert_eq!((got.dup, &got.payload[..]), (false, &payload[..]));
            peer.puback(&got).await;
        }
        peer.gets_nothing().await;
    }
}

fn persistent_v3(client_id: &str) -> mqtt::Connect {
    mqtt::Connect {
        clean_start: false,
        ..v3(client_id)
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_with_dup() {
    let broker = broker();
    let mut peer = Peer::connect(&broker, "subscriber", staying("s", 60)).await;
    peer.subscribe("chat/#", QoS::AtLeastOnce).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher
        .publish(publish("chat/x", "hola", QoS::AtLeastOnce))
        .await;
    let first = peer.receive_publish().await;
    drop(peer);
    let mut peer = Peer::connect(&broker, "subscriber", staying("s", 60)).await;
    let again = peer.receive_publish().await;
    assert!(again.dup);
    assert_eq!(
        (again.packet_id, &again.payload),
        (first.packet_id, &first.payload)
    );
}

/// Shows [MQTT-3.1.2-4], [MQTT-3.1.4-4], [MQTT-3.2.2-2].
#[tokio::test]
async fn a_clean_start_throws_the_old_session_away() {
    let broker = broker();
    let mut peer = Peer::connect(&broker, "subscriber", staying("s", 60)).await;
    peer.subscribe("chat/#", QoS::AtLeastOnce).await;
    peer.disconnect().await;
    let (mut peer, connack) = Peer::connect_with(&broker, "subscriber", v5("s")).await;
    assert!(!connack.session_present);
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    let reason = publisher
        .publish(publish("chat/x", "hola", QoS::AtLeastOnce))
        .await;
    assert_eq!(reason, ReasonCode::NoMatchingSubscribers);
    peer.gets_nothing().await;
}

/// Shows [MQTT-4.1.0-2].
#[tokio::test(start_paused = true)]
async fn an_expired_session_leaves_nothing_behind() {
    let broker = broker();
    let mut peer = Peer::connect(&broker, "subscriber", staying("s", 60)).await;
    peer.subscribe("chat/#", QoS::AtLeastOnce).await;
    peer.disconnect().await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(broker.metrics().sessions_current, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let metrics = broker.metrics();
    assert_eq!((metrics.sessions_current, metrics.sessions_expired), (0, 1));
    let (_peer, connack) = Peer::connect_with(&broker, "subscriber", staying("s", 60)).await;
    assert!(!connack.session_present);
}

#[tokio::test]
async fn a_session_without_expiry_ends_with_its_connection() {
    let broker = broker();
    let mut peer = Peer::connect(&broker, "subscriber", v5("s")).await;
    peer.subscribe("chat/#", QoS::AtLeastOnce).await;
    peer.disconnect().await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    let reason = publisher
        .publish(publish("chat/x", "hola", QoS::AtLeastOnce))
        .await;
    assert_eq!(reason, ReasonCode::NoMatchingSubscribers);
    assert_eq!(broker.metrics().sessions_current, 1);
}

/// Shows [MQTT-3.1.2-7].
#[tokio::test]
async fn the_will_of_a_lost_client_is_published_and_of_one_that_said_goodbye_is_not() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    let with_will = |client_id: &str, topic: &str| mqtt::Connect {
        will: Some(will(topic, 0)),
        ..v5(client_id)
    };
    let polite = Peer::connect(&broker, "alumno", with_will("polite", "chat/polite")).await;
    polite.disconnect().await;
    let denied = Peer::connect(&broker, "alumno", with_will("denied", "plant/denied")).await;
    drop(denied);
    let lost = Peer::connect(&broker, "alumno", with_will("lost", "chat/lost")).await;
    drop(lost);
    let got = watcher.receive_publish().await;
    assert_eq!((&*got.topic, &got.payload[..]), ("chat/lost", &b"lost"[..]));
    watcher.gets_nothing().await;
    let metrics = broker.metrics();
    assert_eq!((metrics.wills_published, metrics.publishes_denied), (1, 1));
}

#[tokio::test]
async fn disconnect_with_will_publishes_it() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("chat/#", QoS::AtMostOnce).await;
    let connect = mqtt::Connect {
        will: Some(will("chat/bye", 0)),
        ..v5("a")
    };
    let mut peer = Peer::connect(&broker, "alumno", connect).await;
    let disconnect = Disconnect::new(ReasonCode::DisconnectWithWill);
    peer.send(ControlPacket::Disconnect(disconnect)).await;
    assert_eq!(&*watcher.receive_publish().await.topic, "chat/bye");
}

#[tokio::test(start_paused = true)]
async fn mqtt_3_1_3_9_a_client_that_is_back_in_time_keeps_its_delayed_will_unpublished() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", patient("w")).await;
    watcher.subscribe("chat/#", QoS::AtMostOnce).await;
    let connect = mqtt::Connect {
        will: Some(will("chat/late", 30)),
        ..patient_staying("a", 600)
    };
    drop(Peer::connect(&broker, "alumno", connect.clone()).await);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let peer = Peer::connect(&broker, "alumno", connect).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    watcher.gets_nothing().await;

    drop(peer);
    tokio::time::sleep(Duration::from_secs(29)).await;
    watcher.gets_nothing().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(&*watcher.receive_publish().await.topic, "chat/late");
    // The session itself stays.
    assert_eq!(broker.metrics().sessions_current, 2);
}

/// No keep alive, for tests that let time pass.
fn patient(client_id: &str) -> mqtt::Connect {
    mqtt::Connect {
        keep_alive_s: 0,
        ..v3(client_id)
    }
}

fn patient_staying(client_id: &str, expiry_s: u32) -> mqtt::Connect {
    mqtt::Connect {
        keep_alive_s: 600,
        ..staying(client_id, expiry_s)
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_one_and_a_half_keep_alives() {
    let broker = broker();
    let connect = mqtt::Connect {
        keep_alive_s: 10,
        ..v5("a")
    };
    let mut peer = Peer::connect(&broker, "alumno", connect).await;
    let since = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(8)).await;
    peer.gets_nothing().await;
    assert_eq!(
        peer.receive_disconnect().await,
        ReasonCode::KeepAliveTimeout
    );
    let lived = since.elapsed();
    assert!((23.0..23.5).contains(&lived.as_secs_f64()), "{lived:?}");
    assert_eq!(broker.metrics().keep_alive_timeouts, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_connect_the_link_is_closed_in_time() {
    let broker = broker();
    let mut peer = Peer::link(&broker, "alumno", ProtocolVersion::V5);
    assert!(peer.receive().await.is_none());
    assert_eq!(broker.metrics().connects_refused, 1);
}

#[tokio::test]
async fn a_version_nobody_speaks_is_refused_by_return_code() {
    let broker = broker();
    let mut peer = Peer::link(&broker, "alumno", ProtocolVersion::V3_1_1);
    let mqtt_3_1 = b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x01a";
    peer.send_bytes(mqtt_3_1).await;
    let Some(ControlPacket::ConnAck(connack)) = peer.receive().await else {
        panic!("expected CONNACK");
    };
    assert_eq!(connack.reason, ReasonCode::UnsupportedProtocolVersion);
    assert!(peer.receive().await.is_none());
}

#[tokio::test]
async fn sessions_are_bounded() {
    let broker = broker_with(BrokerConfig {
        sessions_max: 1,
        ..BrokerConfig::default()
    });
    let _first = Peer::connect(&broker, "alumno", v5("a")).await;
    let mut second = Peer::link(&broker, "alumno", ProtocolVersion::V5);
    let connack = second.say_connect(v5("b")).await;
    assert_eq!(connack.reason, ReasonCode::QuotaExceeded);
}

#[tokio::test]
async fn connections_are_bounded() {
    let broker = broker_with(BrokerConfig {
        connections_max: 1,
        ..BrokerConfig::default()
    });
    let first = Peer::connect(&broker, "alumno", v5("a")).await;
    let mut second = Peer::link(&broker, "alumno", ProtocolVersion::V5);
    assert!(second.receive().await.is_none());
    assert_eq!(broker.metrics().connections_over_limit, 1);
    first.disconnect().await;
}

#[tokio::test]
async fn a_shutdown_flushes_and_says_goodbye() {
    let broker = broker();
    let mut subscriber = Peer::connect(&broker, "subscriber", v5("s")).await;
    subscriber.subscribe("demo/#", QoS::AtMostOnce).await;
    let mut older = Peer::connect(&broker, "subscriber", v3("s3")).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    for _ in 0..300 {
        publisher
            .publish(publish("demo/x", vec![7; 4096], QoS::AtMostOnce))
            .await;
    }
    publisher.gets_nothing().await;
    let reading = async {
        for _ in 0..300 {
            subscriber.receive_publish().await;
        }
        let reason = subscriber.receive_disconnect().await;
        assert_eq!(reason, ReasonCode::ServerShuttingDown);
        assert!(older.receive().await.is_none());
        let reason = publisher.receive_disconnect().await;
        assert_eq!(reason, ReasonCode::ServerShuttingDown);
    };
    tokio::join!(broker.shutdown(), reading);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever() {
    let broker = broker();
    let _silent = Peer::link(&broker, "alumno", ProtocolVersion::V5);
    let (ours, theirs) = transport::Transport::memory_pair(64);
    broker.attach(theirs, "subscriber");
    let mut stuck = Peer::over(ours, ProtocolVersion::V5);
    stuck.say_connect(v5("stuck")).await;
    stuck.subscribe("demo/#", QoS::AtMostOnce).await;
    let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
    publisher
        .publish(publish("demo/x", vec![7; 4096], QoS::AtLeastOnce))
        .await;
    let since = tokio::time::Instant::now();
    broker.shutdown().await;
    assert!(since.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn what_a_client_said_before_it_was_taken_over_is_heard() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("chat/#", QoS::AtMostOnce).await;
    let mut connect = v5("a");
    connect.will = Some(will("chat/will", 0));
    let mut first = Peer::connect(&broker, "alumno", connect).await;
    let mut second = Peer::link(&broker, "alumno", ProtocolVersion::V5);
    tokio::task::yield_now().await;
    // Nothing is awaited in here, so the broker meets the new CONNECT first.
    second.send(ControlPacket::Connect(Box::new(v5("a")))).await;
    let last = publish("chat/x", "last", QoS::AtMostOnce);
    first.send(ControlPacket::Publish(last)).await;
    let goodbye = Disconnect::new(ReasonCode::Success);
    first.send(ControlPacket::Disconnect(goodbye)).await;

    assert!(matches!(
        second.receive().await,
        Some(ControlPacket::ConnAck(_))
    ));
    assert_eq!(&watcher.receive_publish().await.payload[..], b"last");
    watcher.gets_nothing().await;
    assert_eq!(broker.metrics().wills_published, 0);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_comes_late_itself_blames_no_client() {
    let broker = broker();
    let mut connect = v5("a");
    connect.keep_alive_s = 10;
    let mut peer = Peer::connect(&broker, "alumno", connect).await;
    peer.gets_nothing().await;
    // As after a stopped process: the time is over, and what was said in time lies unread.
    peer.send(ControlPacket::PingReq).await;
    tokio::time::advance(Duration::from_secs(16)).await;
    assert_eq!(peer.receive().await, Some(ControlPacket::PingResp));
    assert_eq!(broker.metrics().keep_alive_timeouts, 0);
}
