//! A [`Peer`] that plays client, driver, router and clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt::{Codec, ConnAck, Connect, ControlPacket, Message, Publish, ReasonCode};

use crate::journal::Sequence;
use crate::outbox::Delivery;
use crate::session::{
    Action, CloseReason, DueWill, ProtocolError, PublishOutcome, Session, SessionLimits, admit,
};

pub(super) use super::words::*;

/// A client with its session; time passes only by [`Peer::after`].
pub(super) struct Peer {
    pub(super) session: Session,
    /// The CONNACK of the present connection.
    pub(super) connack: ConnAck,
    /// What the router says to the next messages.
    pub(super) outcome: PublishOutcome,
    /// Where the journal puts what comes next.
    pub(super) sequence: Sequence,
    /// What the router says to each filter.
    pub(super) granted: ReasonCode,
    /// What the session asked for and no test has looked at yet.
    pub(super) actions: VecDeque<Action>,
    now: Instant,
    codec: Codec,
    heard: VecDeque<ControlPacket>,
}

impl Peer {
    pub(super) fn connects(connect: Connect) -> Peer {
        Peer::connects_under(SessionLimits::default(), connect)
    }

    pub(super) fn connects_under(limits: SessionLimits, connect: Connect) -> Peer {
        let now = Instant::now();
        let version = connect.version;
        let admission = admit(connect, &limits, || "assigned-1".into()).unwrap();
        let session = Session::new(admission, Arc::new(limits), now);
        Peer {
            session,
            connack: ConnAck::new(ReasonCode::UnspecifiedError),
            outcome: PublishOutcome::Routed { receivers: 1 },
            sequence: Sequence::START,
            granted: ReasonCode::Success,
            actions: VecDeque::new(),
            now,
            codec: Codec::new(Some(version), u32::MAX),
            heard: VecDeque::new(),
        }
        .welcomed()
    }

    /// The client comes back to its parked session.
    pub(super) fn returns(mut self, connect: Connect) -> Peer {
        let version = connect.version;
        let admission = admit(connect, &SessionLimits::default(), || unreachable!()).unwrap();
        self.session.resume(admission, self.now);
        self.heard.clear();
        self.codec = Codec::new(Some(version), u32::MAX);
        self.welcomed()
    }

    /// The connection ends for this reason; what comes of the Will is returned.
    pub(super) fn leaves(&mut self, reason: CloseReason) -> Option<DueWill> {
        self.session.disconnect(reason);
        self.listens();
        let will = self.session.take_will(reason);
        self.session.park();
        will
    }

    pub(super) fn sends(&mut self, packet: impl Packet) -> &mut Peer {
        let handled = self.session.handle_packet(packet.packet(), self.now);
        assert_eq!(handled, Ok(()));
        self.drives();
        self
    }

    /// Sends what must not be sent.
    pub(super) fn breaks(&mut self, packet: impl Packet) -> ProtocolError {
        let handled = self.session.handle_packet(packet.packet(), self.now);
        self.drives();
        handled.expect_err("the packet breaks the protocol")
    }

    pub(super) fn gets(&mut self, packet: impl Packet) -> &mut Peer {
        assert_eq!(self.hears(), packet.packet());
        self
    }

    pub(super) fn gets_nothing(&mut self) -> &mut Peer {
        self.listens();
        assert_eq!(self.heard, []);
        self
    }

    pub(super) fn hears(&mut self) -> ControlPacket {
        self.listens();
        self.heard.pop_front().expect("the client hears something")
    }

    /// The next thing the client hears is this message.
    pub(super) fn gets_message(&mut self, payload: &str) -> Publish {
        match self.hears() {
            ControlPacket::Publish(publish) => {
                assert_eq!(publish.payload, payload);
                publish
            }
            other => panic!("expected the message {payload:?}, heard {other:?}"),
        }
    }

    /// Messages reach the outbox, and the driver hands them over.
    pub(super) fn is_sent(&mut self, deliveries: impl IntoIterator<Item = Delivery>) -> &mut Peer {
        let mut batch = deliveries.into_iter().collect();
        self.session.handle_deliveries(&mut batch);
        assert!(batch.is_empty());
        self
    }

    pub(super) fn after(&mut self, time: Duration) -> &mut Peer {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.drives();
        self
    }

    pub(super) fn commits(&mut self, position: u64) -> &mut Peer {
        self.session.handle_committed(Sequence::new(position));
        self
    }

    /// The next thing the session asked for is to route this message.
    pub(super) fn routes(&mut self, topic: &str, payload: &str) -> Message {
        match self.actions.pop_front() {
            Some(Action::Publish { message, .. }) => {
                assert_eq!(
                    (&*message.topic, &message.payload[..]),
                    (topic, payload.as_bytes())
                );
                message
            }
            other => panic!("expected {payload:?} to be routed, asked for {other:?}"),
        }
    }

    pub(super) fn asks_nothing(&mut self) -> &mut Peer {
        assert!(self.actions.is_empty(), "asked for {:?}", self.actions);
        self
    }

    /// The next thing the session asked for is to close.
    pub(super) fn closes(&mut self) -> CloseReason {
        match self.actions.pop_front() {
            Some(Action::Close(reason)) => reason,
            other => panic!("expected the end, asked for {other:?}"),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Bytes that leave with this budget.
    pub(super) fn writes(&mut self, budget: usize) -> BytesMut {
        let mut out = BytesMut::new();
        self.session.poll_write(&mut out, budget, self.now);
        out
    }

    fn welcomed(mut self) -> Peer {
        self.listens();
        match self.heard.pop_front() {
            Some(ControlPacket::ConnAck(connack)) => self.connack = *connack,
            other => panic!("expected CONNACK first [MQTT-3.2.0-1], heard {other:?}"),
        }
        self
    }

    /// The driver's part of the contract: carry out the actions, answer them at once.
    pub(super) fn drives(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match &action {
                Action::Publish { token, .. } => {
                    let outcome = self.outcome.clone();
                    self.session
                        .handle_published(*token, outcome, self.sequence);
                }
                Action::Subscribe {
                    packet_id, filters, ..
                } => {
                    let reasons = vec![self.granted; filters.len()];
                    self.session
                        .handle_subscribed(*packet_id, reasons, self.sequence);
                }
                Action::Unsubscribe { packet_id, filters } => {
                    let reasons = vec![ReasonCode::Success; filters.len()];
                    self.session
                        .handle_unsubscribed(*packet_id, reasons, self.sequence);
                }
                Action::Close(reason) => self.session.disconnect(*reason),
            }
            self.actions.push_back(action);
        }
    }

    fn listens(&mut self) {
        self.listens_within(usize::MAX);
    }

    pub(super) fn listens_within(&mut self, budget: usize) {
        let mut bytes = self.writes(budget);
        while let Some(packet) = self
            .codec
            .decode(&mut bytes)
            .expect("we write valid packets")
        {
            self.heard.push_back(packet);
        }
        assert!(bytes.is_empty(), "half a packet was written");
    }
}
