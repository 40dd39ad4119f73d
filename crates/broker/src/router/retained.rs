//! Retained messages: the last one of each topic, for whoever subscribes later.
//!
//! Kept in the order of their topics, so a filter reads only the range that shares
//! its text before the first wildcard. Everything here owns its bytes: a slice of
//! a receive buffer would pin it for as long as the message is retained.
//!
//! Invariants: `bytes` is the sum of [`Message::size`]; `expiries` holds exactly
//! the topics whose message can expire.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Instant;

use mqtt::QoS;
use mqtt::message::Message;
use mqtt::topic::{TopicFilter, TopicName};

/// The retained messages of one broker, bounded in count and in bytes.
#[derive(Debug)]
pub struct Retained {
    messages: BTreeMap<TopicName, Kept>,
    expiries: BTreeSet<(Instant, TopicName)>,
    bytes: usize,
    /// Messages ever stored.
    stored: u64,
    limits: RetainedLimits,
}

#[derive(Debug)]
struct Kept {
    message: Arc<Message>,
    /// Its place among all messages ever stored.
    number: u64,
}

/// What a new subscription is still to get of the messages retained before it.
///
/// Read page by page: a wide filter then holds neither the lock of the store nor, while its
/// client does not read, the messages.
#[derive(Debug)]
pub struct RetainedWish {
    /// Of the subscription.
    pub filter: TopicFilter,
    /// Granted to the subscription.
    pub maximum_qos: QoS,
    /// Of the subscription.
    pub identifier: Option<u32>,
    /// What is stored later reaches the subscription when it is published.
    as_of: u64,
    /// Where the last page ended.
    after: Option<TopicName>,
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
            stored: 0,
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
        self.stored += 1;
        let kept = Kept {
            message: Arc::clone(message),
            number: self.stored,
        };
        self.messages.insert(message.topic.clone(), kept);
        Ok(())
    }

    /// The wish of a subscription that was made just now.
    pub fn wish(
        &self,
        filter: TopicFilter,
        maximum_qos: QoS,
        identifier: Option<u32>,
    ) -> RetainedWish {
        RetainedWish {
            filter,
            maximum_qos,
            identifier,
            as_of: self.stored,
            after: None,
        }
    }

    /// Hands the next page of the messages that are wished for and not expired to `take`.
    /// `Break` after the last.
    pub fn page(
        &self,
        wish: &mut RetainedWish,
        now: Instant,
        mut take: impl FnMut(&Arc<Message>),
    ) -> ControlFlow<()> {
        let prefix = literal_prefix(&wish.filter);
        let from = wish
            .after
            .as_deref()
            .map_or(Bound::Included(prefix), Bound::Excluded);
        let (mut count, mut bytes) = (0, 0);
        let mut last: Option<&TopicName> = None;
        for (looked_at, (topic, kept)) in self
            .messages
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .enumerate()
        {
            if looked_at >= PAGE_LOOKED_AT || count >= PAGE_COUNT || bytes >= PAGE_BYTES {
                wish.after = last.cloned();
                return ControlFlow::Continue(());
            }
            let message = &kept.message;
            if kept.number <= wish.as_of && wish.filter.matches(topic) && !message.is_expired(now) {
                take(message);
                count += 1;
                bytes += message.size();
            }
            last = Some(topic);
        }
        ControlFlow::Break(())
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
        if let Some(Kept { message, .. }) = self.messages.remove(topic) {
            self.bytes -= message.size();
            if let Some(at) = message.expires_at {
                self.expiries.remove(&(at, topic.clone()));
            }
        }
    }

    fn remove_expired(&mut self, now: Instant) {
        while let Some((at, topic)) = self.expiries.first().filter(|(at, _)| *at < now).cloned() {
            self.expiries.remove(&(at, topic.clone()));
            if let Some(Kept { message, .. }) = self.messages.remove(&topic) {
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

/// Messages of one page: what a connection may hold of them while its client does not read.
const PAGE_COUNT: usize = 256;

/// Bytes of one page; the message that reaches it is the last.
const PAGE_BYTES: usize = 256 * 1024;

/// Topics looked at for one page: the lock of the store is held for well under a millisecond.
const PAGE_LOOKED_AT: usize = 4096;

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

    fn wish(store: &Retained, filter: &str) -> RetainedWish {
        let filter = TopicFilter::try_from(filter).unwrap();
        store.wish(filter, QoS::AtMostOnce, None)
    }

    fn matching(store: &Retained, filter: &str, now: Instant) -> Vec<Arc<Message>> {
        let (mut wish, mut found) = (wish(store, filter), Vec::new());
        while store
            .page(&mut wish, now, |message| found.push(Arc::clone(message)))
            .is_continue()
        {}
        found
    }

    fn topics(store: &Retained, filter: &str, now: Instant) -> Vec<String> {
        matching(store, filter, now)
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
    fn a_page_is_bounded_in_count_and_in_bytes_and_the_next_goes_on_behind_it() {
        let now = Instant::now();
        let payload: &'static str = "x".repeat(PAGE_BYTES / 4).leak();
        let mut store = Retained::new(RetainedLimits {
            max_count: 1000,
            max_bytes: 1 << 30,
        });
        for index in 0..10 {
            store
                .store(&message(&format!("big/{index}"), payload), now)
                .unwrap();
        }
        for index in 0..300 {
            store
                .store(&message(&format!("small/{index:03}"), "x"), now)
                .unwrap();
        }
        let mut sizes = Vec::new();
        let mut wish = wish(&store, "#");
        loop {
            let mut count = 0;
            let flow = store.page(&mut wish, now, |_| count += 1);
            sizes.push(count);
            if flow.is_break() {
                break;
            }
        }
        assert_eq!(sizes, [4, 4, 254 + 2, 46]);
    }

    #[test]
    fn what_is_stored_after_the_wish_is_not_part_of_it() {
        let now = Instant::now();
        let mut store = store_of(&["a", "b"]);
        let mut wish = wish(&store, "#");
        store.store(&message("b", "newer"), now).unwrap();
        store.store(&message("c", "new"), now).unwrap();
        let mut found = Vec::new();
        let flow = store.page(&mut wish, now, |message| {
            found.push(message.topic.to_string());
        });
        assert!(flow.is_break());
        assert_eq!(found, ["a"]);
    }

    /// Also [MQTT-3.3.1-7].
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
        assert_eq!(&matching(&store, "a", now)[0].payload[..], b"2");
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
