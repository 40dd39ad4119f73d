//! Topic Names, Topic Filters, and which matches which (4.7, 4.8).

use std::fmt;
use std::ops::Deref;
use std::str::Split;

use bytestring::ByteString;

/// The label of an Application Message: at least one character, no wildcard, no U+0000.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(ByteString);

/// What a subscription asks for: levels, where `+` stands for one and a final `#` for the rest.
///
/// May be the filter of a shared subscription, `$share/<name>/<filter>`; see [`TopicFilter::share`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(ByteString);

/// The text cannot be a Topic Name: empty, longer than 65,535 bytes, or with `+`, `#` or U+0000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Topic Name: empty, too long, or it contains +, # or a null character")]
pub struct InvalidTopicName;

/// The text cannot be a Topic Filter: empty, too long, or a wildcard or share name is misplaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Topic Filter: empty, too long, or a wildcard or share name is misplaced")]
pub struct InvalidTopicFilter;

impl TopicName {
    /// Levels from the left; the first and the last may be empty.
    #[must_use]
    pub fn levels(&self) -> Split<'_, char> {
        self.0.split('/')
    }

    /// The text, shared.
    #[must_use]
    pub const fn as_byte_string(&self) -> &ByteString {
        &self.0
    }

    /// For text that was checked where it entered: the decoder.
    pub(crate) fn from_validated(text: ByteString) -> TopicName {
        debug_assert!(is_topic_name(&text));
        TopicName(text)
    }

    /// A copy that does not keep the receive buffer alive.
    #[must_use]
    pub fn detached(&self) -> TopicName {
        TopicName(ByteString::from(&*self.0))
    }
}

impl TopicFilter {
    /// Levels from the left, `$share` and the share name included if it is shared.
    #[must_use]
    pub fn levels(&self) -> Split<'_, char> {
        self.0.split('/')
    }

    /// The text, shared.
    #[must_use]
    pub const fn as_byte_string(&self) -> &ByteString {
        &self.0
    }

    /// Whether it can match more than one topic.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Share name and inner filter of a shared subscription (4.8.2).
    #[must_use]
    pub fn share(&self) -> Option<(ByteString, TopicFilter)> {
        let (name, filter) = self.0.strip_prefix(SHARE_PREFIX)?.split_once('/')?;
        Some((
            self.0.slice_ref(name),
            TopicFilter(self.0.slice_ref(filter)),
        ))
    }

    /// Whether a message on `topic` belongs to this subscription.
    ///
    /// A filter that starts with a wildcard never matches a topic that starts with `$` \[MQTT-4.7.2-1\].
    /// A shared filter matches what its inner filter matches.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        let filter = self.unshared();
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.levels();
        for wanted in filter.split('/') {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether every topic that `other` matches is matched by this filter too.
    ///
    /// Asked of a grant before a subscription is made, so that deliveries need no check.
    #[must_use]
    pub fn covers(&self, other: &TopicFilter) -> bool {
        let (grant, asked) = (self.unshared(), other.unshared());
        if asked.starts_with('$') && grant.starts_with(['+', '#']) {
            return false;
        }
        // No topic is empty, so a final "#" after nothing always has one level more to match.
        let asked = match asked {
            "#" => "+/#",
            "/#" => "/+/#",
            asked => asked,
        };
        let mut asked = asked.split('/');
        for granted in grant.split('/') {
            if granted == "#" {
                return true;
            }
            match asked.next() {
                Some("#") | None => return false,
                Some(level) if granted == "+" || granted == level => {}
                Some(_) => return false,
            }
        }
        asked.next().is_none()
    }

    /// A copy that does not keep the receive buffer alive.
    #[must_use]
    pub fn detached(&self) -> TopicFilter {
        TopicFilter(ByteString::from(&*self.0))
    }

    fn unshared(&self) -> &str {
        self.0
            .strip_prefix(SHARE_PREFIX)
            .and_then(|shared| shared.split_once('/'))
            .map_or(&*self.0, |(_, filter)| filter)
    }
}

fn is_topic_name(text: &str) -> bool {
    let forbidden = |byte: &u8| matches!(byte, 0 | b'+' | b'#');
    (1..=MAX_LEN).contains(&text.len()) && !text.as_bytes().iter().any(forbidden)
}

fn is_topic_filter(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_LEN || text.contains('\0') {
        return false;
    }
    match text.strip_prefix(SHARE_PREFIX) {
        // [MQTT-4.8.2-1], [MQTT-4.8.2-2]: a name without wildcards, then a filter of its own.
        // 3.1.1 knows no shares, but no broker means anything else by this prefix.
        Some(shared) => shared.split_once('/').is_some_and(|(name, filter)| {
            !name.is_empty()
                && !name.contains(['+', '#'])
                && !filter.is_empty()
                && wildcards_stand_alone(filter)
        }),
        None => wildcards_stand_alone(text),
    }
}

/// `+` and `#` fill their level [MQTT-4.7.1-2], and `#` is the last one [MQTT-4.7.1-1].
fn wildcards_stand_alone(filter: &str) -> bool {
    let mut ended = false;
    filter.split('/').all(|level| {
        let after_hash = std::mem::replace(&mut ended, level == "#");
        !after_hash && (level.len() == 1 || !level.contains(['+', '#']))
    })
}

macro_rules! text_type {
    ($type:ident, $error:ident, $check:ident) => {
        impl TryFrom<ByteString> for $type {
            type Error = $error;

            fn try_from(text: ByteString) -> Result<$type, $error> {
                if $check(&text) {
                    Ok($type(text))
                } else {
                    Err($error)
                }
            }
        }

        impl TryFrom<&str> for $type {
            type Error = $error;

            fn try_from(text: &str) -> Result<$type, $error> {
                if $check(text) {
                    Ok($type(text.into()))
                } else {
                    Err($error)
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<$type, $error> {
                $type::try_from(ByteString::from(text))
            }
        }

        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<$type, $error> {
                $type::try_from(text)
            }
        }

        impl Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // Lets a map keyed by this type be asked with a &str.
        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$type> for ByteString {
            fn from(text: $type) -> ByteString {
                text.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

text_type!(TopicName, InvalidTopicName, is_topic_name);
text_type!(TopicFilter, InvalidTopicFilter, is_topic_filter);

const SHARE_PREFIX: &str = "$share/";

/// A UTF-8 string is preceded by two bytes of length (1.5.4).
const MAX_LEN: usize = u16::MAX as usize;
