//! The Will (3.1.2.5, 3.1.3.2).

use std::time::Duration;

use mqtt::{DecodeError, PublishProperties, ReasonCode};

use super::support::*;
use crate::session::{CloseReason, ProtocolError};

#[test]
fn mqtt_3_1_2_8_the_will_is_published_whenever_the_client_did_not_say_goodbye() {
    for reason in [
        CloseReason::ConnectionLost,
        CloseReason::KeepAliveTimeout,
        CloseReason::ProtocolError(ProtocolError::SecondConnect),
        CloseReason::Undecodable(DecodeError::QoS3),
        CloseReason::SessionTakenOver,
        CloseReason::ServerShuttingDown,
    ] {
        let mut peer = with_will();
        let due = peer.leaves(reason).expect("a Will");
        let message = due.into_message(peer.now());
        assert_eq!(
            (&*message.topic, &message.payload[..]),
            ("will", &b"gone"[..])
        );
    }
}

/// Also [MQTT-3.14.4-3].
#[test]
fn mqtt_3_1_2_10_a_normal_goodbye_deletes_the_will() {
    let mut peer = with_will();
    peer.sends(disconnect(ReasonCode::Success));
    let reason = peer.closes();
    assert_eq!(peer.leaves(reason), None);
}

#[test]
fn mqtt_3_14_4_3_disconnect_with_will_publishes_it() {
    for code in [ReasonCode::DisconnectWithWill, ReasonCode::UnspecifiedError] {
        let mut peer = with_will();
        peer.sends(disconnect(code));
        let reason = peer.closes();
        assert_eq!(reason, CloseReason::ClientDisconnectedWithWill(code));
        assert!(peer.leaves(reason).is_some());
    }
}

#[test]
fn the_will_is_taken_once() {
    let mut peer = with_will();
    assert!(
        peer.session
            .take_will(CloseReason::ConnectionLost)
            .is_some()
    );
    assert!(
        peer.session
            .take_will(CloseReason::ConnectionLost)
            .is_none()
    );
}

#[test]
fn a_client_that_returns_without_a_will_has_none() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        *connect = persistent(V5);
        connect.will = Some(will("gone"));
    }));
    peer.leaves(CloseReason::ConnectionLost);
    let mut peer = peer.returns(persistent(V5));
    assert_eq!(peer.leaves(CloseReason::ConnectionLost), None);
}

#[test]
fn mqtt_3_1_2_8_the_delay_is_the_asked_one_but_ends_with_the_session() {
    let delay_of = |delay_s: u32, expiry_s: u32| {
        let mut peer = Peer::connects(connect(V5, |connect| {
            connect.properties.session_expiry_interval_s = Some(expiry_s);
            let mut will = will("gone");
            will.delay_interval_s = delay_s;
            connect.will = Some(will);
        }));
        peer.leaves(CloseReason::ConnectionLost)
            .expect("a Will")
            .delay
    };
    assert_eq!(delay_of(0, 3_600), Duration::ZERO);
    assert_eq!(delay_of(60, 3_600), 60.secs());
    assert_eq!(delay_of(60, 10), 10.secs());
    assert_eq!(delay_of(60, 0), Duration::ZERO);
}

#[test]
fn mqtt_3_1_2_15_the_will_keeps_its_flags_and_expires_from_its_publication() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        let mut will = will("gone");
        will.qos = AtLeastOnce;
        will.retain = true;
        will.properties = Some(Box::new(PublishProperties {
            message_expiry_interval_s: Some(30),
            ..PublishProperties::default()
        }));
        connect.will = Some(will);
    }));
    let due = peer.leaves(CloseReason::ConnectionLost).expect("a Will");
    peer.after(500.secs());
    let message = due.into_message(peer.now());
    assert_eq!((message.qos, message.retain), (AtLeastOnce, true));
    assert_eq!(message.expires_at, Some(peer.now() + 30.secs()));
}

fn with_will() -> Peer {
    Peer::connects(connect(V5, |connect| connect.will = Some(will("gone"))))
}
