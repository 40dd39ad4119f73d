//! Keep alive: how long a client may be silent (3.1.2.10).

use mqtt::{ControlPacket, ReasonCode};

use super::support::*;
use crate::session::{CloseReason, SessionLimits};

/// Also [MQTT-3.2.2-22].
#[test]
fn mqtt_3_1_2_22_silence_for_one_and_a_half_keep_alives_closes_the_connection() {
    let mut peer = Peer::connects(connect(V5, |connect| connect.keep_alive_s = 60));
    peer.after(89.secs()).asks_nothing();
    peer.after(1.secs());
    assert_eq!(peer.closes(), CloseReason::KeepAliveTimeout);
    peer.gets(disconnect(ReasonCode::KeepAliveTimeout));
}

#[test]
fn mqtt311_3_1_2_24_the_connection_closes_without_a_word() {
    let mut peer = Peer::connects(connect(V3_1_1, |connect| connect.keep_alive_s = 10));
    peer.after(15.secs());
    assert_eq!(peer.closes(), CloseReason::KeepAliveTimeout);
    peer.gets_nothing();
}

#[test]
fn mqtt_3_12_4_1_pingreq_is_answered_and_counts_as_a_sign_of_life() {
    let mut peer = Peer::connects(connect(V3_1_1, |connect| connect.keep_alive_s = 60));
    peer.after(80.secs())
        .sends(ControlPacket::PingReq)
        .gets(ControlPacket::PingResp);
    peer.after(89.secs()).asks_nothing();
    assert_eq!(peer.session.poll_timeout(), Some(peer.now() + 1.secs()));
}

#[test]
fn a_keep_alive_of_0_is_not_watched_if_the_broker_sets_no_maximum() {
    let limits = SessionLimits {
        keep_alive_max_s: 0,
        ..SessionLimits::default()
    };
    let peer = Peer::connects_under(limits, connect(V5, |connect| connect.keep_alive_s = 0));
    assert_eq!(peer.session.poll_timeout(), None);
    assert_eq!(peer.connack.properties.server_keep_alive_s, None);
}

#[test]
fn mqtt_3_2_2_21_a_longer_keep_alive_than_allowed_is_replaced_and_the_client_is_told() {
    for asked_s in [0, 3_601] {
        let mut peer = Peer::connects(connect(V5, |connect| connect.keep_alive_s = asked_s));
        assert_eq!(peer.connack.properties.server_keep_alive_s, Some(3_600));
        peer.after(5_400.secs());
        assert_eq!(peer.closes(), CloseReason::KeepAliveTimeout);
    }
}

#[test]
fn a_3_1_1_client_cannot_be_told_so_its_keep_alive_stands() {
    let peer = Peer::connects(connect(V3_1_1, |connect| connect.keep_alive_s = 0));
    assert_eq!(peer.session.poll_timeout(), None);
}
