//! How connections begin and how they are ended, seen from the other end of the link.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod support;

use enviomq_broker::{BrokerConfig, BrokerHandle};
use mqtt::{Connect, ControlPacket, ProtocolVersion, QoS, ReasonCode};
use support::*;

use mqtt::ProtocolVersion::{V3_1_1, V5};

/// Everything the broker says until it closes.
async fn last_words(peer: &mut Peer) -> Vec<ControlPacket> {
    let mut words = Vec::new();
    let listening = async {
        while let Some(packet) = peer.receive().await {
            words.push(packet);
        }
    };
    let patience = std::time::Duration::from_secs(10);
    let closed = tokio::time::timeout(patience, listening).await;
    assert!(closed.is_ok(), "still open after {words:?}");
    words
}

/// PUBLISH `chat/x`, SUBSCRIBE `chat/#` and PINGREQ, as an impatient client sends them.
fn impatience(version: ProtocolVersion) -> &'static [u8] {
    match version {
        V3_1_1 => b"\x32\x0b\0\x06chat/x\0\x07!\x82\x0b\0\x01\0\x06chat/#\x01\xc0\0",
        V5 => b"\x32\x0c\0\x06chat/x\0\x07\0!\x82\x0c\0\x01\0\0\x06chat/#\x01\xc0\0",
    }
}

/// What the broker answers to these bytes, the first of a link, before it closes.
async fn refused(
    broker: &BrokerHandle,
    version: ProtocolVersion,
    connect: &[u8],
) -> Option<ReasonCode> {
    let mut peer = Peer::link(broker, "alumno", version);
    peer.send_bytes(&[connect, impatience(version)].concat())
        .await;
    match &last_words(&mut peer).await[..] {
        [] => None,
        [ControlPacket::ConnAck(connack)] => Some(connack.reason),
        other => panic!("{other:?}"),
    }
}

fn bytes_of(connect: Connect) -> Vec<u8> {
    let codec = mqtt::Codec::new(Some(connect.version), u32::MAX);
    let mut out = bytes::BytesMut::new();
    let connect = ControlPacket::Connect(Box::new(connect));
    codec.encode(&connect, &mut out).unwrap();
    out.to_vec()
}

/// Also [MQTT-3.1.4-6], [MQTT-3.2.2-7], [MQTT-3.14.0-1], [MQTT-4.13.2-1].
#[tokio::test]
async fn mqtt_3_1_4_1_a_connect_that_is_not_formed_as_it_should_closes() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    for (connect, reason) in [
        // A reserved flag; Receive Maximum 0; a string that is not UTF-8.
        (
            &b"\x10\x0e\0\x04MQTT\x05\x03\0\0\0\0\x01c"[..],
            ReasonCode::MalformedPacket,
        ),
        (
            b"\x10\x11\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\x01c",
            ReasonCode::ProtocolError,
        ),
        (
            b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01\xff",
            ReasonCode::MalformedPacket,
        ),
    ] {
        assert_eq!(refused(&broker, V5, connect).await, Some(reason));
    }
    watcher.gets_nothing().await;
}

/// Also [MQTT311-3.2.2-6].
#[tokio::test]
async fn mqtt311_3_1_4_1_a_connect_that_is_not_formed_as_it_should_closes_without_connack() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    for connect in [
        // A reserved flag; Will QoS without a Will; a string that is not UTF-8.
        &b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01c"[..],
        b"\x10\x0d\0\x04MQTT\x04\x0a\0\0\0\x01c",
        b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01\xff",
    ] {
        assert_eq!(refused(&broker, V3_1_1, connect).await, None);
    }
    watcher.gets_nothing().await;
}

/// Also [MQTT-3.14.0-1].
#[tokio::test]
async fn mqtt_3_1_0_1_what_is_not_a_connect_closes_without_a_word() {
    let broker = broker();
    for version in [V3_1_1, V5] {
        assert_eq!(refused(&broker, version, b"").await, None);
    }
}

/// Also [MQTT-3.1.4-6], [MQTT-3.2.2-7], [MQTT-3.14.0-1], [MQTT-4.13.2-1], [MQTT311-3.1.3-9].
#[tokio::test]
async fn mqtt_3_1_4_2_a_client_that_is_not_accepted_is_closed_and_heard_no_more() {
    let broker = broker_with(BrokerConfig {
        sessions_max: 1,
        ..BrokerConfig::default()
    });
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    let too_long = "x".repeat(257);
    for (connect, reason) in [
        (v5(&too_long), ReasonCode::ClientIdentifierNotValid),
        (v3(&too_long), ReasonCode::ClientIdentifierNotValid),
        (v5("one too many"), ReasonCode::QuotaExceeded),
        (v3("one too many"), ReasonCode::ServerUnavailable),
    ] {
        let version = connect.version;
        let answer = refused(&broker, version, &bytes_of(connect)).await;
        assert_eq!(answer, Some(reason));
    }
    watcher.gets_nothing().await;
}

