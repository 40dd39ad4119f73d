//! Session: everything MQTT asks of a server about one client, without I/O and without a clock.
//!
//! The driver brings packets, messages and the time, and carries out what comes back.
//! Methods come in four kinds:
//!
//! - **getters** take `&self` and change nothing: [`Session::client_id`], [`Session::wants_packets`], ...
//! - **`handle_*`** bring an event: a packet, deliveries, what became of an action, a commit, the time.
//! - **commands** are wishes of the driver: [`Session::disconnect`], [`Session::take_will`],
//!   [`Session::park`], [`Session::resume`].
//! - **`poll_*`** take out what follows: actions, bytes, the next deadline.
//!
//! # The one contract
//!
//! After any `handle_*` and before waiting for the network, in this order:
//!
//! 1. [`Session::poll_action`] until `None`, carrying out each action in its order and answering
//!    it: [`Action::Publish`] by [`Session::handle_published`], [`Action::Subscribe`] by
//!    [`Session::handle_subscribed`], [`Action::Unsubscribe`] by [`Session::handle_unsubscribed`].
//! 2. [`Session::poll_write`] until it appends nothing or the write budget is spent.
//! 3. [`Session::poll_timeout`]: call [`Session::handle_timeout`] when that moment has come.
//!
//! The driver decodes no packet while [`Session::wants_packets`] is false, and takes nothing from
//! the outbox while [`Session::wants_deliveries`] is false. That is all the backpressure there is.
//!
//! # A life
//!
//! [`admit`] judges a CONNECT and settles the Client Identifier. The registry then looks
//! for a parked session: found and wanted, [`Session::resume`]; otherwise [`Session::new`]. Either
//! way the CONNACK is the first thing `poll_write` gives.
//!
//! Before the end, answer what was begun: a QoS 2 message without an answer counts as never
//! received, and is routed again when the client repeats it. The end itself is always the same,
//! whoever wished it ([`Action::Close`], an `Err` of [`Session::handle_packet`], a decode error, a
//! lost socket, a takeover, a shutdown): [`Session::disconnect`] with the reason, one last
//! `poll_write`, close the socket, [`Session::take_will`] with the same reason, then
//! [`Session::park`] if [`Session::expiry_interval_s`] is not 0.

mod close;
mod connect;
mod deliver;
mod limits;
mod promises;
mod publish;
mod reply;
mod subscribe;
mod will;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use mqtt::flow::inflight::Inflight;
use mqtt::flow::packet_ids::PacketIds;
use mqtt::flow::received::Received;
use mqtt::{
    ByteString, ControlPacket, Message, PacketId, ProtocolVersion, ReasonCode, SubscriptionOptions,
    TopicFilter, Will,
};

pub use self::close::{CloseReason, ProtocolError};
pub use self::connect::{Admission, Refusal, admit};
pub use self::limits::SessionLimits;
pub use self::publish::{PublishOutcome, PublishToken};
pub use self::will::DueWill;

use self::connect::Link;
use self::promises::Promises;
use self::reply::Reply;
use crate::journal::Sequence;
use crate::outbox::Delivery;

/// The state of one client: what MQTT calls the Session, and the connection it has now.
#[derive(Debug)]
pub struct Session {
    client_id: ByteString,
    limits: Arc<SessionLimits>,
    /// How long the session outlives its connection; `u32::MAX` is for ever.
    expiry_interval_s: u32,
    will: Option<Will>,
    /// QoS 1 and 2 messages sent and not yet finished, oldest first.
    inflight: Inflight<Delivery>,
    /// The sum of [`Delivery::size`] over the messages in it.
    inflight_bytes: usize,
    /// Identifiers of those exchanges.
    packet_ids: PacketIds,
    /// QoS 2 messages received and not yet released.
    received: Received,
    /// Messages taken from the outbox that Receive Maximum or the write budget keeps back.
    pending: VecDeque<Delivery>,
    /// Answers in the order they are owed.
    promises: Promises,
    /// What belongs to the Network Connection and ends with it.
    link: Link,
}

