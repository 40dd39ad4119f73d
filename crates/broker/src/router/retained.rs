//! Retained messages: the last one of each topic, for whoever subscribes later.
//!
//! Kept in the order of their topics, so a filter reads only the range that shares
//! its text before the first wildcard. Everything here owns its bytes: a slice of
//! a receive buffer would pin it for as long as the message is retained.
//!
//! Invariants: `bytes` is the sum of [`Message::size`]; `expiries` holds exactly
//! the topics whose message can expire.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use mqtt::message::Message;
use mqtt::topic::{TopicFilter, TopicName};

/// The retained messages of one broker, bounded in count and in bytes.
#[derive(Debug)]
pub struct Retained {
    messages: BTreeMap<TopicName, Arc<Message>>,
    expiries: BTreeSet<(Instant, TopicName)>,
    bytes: usize,
    limits: RetainedLimits,
}

/// Bounds of the retained store.
#[derive(Debug, Clone, Copy)]
pub struct RetainedLimits {
    /// Topics that may have a retained message.
    pub max_count: usize,
    /// Bytes of all retained messages together.
    pub max_bytes: usize,
}

/// The store is full: the message is not retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetainedFull;

impl Retained {
    /// An empty store.
    pub fn new(limits: RetainedLimits) -> Self {
        Self {
            messages: BTreeMap::new(),
            expiries: BTreeSet::new(),
            bytes: 0,
            limits,
        }
    }

    /// Replaces the message of its topic; an empty payload removes it [MQTT-3.3.1-6].
    ///
    /// `message` must own its bytes ([`Message::detached`]).
    ///
    /// # Errors
    /// `RetainedFull`; the earlier message of the topic, now out of date, is gone then too.
    pub fn store(&mut self, message: &Arc<Message>, now: Instant) -> Result<(), RetainedFull> {
        self.remove(&message.topic);
        if message.payload.is_empty() {
            return Ok(());
        }
        if !self.has_room_for(message) {
            self.remove_expired(now);
        }
        if !self.has_room_for(message) {
            return Err(RetainedFull);
        }
        self.bytes += message.size();
        if let Some(at) = message.expires_at {
            self.expiries.insert((at, message.topic.clone()));
        }
        self.messages
            .insert(message.topic.clone(), Arc::clone(message));
        Ok(())
    }

    /// Every retained message the filter matches that has not expired.
    pub fn matching(&self, filter: &TopicFilter, now: Instant) -> Vec<Arc<Message>> {
        let prefix = literal_prefix(filter);
        self.messages
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .filter(|(topic, message)| filter.matches(topic) && !message.is_expired(now))
            .map(|(_, message)| Arc::clone(message))
            .collect()
    }

    /// Messages held.
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn has_room_for(&self, message: &Message) -> bool {
        self.messages.len() < self.limits.max_count
            && self.bytes + message.size() <= self.limits.max_bytes
    }

    fn remove(&mut self, topic: &TopicName) {
        if let Some(message) = self.messages.remove(topic) {
            self.bytes -= message.size();
            if let Some(at) = message.expires_at {
                self.expiries.remove(&(at, topic.clone()));
            }
        }
    }

    fn remove_expired(&mut self, now: Instant) {
        while let Some((at, topic)) = self.expiries.first().filter(|(at, _)| *at < now).cloned() {
            self.expiries.remove(&(at, topic.clone()));
            if let Some(message) = self.messages.remove(&topic) {
                self.bytes -= message.size();
            }
        }
    }
}