/// Also [MQTT-3.1.4-6].
#[tokio::test]
async fn mqtt_4_12_0_4_a_rejected_authentication_closes() {
    let broker = broker();
    let mut connect = v5("a");
    connect.properties.authentication_method = Some("SCRAM-SHA-256".into());
    let answer = refused(&broker, V5, &bytes_of(connect)).await;
    assert_eq!(answer, Some(ReasonCode::BadAuthenticationMethod));
    assert_eq!(broker.metrics().sessions_current, 0);
}

/// Also [MQTT-3.2.0-2], [MQTT-4.12.0-6].
#[tokio::test]
async fn mqtt_3_2_0_1_connack_comes_first_and_once() {
    for connect in [staying("a", 60), persistent_v3("a")] {
        let version = connect.version;
        let broker = broker();
        let mut absent = Peer::connect(&broker, "alumno", connect.clone()).await;
        absent.subscribe("chat/#", QoS::AtLeastOnce).await;
        absent.disconnect().await;
        let mut publisher = Peer::connect(&broker, "publisher", v5("p")).await;
        publisher
            .publish(publish("chat/y", "waits", QoS::AtLeastOnce))
            .await;

        let mut peer = Peer::link(&broker, "alumno", version);
        let goodbye: &[u8] = b"\xe0\0";
        peer.send_bytes(&[&bytes_of(connect), impatience(version), goodbye].concat())
            .await;
        let mut words = last_words(&mut peer).await.into_iter();
        match words.next() {
            Some(ControlPacket::ConnAck(connack)) => {
                assert!(connack.session_present);
                assert_eq!(connack.reason, ReasonCode::Success);
                assert_eq!(connack.properties.authentication_method, None);
            }
            other => panic!("expected CONNACK, got {other:?}"),
        }
        for packet in words {
            let is_other = !matches!(packet, ControlPacket::ConnAck(_) | ControlPacket::Auth(_));
            assert!(is_other, "{packet:?}");
        }
    }
}

fn persistent_v3(client_id: &str) -> Connect {
    Connect {
        clean_start: false,
        ..v3(client_id)
    }
}

/// Also [MQTT-3.1.0-2], [MQTT-3.2.0-2], [MQTT-3.14.4-2], [MQTT-4.13.2-1].
#[tokio::test]
async fn mqtt_4_13_1_1_breaking_the_protocol_closes() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    for (broken, reason) in [
        // Flags; a wildcard in a topic; QoS 3; a packet of servers; identifier 0; no filter.
        (&b"\xc8\0"[..], ReasonCode::MalformedPacket),
        (b"\x30\x09\0\x06chat/#\0", ReasonCode::TopicNameInvalid),
        (b"\x36\x05\0\x01a\0\x01", ReasonCode::MalformedPacket),
        (b"\xd0\0", ReasonCode::ProtocolError),
        (b"\x32\x06\0\x01a\0\0\0", ReasonCode::ProtocolError),
        (b"\x82\x03\0\x01\0", ReasonCode::ProtocolError),
        // A second CONNECT; Topic Alias 17 of 16; AUTH without a method in CONNECT.
        (
            b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01c",
            ReasonCode::ProtocolError,
        ),
        (
            b"\x30\x0c\0\x06chat/x\x03\x23\0\x11",
            ReasonCode::TopicAliasInvalid,
        ),
        (b"\xf0\x06\x19\x04\x15\0\x01M", ReasonCode::ProtocolError),
        // A length of 256 MiB, of which nothing follows.
        (b"\x30\xff\xff\xff\x7f", ReasonCode::PacketTooLarge),
    ] {
        let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
        peer.send_bytes(&[broken, impatience(V5)].concat()).await;
        match &last_words(&mut peer).await[..] {
            [ControlPacket::Disconnect(disconnect)] => assert_eq!(disconnect.reason, reason),
            other => panic!("{broken:02x?}: {other:?}"),
        }
    }
    for broken in [
        &b"\xc8\0"[..],
        b"\x30\x08\0\x06chat/#",
        b"\x36\x05\0\x01a\0\x01",
        b"\xd0\0",
        b"\x32\x05\0\x01a\0\0",
        b"\x82\x02\0\x01",
        b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01c",
    ] {
        let mut peer = Peer::connect(&broker, "alumno", v3("a")).await;
        peer.send_bytes(&[broken, impatience(V3_1_1)].concat())
            .await;
        assert_eq!(last_words(&mut peer).await, [], "{broken:02x?}");
    }
    watcher.gets_nothing().await;
}