/// What the driver must do next.
#[derive(Debug)]
pub enum Action {
    /// Route this message, then call [`Session::handle_published`] with the token.
    Publish {
        /// What the client published, alias resolved.
        message: Message,
        /// Which acknowledgement waits for the outcome.
        token: PublishToken,
    },
    /// Make these subscriptions, then call [`Session::handle_subscribed`].
    Subscribe {
        /// Of the SUBSCRIBE.
        packet_id: PacketId,
        /// In the order of the SUBSCRIBE; No Local, Retain As Published and Retain Handling inside.
        filters: Vec<(TopicFilter, SubscriptionOptions)>,
        /// Goes with every delivery these subscriptions cause.
        subscription_identifier: Option<u32>,
    },
    /// End these subscriptions, then call [`Session::handle_unsubscribed`].
    Unsubscribe {
        /// Of the UNSUBSCRIBE.
        packet_id: PacketId,
        /// In the order of the UNSUBSCRIBE.
        filters: Vec<TopicFilter>,
    },
    /// End the Network Connection as described in [the module](self): nothing follows this action.
    Close(CloseReason),
}

/// Messages the session did not send although they were routed to it; the driver counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Their Message Expiry Interval passed while they waited (3.3.2.3.3).
    pub expired: u32,
    /// Larger than the Maximum Packet Size of the client \[MQTT-3.1.2-25\].
    pub too_large: u32,
    /// QoS 0 messages that waited here when the client left.
    pub offline_qos0: u32,
}

impl Session {
    /// A new session for an admitted client; the CONNACK says Session Present = 0.
    #[must_use]
    pub fn new(admission: Admission, limits: Arc<SessionLimits>, now: Instant) -> Session {
        connect::open(admission, limits, now)
    }

    /// The client is back: its session goes on with this Network Connection.
    ///
    /// What was sent and not acknowledged is sent again with DUP \[MQTT-4.4.0-1\]. The CONNACK says
    /// Session Present = 1. Only for a parked session and an [`Admission`] without Clean Start.
    pub fn resume(&mut self, admission: Admission, now: Instant) {
        connect::reopen(self, admission, now);
    }

    /// One decoded packet from the peer. Ignored once the end is decided.
    ///
    /// # Errors
    /// The peer broke the protocol: carry out the actions of the packets before, then end with
    /// [`CloseReason::ProtocolError`].
    pub fn handle_packet(
        &mut self,
        packet: ControlPacket,
        now: Instant,
    ) -> Result<(), ProtocolError> {
        if self.link.ending {
            return Ok(());
        }
        self.link.keep_alive.heard(now);
        match packet {
            ControlPacket::Publish(publish) => self.handle_publish(publish, now),
            ControlPacket::PubAck(ack) => self.handle_puback(&ack),
            ControlPacket::PubRec(ack) => self.handle_pubrec(&ack),
            ControlPacket::PubRel(ack) => {
                self.handle_pubrel(&ack);
                Ok(())
            }
            ControlPacket::PubComp(ack) => self.handle_pubcomp(&ack),
            ControlPacket::Subscribe(subscribe) => {
                self.handle_subscribe(subscribe);
                Ok(())
            }
            ControlPacket::Unsubscribe(unsubscribe) => {
                self.handle_unsubscribe(unsubscribe);
                Ok(())
            }
            ControlPacket::PingReq => {
                self.link.replies.push_back(Reply::PingResp);
                Ok(())
            }
            ControlPacket::Disconnect(disconnect) => self.handle_disconnect(&disconnect),
            ControlPacket::Connect(_) => Err(ProtocolError::SecondConnect),
            ControlPacket::Auth(_) => Err(ProtocolError::AuthWithoutMethod),
            ControlPacket::ConnAck(_)
            | ControlPacket::SubAck(_)
            | ControlPacket::UnsubAck(_)
            | ControlPacket::PingResp => Err(ProtocolError::WrongDirection),
        }
    }

    /// Messages routed to this session, oldest first; `batch` is left empty.
    ///
    /// They wait inside for Receive Maximum, so call it only while [`Session::wants_deliveries`].
    pub fn handle_deliveries(&mut self, batch: &mut VecDeque<Delivery>) {
        if self.pending.is_empty() {
            // The queues change places: 1,024 deliveries cost as much as one.
            std::mem::swap(&mut self.pending, batch);
        } else {
            self.pending.append(batch);
        }
    }

    /// What became of an [`Action::Publish`]: decides the Reason Code of PUBACK or PUBREC, which
    /// leaves once `sequence` is committed and everything owed before it has left.
    pub fn handle_published(
        &mut self,
        token: PublishToken,
        outcome: PublishOutcome,
        sequence: Sequence,
    ) {
        self.published(token, outcome, sequence);
    }

