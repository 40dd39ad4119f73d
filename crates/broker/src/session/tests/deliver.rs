//! Messages to the client: QoS, flags, identifiers, Receive Maximum, size, expiry (3.3, 4.3, 4.9).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use mqtt::{Message, ReasonCode};
use smallvec::smallvec;

use super::support::*;
use crate::session::{CloseReason, Dropped, ProtocolError, SessionLimits};

/// Shows [MQTT-2.2.1-2], [MQTT-4.3.1-1].
#[test]
fn a_qos_0_message_has_no_identifier_and_awaits_no_answer() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.is_sent([delivery(AtMostOnce, "hola")]);
        assert_eq!(peer.gets_message("hola"), publish(AtMostOnce, 0, "hola"));
        assert_eq!(peer.session.unfinished_count(), 0);
    }
}

/// Also [MQTT-4.3.2-2], [MQTT-4.3.2-3].
#[test]
fn mqtt_4_3_2_1_a_qos_1_message_is_kept_until_puback() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.is_sent([delivery(AtLeastOnce, "hola")]);
        assert_eq!(peer.gets_message("hola"), publish(AtLeastOnce, 1, "hola"));
        assert_eq!(peer.session.unfinished_count(), 1);
        peer.sends(puback(1)).gets_nothing();
        assert_eq!(peer.session.unfinished_count(), 0);
    }
}

/// Also [MQTT-4.3.3-1], [MQTT-4.3.3-2], [MQTT-4.3.3-4].
#[test]
fn mqtt_4_3_3_5_a_qos_2_message_goes_through_pubrec_pubrel_pubcomp() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.is_sent([delivery(ExactlyOnce, "once")]);
        assert_eq!(peer.gets_message("once"), publish(ExactlyOnce, 1, "once"));
        peer.sends(pubrec(1)).gets(pubrel(1));
        peer.sends(pubrec(1)).gets(pubrel(1));
        peer.sends(pubcomp(1)).gets_nothing();
        assert_eq!(peer.session.unfinished_count(), 0);
    }
}

#[test]
fn mqtt_4_4_0_2_a_pubrec_with_an_error_ends_the_exchange() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.is_sent([delivery(ExactlyOnce, "unwanted")]);
    peer.gets_message("unwanted");
    peer.sends(because(pubrec(1), ReasonCode::NotAuthorized))
        .gets_nothing();
    assert_eq!(peer.session.unfinished_count(), 0);
}

#[test]
fn acknowledgements_of_exchanges_long_over_are_no_error() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.sends(puback(9)).sends(pubcomp(9)).gets_nothing();
    }
}

#[test]
fn pubrec_for_an_unknown_identifier_is_answered_so_that_the_client_can_go_on() {
    let mut old = Peer::connects(connect(V3_1_1, |_| ()));
    old.sends(pubrec(9)).gets(pubrel(9));
    let mut new = Peer::connects(connect(V5, |_| ()));
    let unknown = because(pubrel(9), ReasonCode::PacketIdentifierNotFound);
    new.sends(pubrec(9)).gets(unknown);
    new.sends(because(pubrec(9), ReasonCode::UnspecifiedError))
        .gets_nothing();
}

#[test]
fn an_acknowledgement_of_another_qos_is_a_protocol_error() {
    let wrong = |qos, answer| {
        let mut peer = Peer::connects(connect(V5, |_| ()));
        peer.is_sent([delivery(qos, "x")]).gets_message("x");
        assert_eq!(peer.breaks(answer), ProtocolError::WrongAcknowledgement);
    };
    wrong(AtLeastOnce, pubrec(1));
    wrong(AtLeastOnce, pubcomp(1));
    wrong(ExactlyOnce, puback(1));
    wrong(ExactlyOnce, pubcomp(1));
}

#[test]
fn mqtt_3_3_4_9_no_more_than_the_clients_receive_maximum_are_in_flight() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        connect.properties.receive_maximum = NonZeroU16::new(2);
    }));
    peer.is_sent(["1", "2", "3", "4"].map(|payload| delivery(AtLeastOnce, payload)));
    peer.gets_message("1");
    peer.gets_message("2");
    peer.gets_nothing();
    assert!(!peer.session.wants_deliveries());
    peer.sends(puback(2)).gets_message("3");
    peer.gets_nothing();
    peer.sends(puback(1)).gets_message("4");
    assert!(peer.session.wants_deliveries());
}

/// Also [MQTT-3.3.4-10], [MQTT-4.9.0-3].
#[test]
fn mqtt_4_9_0_2_a_qos_2_message_counts_until_pubcomp() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        connect.properties.receive_maximum = NonZeroU16::new(1);
    }));
    peer.is_sent([delivery(ExactlyOnce, "1"), delivery(ExactlyOnce, "2")]);
    peer.gets_message("1");
    peer.sends(pubrec(1)).gets(pubrel(1)).gets_nothing();
    peer.sends(pubcomp(1)).gets_message("2");
}

