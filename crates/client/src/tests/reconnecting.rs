//! Cuts: what comes back, what is repeated, and what is only known not to be known.

use mqtt::{ConnAck, ControlPacket, Disconnect, ProtocolVersion, QoS, ReasonCode};

use super::support::{ack, connected, options, request, start};
use crate::{ClientError, ConnectionState, Outcome, Progress};

#[tokio::test]
async fn in_flight_messages_are_repeated_when_the_broker_kept_the_session() {
    let mut options = options();
    options.session_expiry_s = 60;
    let (client, _messages, mut broker, mut peer) = connected(options).await;
    let one = client.publish(request(QoS::AtLeastOnce));
    let two = client.publish(request(QoS::ExactlyOnce));
    let released = client.publish(request(QoS::ExactlyOnce));
    let first = peer.gets_publish().await;
    let second = peer.gets_publish().await;
    let third = peer.gets_publish().await.packet_id.unwrap();
    peer.sends(ControlPacket::PubRec(ack(third)));
    assert_eq!(peer.gets().await, ControlPacket::PubRel(ack(third)));
    drop(peer);

    let (mut peer, connect) = broker.accept(true).await;
    assert!(!connect.clean_start);
    for sent in [&first, &second] {
        let again = peer.gets_publish().await;
        assert!(again.dup && !sent.dup);
        assert_eq!(again.packet_id, sent.packet_id);
        assert_eq!(again.payload, sent.payload);
    }
    assert_eq!(peer.gets().await, ControlPacket::PubRel(ack(third)));
    peer.sends(ControlPacket::PubAck(ack(first.packet_id.unwrap())));
    peer.sends(ControlPacket::PubRec(ack(second.packet_id.unwrap())));
    peer.gets().await;
    peer.sends(ControlPacket::PubComp(ack(second.packet_id.unwrap())));
    peer.sends(ControlPacket::PubComp(ack(third)));
    for publication in [one, two, released] {
        assert!(matches!(publication.done().await, Outcome::Accepted { .. }));
    }
}

#[tokio::test]
async fn in_flight_messages_are_unconfirmed_when_no_session_can_return() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut options = options();
        options.version = version;
        let (client, _messages, _broker, mut peer) = connected(options).await;
        let publication = client.publish(request(QoS::AtLeastOnce));
        peer.gets_publish().await;
        drop(peer);
        assert!(matches!(
            publication.done().await,
            Outcome::Unconfirmed {
                why: ClientError::ConnectionLost
            }
        ));
    }
}

#[tokio::test]
async fn in_flight_messages_are_unconfirmed_when_the_broker_lost_the_session() {
    let mut options = options();
    options.session_expiry_s = 60;
    let (client, _messages, mut broker, mut peer) = connected(options).await;
    let publication = client.publish(request(QoS::AtLeastOnce));
    peer.gets_publish().await;
    let mut progress = publication.progress();
    progress
        .wait_for(|progress| matches!(progress, Progress::Sent))
        .await
        .unwrap();
    drop(peer);
    let (_peer, _) = broker.accept(false).await;
    assert!(matches!(
        publication.done().await,
        Outcome::Unconfirmed {
            why: ClientError::SessionLost
        }
    ));
}

#[tokio::test]
async fn qos_2_that_the_broker_has_is_accepted_even_if_the_session_is_lost() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    let publication = client.publish(request(QoS::ExactlyOnce));
    let packet_id = peer.gets_publish().await.packet_id.unwrap();
    peer.sends(ControlPacket::PubRec(ack(packet_id)));
    peer.gets().await;
    drop(peer);
    assert!(matches!(publication.done().await, Outcome::Accepted { .. }));
}

#[tokio::test]
async fn a_disconnect_is_the_reason_even_when_the_next_write_fails() {
    let (client, _messages, mut broker, mut peer) = connected(options()).await;
    let mut state = client.state();
    peer.sends(ControlPacket::Disconnect(Disconnect::new(
        ReasonCode::ServerShuttingDown,
    )));
    drop(peer);
    // This write meets a closed link; what the broker said before is still the reason.
    client.publish(request(QoS::AtMostOnce));
    let trouble = state
        .wait_for(|state| state.trouble().is_some())
        .await
        .unwrap()
        .trouble()
        .cloned();
    assert!(matches!(
        trouble,
        Some(ClientError::Disconnected {
            reason: ReasonCode::ServerShuttingDown,
            ..
        })
    ));
    // It comes back by itself.
    let _peer = broker.accept(false).await;
    client.connected().await.unwrap();
}

#[tokio::test]
async fn a_client_told_not_to_reconnect_ends_with_the_failure() {
    let mut options = options();
    options.reconnect = None;
    let (client, mut messages, _broker, peer) = connected(options).await;
    drop(peer);
    assert!(messages.next().await.is_none());
    let mut state = client.state();
    let state = state
        .wait_for(|state| matches!(state, ConnectionState::Closed { .. }))
        .await
        .unwrap();
    assert!(matches!(state.trouble(), Some(ClientError::ConnectionLost)));
    assert!(matches!(
        client.connected().await,
        Err(ClientError::ConnectionLost)
    ));
}

#[tokio::test]
async fn only_who_has_no_name_takes_the_one_it_is_given() {
    for (ours, kept) in [("tester", "tester"), ("", "auto-1")] {
        let mut options = options();
        options.client_id = ours.to_owned();
        let (_client, _messages, mut broker) = start(options);
        let mut answer = ConnAck::new(ReasonCode::Success);
        answer.properties.assigned_client_identifier = Some("auto-1".into());
        let (peer, connect) = broker.answer(answer).await;
        assert_eq!(&connect.client_id[..], ours);
        drop(peer);
        let (_peer, connect) = broker.accept(false).await;
        assert_eq!(&connect.client_id[..], kept);
    }
}
