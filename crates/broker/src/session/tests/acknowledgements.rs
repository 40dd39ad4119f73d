//! Acknowledgements: in order, and never before what they promise is committed.

use mqtt::{ReasonCode, SubAck};

use super::support::*;
use crate::journal::Sequence;
use crate::session::{Action, CloseReason, PublishOutcome};

#[test]
fn an_acknowledgement_waits_until_its_message_is_committed() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sequence = Sequence::new(5);
    peer.sends(publish(AtLeastOnce, 1, "x")).gets_nothing();
    peer.commits(4).gets_nothing();
    peer.commits(5).gets(puback(1)).gets_nothing();
}

#[test]
fn mqtt_4_6_0_2_acknowledgements_leave_in_the_order_of_their_messages() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sequence = Sequence::new(9);
    peer.sends(publish(AtLeastOnce, 1, "slow"));
    peer.sequence = Sequence::new(2);
    peer.sends(publish(ExactlyOnce, 2, "fast"));
    peer.sequence = Sequence::START;
    peer.sends(publish(AtLeastOnce, 3, "at once"));
    peer.commits(2).gets_nothing();
    peer.commits(9)
        .gets(puback(1))
        .gets(pubrec(2))
        .gets(puback(3));
}

#[test]
fn one_commit_lets_many_acknowledgements_leave() {
    let mut peer = Peer::connects(connect(V3_1_1, |_| ()));
    for packet_id in 1..=100 {
        peer.sequence = Sequence::new(packet_id.into());
        peer.sends(publish(AtLeastOnce, packet_id, "x"));
    }
    peer.commits(60);
    for packet_id in 1..=60 {
        peer.gets(puback(packet_id));
    }
    peer.gets_nothing();
}

#[test]
fn a_commit_never_moves_back() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.commits(8).commits(3);
    peer.sequence = Sequence::new(8);
    peer.sends(publish(AtLeastOnce, 1, "x")).gets(puback(1));
}

#[test]
fn pings_do_not_wait_for_the_journal() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sequence = Sequence::new(1);
    peer.sends(publish(AtLeastOnce, 1, "x"));
    peer.sends(mqtt::ControlPacket::PingReq)
        .gets(mqtt::ControlPacket::PingResp);
}

#[test]
fn a_subscription_is_acknowledged_when_it_is_committed() {
    let mut peer = Peer::connects(connect(V5, |_| ()));
    peer.sequence = Sequence::new(1);
    peer.sends(subscribe(3, &["a/#"])).gets_nothing();
    peer.commits(1).gets(SubAck {
        packet_id: id(3),
        reasons: vec![ReasonCode::Success],
        properties: None,
    });
}

#[test]
fn a_repeated_qos_2_message_is_not_acknowledged_before_the_first_is_committed() {
    let mut peer = Peer::connects(persistent(V5));
    peer.sequence = Sequence::new(4);
    peer.sends(publish(ExactlyOnce, 7, "once"));
    peer.leaves(CloseReason::ConnectionLost);
    let mut peer = peer.returns(persistent(V5));
    peer.routes("a/b", "once");
    peer.sends(publish(ExactlyOnce, 7, "once"))
        .gets_nothing()
        .asks_nothing();
    peer.commits(4).gets(pubrec(7)).gets_nothing();
}

#[test]
fn a_qos_2_message_that_was_never_routed_is_routed_when_it_is_repeated() {
    let mut peer = Peer::connects(persistent(V5));
    let now = peer.now();
    let message = mqtt::ControlPacket::Publish(publish(ExactlyOnce, 7, "once"));
    // The connection ends before the driver carries the action out.
    peer.session.handle_packet(message, now).unwrap();
    peer.leaves(CloseReason::SessionTakenOver);
    let mut peer = peer.returns(persistent(V5));
    peer.sends(publish(ExactlyOnce, 7, "once")).gets(pubrec(7));
    peer.routes("a/b", "once");
}

#[test]
fn an_answer_that_belongs_to_an_earlier_connection_is_ignored() {
    let mut peer = Peer::connects(persistent(V5));
    let now = peer.now();
    let message = mqtt::ControlPacket::Publish(publish(AtLeastOnce, 1, "x"));
    peer.session.handle_packet(message, now).unwrap();
    let Some(Action::Publish { token, .. }) = peer.session.poll_action() else {
        panic!("expected a message to route");
    };
    peer.leaves(CloseReason::ConnectionLost);
    let mut peer = peer.returns(persistent(V5));
    let outcome = PublishOutcome::Routed { receivers: 1 };
    let session = &mut peer.session;
    session.handle_published(token, outcome, Sequence::START);
    peer.gets_nothing();
}
