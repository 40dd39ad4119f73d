//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11).

use mqtt::{QoS, ReasonCode, RetainHandling, SubAck, SubscriptionOptions, UnsubAck};

use super::support::*;
use crate::session::Action;

/// Also [MQTT-2.2.1-6], [MQTT-3.8.4-2], [MQTT-3.8.4-6], [MQTT-3.8.4-7].
#[test]
fn mqtt_3_8_4_1_subscribe_is_answered_with_one_reason_per_filter() {
    for version in [V3_1_1, V5] {
        let mut peer = Peer::connects(connect(version, |_| ()));
        peer.granted = ReasonCode::GrantedQoS1;
        let granted = vec![ReasonCode::GrantedQoS1; 2];
        peer.sends(subscribe(5, &["a/+", "b/#"]))
            .gets(suback(5, granted));
    }
}

#[test]
fn options_and_identifier_reach_the_router_as_they_were_sent() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let options = SubscriptionOptions {
        maximum_qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
    };
    let mut packet = subscribe(5, &["a"]);
    packet.filters[0].1 = options;
    packet.subscription_identifier = Some(42);
    peer.sends(packet);
    match peer.actions.pop_front() {
        Some(Action::Subscribe {
            filters,
            subscription_identifier,
            ..
        }) => {
            assert_eq!(filters, [(filter("a"), options)]);
            assert_eq!(subscription_identifier, Some(42));
        }
        other => panic!("expected a subscription, asked for {other:?}"),
    }
}

#[test]
fn a_refused_filter_is_told_apart_in_5_0_and_is_a_failure_in_3_1_1() {
    let mut new = Peer::connects(connect(V5, |_| ()));
    new.granted = ReasonCode::NotAuthorized;
    new.sends(subscribe(1, &["a"]))
        .gets(suback(1, vec![ReasonCode::NotAuthorized]));
    let mut old = Peer::connects(connect(V3_1_1, |_| ()));
    old.granted = ReasonCode::NotAuthorized;
    old.sends(subscribe(1, &["a"]))
        .gets(suback(1, vec![ReasonCode::UnspecifiedError]));
}

#[test]
fn shared_subscriptions_are_refused_one_by_one() {
    let refused = ReasonCode::SharedSubscriptionsNotSupported;
    let mut peer = Peer::connects(connect(V5, |_| ()));
    let reasons = vec![refused, ReasonCode::Success, refused];
    peer.sends(subscribe(1, &["$share/g/a", "b", "$share/g/c"]))
        .gets(suback(1, reasons));
    match peer.actions.pop_front() {
        Some(Action::Subscribe { filters, .. }) => assert_eq!(filters[0].0, filter("b")),
        other => panic!("expected one subscription, asked for {other:?}"),
    }
    peer.sends(subscribe(2, &["$share/g/a"]))
        .gets(suback(2, vec![refused]))
        .asks_nothing();
}

/// Also [MQTT-2.2.1-6].
#[test]
fn mqtt_3_10_4_4_unsubscribe_is_answered_with_one_reason_per_filter() {
    let mut new = Peer::connects(connect(V5, |_| ()));
    new.sends(unsubscribe(8, &["a", "b"])).gets(UnsubAck {
        packet_id: id(8),
        reasons: vec![ReasonCode::Success; 2],
        properties: None,
    });
    let mut old = Peer::connects(connect(V3_1_1, |_| ()));
    old.sends(unsubscribe(8, &["a", "b"])).gets(UnsubAck {
        packet_id: id(8),
        reasons: vec![],
        properties: None,
    });
}

#[test]
fn a_subscription_and_its_end_may_use_the_same_identifier_at_once() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sequence = crate::journal::Sequence::new(1);
    peer.sends(subscribe(3, &["a"]))
        .sends(unsubscribe(3, &["a"]));
    peer.commits(1).gets(suback(3, vec![ReasonCode::Success]));
    peer.gets(UnsubAck {
        packet_id: id(3),
        reasons: vec![ReasonCode::Success],
        properties: None,
    });
}

fn suback(packet_id: u16, reasons: Vec<ReasonCode>) -> SubAck {
    SubAck {
        packet_id: id(packet_id),
        reasons,
        properties: None,
    }
}