    /// What became of an [`Action::Subscribe`]: one Reason Code per filter, in its order.
    pub fn handle_subscribed(
        &mut self,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
        sequence: Sequence,
    ) {
        self.subscribed(packet_id, reasons, sequence);
    }

    /// What became of an [`Action::Unsubscribe`]: one Reason Code per filter, in its order.
    pub fn handle_unsubscribed(
        &mut self,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
        sequence: Sequence,
    ) {
        self.unsubscribed(packet_id, reasons, sequence);
    }

    /// The journal is durable up to `sequence`: acknowledgements up to it may leave.
    pub fn handle_committed(&mut self, sequence: Sequence) {
        self.promises
            .handle_committed(sequence, &mut self.link.replies);
    }

    /// The moment of [`Session::poll_timeout`] may have come: closes the connection of a client
    /// silent for one and a half times its keep alive \[MQTT-3.1.2-22\].
    pub fn handle_timeout(&mut self, now: Instant) {
        if !self.link.ending && self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.close(CloseReason::KeepAliveTimeout);
        }
    }

    /// What the driver must do next; `None` when there is nothing left.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.link.actions.pop_front()
    }

    /// Appends everything that may leave now, until `out` holds `budget` bytes or more.
    ///
    /// It stops after the packet that reaches the budget, so a large message still leaves whole.
    pub fn poll_write(&mut self, out: &mut BytesMut, budget: usize, now: Instant) {
        self.write(out, budget, now);
    }

    /// When [`Session::handle_timeout`] must be called at the latest; moves with every packet.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.link.keep_alive.deadline()
    }

    /// Whether another packet may be decoded: false while too many answers wait to leave.
    #[must_use]
    pub fn wants_packets(&self) -> bool {
        let answers =
            self.link.replies.len() + self.promises.len() + self.link.reason_codes_waiting;
        !self.link.ending && answers < self.limits.answers_max_count
    }

    /// Whether the outbox may be drained: false while earlier deliveries wait inside.
    #[must_use]
    pub fn wants_deliveries(&self) -> bool {
        !self.link.ending && self.pending.is_empty()
    }

    /// Ends the Network Connection: from here only the answers already free to go leave, then in
    /// 5.0 a DISCONNECT if `reason` has something to tell the peer \[MQTT-3.14.0-1\].
    pub fn disconnect(&mut self, reason: CloseReason) {
        self.link.ending = true;
        self.link.actions.clear();
        // Nothing may follow the DISCONNECT, so later answers must find no place [MQTT-3.14.4-2].
        self.promises.forget(&mut self.received);
        if self.link.version == ProtocolVersion::V5
            && let Some(code) = reason.told_to_peer()
        {
            self.link.replies.push_back(Reply::Disconnect(code));
        }
    }

    /// The Will, if this end publishes it; the session forgets it in any case \[MQTT-3.1.2-10\].
    pub fn take_will(&mut self, reason: CloseReason) -> Option<DueWill> {
        let will = self.will.take()?;
        reason
            .publishes_will()
            .then(|| DueWill::new(will, self.expiry_interval_s))
    }

    /// Lets go of everything that belongs to the connection, so that little is kept in the slot.
    ///
    /// Messages that stay are copied out of the receive buffers they are slices of, unless many
    /// others hold them too.
    pub fn park(&mut self) {
        connect::part(self);
    }

    /// The Client Identifier, as sent or as assigned.
    #[must_use]
    pub fn client_id(&self) -> &ByteString {
        &self.client_id
    }

    /// The version its present connection speaks, or its last one spoke.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.link.version
    }

    /// Seconds the session outlives its connection: 0 ends with it, `u32::MAX` stays for ever.
    ///
    /// May change until the end, by the DISCONNECT of the client.
    #[must_use]
    pub fn expiry_interval_s(&self) -> u32 {
        self.expiry_interval_s
    }

    /// Messages that wait inside or are not yet acknowledged.
    #[must_use]
    pub fn unfinished_count(&self) -> usize {
        self.inflight.len() + self.pending.len()
    }

    /// Messages dropped since the last call.
    pub fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.link.dropped)
    }

    fn close(&mut self, reason: CloseReason) {
        self.link.ending = true;
        self.link.actions.push_back(Action::Close(reason));
    }
}
