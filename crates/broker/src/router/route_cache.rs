//! Route cache: what one connection learnt about the topics it publishes to.
//!
//! Holds the permission and the receivers of each topic, so that in steady state
//! a PUBLISH asks neither the policy nor the trie. Valid for one generation of the
//! router: any subscription made anywhere empties it.

use std::sync::Arc;

use hashbrown::HashMap;
use mqtt::TopicName;

use crate::access::Grants;
use crate::router::{Route, Router, SlotId};

/// Topic to (may publish, receivers), for one connection.
#[derive(Debug, Default)]
pub struct RouteCache {
    generation: u64,
    verdicts: HashMap<Box<str>, Verdict>,
    topic_bytes: usize,
    receivers: usize,
}

/// What is known about one topic.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The access policy forbids publishing to it.
    Denied,
    /// These get it.
    Allowed(Arc<Route>),
}

impl RouteCache {
    /// The verdict for `topic`, from memory if nobody subscribed or unsubscribed since.
    pub fn look_up(
        &mut self,
        topic: &TopicName,
        origin: SlotId,
        grants: &Grants,
        router: &Router,
    ) -> Verdict {
        // Read before resolving: a subscription in between makes the entry look older than it is.
        let generation = router.generation();
        if self.generation != generation {
            self.clear();
            self.generation = generation;
        }
        if let Some(verdict) = self.verdicts.get(&**topic) {
            return verdict.clone();
        }
        let verdict = if grants.may_publish(topic) {
            Verdict::Allowed(Arc::new(router.resolve(topic, origin)))
        } else {
            Verdict::Denied
        };
        self.remember(topic, verdict.clone());
        verdict
    }

    fn remember(&mut self, topic: &TopicName, verdict: Verdict) {
        let receivers = match &verdict {
            Verdict::Allowed(route) => route.len(),
            Verdict::Denied => 0,
        };
        // Starting over is cheaper than an order of use: only who publishes to more topics
        // than this pays, and then one walk of the trie per topic and thousand.
        if self.verdicts.len() >= TOPICS_MAX
            || self.topic_bytes + topic.len() > TOPIC_BYTES_MAX
            || self.receivers + receivers > RECEIVERS_MAX
        {
            self.clear();
        }
        self.topic_bytes += topic.len();
        self.receivers += receivers;
        self.verdicts.insert(Box::from(&**topic), verdict);
    }

    fn clear(&mut self) {
        self.verdicts.clear();
        self.topic_bytes = 0;
        self.receivers = 0;
    }

    /// Gives the memory back, when the connection has been quiet.
    pub fn release(&mut self) {
        self.verdicts = HashMap::new();
        self.topic_bytes = 0;
        self.receivers = 0;
    }

    /// True when it holds nothing to give back.
    pub fn is_empty(&self) -> bool {
        self.verdicts.capacity() == 0
    }
}

/// About 100 KiB with topics of usual length.
const TOPICS_MAX: usize = 1024;

/// Of the topics themselves: each may be 64 KiB long.
const TOPIC_BYTES_MAX: usize = 128 * 1024;

/// About 4 MiB of receivers; one wider route is still held, alone.
const RECEIVERS_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::AccessPolicy;
    use crate::outbox::{Outbox, OutboxLimits};
    use crate::router::Subscription;
    use crate::router::retained::RetainedLimits;
    use mqtt::{SubscriptionOptions, TopicFilter};

    const ME: SlotId = SlotId(1);

    fn router() -> Router {
        Router::new(RetainedLimits {
            max_count: 1,
            max_bytes: 1,
        })
    }

    fn topic(text: &str) -> TopicName {
        TopicName::try_from(text).unwrap()
    }

    fn receivers(verdict: &Verdict) -> usize {
        match verdict {
            Verdict::Allowed(route) => route.len(),
            Verdict::Denied => panic!("denied"),
        }
    }

    #[test]
    fn a_subscription_made_elsewhere_is_seen_by_the_next_look_up() {
        let (router, grants, mut cache) = (
            router(),
            AccessPolicy::classroom().grants("a"),
            RouteCache::default(),
        );
        assert_eq!(
            receivers(&cache.look_up(&topic("chat/x"), ME, &grants, &router)),
            0
        );
        let outbox = Arc::new(Outbox::new(OutboxLimits {
            max_count: 1,
            max_bytes: 1,
        }));
        let subscription = Subscription {
            outbox,
            options: SubscriptionOptions::default(),
            identifier: None,
        };
        router.subscribe(
            SlotId(2),
            &TopicFilter::try_from("chat/#").unwrap(),
            subscription,
        );
        assert_eq!(
            receivers(&cache.look_up(&topic("chat/x"), ME, &grants, &router)),
            1
        );
    }

    #[test]
    fn the_same_route_is_handed_out_while_nothing_changes() {
        let (router, grants, mut cache) = (
            router(),
            AccessPolicy::classroom().grants("a"),
            RouteCache::default(),
        );
        let (Verdict::Allowed(first), Verdict::Allowed(second)) = (
            cache.look_up(&topic("chat/x"), ME, &grants, &router),
            cache.look_up(&topic("chat/x"), ME, &grants, &router),
        ) else {
            panic!("denied");
        };
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_denied_topic_stays_denied_in_the_cache() {
        let (router, grants, mut cache) = (
            router(),
            AccessPolicy::classroom().grants("a"),
            RouteCache::default(),
        );
        for _ in 0..2 {
            assert!(matches!(
                cache.look_up(&topic("plant/x"), ME, &grants, &router),
                Verdict::Denied
            ));
        }
    }

    #[test]
    fn the_number_of_remembered_topics_is_bounded() {
        let (router, grants, mut cache) = (
            router(),
            AccessPolicy::classroom().grants("a"),
            RouteCache::default(),
        );
        for index in 0..3 * TOPICS_MAX {
            cache.look_up(&topic(&format!("chat/{index}")), ME, &grants, &router);
            assert!(cache.verdicts.len() <= TOPICS_MAX);
        }
    }

    #[test]
    fn long_topics_do_not_multiply_its_memory() {
        let (router, grants, mut cache) = (
            router(),
            AccessPolicy::classroom().grants("a"),
            RouteCache::default(),
        );
        let long = "x".repeat(60_000);
        for index in 0..100 {
            cache.look_up(&topic(&format!("chat/{index}{long}")), ME, &grants, &router);
            let held: usize = cache.verdicts.keys().map(|topic| topic.len()).sum();
            assert!(held <= TOPIC_BYTES_MAX, "{held}");
        }
    }

    #[test]
    fn ending_a_subscription_that_is_none_empties_no_cache() {
        let router = router();
        let before = router.generation();
        assert!(!router.unsubscribe(ME, &TopicFilter::try_from("chat/#").unwrap()));
        assert_eq!(router.generation(), before);
    }
}
