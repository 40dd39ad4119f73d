//! Arriving messages are handed out once and acknowledged when they are safe.

use std::time::Duration;

use mqtt::{ControlPacket, ProtocolVersion, QoS, ReasonCode};
use tokio::time::timeout;

use super::support::{ack, connected, delivery, id, options, repeated};

#[tokio::test]
async fn acknowledgements_leave_when_the_reader_says_so() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut options = options();
        options.version = version;
        let (_client, mut messages, _broker, mut peer) = connected(options).await;
        peer.sends(delivery(Some(id(7)), QoS::AtLeastOnce, "one"));
        peer.sends(delivery(Some(id(8)), QoS::ExactlyOnce, "two"));
        peer.sends(delivery(None, QoS::AtMostOnce, "zero"));
        let one = messages.next().await.unwrap();
        let two = messages.next().await.unwrap();
        let zero = messages.next().await.unwrap();
        assert_eq!(
            [&one.payload[..], &two.payload[..], &zero.payload[..]],
            [b"one", b"two", &b"zero"[..]]
        );
        assert_eq!(&one.topic[..], "chat/mensaje");

        zero.ack();
        two.ack();
        assert_eq!(peer.gets().await, ControlPacket::PubRec(ack(id(8))));
        peer.sends(ControlPacket::PubRel(ack(id(8))));
        assert_eq!(peer.gets().await, ControlPacket::PubComp(ack(id(8))));
        one.ack();
        assert_eq!(peer.gets().await, ControlPacket::PubAck(ack(id(7))));
    }
}

#[tokio::test]
async fn a_repetition_on_a_new_connection_is_not_handed_out_twice() {
    let mut options = options();
    options.session_expiry_s = 60;
    let (_client, mut messages, mut broker, mut peer) = connected(options).await;
    let deliveries = [
        delivery(Some(id(1)), QoS::AtLeastOnce, "one"),
        delivery(Some(id(2)), QoS::ExactlyOnce, "two"),
    ];
    for delivery in &deliveries {
        peer.sends(delivery.clone());
    }
    let one = messages.next().await.unwrap();
    let two = messages.next().await.unwrap();
    drop(peer);

    // The first is safe before the repetition, the second after it.
    let (mut peer, connect) = broker.accept(true).await;
    assert!(!connect.clean_start);
    one.ack();
    for delivery in deliveries {
        peer.sends(repeated(delivery));
    }
    assert_eq!(peer.gets().await, ControlPacket::PubAck(ack(id(1))));
    two.ack();
    assert_eq!(peer.gets().await, ControlPacket::PubRec(ack(id(2))));
    // The identifier is free after PUBREL: a new message is a new message.
    peer.sends(ControlPacket::PubRel(ack(id(2))));
    assert_eq!(peer.gets().await, ControlPacket::PubComp(ack(id(2))));
    peer.sends(delivery(Some(id(2)), QoS::ExactlyOnce, "three"));
    assert_eq!(&messages.next().await.unwrap().payload[..], b"three");
}

#[tokio::test]
async fn an_acknowledgement_of_a_lost_session_is_void() {
    let mut options = options();
    options.session_expiry_s = 60;
    let (_client, mut messages, mut broker, mut peer) = connected(options).await;
    peer.sends(delivery(Some(id(1)), QoS::AtLeastOnce, "old"));
    let old = messages.next().await.unwrap();
    drop(peer);
    let (mut peer, _) = broker.accept(false).await;
    peer.sends(delivery(Some(id(1)), QoS::AtLeastOnce, "new"));
    let new = messages.next().await.unwrap();
    assert_eq!(&new.payload[..], b"new");
    old.ack();
    peer.sends(delivery(Some(id(2)), QoS::AtLeastOnce, "other"));
    messages.next().await.unwrap().ack();
    // Only the second message of this session is acknowledged.
    assert_eq!(peer.gets().await, ControlPacket::PubAck(ack(id(2))));
    new.ack();
    assert_eq!(peer.gets().await, ControlPacket::PubAck(ack(id(1))));
}

#[tokio::test]
async fn a_slow_reader_stops_the_reading_and_loses_nothing() {
    let mut options = options();
    options.receive_maximum = 2.try_into().unwrap();
    let (_client, mut messages, _broker, mut peer) = connected(options).await;
    for index in 0..100 {
        peer.sends(delivery(None, QoS::AtMostOnce, &index.to_string()));
    }
    for index in 0..100 {
        let message = messages.next().await.unwrap();
        assert_eq!(&message.payload[..], index.to_string().as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn few_large_messages_stop_the_reading_too() {
    let mut options = options();
    options.keep_alive_s = 0;
    options.waiting_maximum_bytes = (128 * 1024).try_into().unwrap();
    let (_client, mut messages, _broker, mut peer) = connected(options).await;
    let large = "x".repeat(16 * 1024);
    for index in 0..64 {
        peer.sends(delivery(
            None,
            QoS::AtMostOnce,
            &format!("{index:02}{large}"),
        ));
    }
    let minute = Duration::from_secs(60);
    assert!(timeout(minute, peer.flushes()).await.is_err(), "all taken");
    let taken = 64 * large.len() - peer.transport.pending_write();
    // The budget, the one that found no room, and what lies between the two ends.
    assert!(taken < 512 * 1024, "{taken} bytes taken");
    let reader = async {
        for index in 0..64 {
            let message = messages.next().await.unwrap();
            assert!(
                message
                    .payload
                    .starts_with(format!("{index:02}x").as_bytes())
            );
        }
    };
    tokio::join!(peer.flushes(), reader);
}

#[tokio::test]
async fn one_message_always_has_room() {
    let mut options = options();
    options.waiting_maximum_bytes = 1.try_into().unwrap();
    let (_client, mut messages, _broker, mut peer) = connected(options).await;
    for packet_id in 1..=3 {
        peer.sends(delivery(Some(id(packet_id)), QoS::AtLeastOnce, "large"));
    }
    for packet_id in 1..=3 {
        messages.next().await.unwrap().ack();
        assert_eq!(peer.gets().await, ControlPacket::PubAck(ack(id(packet_id))));
    }
}

#[tokio::test]
async fn a_broker_that_ignores_our_receive_maximum_is_told() {
    let mut options = options();
    options.receive_maximum = 2.try_into().unwrap();
    let (_client, _messages, _broker, mut peer) = connected(options).await;
    for packet_id in 1..=3 {
        peer.sends(delivery(Some(id(packet_id)), QoS::AtLeastOnce, "much"));
    }
    let ControlPacket::Disconnect(goodbye) = peer.gets().await else {
        panic!("no DISCONNECT");
    };
    assert_eq!(goodbye.reason, ReasonCode::ReceiveMaximumExceeded);
}
