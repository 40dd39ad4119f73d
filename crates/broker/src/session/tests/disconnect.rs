//! Endings: what the client is told, what is taken in after that, how long the session stays (3.14, 4.13).

use mqtt::{
    Auth, ConnAck, ControlPacket, DecodeError, Disconnect, DisconnectProperties, ReasonCode,
};

use super::support::*;
use crate::journal::Sequence;
use crate::session::{CloseReason, ProtocolError};

#[test]
fn a_goodbye_is_not_answered() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.sends(disconnect(ReasonCode::Success));
        assert_eq!(peer.closes(), CloseReason::ClientDisconnected);
        peer.gets_nothing();
    }
}

#[test]
fn mqtt_3_14_2_1_we_say_in_5_0_why_we_leave() {
    let told = |reason: CloseReason, code| {
        let mut peer = Peer::connects(connect(V5, |_| ()));
        peer.session.disconnect(reason);
        peer.gets(disconnect(code)).gets_nothing();
    };
    told(CloseReason::SessionTakenOver, ReasonCode::SessionTakenOver);
    told(
        CloseReason::ServerShuttingDown,
        ReasonCode::ServerShuttingDown,
    );
    told(
        CloseReason::Undecodable(DecodeError::PacketTooLarge),
        ReasonCode::PacketTooLarge,
    );
    told(
        CloseReason::ProtocolError(ProtocolError::ReceiveMaximumExceeded),
        ReasonCode::ReceiveMaximumExceeded,
    );
}

#[test]
fn in_3_1_1_a_server_just_closes() {
    let mut peer = Peer::connects(connect(V3_1_1, |_| ()));
    peer.session.disconnect(CloseReason::SessionTakenOver);
    peer.gets_nothing();
}

#[test]
fn mqtt_3_14_4_1_nothing_follows_our_disconnect() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sequence = Sequence::new(1);
    peer.sends(publish(AtLeastOnce, 1, "x"));
    peer.is_sent([delivery(AtMostOnce, "late")]);
    peer.session.disconnect(CloseReason::ServerShuttingDown);
    peer.commits(1);
    peer.gets(disconnect(ReasonCode::ServerShuttingDown))
        .gets_nothing();
}

#[test]
fn answers_already_free_to_leave_go_before_our_disconnect() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sends(publish(AtLeastOnce, 1, "x"));
    peer.session.disconnect(CloseReason::ServerShuttingDown);
    peer.gets(puback(1))
        .gets(disconnect(ReasonCode::ServerShuttingDown));
}

#[test]
fn what_follows_a_goodbye_is_ignored() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sends(disconnect(ReasonCode::Success))
        .sends(publish(AtLeastOnce, 1, "late"))
        .sends(ControlPacket::PingReq);
    assert_eq!(peer.closes(), CloseReason::ClientDisconnected);
    peer.asks_nothing().gets_nothing();
    assert!(!peer.session.wants_packets());
    assert!(!peer.session.wants_deliveries());
}

#[test]
fn the_client_may_change_at_the_end_how_long_its_session_stays() {
    let mut peer = Peer::connects(persistent(V5));
    peer.sends(goodbye_with_expiry(0));
    assert_eq!(peer.session.expiry_interval_s(), 0);
    let mut peer = Peer::connects(persistent(V5));
    peer.sends(goodbye_with_expiry(u32::MAX));
    assert_eq!(peer.session.expiry_interval_s(), 604_800);
}

#[test]
fn a_session_that_was_to_end_with_its_connection_cannot_be_prolonged_by_disconnect() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let error = peer.breaks(goodbye_with_expiry(10));
    assert_eq!(error, ProtocolError::SessionExpiryFromZero);
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sends(goodbye_with_expiry(0));
    assert_eq!(peer.closes(), CloseReason::ClientDisconnected);
}

#[test]
fn packets_that_only_servers_send_are_protocol_errors() {
    let suback = mqtt::SubAck {
        packet_id: id(1),
        reasons: vec![ReasonCode::Success],
        properties: None,
    };
    for packet in [
        ControlPacket::ConnAck(Box::new(ConnAck::new(ReasonCode::Success))),
        ControlPacket::SubAck(suback),
        ControlPacket::PingResp,
    ] {
        let mut peer = Peer::connects(connect(V5, |_| ()));
        assert_eq!(peer.breaks(packet), ProtocolError::WrongDirection);
    }
}

#[test]
fn mqtt_4_12_0_7_auth_without_a_method_in_connect_is_a_protocol_error() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let auth = Auth {
        reason: ReasonCode::ReAuthenticate,
        properties: Default::default(),
    };
    let error = peer.breaks(ControlPacket::Auth(auth));
    assert_eq!(error.reason(), ReasonCode::ProtocolError);
}

fn goodbye_with_expiry(seconds: u32) -> Disconnect {
    Disconnect {
        reason: ReasonCode::Success,
        properties: Some(Box::new(DisconnectProperties {
            session_expiry_interval_s: Some(seconds),
            ..DisconnectProperties::default()
        })),
    }
}
