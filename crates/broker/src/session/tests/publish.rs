//! Messages from the client: QoS, aliases, expiry, Receive Maximum (3.3, 4.3).

use std::num::NonZeroU16;

use mqtt::{ByteString, ReasonCode};

use super::support::*;
use crate::session::{CloseReason, ProtocolError, PublishOutcome, SessionLimits};

#[test]
fn a_qos_0_message_is_routed_and_not_answered() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.sends(publish(AtMostOnce, 0, "hola")).gets_nothing();
        peer.routes("a/b", "hola");
    }
}

/// Also [MQTT-2.2.1-5], [MQTT-3.3.4-1].
#[test]
fn mqtt_4_3_2_4_a_qos_1_message_is_routed_and_acknowledged() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.sends(publish(AtLeastOnce, 7, "hola")).gets(puback(7));
        peer.routes("a/b", "hola");
    }
}

/// Shows [MQTT-4.3.2-5].
#[test]
fn a_repeated_qos_1_message_is_routed_again() {
    let mut peer = Peer::connects(connect(V3_1_1, |_| ()));
    for _ in 0..2 {
        peer.sends(publish(AtLeastOnce, 7, "hola")).gets(puback(7));
        peer.routes("a/b", "hola");
    }
}

/// Also [MQTT-2.2.1-5], [MQTT-3.3.4-1], [MQTT-4.3.3-8].
#[test]
fn mqtt_4_3_3_10_a_repeated_qos_2_message_is_not_routed_twice() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        let mut message = publish(ExactlyOnce, 7, "once");
        peer.sends(message.clone()).gets(pubrec(7));
        peer.routes("a/b", "once");
        message.dup = true;
        peer.sends(message).gets(pubrec(7)).asks_nothing();
        peer.sends(pubrel(7)).gets(pubcomp(7));
    }
}

#[test]
fn mqtt_4_3_3_12_after_pubrel_the_identifier_is_a_new_message() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    for payload in ["first", "second"] {
        peer.sends(publish(ExactlyOnce, 7, payload)).gets(pubrec(7));
        peer.routes("a/b", payload);
        peer.sends(pubrel(7)).gets(pubcomp(7));
    }
}

#[test]
fn mqtt_4_3_3_11_pubrel_for_an_unknown_identifier_is_answered_with_pubcomp() {
    let mut old = Peer::connects(connect(V3_1_1, |_| ()));
    old.sends(pubrel(9)).gets(pubcomp(9));
    let mut new = Peer::connects(connect(V5, |_| ()));
    let unknown = because(pubcomp(9), ReasonCode::PacketIdentifierNotFound);
    new.sends(pubrel(9)).gets(unknown);
}

#[test]
fn a_message_without_receivers_is_told_to_a_5_0_client() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.outcome = PublishOutcome::Routed { receivers: 0 };
    let nobody = ReasonCode::NoMatchingSubscribers;
    peer.sends(publish(AtLeastOnce, 1, "hola"))
        .gets(because(puback(1), nobody));
    peer.sends(publish(ExactlyOnce, 2, "hola"))
        .gets(because(pubrec(2), nobody));
    peer.sends(pubrel(2)).gets(pubcomp(2));
}

#[test]
fn a_forbidden_message_is_refused_in_5_0_with_the_reason_in_words() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.outcome = denied();
    peer.sends(publish(AtLeastOnce, 1, "hola"));
    assert_eq!(reason_string_of_puback(&mut peer).as_deref(), Some(WHY));
}

#[test]
fn mqtt_3_1_2_29_no_reason_string_for_a_client_that_does_not_want_problem_information() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        connect.properties.request_problem_information = Some(false);
    }));
    peer.outcome = denied();
    peer.sends(publish(AtLeastOnce, 1, "hola"));
    assert_eq!(reason_string_of_puback(&mut peer), None);
}

#[test]
fn mqtt_3_4_2_2_no_reason_string_if_it_makes_the_packet_too_large() {
    let mut peer = Peer::connects(connect(V5, |connect| {
        connect.properties.maximum_packet_size = std::num::NonZeroU32::new(40);
    }));
    peer.outcome = denied();
    peer.sends(publish(AtLeastOnce, 1, "hola"));
    assert_eq!(reason_string_of_puback(&mut peer), None);
}

#[test]
fn mqtt311_3_3_5_2_a_forbidden_message_is_acknowledged_for_want_of_another_word() {
    let mut peer = Peer::connects(connect(V3_1_1, |_| ()));
    peer.outcome = denied();
    peer.sends(publish(AtLeastOnce, 1, "hola")).gets(puback(1));
    peer.sends(publish(ExactlyOnce, 2, "hola")).gets(pubrec(2));
    peer.sends(pubrel(2)).gets(pubcomp(2));
}

#[test]
fn mqtt_4_3_3_9_a_refused_qos_2_message_frees_its_identifier() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.outcome = PublishOutcome::QuotaExceeded;
    peer.sends(publish(ExactlyOnce, 7, "refused"))
        .gets(because(pubrec(7), ReasonCode::QuotaExceeded));
    peer.routes("a/b", "refused");
    peer.outcome = PublishOutcome::Routed { receivers: 1 };
    peer.sends(publish(ExactlyOnce, 7, "taken")).gets(pubrec(7));
    peer.routes("a/b", "taken");
}

