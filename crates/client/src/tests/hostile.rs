//! A broker that breaks the rules: it costs its connection, never memory or the process.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::BytesMut;
use mqtt::{
    ConnAck, ControlPacket, PublishProperties, QoS, ReasonCode, RetainHandling, SubAck,
    SubscriptionOptions, UnsubAck,
};
use tokio::time::timeout;

use super::support::{Peer, ack, connected, delivery, filter, id, options, start};
use crate::{Client, ClientError};

const OPTIONS: SubscriptionOptions = SubscriptionOptions {
    maximum_qos: QoS::ExactlyOnce,
    no_local: false,
    retain_as_published: false,
    retain_handling: RetainHandling::SendAtSubscribe,
};

/// What the client says has gone wrong.
async fn trouble(client: &Client) -> ClientError {
    let mut state = client.state();
    let state = state
        .wait_for(|state| state.trouble().is_some())
        .await
        .unwrap();
    state.trouble().unwrap().clone()
}

async fn misbehaves(client: &Client, peer: &mut Peer) {
    while let Some(packet) = peer.gets_or_end().await {
        if let ControlPacket::Disconnect(goodbye) = packet {
            assert_eq!(goodbye.reason, ReasonCode::ProtocolError);
        }
    }
    let why = trouble(client).await;
    assert!(matches!(why, ClientError::Misbehaved { .. }), "{why}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_answers_and_never_reads_them_is_read_no_more() {
    let mut options = options();
    options.keep_alive_s = 0;
    let (_client, _messages, _broker, mut peer) = connected(options).await;
    // Each PUBREL must be answered by a PUBCOMP that is no shorter.
    let mut one = BytesMut::new();
    let release = ControlPacket::PubRel(ack(id(7)));
    peer.codec.encode(&release, &mut one).unwrap();
    let batch = one.repeat(16 * 1024);
    let mut taken = 0;
    while taken < 4 * ANSWERS_FOR_SURE {
        peer.sends_bytes(&batch);
        let minute = Duration::from_secs(60);
        if timeout(minute, peer.flushes()).await.is_err() {
            return;
        }
        taken += batch.len();
    }
    panic!("the client has taken {taken} bytes of requests and holds the answers");
}

/// More than a broker that keeps the rules can have unread.
const ANSWERS_FOR_SURE: usize = 1024 * 1024;

#[tokio::test]
async fn a_maximum_packet_size_that_no_answer_fits_is_refused() {
    let (client, _messages, mut broker) = start(options());
    let mut answer = ConnAck::new(ReasonCode::Success);
    answer.properties.maximum_packet_size = NonZeroU32::new(4);
    let (mut peer, _) = broker.answer(answer).await;
    peer.sends(ControlPacket::PubRel(ack(id(7))));
    let why = trouble(&client).await;
    assert!(matches!(why, ClientError::Misbehaved { .. }), "{why}");
}

#[tokio::test]
async fn an_answer_to_fewer_filters_than_asked_for_is_no_grant() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    let asking = client.clone();
    let asked = tokio::spawn(async move {
        let filters = vec![(filter("chat/#"), OPTIONS), (filter("demo/#"), OPTIONS)];
        asking.subscribe(filters).await
    });
    let ControlPacket::Subscribe(subscribe) = peer.gets().await else {
        panic!("no SUBSCRIBE");
    };
    peer.sends(ControlPacket::SubAck(SubAck {
        packet_id: subscribe.packet_id,
        reasons: vec![ReasonCode::GrantedQoS1],
        properties: None,
    }));
    misbehaves(&client, &mut peer).await;
    asked.abort();
}

#[tokio::test]
async fn a_topic_alias_is_refused_even_beside_its_topic() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    let ControlPacket::Publish(mut publish) = delivery(None, QoS::AtMostOnce, "hola") else {
        panic!("no PUBLISH");
    };
    publish.properties = Some(Box::new(PublishProperties {
        topic_alias: NonZeroU16::new(1),
        ..PublishProperties::default()
    }));
    peer.sends(ControlPacket::Publish(publish));
    let ControlPacket::Disconnect(goodbye) = peer.gets().await else {
        panic!("no DISCONNECT");
    };
    assert_eq!(goodbye.reason, ReasonCode::TopicAliasInvalid);
    let why = trouble(&client).await;
    assert!(matches!(why, ClientError::Misbehaved { .. }), "{why}");
}

#[tokio::test]
async fn an_unsuback_grants_no_subscription() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    let asking = client.clone();
    let asked =
        tokio::spawn(async move { asking.subscribe(vec![(filter("chat/#"), OPTIONS)]).await });
    let ControlPacket::Subscribe(subscribe) = peer.gets().await else {
        panic!("no SUBSCRIBE");
    };
    peer.sends(ControlPacket::UnsubAck(UnsubAck {
        packet_id: subscribe.packet_id,
        reasons: vec![ReasonCode::Success],
        properties: None,
    }));
    misbehaves(&client, &mut peer).await;
    asked.abort();
}

#[tokio::test]
async fn what_the_broker_says_cannot_forge_a_line() {
    let (client, _messages, mut broker) = start(options());
    let mut answer = ConnAck::new(ReasonCode::NotAuthorized);
    answer.properties.reason_string = Some("sorry\n\u{1b}[2J ENV-OK \u{202e}señal".into());
    let _peer = broker.answer(answer).await;
    let why = trouble(&client).await.to_string();
    assert!(why.contains("sorry") && why.contains("señal"), "{why}");
    assert!(!why.contains(char::is_control), "{why:?}");
    assert!(!why.contains('\u{202e}'), "{why:?}");
}
