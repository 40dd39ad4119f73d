//! Registry: who holds which session, online or not.
//!
//! Sessions are keyed by (identity, Client Identifier): two identities may use the same
//! Client Identifier, and nobody can throw out or read the session of another.
//!
//! Whoever holds a session has its [`Lease`]; giving it back is either [`Lease::park`] or
//! the end of the session, and dropping it is the end too. So a connection that panics
//! cannot leave a slot occupied, and a takeover waits for exactly one of these two.
//!
//! Lock order: shard, then slot, then timers or an outbox; the router only while none of
//! them is held. No lock is held across an await.

mod slot;
mod timers;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, HashMap};
use mqtt::TopicFilter;
use parking_lot::Mutex;

use crate::access::AccessPolicy;
use crate::metrics::{DropReason, Metrics};
use crate::outbox::{Notice, Outbox, OutboxLimits};
use crate::router::retained::RetainedWish;
use crate::router::{Router, SlotId, Subscription};
use crate::session::{DueWill, Session};
use pki::printable;

pub use slot::SessionKey;

use slot::{Occupancy, Parked, SessionSlot};
use timers::Timers;

/// All sessions of one broker.
#[derive(Debug)]
pub struct Registry {
    shards: Box<[Mutex<Slots>]>,
    hasher: DefaultHashBuilder,
    timers: Timers,
    count: AtomicUsize,
    next_id: AtomicU64,
    limits: RegistryLimits,
    router: Arc<Router>,
    access: Arc<AccessPolicy>,
    metrics: Arc<Metrics>,
}

/// Bounds of the registry and of the sessions in it.
#[derive(Debug, Clone, Copy)]
pub struct RegistryLimits {
    /// Sessions held at once.
    pub sessions_max: usize,
    /// Of each session's outbox.
    pub outbox: OutboxLimits,
}

/// What a claim brought: the right to use a session, and the session if there was one.
#[derive(Debug)]
pub struct Claim {
    /// Held as long as the session is used.
    pub lease: Lease,
    /// The parked session to go on with; `None`: begin a new one.
    pub parked: Option<Box<Session>>,
}

/// Why a session cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The broker holds as many sessions as it may.
    #[error("the broker holds the maximum number of sessions")]
    TooManySessions,
    /// The connection that holds it did not let go in time.
    #[error("the earlier connection of this client did not end in time")]
    Occupied,
}

/// The right to use one session. Dropped, it ends the session.
#[derive(Debug)]
pub struct Lease {
    registry: Arc<Registry>,
    slot: Arc<SessionSlot>,
    parked: bool,
}

type Slots = HashMap<SessionKey, Arc<SessionSlot>>;

enum Attempt {
    Claimed(Claim),
    Occupied(Arc<SessionSlot>),
}

