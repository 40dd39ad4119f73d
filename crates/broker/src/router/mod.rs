//! Router: from a published message to the outbox of every matching subscription.
//!
//! The trie behind its lock is asked only when a topic is new to a connection or
//! somebody subscribed since; in between the answer stands in that connection's
//! [`RouteCache`](route_cache::RouteCache), valid for one [`Router::generation`].
//!
//! Lock order: the trie or the retained store alone, never both, never while an
//! outbox is locked.

pub mod retained;
pub mod route_cache;
pub mod topic_trie;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mqtt::message::Message;
use mqtt::{QoS, SubscriptionOptions, TopicFilter, TopicName};
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::metrics::{DropReason, Metrics};
use crate::outbox::{Delivery, Outbox, Outgoing, Pushed, Terms, Touched};
use crate::router::retained::{Retained, RetainedLimits, RetainedWish};
use crate::router::topic_trie::TopicTrie;

/// Names one session among all that ever were; also who a message came from (No Local).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u64);

/// One filter of one session.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Where its messages go.
    pub outbox: Arc<Outbox>,
    /// Maximum QoS, No Local, Retain As Published, Retain Handling.
    pub options: SubscriptionOptions,
    /// Sent along with each message it matches.
    pub identifier: Option<u32>,
}

/// Subscriptions and retained messages of one broker.
#[derive(Debug)]
pub struct Router {
    trie: RwLock<TopicTrie<SlotId, Subscription>>,
    generation: AtomicU64,
    retained: RwLock<Retained>,
}

/// Who gets the messages of one topic, as of one generation.
#[derive(Debug, Default)]
pub struct Route {
    receivers: Box<[Receiver]>,
}

/// One session on a route: its overlapping subscriptions as one.
#[derive(Debug)]
struct Receiver {
    slot: SlotId,
    outbox: Arc<Outbox>,
    maximum_qos: QoS,
    retain_as_published: bool,
    identifiers: SmallVec<[u32; 2]>,
}

/// One message on its way to all receivers of its route, resumable between turns.
#[derive(Debug)]
pub struct FanOut {
    outgoing: Outgoing,
    route: Arc<Route>,
    next_index: usize,
}

impl Router {
    /// A router without subscriptions.
    pub fn new(retained: RetainedLimits) -> Self {
        Self {
            trie: RwLock::new(TopicTrie::new()),
            generation: AtomicU64::new(0),
            retained: RwLock::new(Retained::new(retained)),
        }
    }

    /// Adds a subscription, or replaces the session's earlier one to the same filter.
    ///
    /// Every PUBLISH handled after the return sees it. Says whether it is new.
    pub fn subscribe(
        &self,
        slot: SlotId,
        filter: &TopicFilter,
        subscription: Subscription,
    ) -> bool {
        let mut trie = self.trie.write();
        let replaced = trie.insert(filter, slot, subscription);
        self.generation.fetch_add(1, Ordering::Release);
        replaced.is_none()
    }

    /// Removes a subscription; says whether there was one.
    pub fn unsubscribe(&self, slot: SlotId, filter: &TopicFilter) -> bool {
        let mut trie = self.trie.write();
        let removed = trie.remove(filter, slot).is_some();
        if removed {
            self.generation.fetch_add(1, Ordering::Release);
        }
        removed
    }

    /// Changes whenever a subscription does; a [`Route`] is right as long as this is the same.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Finds everyone who gets what `origin` publishes to `topic`.
    ///
    /// A session with overlapping subscriptions appears once, with the highest QoS and
    /// all Subscription Identifiers [MQTT-3.3.4-2], [MQTT-3.3.4-3].
    pub fn resolve(&self, topic: &TopicName, origin: SlotId) -> Route {
        let mut receivers: Vec<Receiver> = Vec::new();
        self.trie
            .read()
            .for_each_match(topic, |slot, subscription| {
                // No Local [MQTT-3.8.3-3]. Another subscription of the same session may still match.
                if !(subscription.options.no_local && slot == origin) {
                    receivers.push(Receiver::new(slot, subscription));
                }
            });
        receivers.sort_unstable_by_key(|receiver| receiver.slot);
        receivers.dedup_by(|later, kept| later.slot == kept.slot && kept.absorb(later));
        Route {
            receivers: receivers.into_boxed_slice(),
        }
    }

    /// Keeps, replaces or removes the retained message of a topic.
    ///
    /// Do it before [`Router::resolve`]: a session that subscribes meanwhile then finds the
    /// message in one of the two places, never in none.
    ///
    /// # Errors
    /// The store is full, to be counted; the message is routed all the same.
    pub fn retain(&self, outgoing: &mut Outgoing, now: Instant) -> Result<(), DropReason> {
        let kept = outgoing.to_kept();
        self.retained
            .write()
            .store(&kept, now)
            .map_err(|_| DropReason::RetainedFull)
    }

