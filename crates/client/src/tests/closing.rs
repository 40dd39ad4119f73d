//! The end: what was handed in leaves, the goodbye is said, and everybody is told.

use mqtt::{ControlPacket, Disconnect, QoS, ReasonCode};

use super::support::{connected, options, request, start};
use crate::{ClientError, Outcome};

#[tokio::test]
async fn close_sends_what_waits_then_disconnects() {
    let (client, mut messages, _broker, mut peer) = connected(options()).await;
    let zero = client.publish(request(QoS::AtMostOnce));
    let one = client.publish(request(QoS::AtLeastOnce));
    let broker = async {
        peer.gets_publish().await;
        peer.gets_publish().await;
        let goodbye = ControlPacket::Disconnect(Disconnect::new(ReasonCode::Success));
        assert_eq!(peer.gets().await, goodbye);
        assert_eq!(peer.gets_or_end().await, None);
        peer.transport.close();
    };
    tokio::join!(client.close(), broker);
    assert!(matches!(zero.done().await, Outcome::Sent));
    assert!(matches!(one.done().await, Outcome::Unconfirmed { .. }));
    assert!(messages.next().await.is_none());
    assert!(matches!(
        client.publish(request(QoS::AtMostOnce)).done().await,
        Outcome::NotSent { .. }
    ));
    assert!(matches!(
        client.unsubscribe(Vec::new()).await,
        Err(ClientError::Closed)
    ));
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let (client, _messages, _broker, mut peer) = connected(options()).await;
    drop(client);
    let goodbye = ControlPacket::Disconnect(Disconnect::new(ReasonCode::Success));
    assert_eq!(peer.gets().await, goodbye);
}

#[tokio::test]
async fn a_client_that_never_connected_closes_at_once() {
    let (client, _messages, _broker) = start(options());
    client.close().await;
    assert!(matches!(client.connected().await, Err(ClientError::Closed)));
}