/// The text every matching topic starts with: up to the first wildcard, without the
/// separator before it, because "sport/#" matches "sport" too.
fn literal_prefix(filter: &TopicFilter) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    let literal = &filter[..end];
    if end < filter.len() {
        literal.strip_suffix('/').unwrap_or(literal)
    } else {
        literal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn message(topic: &str, payload: &'static str) -> Arc<Message> {
        Arc::new(Message {
            retain: true,
            ..Message::new(TopicName::try_from(topic).unwrap(), payload)
        })
    }

    fn store_of(topics: &[&str]) -> Retained {
        let mut store = Retained::new(ROOMY);
        for topic in topics {
            store.store(&message(topic, "x"), Instant::now()).unwrap();
        }
        store
    }

    fn topics(store: &Retained, filter: &str, now: Instant) -> Vec<String> {
        let filter = TopicFilter::try_from(filter).unwrap();
        store
            .matching(&filter, now)
            .iter()
            .map(|message| message.topic.to_string())
            .collect()
    }

    const ROOMY: RetainedLimits = RetainedLimits {
        max_count: 1000,
        max_bytes: 1 << 20,
    };

    #[test]
    fn a_filter_finds_the_topics_it_matches_in_order() {
        let now = Instant::now();
        let store = store_of(&[
            "sport",
            "sport/tennis",
            "sport!",
            "sport/",
            "sports/x",
            "$SYS/a",
            "a/b",
        ]);
        assert_eq!(
            topics(&store, "sport/#", now),
            ["sport", "sport/", "sport/tennis"]
        );
        assert_eq!(
            topics(&store, "+/+", now),
            ["a/b", "sport/", "sport/tennis", "sports/x"]
        );
        assert_eq!(topics(&store, "a/b", now), ["a/b"]);
        assert_eq!(topics(&store, "$SYS/#", now), ["$SYS/a"]);
        assert_eq!(topics(&store, "#", now).len(), 6);
    }

    #[test]
    fn mqtt_3_3_1_6_an_empty_payload_removes_the_retained_message() {
        let mut store = store_of(&["a", "b"]);
        store.store(&message("a", ""), Instant::now()).unwrap();
        assert_eq!(topics(&store, "#", Instant::now()), ["b"]);
        store.store(&message("b", ""), Instant::now()).unwrap();
        assert_eq!((store.count(), store.bytes()), (0, 0));
    }

    #[test]
    fn a_full_store_replaces_but_takes_no_new_topic() {
        let now = Instant::now();
        let mut store = Retained::new(RetainedLimits {
            max_count: 1,
            max_bytes: 1 << 20,
        });
        store.store(&message("a", "1"), now).unwrap();
        assert_eq!(store.store(&message("b", "1"), now), Err(RetainedFull));
        store.store(&message("a", "2"), now).unwrap();
        assert_eq!(
            &store.matching(&TopicFilter::try_from("a").unwrap(), now)[0].payload[..],
            b"2"
        );
    }

    #[test]
    fn a_message_too_big_for_the_store_also_ends_the_one_it_would_replace() {
        let now = Instant::now();
        let small = message("a", "1");
        let mut store = Retained::new(RetainedLimits {
            max_count: 9,
            max_bytes: small.size(),
        });
        store.store(&small, now).unwrap();
        assert_eq!(
            store.store(&message("a", "longer than it may be"), now),
            Err(RetainedFull)
        );
        assert_eq!((store.count(), store.bytes()), (0, 0));
    }

    #[test]
    fn expired_messages_are_not_found_and_make_room() {
        let now = Instant::now();
        let mut store = Retained::new(RetainedLimits {
            max_count: 1,
            max_bytes: 1 << 20,
        });
        let mut short = Message::clone(&message("a", "1"));
        short.expires_at = Some(now + Duration::from_secs(10));
        store.store(&Arc::new(short), now).unwrap();
        let later = now + Duration::from_secs(11);
        assert_eq!(topics(&store, "#", now), ["a"]);
        assert_eq!(topics(&store, "#", later), [""; 0]);
        store.store(&message("b", "1"), later).unwrap();
        assert_eq!(topics(&store, "#", later), ["b"]);
        assert!(store.expiries.is_empty());
    }

    proptest! {
        #[test]
        fn the_range_misses_no_match(
            names in prop::collection::vec("[ab/!0]{1,6}", 1..16),
            filter in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("+")], 1..4),
            open in any::<bool>(),
        ) {
            let text = filter.join("/") + if open { "/#" } else { "" };
            prop_assume!(!text.is_empty());
            let filter = TopicFilter::try_from(&*text).unwrap();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let store = store_of(&names);
            let mut expected: Vec<String> = names.iter()
                .filter(|name| filter.matches(&TopicName::try_from(**name).unwrap()))
                .map(|name| (*name).to_owned()).collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(topics(&store, &text, Instant::now()), expected);
        }
    }
}