#[test]
fn mqtt_3_3_2_12_an_alias_stands_for_its_topic_and_is_not_routed_on() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let alias = NonZeroU16::new(16);
    let first = publish_with(publish(AtMostOnce, 0, "one"), |properties| {
        properties.topic_alias = alias;
    });
    let mut second = first.clone();
    second.topic = text("");
    peer.sends(first).sends(second);
    for _ in 0..2 {
        let message = peer.routes("a/b", "one");
        assert_eq!(message.properties, None);
    }
}

#[test]
fn mqtt_3_3_2_9_an_alias_above_the_maximum_is_refused_as_such() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let error = peer.breaks(publish_with(publish(AtMostOnce, 0, "x"), |properties| {
        properties.topic_alias = NonZeroU16::new(17);
    }));
    assert_eq!(error, ProtocolError::TopicAliasTooLarge);
    assert_eq!(error.reason(), ReasonCode::TopicAliasInvalid);
    peer.asks_nothing();
}

#[test]
fn an_alias_that_was_never_set_is_a_protocol_error() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let mut unset = publish_with(publish(AtMostOnce, 0, "x"), |properties| {
        properties.topic_alias = NonZeroU16::new(1);
    });
    unset.topic = text("");
    assert_eq!(peer.breaks(unset), ProtocolError::TopicAliasUnknown);
}

#[test]
fn mqtt_3_3_2_7_aliases_end_with_their_connection() {
    let mut peer = Peer::connects(persistent(V5));
    let mut with_alias = publish_with(publish(AtMostOnce, 0, "x"), |properties| {
        properties.topic_alias = NonZeroU16::new(1);
    });
    peer.sends(with_alias.clone());
    peer.leaves(CloseReason::ConnectionLost);
    let mut peer = peer.returns(persistent(V5));
    with_alias.topic = text("");
    assert_eq!(peer.breaks(with_alias), ProtocolError::TopicAliasUnknown);
}

#[test]
fn mqtt_3_3_4_7_more_than_receive_maximum_ends_the_connection() {
    let mut peer = Peer::connects_under(three_at_once(), connect(V5, |_| ()));
    for packet_id in 1..=3 {
        peer.sends(publish(ExactlyOnce, packet_id, "x"));
    }
    let error = peer.breaks(publish(AtLeastOnce, 4, "x"));
    assert_eq!(error.reason(), ReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn mqtt_4_9_0_1_each_last_word_allows_another_message() {
    let mut peer = Peer::connects_under(three_at_once(), connect(V5, |_| ()));
    for packet_id in 1..=50 {
        peer.sends(publish(AtLeastOnce, packet_id, "x"))
            .gets(puback(packet_id));
    }
    for packet_id in 1..=50 {
        peer.sends(publish(ExactlyOnce, packet_id, "x"))
            .gets(pubrec(packet_id));
        peer.sends(pubrel(packet_id)).gets(pubcomp(packet_id));
    }
    peer.outcome = PublishOutcome::QuotaExceeded;
    for packet_id in 1..=50 {
        let refused = because(pubrec(packet_id), ReasonCode::QuotaExceeded);
        peer.sends(publish(ExactlyOnce, packet_id, "x"))
            .gets(refused);
    }
}

#[test]
fn receive_maximum_does_not_count_qos_0() {
    let mut peer = Peer::connects_under(three_at_once(), connect(V5, |_| ()));
    for _ in 0..10 {
        peer.sends(publish(AtMostOnce, 0, "x"));
    }
}

#[test]
fn a_message_expires_as_long_after_its_arrival_as_its_publisher_said() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sends(publish_with(publish(AtMostOnce, 0, "x"), |properties| {
        properties.message_expiry_interval_s = Some(10);
    }));
    let message = peer.routes("a/b", "x");
    assert_eq!(message.expires_at, Some(peer.now() + 10.secs()));
}

#[test]
fn mqtt_4_3_3_13_an_exchange_is_completed_even_if_its_message_has_expired() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let mut message = publish_with(publish(ExactlyOnce, 7, "x"), |properties| {
        properties.message_expiry_interval_s = Some(10);
    });
    peer.sends(message.clone()).gets(pubrec(7));
    peer.routes("a/b", "x");
    peer.after(20.secs());
    message.dup = true;
    peer.sends(message).gets(pubrec(7)).asks_nothing();
    peer.sends(pubrel(7)).gets(pubcomp(7));
}

#[test]
fn mqtt_3_2_2_18_without_aliases_none_is_taken() {
    let limits = SessionLimits {
        topic_alias_maximum: 0,
        ..SessionLimits::default()
    };
    let mut peer = Peer::connects_under(limits, connect(V5, |_| ()));
    assert_eq!(peer.connack.properties.topic_alias_maximum, None);
    let error = peer.breaks(publish_with(publish(AtMostOnce, 0, "x"), |properties| {
        properties.topic_alias = NonZeroU16::new(1);
    }));
    assert_eq!(error.reason(), ReasonCode::TopicAliasInvalid);
    peer.asks_nothing();
}

fn three_at_once() -> SessionLimits {
    SessionLimits {
        receive_maximum: 3,
        ..SessionLimits::default()
    }
}

fn denied() -> PublishOutcome {
    PublishOutcome::NotAuthorized {
        reason_string: Some(text(WHY)),
    }
}

const WHY: &str = "identity device may not publish to a/b";

fn reason_string_of_puback(peer: &mut Peer) -> Option<ByteString> {
    match peer.hears() {
        mqtt::ControlPacket::PubAck(ack) => {
            assert_eq!(ack.reason, ReasonCode::NotAuthorized);
            ack.properties?.reason_string
        }
        other => panic!("expected PUBACK, heard {other:?}"),
    }
}
