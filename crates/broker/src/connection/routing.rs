//! What a session asks of the broker: publish, subscribe, unsubscribe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashSet;
use mqtt::{
    ByteString, Message, ProtocolVersion, QoS, ReasonCode, RetainHandling, SubscriptionOptions,
    TopicFilter, TopicName,
};

use super::{Connection, End};
use crate::journal::{Journal, Record, Sequence};
use crate::outbox::Outgoing;
use crate::router::route_cache::Verdict;
use crate::router::{FanOut, Route, Subscription};
use crate::session::{Action, PublishOutcome, PublishToken};
use pki::printable;

/// What this connection was already told, or rather its operator: each denial is logged once.
#[derive(Debug, Default)]
pub(super) struct Denials {
    seen: HashSet<Box<str>>,
}

impl Connection {
    /// Carries out one action and answers it, except a fan-out that goes on in the next turn.
    pub(super) fn carry_out(
        &mut self,
        action: Action,
        budget: &mut usize,
        now: Instant,
    ) -> Result<(), End> {
        match action {
            Action::Publish { message, token } => self.publish(message, token, budget, now),
            Action::Subscribe {
                packet_id,
                filters,
                subscription_identifier,
            } => {
                *budget = budget.saturating_sub(filters.len());
                let filters_max = self.shared.config.subscriptions_max_per_session;
                let reasons = filters
                    .into_iter()
                    .enumerate()
                    .map(|(index, (filter, options))| {
                        // A packet has room for half a million; each would cost the lock of the trie.
                        if index < filters_max {
                            self.subscribe(&filter, options, subscription_identifier)
                        } else {
                            ReasonCode::QuotaExceeded
                        }
                    })
                    .collect();
                self.session
                    .handle_subscribed(packet_id, reasons, Sequence::START);
            }
            Action::Unsubscribe { packet_id, filters } => {
                *budget = budget.saturating_sub(filters.len());
                let reasons = filters
                    .iter()
                    .map(|filter| self.unsubscribe(filter))
                    .collect();
                self.session
                    .handle_unsubscribed(packet_id, reasons, Sequence::START);
            }
            Action::Close(reason) => return Err(reason.into()),
        }
        Ok(())
    }

    fn publish(&mut self, message: Message, token: PublishToken, budget: &mut usize, now: Instant) {
        self.shared.metrics.messages_received(1);
        let Some(mut route) = self.route_of(&message.topic) else {
            let outcome = self.deny_publish(&message.topic);
            self.session
                .handle_published(token, outcome, Sequence::START);
            return;
        };
        let mut outgoing = Outgoing::within(Arc::new(message), self.buffer, self.buffer_bytes);
        if outgoing.message().retain {
            if let Err(reason) = self.shared.router.retain(&mut outgoing, now) {
                self.shared.metrics.dropped(reason, 1);
            }
            // Looked up again after it is kept: who subscribed in between would otherwise find
            // the message neither retained nor delivered.
            route = self.route_of(&outgoing.message().topic).unwrap_or_default();
        }
        if route.is_empty() {
            self.shared.metrics.messages_unmatched(1);
        }
        self.fan_out = Some((FanOut::new(outgoing, route), token));
        self.go_on_fanning_out(budget);
    }

    /// Serves as many receivers as the budget allows, and answers the publisher after the last.
    pub(super) fn go_on_fanning_out(&mut self, budget: &mut usize) {
        let Some((mut fan_out, token)) = self.fan_out.take() else {
            return;
        };
        *budget -= fan_out.advance(*budget, &mut self.touched, &self.shared.metrics);
        if !fan_out.is_done() {
            self.fan_out = Some((fan_out, token));
            return;
        }
        let message = fan_out.message();
        let sequence = if message.qos == QoS::AtMostOnce && !message.retain {
            Sequence::START
        } else {
            self.shared.journal.append(Record::Published(message))
        };
        let outcome = PublishOutcome::Routed {
            receivers: fan_out.receiver_count(),
        };
        self.session.handle_published(token, outcome, sequence);
    }

    fn route_of(&mut self, topic: &TopicName) -> Option<Arc<Route>> {
        match self
            .cache
            .look_up(topic, self.lease.id(), &self.grants, &self.shared.router)
        {
            Verdict::Allowed(route) => Some(route),
            Verdict::Denied => None,
        }
    }

