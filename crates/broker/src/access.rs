//! Access: what an identity may publish and subscribe.
//!
//! The certificate says who somebody is; this policy says what they may do. It is
//! compiled to [`Grants`] once per connection. A subscription is allowed when a
//! grant *covers* its filter, so that no delivery needs a check later.

use mqtt::topic::{InvalidTopicFilter, TopicFilter, TopicName};

/// Who may do what. What no rule allows is denied.
#[derive(Debug, Clone, Default)]
pub struct AccessPolicy {
    rules: Vec<Rule>,
}

/// One line of the policy: it only ever adds permissions.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Whom it concerns.
    pub who: Who,
    /// Topics they may publish to.
    pub publish: Vec<TopicFilter>,
    /// Filters they may subscribe to, and everything these cover.
    pub subscribe: Vec<TopicFilter>,
}

/// Whom a rule concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Every identity of our authority.
    Everyone,
    /// The identity of this name.
    Identity(String),
}

/// The permissions of one identity.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    publish: Vec<TopicFilter>,
    subscribe: Vec<TopicFilter>,
}

impl Rule {
    /// A rule from filters as text.
    ///
    /// # Errors
    /// When one of them is not a Topic Filter.
    pub fn new(who: Who, publish: &[&str], subscribe: &[&str]) -> Result<Self, InvalidTopicFilter> {
        Ok(Self {
            who,
            publish: filters(publish)?,
            subscribe: filters(subscribe)?,
        })
    }
}

impl AccessPolicy {
    /// A policy of exactly these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The profile of the first five minutes: every identity of ours may use `chat/#`,
    /// `demo/#` and `articulos/#`; the identity `subscriber` may read everything
    /// (which never includes topics that start with `$`).
    pub fn classroom() -> Self {
        let rule = |who, publish: &[&str], subscribe: &[&str]| {
            Rule::new(who, publish, subscribe).expect("invariant: the built-in filters are valid")
        };
        Self::new(vec![
            rule(Who::Everyone, CLASSROOM, CLASSROOM),
            rule(Who::Identity("subscriber".to_owned()), &[], &["#"]),
        ])
    }

    /// This policy with one more rule.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Everything the identity of this name may do.
    pub fn grants(&self, identity: &str) -> Grants {
        let mut grants = Grants::default();
        for rule in self.rules.iter().filter(|rule| rule.who.includes(identity)) {
            grants.publish.extend_from_slice(&rule.publish);
            grants.subscribe.extend_from_slice(&rule.subscribe);
        }
        grants
    }
}

impl Who {
    fn includes(&self, identity: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Identity(name) => name == identity,
        }
    }
}

impl Grants {
    /// Whether a message may be published to `topic`.
    pub fn may_publish(&self, topic: &TopicName) -> bool {
        self.publish.iter().any(|grant| grant.matches(topic))
    }

    /// Whether everything `filter` can match may be read.
    pub fn may_subscribe(&self, filter: &TopicFilter) -> bool {
        self.subscribe.iter().any(|grant| grant.covers(filter))
    }
}

fn filters(texts: &[&str]) -> Result<Vec<TopicFilter>, InvalidTopicFilter> {
    texts
        .iter()
        .map(|text| TopicFilter::try_from(*text))
        .collect()
}

const CLASSROOM: &[&str] = &["chat/#", "demo/#", "articulos/#"];

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> TopicName {
        TopicName::try_from(text).unwrap()
    }

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::try_from(text).unwrap()
    }

    #[test]
    fn the_classroom_opens_three_topics_to_everyone() {
        let grants = AccessPolicy::classroom().grants("alumno-07");
        for name in ["chat", "chat/mensaje", "demo/a/b", "articulos/1"] {
            assert!(grants.may_publish(&topic(name)), "{name}");
            assert!(grants.may_subscribe(&filter(name)), "{name}");
        }
        for name in ["plant/x", "chatter", "$SYS/broker", "Chat/mensaje"] {
            assert!(!grants.may_publish(&topic(name)), "{name}");
        }
        for wide in ["#", "+/mensaje", "+", "chat2/#", "$SYS/#"] {
            assert!(!grants.may_subscribe(&filter(wide)), "{wide}");
        }
        assert!(grants.may_subscribe(&filter("chat/+/#")));
    }

    #[test]
    fn only_the_subscriber_reads_everything_and_never_the_dollar_topics() {
        let policy = AccessPolicy::classroom();
        assert!(policy.grants("subscriber").may_subscribe(&filter("#")));
        assert!(!policy.grants("subscriber").may_subscribe(&filter("$SYS/#")));
        assert!(!policy.grants("subscriber2").may_subscribe(&filter("#")));
        assert!(!policy.grants("subscriber").may_publish(&topic("plant/x")));
    }

    #[test]
    fn a_rule_adds_to_what_the_profile_allows() {
        let rule = Rule::new(Who::Identity("pump-01".to_owned()), &["plant/+/up"], &[]).unwrap();
        let policy = AccessPolicy::classroom().with_rule(rule);
        assert!(policy.grants("pump-01").may_publish(&topic("plant/7/up")));
        assert!(policy.grants("pump-01").may_publish(&topic("chat/x")));
        assert!(!policy.grants("pump-02").may_publish(&topic("plant/7/up")));
    }

    #[test]
    fn an_empty_policy_denies() {
        let grants = AccessPolicy::default().grants("publisher");
        assert!(!grants.may_publish(&topic("chat/mensaje")));
        assert!(!grants.may_subscribe(&filter("chat/mensaje")));
    }
}
