//! What watchers see of a Will.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod support;

use mqtt::{Connect, Publish, PublishProperties, QoS, SubscriptionOptions, Will};
use support::*;

fn as_published() -> SubscriptionOptions {
    SubscriptionOptions {
        retain_as_published: true,
        ..QoS::AtMostOnce.into()
    }
}

#[tokio::test]
async fn mqtt_3_1_2_14_a_will_without_retain_is_published_without_it() {
    for connect in [v5("a"), v3("a")] {
        let broker = broker();
        let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
        watcher
            .publish(Publish {
                retain: true,
                ..publish("chat/a", "here", QoS::AtLeastOnce)
            })
            .await;
        watcher.subscribe("chat/#", as_published()).await;
        assert_eq!(&watcher.receive_publish().await.payload[..], b"here");
        let connect = Connect {
            will: Some(will("chat/a", 0)),
            ..connect
        };
        drop(Peer::connect(&broker, "alumno", connect).await);
        let got = watcher.receive_publish().await;
        assert_eq!((got.retain, &got.payload[..]), (false, &b"lost"[..]));
        let mut late = Peer::connect(&broker, "subscriber", v5("late")).await;
        late.subscribe("chat/#", QoS::AtMostOnce).await;
        assert_eq!(&late.receive_publish().await.payload[..], b"here");
    }
}

#[tokio::test]
async fn mqtt_3_1_2_15_a_will_with_retain_is_retained() {
    for connect in [v5("a"), v3("a")] {
        let broker = broker();
        let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
        watcher.subscribe("chat/#", as_published()).await;
        let will = Will {
            retain: true,
            ..will("chat/a", 0)
        };
        let connect = Connect {
            will: Some(will),
            ..connect
        };
        drop(Peer::connect(&broker, "alumno", connect).await);
        assert!(watcher.receive_publish().await.retain);
        let mut late = Peer::connect(&broker, "subscriber", v5("late")).await;
        late.subscribe("chat/#", QoS::AtMostOnce).await;
        assert_eq!(&late.receive_publish().await.payload[..], b"lost");
    }
}

#[tokio::test]
async fn mqtt_3_1_3_10_user_properties_of_a_will_keep_their_order() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("chat/#", QoS::AtMostOnce).await;
    let pairs = [("b", "1"), ("a", "2"), ("b", "0"), ("b", "1")];
    let user_properties: Vec<_> = pairs.map(|(key, value)| (key.into(), value.into())).into();
    let properties = PublishProperties {
        user_properties: user_properties.clone(),
        ..PublishProperties::default()
    };
    let will = Will {
        properties: Some(Box::new(properties)),
        ..will("chat/a", 0)
    };
    let connect = Connect {
        will: Some(will),
        ..v5("a")
    };
    drop(Peer::connect(&broker, "alumno", connect).await);
    let got = watcher.receive_publish().await;
    assert_eq!(got.properties.unwrap().user_properties, user_properties);
}

#[tokio::test]
async fn mqtt311_3_1_2_12_a_client_without_a_will_leaves_nothing() {
    let broker = broker();
    let mut watcher = Peer::connect(&broker, "subscriber", v5("w")).await;
    watcher.subscribe("#", QoS::AtMostOnce).await;
    drop(Peer::connect(&broker, "alumno", v3("a")).await);
    until(&broker, |metrics| metrics.sessions_current == 1).await;
    watcher.gets_nothing().await;
    assert_eq!(broker.metrics().wills_published, 0);
}
