//! Anything a client may say, in any order, with cuts in between: nothing panics, nothing grows.

use mqtt::{ControlPacket, ReasonCode};
use proptest::prelude::*;

use super::support::*;
use crate::journal::Sequence;
use crate::session::{CloseReason, SessionLimits};

#[derive(Debug, Clone)]
enum Event {
    Says(ControlPacket),
    IsSent(u8),
    Commits(u64),
    Writes(usize),
    Cut,
}

fn event() -> impl Strategy<Value = Event> {
    let packet = (0..12_u8, 1..6_u16, any::<bool>()).prop_map(|(kind, packet_id, bad)| {
        let reason = if bad {
            ReasonCode::UnspecifiedError
        } else {
            ReasonCode::Success
        };
        match kind {
            0 => ControlPacket::Publish(publish(AtMostOnce, 0, "x")),
            1 | 2 => ControlPacket::Publish(publish(AtLeastOnce, packet_id, "x")),
            3 | 4 => ControlPacket::Publish(publish(ExactlyOnce, packet_id, "x")),
            5 => because(puback(packet_id), reason),
            6 => because(pubrec(packet_id), reason),
            7 => because(pubrel(packet_id), reason),
            8 => because(pubcomp(packet_id), reason),
            9 => ControlPacket::Subscribe(subscribe(packet_id, &["a", "$share/g/b"])),
            10 => ControlPacket::Unsubscribe(unsubscribe(packet_id, &["a"])),
            _ => ControlPacket::PingReq,
        }
    });
    prop_oneof![
        8 => packet.prop_map(Event::Says),
        4 => (0..3_u8).prop_map(Event::IsSent),
        2 => (0..40_u64).prop_map(Event::Commits),
        2 => (0..60_usize).prop_map(Event::Writes),
        1 => Just(Event::Cut),
    ]
}

proptest! {
    #[test]
    fn a_session_survives_every_conversation(events in prop::collection::vec(event(), 0..200)) {
        let limits = SessionLimits { inflight_max_count: 4, ..SessionLimits::default() };
        let mut peer = Peer::connects_under(limits, persistent(V5));
        let mut waiting = 0;
        for (turn, event) in events.into_iter().enumerate() {
            peer.sequence = Sequence::new(turn as u64 / 4);
            let now = peer.now();
            let mut broken = false;
            match event {
                Event::Says(packet) => {
                    broken = peer.session.handle_packet(packet, now).is_err();
                    peer.drives();
                }
                Event::IsSent(qos) => {
                    let qos = mqtt::QoS::from_bits(qos).unwrap();
                    peer.is_sent([delivery(qos, "x")]);
                    waiting += 1;
                }
                Event::Commits(position) => {
                    peer.commits(position);
                }
                Event::Writes(budget) => {
                    peer.listens_within(budget);
                }
                Event::Cut => broken = true,
            }
            peer.actions.clear();
            if broken {
                peer.leaves(CloseReason::ConnectionLost);
                peer = peer.returns(persistent(V5));
            }
            prop_assert!(peer.session.unfinished_count() <= waiting);
        }
        // A client that answers everything ends with nothing open.
        peer.leaves(CloseReason::ConnectionLost);
        let mut peer = peer.returns(persistent(V5));
        while peer.session.unfinished_count() > 0 {
            let answer = match peer.hears() {
                ControlPacket::Publish(publish) => match publish.packet_id {
                    Some(packet_id) if publish.qos == AtLeastOnce => puback(packet_id.get()),
                    Some(packet_id) => pubrec(packet_id.get()),
                    None => continue,
                },
                ControlPacket::PubRel(ack) => pubcomp(ack.packet_id.get()),
                _ => continue,
            };
            peer.sends(answer);
        }
    }
}