    fn deny_publish(&mut self, topic: &TopicName) -> PublishOutcome {
        self.shared.metrics.publishes_denied(1);
        let identity = &*self.lease.key().identity;
        let client = &*printable(self.session.client_id());
        let shown = &*printable(shortened(topic));
        if self.denials.is_news("publish", shortened(topic)) {
            tracing::warn!(
                code = "ENV-A601",
                identity,
                client,
                topic = shown,
                "{identity} may not publish to {shown}: no access rule allows it",
            );
        }
        let reason_string = (self.session.version() == ProtocolVersion::V5).then(|| {
            ByteString::from(format!(
                "ENV-A601: identity \"{identity}\" may not publish to \"{shown}\""
            ))
        });
        PublishOutcome::NotAuthorized { reason_string }
    }

    fn subscribe(
        &mut self,
        filter: &TopicFilter,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let config = &self.shared.config;
        if filter.levels().nth(config.filter_levels_max).is_some() {
            return ReasonCode::TopicFilterInvalid;
        }
        if !self.grants.may_subscribe(filter) {
            self.deny_subscribe(filter);
            return ReasonCode::NotAuthorized;
        }
        let is_full = self.lease.subscription_count() >= config.subscriptions_max_per_session;
        if is_full && !self.lease.is_subscribed(filter) {
            return ReasonCode::QuotaExceeded;
        }
        let filter = filter.detached(); // it stays, the receive buffer must not
        let outbox = Arc::clone(self.lease.outbox());
        let is_new = self.lease.subscribe(
            filter.clone(),
            Subscription {
                outbox,
                options,
                identifier,
            },
        );
        // [MQTT-3.3.1-9] to [MQTT-3.3.1-11]
        let wants_retained = match options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained {
            self.wishes.retain(|wish| wish.filter != filter);
            let router = &self.shared.router;
            let wish = router.retained_wish(filter, options.maximum_qos, identifier);
            self.wishes.push_back(wish);
        } else if let Some(wish) = self.wishes.iter_mut().find(|wish| wish.filter == filter) {
            // What the replaced subscription was still to get is not lost [MQTT-3.8.4-4].
            wish.maximum_qos = options.maximum_qos;
            wish.identifier = identifier;
        }
        ReasonCode::granted(options.maximum_qos)
    }

    fn deny_subscribe(&mut self, filter: &TopicFilter) {
        self.shared.metrics.subscribes_denied(1);
        if self.denials.is_news("subscribe", shortened(filter)) {
            let identity = &*self.lease.key().identity;
            let client = &*printable(self.session.client_id());
            let shown = &*printable(shortened(filter));
            tracing::warn!(
                code = "ENV-A602",
                identity,
                client,
                filter = shown,
                "{identity} may not subscribe to {shown}: no access rule covers it",
            );
        }
    }

    fn unsubscribe(&mut self, filter: &TopicFilter) -> ReasonCode {
        self.wishes.retain(|wish| wish.filter != *filter);
        if self.lease.unsubscribe(filter) {
            ReasonCode::Success
        } else {
            ReasonCode::NoSubscriptionExisted
        }
    }

    /// Whether retained messages are still owed to a new subscription.
    pub(super) fn has_retained(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// Takes the next retained messages for the oldest of the new subscriptions.
    pub(super) fn take_retained(&mut self, now: Instant) {
        let Some(wish) = self.wishes.front_mut() else {
            return;
        };
        let router = &self.shared.router;
        if router.retained_page(wish, now, &mut self.batch).is_break() {
            self.wishes.pop_front();
        }
        if self.wishes.is_empty() {
            self.wishes = VecDeque::new();
        }
    }
}

impl Denials {
    /// True the first time, while there is room to remember it.
    fn is_news(&mut self, action: &str, topic: &str) -> bool {
        if self.seen.len() >= DENIALS_REMEMBERED {
            return false;
        }
        self.seen
            .insert(format!("{action} {topic}").into_boxed_str())
    }
}

/// Topics may be 64 KiB long, and a reason string has only 64 KiB for all its words.
fn shortened(topic: &str) -> &str {
    let end = topic.floor_char_boundary(TOPIC_SHOWN_BYTES);
    &topic[..end]
}

/// A client that asks for more denied topics than this is logged enough; the counter goes on.
const DENIALS_REMEMBERED: usize = 32;

const TOPIC_SHOWN_BYTES: usize = 256;
