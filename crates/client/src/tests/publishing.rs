//! What a publication says, and that it never says more than is known.

use mqtt::{Ack, ConnAck, ControlPacket, ProtocolVersion, QoS, ReasonCode, ReasonProperties};

use super::support::{ack, connected, options, request, start};
use crate::{ClientError, Outcome, Progress};

#[tokio::test]
async fn without_a_connection_a_publication_is_not_sent_at_once() {
    let (client, _messages, _broker) = start(options());
    let outcome = client.publish(request(QoS::AtLeastOnce)).done().await;
    assert!(matches!(
        outcome,
        Outcome::NotSent {
            why: ClientError::NotConnected
        }
    ));
}

#[tokio::test]
async fn qos_0_ends_as_sent() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut options = options();
        options.version = version;
        let (client, _messages, _broker, mut peer) = connected(options).await;
        let publication = client.publish(request(QoS::AtMostOnce));
        let publish = peer.gets_publish().await;
        assert_eq!(
            (publish.packet_id, &publish.payload[..]),
            (None, &b"hola"[..])
        );
        assert!(matches!(publication.done().await, Outcome::Sent));
    }
}

#[tokio::test]
async fn qos_1_is_sent_then_accepted_with_the_puback() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    let publication = client.publish(request(QoS::AtLeastOnce));
    let packet_id = peer.gets_publish().await.packet_id.unwrap();
    let mut progress = publication.progress();
    progress
        .wait_for(|progress| matches!(progress, Progress::Sent))
        .await
        .unwrap();
    peer.sends(ControlPacket::PubAck(Ack::new(
        packet_id,
        ReasonCode::NoMatchingSubscribers,
    )));
    assert!(matches!(
        publication.done().await,
        Outcome::Accepted {
            reason: ReasonCode::NoMatchingSubscribers
        }
    ));
}

#[tokio::test]
async fn qos_2_is_accepted_with_the_pubcomp() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    let publication = client.publish(request(QoS::ExactlyOnce));
    let packet_id = peer.gets_publish().await.packet_id.unwrap();
    peer.sends(ControlPacket::PubRec(ack(packet_id)));
    assert_eq!(peer.gets().await, ControlPacket::PubRel(ack(packet_id)));
    // A repeated PUBREC is answered with PUBREL again.
    peer.sends(ControlPacket::PubRec(ack(packet_id)));
    assert_eq!(peer.gets().await, ControlPacket::PubRel(ack(packet_id)));
    assert!(matches!(*publication.progress().borrow(), Progress::Sent));
    peer.sends(ControlPacket::PubComp(ack(packet_id)));
    assert!(matches!(
        publication.done().await,
        Outcome::Accepted {
            reason: ReasonCode::Success
        }
    ));
}

#[tokio::test]
async fn a_refusal_keeps_reason_and_words() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (client, _messages, _broker, mut peer) = connected(options()).await;
        let publication = client.publish(request(qos));
        let packet_id = peer.gets_publish().await.packet_id.unwrap();
        let mut refusal = Ack::new(packet_id, ReasonCode::NotAuthorized);
        refusal.properties = Some(Box::new(ReasonProperties {
            reason_string: Some("not yours".into()),
            user_properties: Vec::new(),
        }));
        peer.sends(match qos {
            QoS::ExactlyOnce => ControlPacket::PubRec(refusal),
            _ => ControlPacket::PubAck(refusal),
        });
        let Outcome::Refused {
            reason,
            reason_string,
        } = publication.done().await
        else {
            panic!("not refused");
        };
        assert_eq!(reason, ReasonCode::NotAuthorized);
        assert_eq!(reason_string.as_deref(), Some("not yours"));
    }
}

#[tokio::test]
async fn no_more_is_in_flight_than_the_broker_allows() {
    let (client, _messages, mut broker) = start(options());
    let mut answer = ConnAck::new(ReasonCode::Success);
    answer.properties.receive_maximum = Some(2.try_into().unwrap());
    let (mut peer, _) = broker.answer(answer).await;
    client.connected().await.unwrap();

    let publications: Vec<_> = (0..3)
        .map(|_| client.publish(request(QoS::AtLeastOnce)))
        .collect();
    let first = peer.gets_publish().await.packet_id.unwrap();
    let second = peer.gets_publish().await.packet_id.unwrap();
    assert!(matches!(
        *publications[2].progress().borrow(),
        Progress::Waiting
    ));
    peer.sends(ControlPacket::PubAck(ack(first)));
    // The third leaves only now: nothing came between.
    let third = peer.gets_publish().await.packet_id.unwrap();
    peer.sends(ControlPacket::PubAck(ack(second)));
    peer.sends(ControlPacket::PubAck(ack(third)));
    for publication in publications {
        assert!(matches!(publication.done().await, Outcome::Accepted { .. }));
    }
}

#[tokio::test]
async fn what_the_broker_does_not_take_is_not_sent() {
    let (client, _messages, mut broker) = start(options());
    let mut answer = ConnAck::new(ReasonCode::Success);
    answer.properties.maximum_qos = Some(QoS::AtMostOnce);
    answer.properties.retain_available = Some(false);
    answer.properties.maximum_packet_size = Some(40.try_into().unwrap());
    let _peer = broker.answer(answer).await;
    client.connected().await.unwrap();

    let mut large = request(QoS::AtMostOnce);
    large.payload = vec![0; 41].into();
    for request in [
        request(QoS::AtLeastOnce),
        request(QoS::AtMostOnce).retain(true),
        large,
    ] {
        let Outcome::NotSent { why } = client.publish(request).done().await else {
            panic!("it was sent");
        };
        assert_eq!(why.code(), "ENV-N312");
    }
}