impl Registry {
    /// A registry without sessions.
    pub fn new(
        limits: RegistryLimits,
        router: Arc<Router>,
        access: Arc<AccessPolicy>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            timers: Timers::default(),
            count: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            limits,
            router,
            access,
            metrics,
        }
    }

    /// Takes the session of this key, from another connection if need be.
    ///
    /// That one is told through its outbox, parks or ends the session, and this call goes on.
    /// With `clean_start` an existing session is ended first [MQTT-3.1.2-4].
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub async fn claim(
        self: &Arc<Self>,
        key: &SessionKey,
        clean_start: bool,
        now: Instant,
    ) -> Result<Claim, ClaimError> {
        let deadline = tokio::time::Instant::now() + TAKEOVER_TIMEOUT;
        loop {
            let slot = match self.try_claim(key, clean_start, now)? {
                Attempt::Claimed(claim) => return Ok(claim),
                Attempt::Occupied(slot) => slot,
            };
            let mut freed = std::pin::pin!(slot.freed.notified());
            // Listen before looking again, or a slot freed in between would be waited for in vain.
            freed.as_mut().enable();
            if slot.tell_occupant(Notice::TakenOver)
                && tokio::time::timeout_at(deadline, freed).await.is_err()
            {
                return Err(ClaimError::Occupied);
            }
        }
    }

    fn try_claim(
        self: &Arc<Self>,
        key: &SessionKey,
        clean_start: bool,
        now: Instant,
    ) -> Result<Attempt, ClaimError> {
        let mut shard = self.shard(key).lock();
        let Some(slot) = shard.get(key).map(Arc::clone) else {
            if self.count.load(Ordering::Relaxed) >= self.limits.sessions_max {
                return Err(ClaimError::TooManySessions);
            }
            self.count.fetch_add(1, Ordering::Relaxed);
            return Ok(Attempt::Claimed(self.begin(&mut shard, key)));
        };
        let mut state = slot.state.lock();
        match std::mem::replace(&mut state.occupancy, Occupancy::Online) {
            Occupancy::Online => {
                drop(state);
                Ok(Attempt::Occupied(slot))
            }
            Occupancy::Parked(parked) if !clean_start && !parked.is_expired(now) => {
                self.timers.disarm(&slot, &parked);
                // Before anybody can tell the new occupant something: it forgets old notices.
                slot.outbox.resume();
                drop(state);
                drop(shard);
                // The client is back in time: a delayed Will is not published [MQTT-3.1.3-9].
                let lease = self.lease(slot);
                Ok(Attempt::Claimed(Claim {
                    lease,
                    parked: Some(parked.session),
                }))
            }
            Occupancy::Parked(mut parked) => {
                self.timers.disarm(&slot, &parked);
                state.occupancy = Occupancy::Ended;
                drop(state);
                let claim = self.begin(&mut shard, key);
                drop(shard);
                self.retire(&slot, parked.will.take().map(|(_, will)| will), now);
                Ok(Attempt::Claimed(claim))
            }
            Occupancy::Ended => {
                state.occupancy = Occupancy::Ended;
                drop(state);
                Ok(Attempt::Claimed(self.begin(&mut shard, key)))
            }
        }
    }

    /// Puts a new slot in the place of `key`.
    fn begin(self: &Arc<Self>, shard: &mut Slots, key: &SessionKey) -> Claim {
        let id = SlotId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let slot = Arc::new(SessionSlot::new(id, key.clone(), self.limits.outbox));
        shard.insert(key.clone(), Arc::clone(&slot));
        Claim {
            lease: self.lease(slot),
            parked: None,
        }
    }

    fn lease(self: &Arc<Self>, slot: Arc<SessionSlot>) -> Lease {
        Lease {
            registry: Arc::clone(self),
            slot,
            parked: false,
        }
    }

    /// Tells every connection that holds a session.
    pub fn notify_all(&self, notice: Notice) {
        for shard in &self.shards {
            let slots: Vec<_> = shard.lock().values().map(Arc::clone).collect();
            for slot in &slots {
                slot.tell_occupant(notice);
            }
        }
    }

    /// Sessions held, online or not.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// True when there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Publishes a Will whose time has come, if its identity may publish there.
    pub fn publish_will(&self, key: &SessionKey, origin: SlotId, will: DueWill, now: Instant) {
        let message = will.into_message(now);
        if self
            .access
            .grants(&key.identity)
            .may_publish(&message.topic)
        {
            self.metrics.wills_published(1);
            self.router.publish(message, origin, now, &self.metrics);
        } else {
            self.metrics.publishes_denied(1);
            let identity = &*key.identity;
            let (client, topic) = (&*printable(&key.client_id), &*printable(&message.topic));
            tracing::warn!(
                code = "ENV-A601",
                identity,
                client,
                topic,
                "the Will of {identity} was not published: it may not publish to {topic}",
            );
        }
    }

    /// Ends expired sessions and publishes delayed Wills when they are due. Runs as long as the broker.
    pub async fn run_timers(&self) {
        loop {
            self.timers.wait().await;
            self.fire_due(tokio::time::Instant::now().into_std());
            // Each Will may have thousands of receivers, and thousands may be due at once.
            tokio::task::yield_now().await;
        }
    }

    /// What [`Registry::run_timers`] does each time, with the time as an argument: a portion of
    /// what is due.
    pub fn fire_due(&self, now: Instant) {
        for slot in self.timers.take_due(now, DUE_MAX) {
            let mut shard = self.shard(&slot.key).lock();
            let mut state = slot.state.lock();
            let Occupancy::Parked(parked) = &mut state.occupancy else {
                continue; // claimed or ended in this very moment
            };
            let will = parked.take_due_will(now);
            let expired = parked.is_expired(now);
            if expired {
                state.occupancy = Occupancy::Ended;
                self.remove(&mut shard, &slot);
            } else {
                self.timers.arm(&slot, parked);
            }
            drop(state);
            drop(shard);
            if expired {
                self.metrics.sessions_expired(1);
                self.retire(&slot, will, now);
            } else if let Some(will) = will {
                self.publish_will(&slot.key, slot.id, will, now);
            }
        }
    }

    /// Clears what a session that ended leaves in the router, and publishes its Will.
    fn retire(&self, slot: &SessionSlot, will: Option<DueWill>, now: Instant) {
        let filters = std::mem::take(&mut slot.state.lock().filters);
        for filter in filters {
            self.router.unsubscribe(slot.id, &filter);
        }
        let dropped = slot.outbox.end();
        self.metrics
            .dropped(DropReason::SessionEnded, dropped as u64);
        if let Some(will) = will {
            self.publish_will(&slot.key, slot.id, will, now);
        }
    }

    fn remove(&self, shard: &mut Slots, slot: &Arc<SessionSlot>) {
        // A newer session may stand in this place already.
        if shard
            .get(&slot.key)
            .is_some_and(|held| Arc::ptr_eq(held, slot))
        {
            shard.remove(&slot.key);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn shard(&self, key: &SessionKey) -> &Mutex<Slots> {
        let hash = self.hasher.hash_one(key);
        // The table inside uses the same low bits, so the shard is chosen by the high ones.
        &self.shards[(hash >> 32) as usize % SHARD_COUNT]
    }
}

impl Lease {
    /// The session's name among all that ever were.
    pub fn id(&self) -> SlotId {
        self.slot.id
    }

    /// Whose session it is.
    pub fn key(&self) -> &SessionKey {
        &self.slot.key
    }

    /// Where the session's messages wait.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.slot.outbox
    }

    /// Subscriptions the session has.
    pub fn subscription_count(&self) -> usize {
        self.slot.state.lock().filters.len()
    }

    /// True if the session has a subscription to exactly this filter.
    pub fn is_subscribed(&self, filter: &TopicFilter) -> bool {
        self.slot.state.lock().filters.contains(filter)
    }

    /// Makes or replaces a subscription; says whether it is new.
    ///
    /// `filter` must own its bytes ([`TopicFilter::detached`]).
    pub fn subscribe(&self, filter: TopicFilter, subscription: Subscription) -> bool {
        let is_new = self
            .registry
            .router
            .subscribe(self.slot.id, &filter, subscription);
        if is_new {
            self.slot.state.lock().filters.insert(filter);
        }
        is_new
    }

    /// Ends a subscription; says whether there was one.
    pub fn unsubscribe(&self, filter: &TopicFilter) -> bool {
        // Asked first: the trie is everybody's, and a client may unsubscribe from anything.
        self.slot.state.lock().filters.remove(filter)
            && self.registry.router.unsubscribe(self.slot.id, filter)
    }

    /// Keeps what the session is still to get of the retained messages, until it is asked for.
    pub fn keep_wishes(&self, wishes: VecDeque<RetainedWish>) {
        self.slot.state.lock().wishes = wishes;
    }

    /// What was kept by [`Lease::keep_wishes`].
    pub fn take_wishes(&self) -> VecDeque<RetainedWish> {
        std::mem::take(&mut self.slot.state.lock().wishes)
    }

    /// Leaves the session in its slot, where messages go on to gather, for the client to return.
    ///
    /// `expires_at` is `None` for a session that stays for ever. A `will` with a delay is
    /// published when it is due, unless the client is back before.
    pub fn park(
        mut self,
        session: Box<Session>,
        expires_at: Option<Instant>,
        will: Option<DueWill>,
        now: Instant,
    ) {
        self.parked = true;
        let dropped = self.slot.outbox.park();
        self.registry
            .metrics
            .dropped(DropReason::OfflineQos0, dropped as u64);
        let will = will.map(|will| (now + will.delay, will));
        let mut parked = Parked {
            session,
            expires_at,
            will,
            armed_at: None,
        };
        let mut state = self.slot.state.lock();
        self.registry.timers.arm(&self.slot, &mut parked);
        state.occupancy = Occupancy::Parked(parked);
        drop(state);
        self.slot.freed.notify_waiters();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.parked {
            return;
        }
        let mut shard = self.registry.shard(&self.slot.key).lock();
        self.slot.state.lock().occupancy = Occupancy::Ended;
        self.registry.remove(&mut shard, &self.slot);
        drop(shard);
        // Before the next connection may begin: its subscriptions must not meet the old ones.
        self.registry.retire(&self.slot, None, Instant::now());
        self.slot.freed.notify_waiters();
    }
}

/// Enough that two cores rarely meet in one; a shard is a few dozen bytes.
const SHARD_COUNT: usize = 64;

/// Sessions that end, or whose Will is published, before other tasks get their turn.
const DUE_MAX: usize = 16;

/// A connection reacts to a takeover in its next turn; this long only if its thread is stuck.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
