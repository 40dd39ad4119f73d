//! CONNECT and CONNACK: what is asked, what is granted, what is refused (3.1, 3.2).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::BytesMut;
use mqtt::{Codec, ConnAckProperties, ControlPacket, ReasonCode};

use super::support::*;
use crate::session::{ProtocolError, SessionLimits};

/// Also [MQTT-3.1.2-6], [MQTT-3.1.4-5].
#[test]
fn mqtt_3_2_2_3_a_new_session_is_not_present() {
    for version in [V3_1_1, V5] {
        let peer = Peer::connects(persistent(version));
        assert_eq!(peer.connack.reason, ReasonCode::Success);
        assert!(!peer.connack.session_present);
    }
}

#[test]
fn connack_tells_a_5_0_client_our_limits_and_only_what_differs_from_its_wishes() {
    let peer = Peer::connects(connect(V5, |_| ()));
    let expected = ConnAckProperties {
        receive_maximum: NonZeroU16::new(1_024),
        maximum_packet_size: NonZeroU32::new(2 * 1024 * 1024),
        topic_alias_maximum: Some(16),
        shared_subscription_available: Some(false),
        ..ConnAckProperties::default()
    };
    assert_eq!(peer.connack.properties, expected);
}

#[test]
fn mqtt_3_1_2_28_who_does_not_ask_for_response_information_gets_none() {
    for asked in [None, Some(false)] {
        let peer = Peer::connects(connect(V5, |connect| {
            connect.properties.request_response_information = asked;
        }));
        assert_eq!(peer.connack.properties.response_information, None);
    }
}

#[test]
fn connack_of_3_1_1_has_no_properties() {
    let peer = Peer::connects(connect(V3_1_1, |connect| connect.client_id = text("")));
    assert_eq!(peer.connack.properties, ConnAckProperties::default());
}

#[test]
fn mqtt_3_1_3_7_a_client_without_identifier_is_given_one() {
    let mut peer = Peer::connects(connect(V5, |connect| connect.client_id = text("")));
    let assigned = peer.connack.properties.assigned_client_identifier.take();
    assert_eq!(assigned.as_deref(), Some("assigned-1"));
    assert_eq!(&**peer.session.client_id(), "assigned-1");
}

#[test]
fn mqtt311_3_1_3_8_an_empty_identifier_needs_clean_session() {
    let refusal = refused(connect(V3_1_1, |connect| {
        connect.client_id = text("");
        connect.clean_start = false;
    }));
    assert_eq!(refusal.reason(), ReasonCode::ClientIdentifierNotValid);
    let mut out = BytesMut::new();
    refusal.encode(&mut out);
    assert_eq!(&out[..], [0x20, 2, 0, 2]);
}

/// Shows [MQTT-3.1.3-8].
#[test]
fn a_client_identifier_above_the_limit_is_refused() {
    let refusal = refused(connect(V5, |connect| {
        connect.client_id = "x".repeat(257).into();
    }));
    assert_eq!(refusal.reason(), ReasonCode::ClientIdentifierNotValid);
}

/// Also [MQTT-3.2.2-6].
#[test]
fn mqtt_4_12_0_1_enhanced_authentication_is_refused_with_bad_authentication_method() {
    let refusal = refused(connect(V5, |connect| {
        connect.properties.authentication_method = Some(text("SCRAM-SHA-256"));
    }));
    let mut out = BytesMut::new();
    refusal.encode(&mut out);
    let mut codec = Codec::new(Some(V5), u32::MAX);
    match codec.decode(&mut out) {
        Ok(Some(ControlPacket::ConnAck(connack))) => {
            assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod);
            assert!(!connack.session_present, "[MQTT-3.2.2-6]");
            assert!(connack.properties.reason_string.is_some());
        }
        other => panic!("expected CONNACK, decoded {other:?}"),
    }
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_is_a_protocol_error() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        let again = ControlPacket::Connect(Box::new(connect(version, |_| ())));
        assert_eq!(peer.breaks(again), ProtocolError::SecondConnect);
    }
}

#[test]
fn a_session_lives_as_long_as_asked_but_no_longer_than_allowed() {
    let asks = |seconds: Option<u32>| {
        Peer::connects(connect(V5, |connect| {
            connect.properties.session_expiry_interval_s = seconds;
        }))
    };
    assert_eq!(asks(None).session.expiry_interval_s(), 0);
    let hour = asks(Some(3_600));
    assert_eq!(hour.session.expiry_interval_s(), 3_600);
    assert_eq!(hour.connack.properties.session_expiry_interval_s, None);
    let for_ever = asks(Some(u32::MAX));
    assert_eq!(for_ever.session.expiry_interval_s(), 604_800);
    let told = for_ever.connack.properties.session_expiry_interval_s;
    assert_eq!(told, Some(604_800));
}

#[test]
fn mqtt311_3_1_2_6_clean_session_decides_how_long_the_session_lives() {
    let clean = Peer::connects(connect(V3_1_1, |_| ()));
    assert_eq!(clean.session.expiry_interval_s(), 0);
    let kept = Peer::connects(persistent(V3_1_1));
    assert_eq!(kept.session.expiry_interval_s(), 604_800);
    let limits = SessionLimits {
        session_expiry_max_s: u32::MAX,
        ..SessionLimits::default()
    };
    let for_ever = Peer::connects_under(limits, persistent(V3_1_1));
    assert_eq!(for_ever.session.expiry_interval_s(), u32::MAX);
}