    /// What a subscription is to get of the retained messages. Ask after it is made: a message
    /// stored in between then counts as retained, and not as missed.
    pub fn retained_wish(
        &self,
        filter: TopicFilter,
        maximum_qos: QoS,
        identifier: Option<u32>,
    ) -> RetainedWish {
        let retained = self.retained.read();
        retained.wish(filter, maximum_qos, identifier)
    }

    /// Appends the next page of a wish to `batch`. `Break` after the last.
    pub fn retained_page(
        &self,
        wish: &mut RetainedWish,
        now: Instant,
        batch: &mut VecDeque<Delivery>,
    ) -> ControlFlow<()> {
        let (maximum_qos, identifier) = (wish.maximum_qos, wish.identifier);
        self.retained.read().page(wish, now, |message| {
            batch.push_back(Delivery {
                message: Arc::clone(message),
                qos: maximum_qos.min(message.qos),
                retain: true, // [MQTT-3.3.1-8]
                subscription_identifiers: identifier.into_iter().collect(),
            });
        })
    }

    /// Count and bytes of the retained messages.
    pub fn retained_size(&self) -> (usize, usize) {
        let retained = self.retained.read();
        (retained.count(), retained.bytes())
    }

    /// Routes a message that no connection publishes, such as a Will, to everyone at once.
    pub fn publish(
        &self,
        message: Message,
        origin: SlotId,
        now: Instant,
        metrics: &Metrics,
    ) -> usize {
        let mut outgoing = Outgoing::new(Arc::new(message));
        if outgoing.message().retain
            && let Err(reason) = self.retain(&mut outgoing, now)
        {
            metrics.dropped(reason, 1);
        }
        let route = Arc::new(self.resolve(&outgoing.message().topic, origin));
        let receivers = route.len();
        let mut fan_out = FanOut::new(outgoing, route);
        fan_out.advance(usize::MAX, &mut Touched::default(), metrics);
        receivers
    }
}

impl Route {
    /// Sessions on it.
    pub fn len(&self) -> usize {
        self.receivers.len()
    }

    /// True when nobody listens.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }
}

impl Receiver {
    fn new(slot: SlotId, subscription: &Subscription) -> Self {
        Self {
            slot,
            outbox: Arc::clone(&subscription.outbox),
            maximum_qos: subscription.options.maximum_qos,
            retain_as_published: subscription.options.retain_as_published,
            identifiers: subscription.identifier.into_iter().collect(),
        }
    }

    /// Takes over what another subscription of the same session adds; always true, for `dedup_by`.
    fn absorb(&mut self, other: &mut Self) -> bool {
        self.maximum_qos = self.maximum_qos.max(other.maximum_qos);
        self.retain_as_published |= other.retain_as_published;
        self.identifiers.append(&mut other.identifiers);
        true
    }

    fn terms(&self, message: &Message) -> Terms {
        Terms {
            qos: self.maximum_qos.min(message.qos),
            // To an existing subscription RETAIN is 0 unless it asked for the original [MQTT-3.3.1-12].
            retain: message.retain && self.retain_as_published,
            subscription_identifiers: self.identifiers.clone(),
        }
    }
}

impl FanOut {
    /// A message that reached nobody yet.
    pub fn new(outgoing: Outgoing, route: Arc<Route>) -> Self {
        Self {
            outgoing,
            route,
            next_index: 0,
        }
    }

    /// Pushes to up to `budget` receivers; returns how many, delivered or dropped.
    ///
    /// It is done when this is less than `budget`, or [`FanOut::is_done`] says so.
    pub fn advance(&mut self, budget: usize, touched: &mut Touched, metrics: &Metrics) -> usize {
        let rest = &self.route.receivers[self.next_index..];
        let now = &rest[..rest.len().min(budget)];
        let mut routed = 0;
        for receiver in now {
            let terms = receiver.terms(self.outgoing.message());
            match receiver.outbox.push(&mut self.outgoing, terms) {
                Ok(pushed) => {
                    routed += 1;
                    if pushed == Pushed::First {
                        touched.add(&receiver.outbox);
                    }
                }
                Err(reason) => metrics.dropped(reason, 1),
            }
        }
        metrics.messages_routed(routed);
        self.next_index += now.len();
        now.len()
    }

    /// True when every receiver was served.
    pub fn is_done(&self) -> bool {
        self.next_index == self.route.receivers.len()
    }

    /// What is on its way.
    pub fn message(&self) -> &Arc<Message> {
        self.outgoing.message()
    }

    /// Receivers of the whole route.
    pub fn receiver_count(&self) -> usize {
        self.route.len()
    }
}

#[cfg(test)]
mod tests;
