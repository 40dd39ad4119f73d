//! Sessions that outlive their connection: what is sent again, what is not (4.1, 4.4).

use std::num::{NonZeroU16, NonZeroU32};

use super::support::*;
use crate::session::CloseReason;

#[test]
fn mqtt_3_2_2_3_a_resumed_session_is_present() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(persistent(version));
        peer.leaves(CloseReason::ConnectionLost);
        let peer = peer.returns(persistent(version));
        assert!(peer.connack.session_present);
    }
}

/// Also [MQTT-3.3.1-1], [MQTT-4.3.3-3], [MQTT-4.3.3-6].
#[test]
fn mqtt_4_4_0_1_what_was_not_acknowledged_is_sent_again_with_dup_in_its_order() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(persistent(version));
        peer.is_sent([
            delivery(AtLeastOnce, "acknowledged"),
            delivery(AtLeastOnce, "lost"),
            delivery(ExactlyOnce, "received"),
            delivery(ExactlyOnce, "lost, too"),
        ]);
        for payload in ["acknowledged", "lost", "received", "lost, too"] {
            assert!(!peer.gets_message(payload).dup);
        }
        peer.sends(puback(1)).sends(pubrec(3)).gets(pubrel(3));
        peer.leaves(CloseReason::ConnectionLost);

        let mut peer = peer.returns(persistent(version));
        let again = peer.gets_message("lost");
        assert_eq!((again.dup, again.packet_id), (true, Some(id(2))));
        peer.gets(pubrel(3));
        let again = peer.gets_message("lost, too");
        assert_eq!((again.dup, again.packet_id), (true, Some(id(4))));
        peer.gets_nothing();
        peer.sends(puback(2)).sends(pubcomp(3)).sends(pubrec(4));
        peer.gets(pubrel(4)).sends(pubcomp(4)).gets_nothing();
        assert_eq!(peer.session.unfinished_count(), 0);
    }
}

#[test]
fn nothing_is_sent_again_on_the_same_connection() {
    let mut peer = Peer::connects(persistent(V3_1_1));
    peer.is_sent([delivery(AtLeastOnce, "once")])
        .gets_message("once");
    peer.after(60.secs()).gets_nothing();
}

#[test]
fn mqtt_4_6_0_1_new_messages_follow_the_repeated_ones() {
    let mut peer = Peer::connects(persistent(V5));
    peer.is_sent([delivery(AtLeastOnce, "1")]).gets_message("1");
    peer.leaves(CloseReason::ConnectionLost);
    let mut peer = peer.returns(persistent(V5));
    peer.is_sent([delivery(AtLeastOnce, "2")]);
    peer.gets_message("1");
    let new = peer.gets_message("2");
    assert_eq!((new.dup, new.packet_id), (false, Some(id(2))));
}

#[test]
fn mqtt_4_9_0_2_repeated_messages_keep_to_the_receive_maximum_of_the_new_connection() {
    let mut peer = Peer::connects(persistent(V5));
    peer.is_sent(["1", "2", "3"].map(|payload| delivery(AtLeastOnce, payload)));
    for payload in ["1", "2", "3"] {
        peer.gets_message(payload);
    }
    peer.leaves(CloseReason::ConnectionLost);
    let mut narrow = persistent(V5);
    narrow.properties.receive_maximum = NonZeroU16::new(1);
    let mut peer = peer.returns(narrow);
    peer.is_sent([delivery(AtLeastOnce, "4")]);
    for (packet_id, payload) in [(1, "1"), (2, "2"), (3, "3"), (4, "4")] {
        peer.gets_message(payload);
        peer.gets_nothing();
        peer.sends(puback(packet_id));
    }
}

#[test]
fn not_even_qos_0_overtakes_a_repeated_message_that_waits() {
    let mut peer = Peer::connects(persistent(V5));
    peer.is_sent(["1", "2"].map(|payload| delivery(AtLeastOnce, payload)));
    peer.gets_message("1");
    peer.gets_message("2");
    peer.leaves(CloseReason::ConnectionLost);
    let mut narrow = persistent(V5);
    narrow.properties.receive_maximum = NonZeroU16::new(1);
    let mut peer = peer.returns(narrow);
    peer.is_sent([delivery(AtMostOnce, "3")]);
    peer.gets_message("1");
    peer.gets_nothing();
    peer.sends(puback(1)).gets_message("2");
    peer.gets_message("3");
}

