//! Topic trie: filters, exact and wildcard alike, to whoever subscribed to them.
//!
//! One node per topic level. Nodes live in one vector and name each other by
//! index; every walk is a loop, so the depth of a topic costs no stack.
//!
//! Invariant: a node without entries and without children does not exist
//! (except the root), so memory follows the subscriptions that are alive.

use hashbrown::HashMap;
use mqtt::topic::{TopicFilter, TopicName};
use smallvec::SmallVec;

/// Filters to values, each value owned by a key (one entry per filter and key).
#[derive(Debug)]
pub struct TopicTrie<K, V> {
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Node<K, V> {
    parent: u32,
    /// The level that leads here, to unlink from the parent when this node empties.
    level: Level,
    children: HashMap<Box<str>, u32>,
    /// The child for `+`, or `NONE`.
    plus: u32,
    /// Filters that end at this level.
    here: HashMap<K, V>,
    /// Filters that end in `#` below this level; they match this level too.
    below: HashMap<K, V>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Plus,
    Name(Box<str>),
}

impl<K: std::hash::Hash + Eq + Copy, V> Default for TopicTrie<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: std::hash::Hash + Eq + Copy, V> TopicTrie<K, V> {
    /// A trie that matches nothing.
    pub fn new() -> Self {
        Self {
            nodes: vec![Node::new(NONE, Level::Plus)],
            free: Vec::new(),
            len: 0,
        }
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is subscribed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts `value` under the filter for `key`; returns the one it replaces.
    pub fn insert(&mut self, filter: &TopicFilter, key: K, value: V) -> Option<V> {
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                return self.counted(|trie| trie.nodes[at as usize].below.insert(key, value));
            }
            at = self.child_or_new(at, level);
        }
        self.counted(|trie| trie.nodes[at as usize].here.insert(key, value))
    }

    /// Takes out what `key` has under the filter.
    pub fn remove(&mut self, filter: &TopicFilter, key: K) -> Option<V> {
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                let removed = self.nodes[at as usize].below.remove(&key)?;
                self.removed_from(at);
                return Some(removed);
            }
            let node = &self.nodes[at as usize];
            at = if level == "+" {
                node.plus
            } else {
                *node.children.get(level)?
            };
            if at == NONE {
                return None;
            }
        }
        let removed = self.nodes[at as usize].here.remove(&key)?;
        self.removed_from(at);
        Some(removed)
    }

    /// Calls `visit` for each entry whose filter matches the topic.
    ///
    /// A key with several matching filters is visited once for each.
    pub fn for_each_match<'a>(&'a self, topic: &TopicName, mut visit: impl FnMut(K, &'a V)) {
        // Filters that start with a wildcard do not match topics that start with `$` [MQTT-4.7.2-1].
        let mut wildcards = !topic.starts_with('$');
        let mut nodes: SmallVec<[u32; 16]> = SmallVec::from_slice(&[ROOT]);
        let mut next: SmallVec<[u32; 16]> = SmallVec::new();
        for level in topic.split('/') {
            for at in nodes.drain(..) {
                let node = &self.nodes[at as usize];
                if wildcards {
                    node.below
                        .iter()
                        .for_each(|(key, value)| visit(*key, value));
                    if node.plus != NONE {
                        next.push(node.plus);
                    }
                }
                if let Some(child) = node.children.get(level) {
                    next.push(*child);
                }
            }
            std::mem::swap(&mut nodes, &mut next);
            if nodes.is_empty() {
                return;
            }
            wildcards = true;
        }
        for at in nodes {
            let node = &self.nodes[at as usize];
            // "sport/#" also matches "sport": `#` includes the parent level.
            for (key, value) in node.here.iter().chain(&node.below) {
                visit(*key, value);
            }
        }
    }

    fn counted(&mut self, insert: impl FnOnce(&mut Self) -> Option<V>) -> Option<V> {
        let replaced = insert(self);
        if replaced.is_none() {
            self.len += 1;
        }
        replaced
    }

    fn child_or_new(&mut self, at: u32, level: &str) -> u32 {
        let node = &self.nodes[at as usize];
        let existing = if level == "+" {
            Some(node.plus).filter(|plus| *plus != NONE)
        } else {
            node.children.get(level).copied()
        };
        if let Some(child) = existing {
            return child;
        }
        let name = if level == "+" {
            Level::Plus
        } else {
            Level::Name(level.into())
        };
        let child = self.allocate(Node::new(at, name.clone()));
        let node = &mut self.nodes[at as usize];
        match name {
            Level::Plus => node.plus = child,
            Level::Name(name) => {
                node.children.insert(name, child);
            }
        }
        child
    }

    fn allocate(&mut self, node: Node<K, V>) -> u32 {
        if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            return index;
        }
        let index = u32::try_from(self.nodes.len())
            .expect("invariant: subscriptions are bounded far below 2^32 levels");
        self.nodes.push(node);
        index
    }

    /// Unlinks `at` and its ancestors as far as they carry nothing any more.
    fn removed_from(&mut self, mut at: u32) {
        self.len -= 1;
        while at != ROOT && self.nodes[at as usize].is_bare() {
            let node =
                std::mem::replace(&mut self.nodes[at as usize], Node::new(NONE, Level::Plus));
            self.free.push(at);
            let parent = &mut self.nodes[node.parent as usize];
            match node.level {
                Level::Plus => parent.plus = NONE,
                Level::Name(name) => {
                    parent.children.remove(&name);
                }
            }
            at = node.parent;
        }
    }
}

