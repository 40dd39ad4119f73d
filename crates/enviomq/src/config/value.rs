//! Values: text into types that cannot be wrong.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;

/// A value as a source wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// Text, a number or a truth value; commas separate where a list is wanted.
    One(String),
    /// An array of the file.
    Many(Vec<String>),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(text) => f.write_str(text),
            Self::Many(items) => f.write_str(&items.join(", ")),
        }
    }
}

/// A type that a key may have.
pub(crate) trait Setting: Sized {
    /// What may be written, in words, for the reference page and for errors.
    const KIND: &'static str;
    /// Whether an array is expected.
    const IS_LIST: bool = false;

    /// Reads one source's value; the error says what is wrong with it, in a few words.
    fn read(raw: &Raw) -> Result<Self, String>;
}

/// Everything that is one text on its own.
pub(crate) trait Word: Sized {
    const KIND: &'static str;
    fn read_word(text: &str) -> Result<Self, String>;
}

impl<T: Word> Setting for T {
    const KIND: &'static str = T::KIND;

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::One(text) => T::read_word(text.trim()),
            Raw::Many(_) => Err(format!("one value is wanted here ({})", T::KIND)),
        }
    }
}

impl<T: Word> Setting for Option<T> {
    const KIND: &'static str = T::KIND;

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::One(text) if text.trim().is_empty() => Ok(None),
            other => <T as Setting>::read(other).map(Some),
        }
    }
}

impl<T: Word> Setting for Vec<T> {
    const KIND: &'static str = T::KIND;
    const IS_LIST: bool = true;

    fn read(raw: &Raw) -> Result<Self, String> {
        let read = |text: &str| T::read_word(text.trim());
        match raw {
            Raw::One(text) => text
                .split(',')
                .filter(|item| !item.trim().is_empty())
                .map(read)
                .collect(),
            Raw::Many(items) => items.iter().map(|item| read(item)).collect(),
        }
    }
}

impl Word for String {
    const KIND: &'static str = "text";

    fn read_word(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".into());
        }
        Ok(text.to_owned())
    }
}

impl Word for bool {
    const KIND: &'static str = "`true` or `false`";

    fn read_word(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("only true or false".into()),
        }
    }
}

impl Word for u32 {
    const KIND: &'static str = "a number";

    fn read_word(text: &str) -> Result<Self, String> {
        text.replace('_', "")
            .parse()
            .map_err(|_| format!("not a whole number from 0 to {}", Self::MAX))
    }
}

impl Word for PathBuf {
    const KIND: &'static str = "a path";

    fn read_word(text: &str) -> Result<Self, String> {
        <String as Word>::read_word(text).map(Self::from)
    }
}

impl Word for SocketAddr {
    const KIND: &'static str = "`ADDRESS:PORT`";

    fn read_word(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "not an address with a port, for example 127.0.0.1:8000".into())
    }
}

/// The least important level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(pub(crate) LevelFilter);

impl Word for LogLevel {
    const KIND: &'static str = "`off`, `error`, `warn`, `info`, `debug` or `trace`";

    fn read_word(text: &str) -> Result<Self, String> {
        match text {
            "off" | "error" | "warn" | "info" | "debug" | "trace" => LevelFilter::from_str(text)
                .map(Self)
                .map_err(|error| error.to_string()),
            _ => Err("only off, error, warn, info, debug or trace".into()),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Auto,
    Human,
    Json,
}

impl Word for LogFormat {
    const KIND: &'static str = "`auto`, `human` or `json`";

    fn read_word(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("only auto, human or json".into()),
        }
    }
}

/// A valid Topic Name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicText(pub(crate) String);

impl Word for TopicText {
    const KIND: &'static str = "a topic";

    fn read_word(text: &str) -> Result<Self, String> {
        mqtt::TopicName::try_from(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|error| error.to_string())
    }
}

/// A valid Topic Filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterText(pub(crate) String);

impl Word for FilterText {
    const KIND: &'static str = "topic filters";

    fn read_word(text: &str) -> Result<Self, String> {
        mqtt::TopicFilter::try_from(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|error| error.to_string())
    }
}

/// One permission: `IDENTITY publish|subscribe FILTER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessRule {
    pub(crate) identity: String,
    pub(crate) publish: bool,
    pub(crate) filter: String,
}

impl Word for AccessRule {
    const KIND: &'static str = "`IDENTITY publish FILTER` or `IDENTITY subscribe FILTER`";

    fn read_word(text: &str) -> Result<Self, String> {
        let mut words = text.splitn(3, char::is_whitespace);
        let (Some(identity), Some(verb), Some(filter)) = (words.next(), words.next(), words.next())
        else {
            return Err("three words are wanted, for example: pump-01 publish plant/#".into());
        };
        let publish = match verb {
            "publish" => true,
            "subscribe" => false,
            _ => return Err(format!("{verb:?} is neither publish nor subscribe")),
        };
        FilterText::read_word(filter.trim()).map(|filter| Self {
            identity: identity.to_owned(),
            publish,
            filter: filter.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Raw {
        Raw::One(text.into())
    }

    #[test]
    fn lists_come_from_arrays_and_from_commas() {
        let many = Raw::Many(vec!["a".into(), "b,c".into()]);
        assert_eq!(
            Vec::<String>::read(&many),
            Ok(vec!["a".into(), "b,c".into()])
        );
        assert_eq!(
            Vec::<String>::read(&one("a, b,")),
            Ok(vec!["a".into(), "b".into()])
        );
        assert_eq!(Vec::<String>::read(&one("")), Ok(vec![]));
    }

    #[test]
    fn a_permission_has_three_words() {
        assert_eq!(
            AccessRule::read(&one("pump-01 publish plant/#")),
            Ok(AccessRule {
                identity: "pump-01".into(),
                publish: true,
                filter: "plant/#".into()
            })
        );
        assert!(AccessRule::read(&one("pump-01 write plant/#")).is_err());
        assert!(AccessRule::read(&one("pump-01 publish plant/#/x")).is_err());
    }
}
