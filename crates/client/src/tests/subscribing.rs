//! Subscriptions: asked, answered, and asked again after a lost session.

use mqtt::{ControlPacket, QoS, ReasonCode, SubAck, Subscribe, SubscriptionOptions, UnsubAck};

use super::support::{Peer, connected, filter, options, start};

async fn gets_subscribe(peer: &mut Peer) -> Subscribe {
    match peer.gets().await {
        ControlPacket::Subscribe(subscribe) => subscribe,
        other => panic!("expected a SUBSCRIBE, got {other:?}"),
    }
}

fn suback(subscribe: &Subscribe, reasons: Vec<ReasonCode>) -> ControlPacket {
    ControlPacket::SubAck(SubAck {
        packet_id: subscribe.packet_id,
        reasons,
        properties: None,
    })
}

#[tokio::test]
async fn granted_subscriptions_are_renewed_and_refused_ones_are_not() {
    let (client, _messages, mut broker, mut peer) = connected(options()).await;
    let wanted = SubscriptionOptions::from(QoS::AtLeastOnce);
    let filters = vec![
        (filter("chat/#"), wanted),
        (filter("secret/#"), wanted),
        (filter("demo/+"), wanted),
    ];
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe(filters).await }
    });
    let subscribe = gets_subscribe(&mut peer).await;
    assert_eq!(subscribe.filters.len(), 3);
    let reasons = vec![
        ReasonCode::GrantedQoS1,
        ReasonCode::NotAuthorized,
        ReasonCode::GrantedQoS1,
    ];
    peer.sends(suback(&subscribe, reasons.clone()));
    assert_eq!(asking.await.unwrap().unwrap(), reasons);

    // Cut in the middle of the renewal: all of it is asked again.
    drop(peer);
    let (mut peer, _) = broker.accept(false).await;
    gets_subscribe(&mut peer).await;
    drop(peer);
    let (mut peer, _) = broker.accept(false).await;
    for name in ["chat/#", "demo/+"] {
        let renewal = gets_subscribe(&mut peer).await;
        assert_eq!(renewal.filters, vec![(filter(name), wanted)]);
        peer.sends(suback(&renewal, vec![ReasonCode::GrantedQoS1]));
    }

    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.unsubscribe(vec![filter("chat/#")]).await }
    });
    let ControlPacket::Unsubscribe(unsubscribe) = peer.gets().await else {
        panic!("no UNSUBSCRIBE");
    };
    peer.sends(ControlPacket::UnsubAck(UnsubAck {
        packet_id: unsubscribe.packet_id,
        reasons: vec![ReasonCode::Success],
        properties: None,
    }));
    leaving.await.unwrap().unwrap();
    drop(peer);
    let (mut peer, _) = broker.accept(false).await;
    assert_eq!(
        gets_subscribe(&mut peer).await.filters,
        vec![(filter("demo/+"), wanted)]
    );
}

#[tokio::test]
async fn a_subscription_asked_before_the_connection_is_made_with_it() {
    let (client, _messages, mut broker) = start(options());
    let asking = tokio::spawn({
        let client = client.clone();
        async move {
            let wanted = SubscriptionOptions::from(QoS::AtMostOnce);
            client.subscribe(vec![(filter("#"), wanted)]).await
        }
    });
    // The first connection ends between question and answer; the second answers.
    let (mut peer, _) = broker.accept(false).await;
    gets_subscribe(&mut peer).await;
    drop(peer);
    let (mut peer, _) = broker.accept(false).await;
    let subscribe = gets_subscribe(&mut peer).await;
    peer.sends(suback(&subscribe, vec![ReasonCode::Success]));
    assert_eq!(asking.await.unwrap().unwrap(), vec![ReasonCode::Success]);
}