#[tokio::test]
async fn mqtt_4_12_1_2_to_authenticate_again_fails_and_closes() {
    let broker = broker();
    let mut peer = Peer::connect(&broker, "alumno", v5("a")).await;
    peer.send_bytes(b"\xf0\x06\x19\x04\x15\0\x01M").await;
    assert_eq!(peer.receive_disconnect().await, ReasonCode::ProtocolError);
}

/// Also [MQTT-3.14.4-2].
#[tokio::test]
async fn mqtt_4_13_2_1_a_disconnect_of_the_client_closes_and_nothing_after_it_is_heard() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    for (connect, goodbye) in [
        (v5("a"), &b"\xe0\0"[..]),
        (v5("a"), b"\xe0\x01\x80"),
        (v3("a"), b"\xe0\0"),
    ] {
        let version = connect.version;
        let mut peer = Peer::connect(&broker, "alumno", connect).await;
        peer.send_bytes(&[goodbye, impatience(version)].concat())
            .await;
        assert_eq!(last_words(&mut peer).await, []);
    }
    watcher.gets_nothing().await;
}

#[tokio::test]
async fn mqtt_3_1_3_2_the_client_identifier_names_the_session() {
    for [one, two] in [
        [staying("one", 60), staying("two", 60)],
        [persistent_v3("one"), persistent_v3("two")],
    ] {
        let broker = broker();
        let mut first = Peer::connect(&broker, "alumno", one.clone()).await;
        first.subscribe("chat/#", QoS::AtLeastOnce).await;
        first.disconnect().await;
        let (mut second, connack) = Peer::connect_with(&broker, "alumno", two).await;
        assert!(!connack.session_present);
        second
            .publish(publish("chat/x", "for one", QoS::AtLeastOnce))
            .await;
        second.gets_nothing().await;
        let (mut first, connack) = Peer::connect_with(&broker, "alumno", one).await;
        assert!(connack.session_present);
        assert_eq!(&first.receive_publish().await.payload[..], b"for one");
    }
}

#[tokio::test]
async fn mqtt_3_2_2_16_an_assigned_identifier_is_nobody_elses() {
    let broker = broker();
    let mut assigned = std::collections::HashSet::new();
    let mut peers = Vec::new();
    for _ in 0..10 {
        let (peer, connack) = Peer::connect_with(&broker, "alumno", v5("")).await;
        assigned.insert(connack.properties.assigned_client_identifier.unwrap());
        peers.push(peer);
    }
    assert_eq!(assigned.len(), 10);
    for peer in &mut peers {
        peer.gets_nothing().await;
    }
    let metrics = broker.metrics();
    assert_eq!(
        (metrics.sessions_current, metrics.sessions_taken_over),
        (10, 0)
    );
}

#[tokio::test]
async fn mqtt311_3_1_3_6_clients_without_identifier_are_told_apart() {
    let broker = broker();
    let mut peers = Vec::new();
    for _ in 0..10 {
        let (peer, connack) = Peer::connect_with(&broker, "alumno", v3("")).await;
        assert_eq!(connack, mqtt::ConnAck::new(ReasonCode::Success));
        peers.push(peer);
    }
    for peer in &mut peers {
        peer.gets_nothing().await;
    }
    let metrics = broker.metrics();
    assert_eq!(
        (metrics.sessions_current, metrics.sessions_taken_over),
        (10, 0)
    );
}

/// Also [MQTT311-4.1.0-2].
#[tokio::test(start_paused = true)]
async fn mqtt_4_1_0_1_the_session_is_kept_while_its_connection_lasts() {
    let broker = broker();
    let patient = Connect {
        keep_alive_s: 0,
        ..v3("a")
    };
    let mut peer = Peer::connect(&broker, "alumno", patient).await;
    peer.subscribe("chat/#", QoS::AtMostOnce).await;
    let mut once = publish("chat/x", "once", QoS::ExactlyOnce);
    peer.send(ControlPacket::Publish(once.clone())).await;
    let mut heard = [peer.receive().await.unwrap(), peer.receive().await.unwrap()];
    heard.sort_by_key(|packet| matches!(packet, ControlPacket::PubRec(_)));
    assert!(matches!(heard[0], ControlPacket::Publish(_)), "{heard:?}");

    tokio::time::sleep(std::time::Duration::from_secs(7 * 24 * 3_600)).await;
    once.dup = true;
    // Known still, so it is acknowledged and not routed again.
    assert_eq!(peer.publish(once).await, ReasonCode::Success);
    peer.gets_nothing().await;
    peer.publish(publish("chat/x", "next", QoS::AtMostOnce))
        .await;
    assert_eq!(&peer.receive_publish().await.payload[..], b"next");
}
