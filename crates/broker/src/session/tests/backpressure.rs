//! Backpressure: budgets and limits that keep a session small, whatever its client does.

use mqtt::ControlPacket;

use super::support::*;
use crate::journal::Sequence;
use crate::session::SessionLimits;

#[test]
fn writing_stops_at_the_budget_and_goes_on_where_it_stopped() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let payload = "x".repeat(100);
    peer.is_sent((0..10).map(|_| delivery(AtMostOnce, &payload)));
    let one = peer.writes(1).len();
    assert!(one > 100 && one < 120, "a message leaves whole");
    assert_eq!(peer.writes(2 * one).len(), 2 * one);
    assert_eq!(peer.writes(usize::MAX).len(), 7 * one);
}

#[test]
fn nothing_is_taken_from_the_outbox_while_messages_wait_inside() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    assert!(peer.session.wants_deliveries());
    peer.is_sent([delivery(AtMostOnce, "one"), delivery(AtMostOnce, "two")]);
    assert!(!peer.session.wants_deliveries());
    peer.gets_message("one");
    assert!(peer.session.wants_deliveries());
}

#[test]
fn no_packet_is_decoded_while_too_many_answers_wait_for_a_client_that_does_not_read() {
    let mut peer = Peer::connects_under(ten_answers(), connect(V5, |_| ()));
    for _ in 0..10 {
        assert!(peer.session.wants_packets());
        peer.sends(ControlPacket::PingReq);
    }
    assert!(!peer.session.wants_packets());
    peer.gets(ControlPacket::PingResp);
    assert!(peer.session.wants_packets());
}

#[test]
fn a_3_1_1_publisher_is_slowed_down_by_the_journal() {
    let mut peer = Peer::connects_under(ten_answers(), connect(V3_1_1, |_| ()));
    peer.sequence = Sequence::new(1);
    for packet_id in 1..=10 {
        peer.sends(publish(AtLeastOnce, packet_id, "x"));
    }
    peer.gets_nothing();
    assert!(!peer.session.wants_packets());
    peer.commits(1).gets(puback(1));
    assert!(peer.session.wants_packets());
}

#[test]
fn all_identifiers_open_at_once_in_3_1_1_cost_no_more_than_their_number() {
    let mut peer = Peer::connects(connect(V3_1_1, |_| ()));
    for packet_id in 1..=u16::MAX {
        peer.sends(publish(ExactlyOnce, packet_id, ""));
        peer.actions.clear();
        peer.gets(pubrec(packet_id));
    }
    for packet_id in 1..=u16::MAX {
        peer.sends(pubrel(packet_id)).gets(pubcomp(packet_id));
    }
}

fn ten_answers() -> SessionLimits {
    SessionLimits {
        answers_max_count: 10,
        ..SessionLimits::default()
    }
}

#[test]
fn a_client_that_never_acknowledges_holds_a_bounded_number_of_bytes() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let limits = SessionLimits {
            inflight_max_bytes: 10_000,
            ..SessionLimits::default()
        };
        let mut peer = Peer::connects_under(limits, connect(V5, |_| ()));
        let payload = "x".repeat(4_000);
        peer.is_sent((0..9).map(|_| delivery(qos, &payload)));
        for _ in 0..3 {
            peer.gets_message(&payload);
        }
        peer.gets_nothing();
        if qos == AtLeastOnce {
            peer.sends(puback(1));
        } else {
            peer.sends(pubrec(1)).gets(pubrel(1));
        }
        peer.gets_message(&payload);
        peer.gets_nothing();
    }
}

#[test]
fn a_message_above_the_limit_in_flight_is_sent_alone() {
    let limits = SessionLimits {
        inflight_max_bytes: 0,
        ..SessionLimits::default()
    };
    let mut peer = Peer::connects_under(limits, connect(V5, |_| ()));
    peer.is_sent([delivery(AtLeastOnce, "one"), delivery(AtLeastOnce, "two")]);
    peer.gets_message("one");
    peer.gets_nothing().sends(puback(1)).gets_message("two");
}

#[test]
fn answers_with_many_reason_codes_count_as_many() {
    let mut peer = Peer::connects_under(ten_answers(), connect(V5, |_| ()));
    let filters = ["a"; 10];
    peer.sends(subscribe(1, &filters));
    assert!(!peer.session.wants_packets());
    peer.hears();
    assert!(peer.session.wants_packets());
    peer.sends(unsubscribe(2, &filters));
    assert!(!peer.session.wants_packets());
    peer.hears();
    assert!(peer.session.wants_packets());
}
