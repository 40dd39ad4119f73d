//! Slot: the place of one session, occupied by a connection or holding what it left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashSet;
use mqtt::{ByteString, TopicFilter};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::outbox::{Notice, Outbox, OutboxLimits};
use crate::router::SlotId;
use crate::router::retained::RetainedWish;
use crate::session::{DueWill, Session};

/// Whose session: an identity and the Client Identifier it chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The name in the client's certificate.
    pub identity: Arc<str>,
    /// As sent in CONNECT, or as assigned; owns its bytes.
    pub client_id: ByteString,
}

/// One session's place in the registry; it outlives the connections of its client.
#[derive(Debug)]
pub(super) struct SessionSlot {
    pub(super) id: SlotId,
    pub(super) key: SessionKey,
    pub(super) outbox: Arc<Outbox>,
    pub(super) state: Mutex<SlotState>,
    /// Notified when the slot stops being occupied.
    pub(super) freed: Notify,
}

#[derive(Debug)]
pub(super) struct SlotState {
    pub(super) occupancy: Occupancy,
    /// What the session is subscribed to; the router knows the rest.
    pub(super) filters: HashSet<TopicFilter>,
    /// Retained messages it is still to get, while no connection sends them.
    pub(super) wishes: VecDeque<RetainedWish>,
}

#[derive(Debug)]
pub(super) enum Occupancy {
    /// A connection holds the lease.
    Online,
    /// The client is away.
    Parked(Parked),
    /// The session is over; the slot is about to leave the registry.
    Ended,
}

/// What a connection left in its slot.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) session: Box<Session>,
    /// `None`: never.
    pub(super) expires_at: Option<Instant>,
    /// A Will that waits for its delay.
    pub(super) will: Option<(Instant, DueWill)>,
    /// Under which deadline the timers know this slot.
    pub(super) armed_at: Option<Instant>,
}

impl SessionSlot {
    pub(super) fn new(id: SlotId, key: SessionKey, limits: OutboxLimits) -> Self {
        let state = SlotState {
            occupancy: Occupancy::Online,
            filters: HashSet::new(),
            wishes: VecDeque::new(),
        };
        Self {
            id,
            key,
            outbox: Arc::new(Outbox::new(limits)),
            state: Mutex::new(state),
            freed: Notify::new(),
        }
    }

    /// Tells the connection that holds the slot; false if none does.
    ///
    /// Under one lock with the change of occupants: told a moment later, it would reach the
    /// successor, or be wiped out by it, and whoever waits for the slot would wait in vain.
    pub(super) fn tell_occupant(&self, notice: Notice) -> bool {
        let state = self.state.lock();
        let is_occupied = matches!(state.occupancy, Occupancy::Online);
        if is_occupied {
            self.outbox.notify(notice);
        }
        is_occupied
    }
}

impl Parked {
    /// The next moment something is to be done about it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let will_at = self.will.as_ref().map(|(at, _)| *at);
        will_at.into_iter().chain(self.expires_at).min()
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The Will if its delay has passed or the session ends, whichever is first.
    pub(super) fn take_due_will(&mut self, now: Instant) -> Option<DueWill> {
        let expired = self.is_expired(now);
        self.will
            .take_if(|(at, _)| expired || *at <= now)
            .map(|(_, will)| will)
    }
}
