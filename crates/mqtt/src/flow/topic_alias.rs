//! Topic Aliases that the peer sets and we resolve (3.3.2.3.4).

use std::num::NonZeroU16;

use crate::TopicName;

/// The aliases of one Network Connection; they end with it.
///
/// Bounded: by our Topic Alias Maximum in number, and by the length of a topic each.
#[derive(Debug, Clone, Default)]
pub struct InboundAliases {
    topics: Vec<Option<TopicName>>,
    maximum: u16,
}

/// Why an alias stands for no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// Above the Topic Alias Maximum we announced \[MQTT-3.3.2-9\].
    #[error("the Topic Alias is above the Topic Alias Maximum")]
    TooLarge,
    /// Used before it was set.
    #[error("the Topic Alias was never set")]
    Unknown,
}

impl InboundAliases {
    /// No alias set yet; `maximum` as announced to the peer, 0 allows none.
    #[must_use]
    pub const fn new(maximum: u16) -> InboundAliases {
        InboundAliases {
            topics: Vec::new(),
            maximum,
        }
    }

    /// The peer sent topic and alias: from here the alias stands for the topic \[MQTT-3.3.2-12\].
    ///
    /// # Errors
    /// The alias is too large.
    pub fn define(&mut self, alias: NonZeroU16, topic: &TopicName) -> Result<(), AliasError> {
        if alias.get() > self.maximum {
            return Err(AliasError::TooLarge);
        }
        let index = usize::from(alias.get()) - 1;
        if index >= self.topics.len() {
            self.topics.resize(index + 1, None);
        }
        // Copied out: an alias may outlive its receive buffer by hours.
        self.topics[index] = Some(topic.detached());
        Ok(())
    }

    /// The peer sent the alias alone: the topic it stands for.
    ///
    /// # Errors
    /// The alias is too large, or was never set.
    pub fn recall(&self, alias: NonZeroU16) -> Result<TopicName, AliasError> {
        if alias.get() > self.maximum {
            return Err(AliasError::TooLarge);
        }
        self.topics
            .get(usize::from(alias.get()) - 1)
            .and_then(Clone::clone)
            .ok_or(AliasError::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(value: u16) -> NonZeroU16 {
        NonZeroU16::new(value).unwrap()
    }

    fn topic(text: &str) -> TopicName {
        TopicName::try_from(text).unwrap()
    }

    #[test]
    fn mqtt_3_3_2_12_an_alias_stands_for_the_topic_it_was_last_sent_with() {
        let mut aliases = InboundAliases::new(2);
        aliases.define(alias(2), &topic("a/b")).unwrap();
        assert_eq!(aliases.recall(alias(2)), Ok(topic("a/b")));
        aliases.define(alias(2), &topic("c")).unwrap();
        assert_eq!(aliases.recall(alias(2)), Ok(topic("c")));
        assert_eq!(aliases.recall(alias(1)), Err(AliasError::Unknown));
    }

    #[test]
    fn mqtt_3_3_2_9_an_alias_above_the_maximum_is_refused_and_costs_no_memory() {
        let mut aliases = InboundAliases::new(2);
        let refused = aliases.define(alias(3), &topic("a"));
        assert_eq!(refused, Err(AliasError::TooLarge));
        assert_eq!(aliases.recall(alias(65_535)), Err(AliasError::TooLarge));
        assert!(aliases.topics.is_empty());
    }

    #[test]
    fn a_maximum_of_0_allows_none() {
        let mut aliases = InboundAliases::new(0);
        let refused = aliases.define(alias(1), &topic("a"));
        assert_eq!(refused, Err(AliasError::TooLarge));
    }
}