#[test]
fn our_own_limit_bounds_what_is_in_flight_to_a_3_1_1_client() {
    let limits = SessionLimits {
        inflight_max_count: 3,
        ..SessionLimits::default()
    };
    let mut peer = Peer::connects_under(limits, connect(V3_1_1, |_| ()));
    peer.is_sent(["1", "2", "3", "4"].map(|payload| delivery(AtLeastOnce, payload)));
    for payload in ["1", "2", "3"] {
        peer.gets_message(payload);
    }
    peer.gets_nothing();
    peer.sends(puback(1)).gets_message("4");
}

#[test]
fn mqtt_4_6_0_6_a_qos_0_message_does_not_overtake_one_that_waits() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        connect.properties.receive_maximum = NonZeroU16::new(1);
    }));
    peer.is_sent([
        delivery(AtLeastOnce, "1"),
        delivery(AtLeastOnce, "2"),
        delivery(AtMostOnce, "3"),
    ]);
    peer.gets_message("1");
    peer.gets_nothing();
    peer.sends(puback(1)).gets_message("2");
    peer.gets_message("3");
}

#[test]
fn mqtt_3_1_2_25_a_message_too_large_for_the_client_is_dropped_and_the_next_arrives() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        connect.properties.maximum_packet_size = NonZeroU32::new(100);
    }));
    let large = "x".repeat(100);
    peer.is_sent([
        delivery(AtLeastOnce, &large),
        delivery(AtMostOnce, &large),
        delivery(AtLeastOnce, "small"),
    ]);
    peer.gets_message("small");
    peer.gets_nothing();
    assert_eq!(peer.session.unfinished_count(), 1);
    let dropped = Dropped {
        too_large: 2,
        ..Dropped::default()
    };
    assert_eq!(peer.session.take_dropped(), dropped);
    assert_eq!(peer.session.take_dropped(), Dropped::default());
}

#[test]
fn mqtt_3_1_2_24_a_message_of_exactly_the_maximum_is_sent() {
    let payload = "x".repeat(60); // larger than a CONNACK, which must fit, too
    let length_under = |maximum: u32| {
        let mut peer = Peer::connects(connect(V5, |connect| {
            connect.properties.maximum_packet_size = NonZeroU32::new(maximum);
        }));
        peer.is_sent([delivery(AtLeastOnce, &payload)]);
        u32::try_from(peer.writes(usize::MAX).len()).unwrap()
    };
    let length = length_under(u32::MAX);
    assert_eq!(length_under(length), length);
    assert_eq!(length_under(length - 1), 0);
}

#[test]
fn mqtt_3_3_2_5_an_expired_message_is_not_delivered() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.is_sent([expiring(&peer, "old", 10), expiring(&peer, "young", 30)]);
    peer.after(20.secs());
    let publish = peer.gets_message("young");
    let remaining = publish.properties.unwrap().message_expiry_interval_s;
    assert_eq!(remaining, Some(10), "[MQTT-3.3.2-6]");
    assert_eq!(peer.session.take_dropped().expired, 1);
}

#[test]
fn mqtt_4_3_3_7_a_message_that_was_sent_does_not_expire_any_more() {
    let mut peer = Peer::connects(persistent(V5));
    let mut message = expiring(&peer, "once", 10);
    message.qos = ExactlyOnce;
    peer.is_sent([message]).gets_message("once");
    peer.leaves(CloseReason::ConnectionLost);
    peer.after(20.secs());
    let mut peer = peer.returns(persistent(V5));
    assert!(peer.gets_message("once").dup);
    peer.after(20.secs());
    peer.sends(pubrec(1)).gets(pubrel(1));
    peer.sends(pubcomp(1)).gets_nothing();
    assert_eq!(peer.session.take_dropped(), Dropped::default());
}

#[test]
fn mqtt_3_3_4_3_subscription_identifiers_and_the_retain_flag_reach_the_client() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let mut retained = delivery(AtMostOnce, "x");
    retained.retain = true;
    retained.subscription_identifiers = smallvec![4, 7];
    peer.is_sent([retained]);
    let publish = peer.gets_message("x");
    assert!(publish.retain);
    let identifiers = publish.properties.unwrap().subscription_identifiers;
    assert_eq!(identifiers[..], [4, 7]);
}

#[test]
fn any_payload_is_carried_unchanged() {
    let binary: Vec<u8> = (0..=255).collect();
    for payload in [vec![], binary, vec![0xFF; 1024 * 1024]] {
        let mut peer = Peer::connects(connect(V5, |_| ()));
        let message = Message::new(topic("a/b"), Bytes::from(payload.clone()));
        peer.is_sent([deliver(AtLeastOnce, message)]);
        match peer.hears() {
            mqtt::ControlPacket::Publish(publish) => assert_eq!(publish.payload, payload),
            other => panic!("expected a message, heard {other:?}"),
        }
    }
}

fn expiring(peer: &Peer, payload: &'static str, seconds: u64) -> crate::outbox::Delivery {
    let mut message = Message::new(topic("a/b"), payload);
    message.expires_at = Some(peer.now() + seconds.secs());
    deliver(AtLeastOnce, message)
}
