//! Topic Names and Topic Filters: what is one, what matches, what covers.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::LazyLock;

use enviomq_mqtt::{TopicFilter, TopicName};
use proptest::prelude::*;
use proptest::sample::select;

fn topic(text: &str) -> TopicName {
    TopicName::try_from(text).unwrap()
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::try_from(text).unwrap()
}

fn matches(text: &str, name: &str) -> bool {
    filter(text).matches(&topic(name))
}

#[test]
fn mqtt_4_7_1_1_a_hash_matches_the_parent_and_everything_below() {
    for name in [
        "sport/tennis/player1",
        "sport/tennis/player1/ranking",
        "sport/tennis/player1/score/wimbledon",
    ] {
        assert!(matches("sport/tennis/player1/#", name));
    }
    assert!(matches("sport/#", "sport"));
    assert!(matches("#", "/"));
    assert!(!matches("sport/tennis/#", "sport/tennisclub"));
}

#[test]
fn mqtt_4_7_1_2_a_plus_matches_one_level_even_an_empty_one() {
    assert!(matches("sport/tennis/+", "sport/tennis/player1"));
    assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    assert!(!matches("sport/+", "sport"));
    assert!(matches("sport/+", "sport/"));
    assert!(matches("+/+", "/finance"));
    assert!(matches("/+", "/finance"));
    assert!(!matches("+", "/finance"));
    assert!(matches("+/tennis/#", "sport/tennis/a/b"));
}