#[test]
fn mqtt_4_9_0_2_an_exchange_that_ends_late_does_not_raise_the_receive_maximum() {
    let mut peer = Peer::connects(persistent(V5));
    peer.is_sent(["1", "2"].map(|payload| delivery(ExactlyOnce, payload)));
    peer.gets_message("1");
    peer.gets_message("2");
    peer.sends(pubrec(1)).sends(pubrec(2));
    peer.leaves(CloseReason::ConnectionLost);
    let mut narrow = persistent(V5);
    narrow.properties.receive_maximum = NonZeroU16::new(1);
    let mut peer = peer.returns(narrow);
    peer.gets(pubrel(1)).gets(pubrel(2));
    peer.sends(pubcomp(1)).sends(pubcomp(2));
    peer.is_sent(["3", "4"].map(|payload| delivery(AtLeastOnce, payload)));
    peer.gets_message("3");
    peer.gets_nothing();
}

#[test]
fn mqtt_3_1_2_25_a_message_too_large_for_the_new_connection_is_given_up() {
    let mut peer = Peer::connects(persistent(V5));
    let large = "x".repeat(500);
    peer.is_sent([
        delivery(AtLeastOnce, &large),
        delivery(AtLeastOnce, "small"),
    ]);
    peer.gets_message(&large);
    peer.gets_message("small");
    peer.leaves(CloseReason::ConnectionLost);
    let mut narrow = persistent(V5);
    narrow.properties.maximum_packet_size = NonZeroU32::new(100);
    let mut peer = peer.returns(narrow);
    assert!(peer.gets_message("small").dup);
    assert_eq!(peer.session.take_dropped().too_large, 1);
    assert_eq!(peer.session.unfinished_count(), 1);
}

#[test]
fn messages_that_waited_inside_wait_on_except_qos_0() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        *connect = persistent(V5);
        connect.properties.receive_maximum = NonZeroU16::new(1);
    }));
    peer.is_sent([
        delivery(AtLeastOnce, "in flight"),
        delivery(AtLeastOnce, "waits"),
        delivery(AtMostOnce, "is lost"),
        delivery(ExactlyOnce, "waits, too"),
    ]);
    peer.gets_message("in flight");
    peer.leaves(CloseReason::ConnectionLost);
    assert_eq!(peer.session.take_dropped().offline_qos0, 1);

    let mut peer = peer.returns(persistent(V5));
    assert!(peer.gets_message("in flight").dup);
    assert!(!peer.gets_message("waits").dup);
    assert!(!peer.gets_message("waits, too").dup);
}

#[test]
fn a_qos_2_message_received_before_is_still_known() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(persistent(version));
        peer.sends(publish(ExactlyOnce, 7, "once")).gets(pubrec(7));
        peer.routes("a/b", "once");
        peer.leaves(CloseReason::ConnectionLost);
        let mut peer = peer.returns(persistent(version));
        let mut again = publish(ExactlyOnce, 7, "once");
        again.dup = true;
        peer.sends(again).gets(pubrec(7)).asks_nothing();
        peer.sends(pubrel(7)).gets(pubcomp(7));
    }
}

#[test]
fn a_session_may_be_resumed_in_the_other_version() {
    let mut peer = Peer::connects(persistent(V3_1_1));
    peer.is_sent([delivery(AtLeastOnce, "x")]).gets_message("x");
    peer.leaves(CloseReason::ConnectionLost);
    let mut peer = peer.returns(persistent(V5));
    assert_eq!(peer.session.version(), V5);
    assert!(peer.gets_message("x").dup);
}

#[test]
fn what_is_parked_no_longer_shares_the_receive_buffer() {
    let mut peer = Peer::connects(persistent(V5));
    let in_flight = delivery(AtLeastOnce, "x");
    let shared = std::sync::Arc::downgrade(&in_flight.message);
    peer.is_sent([in_flight]).gets_message("x");
    peer.leaves(CloseReason::ConnectionLost);
    assert_eq!(shared.strong_count(), 0);
}