impl<K, V> Node<K, V> {
    fn new(parent: u32, level: Level) -> Self {
        Self {
            parent,
            level,
            children: HashMap::new(),
            plus: NONE,
            here: HashMap::new(),
            below: HashMap::new(),
        }
    }

    fn is_bare(&self) -> bool {
        self.children.is_empty()
            && self.plus == NONE
            && self.here.is_empty()
            && self.below.is_empty()
    }
}

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::try_from(text).unwrap()
    }

    fn topic(text: &str) -> TopicName {
        TopicName::try_from(text).unwrap()
    }

    fn matches(trie: &TopicTrie<u32, &'static str>, name: &str) -> Vec<&'static str> {
        let mut found = Vec::new();
        trie.for_each_match(&topic(name), |_, value| found.push(*value));
        found.sort_unstable();
        found
    }

    fn trie(filters: &[&'static str]) -> TopicTrie<u32, &'static str> {
        let mut trie = TopicTrie::new();
        for text in filters {
            trie.insert(&filter(text), 1, *text);
        }
        trie
    }

    #[test]
    fn hash_matches_its_parent_level_and_everything_below() {
        let trie = trie(&["sport/#", "sport/+", "sport"]);
        assert_eq!(matches(&trie, "sport"), ["sport", "sport/#"]);
        assert_eq!(matches(&trie, "sport/tennis"), ["sport/#", "sport/+"]);
        assert_eq!(matches(&trie, "sport/tennis/player"), ["sport/#"]);
        assert_eq!(matches(&trie, "sports"), [""; 0]);
    }

    #[test]
    fn empty_levels_are_levels() {
        let trie = trie(&["/+", "+/+", "+", "/"]);
        assert_eq!(matches(&trie, "/finance"), ["+/+", "/+"]);
        assert_eq!(matches(&trie, "/"), ["+/+", "/", "/+"]);
    }

    #[test]
    fn mqtt_4_7_2_1_a_leading_wildcard_does_not_match_a_dollar_topic() {
        let trie = trie(&["#", "+/monitor", "$SYS/#", "$SYS/+"]);
        assert_eq!(matches(&trie, "$SYS/monitor"), ["$SYS/#", "$SYS/+"]);
        assert_eq!(matches(&trie, "a/monitor"), ["#", "+/monitor"]);
    }

    #[test]
    fn a_second_subscription_of_one_key_to_one_filter_replaces_the_first() {
        let mut trie = TopicTrie::new();
        assert_eq!(trie.insert(&filter("a/b"), 1, "old"), None);
        assert_eq!(trie.insert(&filter("a/b"), 1, "new"), Some("old"));
        assert_eq!(trie.len(), 1);
        assert_eq!(matches(&trie, "a/b"), ["new"]);
    }

    #[test]
    fn removing_the_last_filter_leaves_nothing_behind() {
        let mut trie = trie(&["a/b/c", "a/+/#", "a"]);
        for text in ["a/b/c", "a/+/#", "a"] {
            assert!(trie.remove(&filter(text), 1).is_some());
            assert!(trie.remove(&filter(text), 1).is_none());
        }
        assert!(trie.is_empty());
        assert!(trie.nodes[ROOT as usize].is_bare());
        assert_eq!(trie.nodes.len(), trie.free.len() + 1);
    }

    #[test]
    fn a_topic_of_thirty_thousand_levels_needs_no_stack() {
        let trie = trie(&["#", "+/+"]);
        let deep = "/".repeat(30_000);
        assert_eq!(matches(&trie, &deep), ["#"]);
    }

    fn levels(wild: bool) -> impl Strategy<Value = String> {
        let level = prop_oneof![
            Just(""),
            Just("a"),
            Just("b"),
            Just("$x"),
            Just(if wild { "+" } else { "c" })
        ];
        (prop::collection::vec(level, 1..5), any::<bool>()).prop_map(move |(levels, open)| {
            let joined = levels.join("/");
            match (wild && open, joined.is_empty()) {
                (true, _) => format!("{joined}/#"),
                (false, true) => "/".to_owned(),
                (false, false) => joined,
            }
        })
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_matching_filter_by_filter(
            filters in prop::collection::vec((levels(true), any::<bool>()), 0..24),
            topics in prop::collection::vec(levels(false), 1..12),
        ) {
            let mut trie = TopicTrie::new();
            let mut naive: Vec<(usize, TopicFilter)> = Vec::new();
            for (key, (text, _)) in filters.iter().enumerate() {
                trie.insert(&filter(text), key, ());
                naive.push((key, filter(text)));
            }
            for (key, (text, keep)) in filters.iter().enumerate() {
                if !keep {
                    prop_assert!(trie.remove(&filter(text), key).is_some());
                }
            }
            naive.retain(|(key, _)| filters[*key].1);
            prop_assert_eq!(trie.len(), naive.len());
            for name in topics.iter().map(|text| topic(text)) {
                let mut found = Vec::new();
                trie.for_each_match(&name, |key, ()| found.push(key));
                found.sort_unstable();
                let expected: Vec<usize> = naive.iter().filter(|(_, f)| f.matches(&name)).map(|(key, _)| *key).collect();
                prop_assert_eq!(found, expected, "topic {:?}", name);
            }
        }
    }
}