#[test]
fn mqtt_4_7_2_1_a_leading_wildcard_does_not_match_a_dollar_topic() {
    assert!(!matches("#", "$SYS/monitor/Clients"));
    assert!(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    assert!(matches("$SYS/#", "$SYS/monitor/Clients"));
    assert!(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    assert!(matches("a/+", "a/$b"));
}

#[test]
fn mqtt_4_7_3_4_topics_are_compared_byte_by_byte() {
    assert!(!matches("ACCOUNTS", "Accounts"));
    assert!(matches("Accounts payable", "Accounts payable"));
    assert!(!matches("/finance", "finance"));
    assert!(!matches("\u{e9}", "e\u{301}"), "no normalization");
}

#[test]
fn mqtt_4_7_1_1_a_hash_is_the_last_level_and_fills_it() {
    for text in ["sport/tennis#", "sport/tennis/#/ranking", "#/", "a/##"] {
        assert!(TopicFilter::try_from(text).is_err(), "{text}");
    }
    for text in ["#", "/#", "+/#", "a/#"] {
        assert!(TopicFilter::try_from(text).is_ok(), "{text}");
    }
}

#[test]
fn mqtt_4_7_1_2_a_plus_fills_its_level() {
    for text in ["sport+", "+a", "a/b+/c", "++", "+#"] {
        assert!(TopicFilter::try_from(text).is_err(), "{text}");
    }
    for text in ["+", "+/+", "/+/", "sport/+/player1"] {
        assert!(TopicFilter::try_from(text).is_ok(), "{text}");
    }
}

#[test]
fn mqtt_4_7_3_1_names_and_filters_have_a_character_at_least() {
    assert!(TopicName::try_from("").is_err());
    assert!(TopicFilter::try_from("").is_err());
    assert!(TopicName::try_from("/").is_ok());
}

/// Also [MQTT-4.7.3-3].
#[test]
fn mqtt_4_7_3_2_no_null_character_and_no_more_than_65535_bytes() {
    assert!(TopicName::try_from("a\0").is_err());
    assert!(TopicFilter::try_from("a\0").is_err());
    assert!(TopicName::try_from("a".repeat(65_535)).is_ok());
    assert!(TopicName::try_from("a".repeat(65_536)).is_err());
    assert!(TopicFilter::try_from("a".repeat(65_536)).is_err());
}

/// Also [MQTT-4.8.2-2].
#[test]
fn mqtt_4_8_2_1_a_shared_filter_has_a_name_and_a_filter_of_its_own() {
    let shared = filter("$share/group/a/+/#");
    let (name, inner) = shared.share().unwrap();
    assert_eq!((&*name, &*inner), ("group", "a/+/#"));
    assert!(shared.matches(&topic("a/b/c")));
    assert!(!shared.matches(&topic("$share/group/a/b")));
    for text in [
        "$share/",
        "$share//a",
        "$share/g",
        "$share/g/",
        "$share/g#/a",
        "$share/+/a",
        "$share/g/a#",
    ] {
        assert!(TopicFilter::try_from(text).is_err(), "{text}");
    }
    // Only the exact first level makes a share.
    for text in ["$share", "$shared/g/a", "a/$share/g"] {
        assert!(filter(text).share().is_none(), "{text}");
    }
}

#[test]
fn a_shared_filter_keeps_an_inner_filter_that_starts_with_a_slash() {
    let (name, inner) = filter("$share/g//finance").share().unwrap();
    assert_eq!((&*name, &*inner), ("g", "/finance"));
}

#[test]
fn a_grant_covers_what_is_asked_only_if_it_covers_all_of_it() {
    let covered = [
        ("#", "#"),
        ("#", "a/+"),
        ("a/#", "a"),
        ("a/#", "a/b/#"),
        ("a/+", "a/+"),
        ("a/+", "a/b"),
        ("+/#", "#"),
        ("+/b", "a/b"),
        ("a/#", "$share/g/a/+"),
        ("$SYS/#", "$SYS/broker/+"),
        ("a/#", "a/+/#"),
    ];
    for (grant, asked) in covered {
        assert!(
            filter(grant).covers(&filter(asked)),
            "{grant} covers {asked}"
        );
    }
    let uncovered = [
        ("a/+", "a/#"),
        ("a/b", "a/+"),
        ("a/+/#", "a/#"),
        ("+", "#"),
        ("a", "a/#"),
        ("a/#", "#"),
        ("#", "$SYS/#"),
        ("+/broker", "$SYS/broker"),
        ("a/#", "$share/g/b"),
        ("a/+", "a"),
        ("a/+", "a/b/c"),
    ];
    for (grant, asked) in uncovered {
        assert!(
            !filter(grant).covers(&filter(asked)),
            "{grant} does not cover {asked}"
        );
    }
}

#[test]
fn a_filter_of_very_many_levels_is_walked_without_recursion() {
    let deep = "a/".repeat(32_767);
    assert!(matches(&"+/".repeat(32_767), &deep));
    assert!(filter("#").matches(&topic(&deep)));
    assert!(filter(&"+/".repeat(32_767)).covers(&filter(&deep)));
}

/// The definition, level by level, as short as it can be said.
fn naive(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        ([wanted, filter @ ..], [level, topic @ ..]) => {
            (*wanted == "+" || wanted == level) && naive(filter, topic)
        }
        _ => false,
    }
}

fn some_filter() -> impl Strategy<Value = TopicFilter> {
    let level = select(vec!["a", "b", "", "+", "$x"]);
    let levels = (proptest::collection::vec(level, 1..5), any::<bool>());
    levels.prop_filter_map("empty", |(mut levels, ends_in_hash)| {
        if ends_in_hash {
            levels.pop();
            levels.push("#");
        }
        TopicFilter::try_from(levels.join("/")).ok()
    })
}

fn some_topic() -> impl Strategy<Value = TopicName> {
    let levels = proptest::collection::vec(select(vec!["a", "b", "", "$x"]), 1..5);
    levels.prop_filter_map("empty", |levels| TopicName::try_from(levels.join("/")).ok())
}

proptest! {
    #[test]
    fn matching_agrees_with_the_definition(wanted in some_filter(), name in some_topic()) {
        let (wanted_levels, levels): (Vec<_>, Vec<_>) = (wanted.levels().collect(), name.levels().collect());
        let is_hidden = name.starts_with('$') && wanted.starts_with(['+', '#']);
        prop_assert_eq!(wanted.matches(&name), !is_hidden && naive(&wanted_levels, &levels));
    }

    /// Checked against every topic of up to five levels over a small alphabet.
    #[test]
    fn covering_agrees_with_every_topic_there_is(grant in some_filter(), asked in some_filter()) {
        let counterexample = EVERY_TOPIC.iter().find(|name| asked.matches(name) && !grant.matches(name));
        prop_assert_eq!(grant.covers(&asked), counterexample.is_none(), "{:?}", counterexample);
    }
}

static EVERY_TOPIC: LazyLock<Vec<TopicName>> = LazyLock::new(every_topic);

fn every_topic() -> Vec<TopicName> {
    // "c" is in no filter: it stands for all the levels nobody wrote down.
    let alphabet = ["a", "b", "c", "", "$x"];
    let mut topics: Vec<String> = Vec::new();
    let mut last: Vec<String> = alphabet.map(String::from).to_vec();
    for _ in 0..5 {
        topics.extend(last.iter().cloned());
        last = last
            .iter()
            .flat_map(|start| alphabet.map(|level| format!("{start}/{level}")))
            .collect();
    }
    topics
        .into_iter()
        .filter_map(|text| TopicName::try_from(text).ok())
        .collect()
}
