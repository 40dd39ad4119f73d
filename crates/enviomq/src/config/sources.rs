//! Sources: which of several offers for a key wins, and where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::settings::{KEYS, Key};
use super::value::{Raw, Setting};
use crate::failure::{Exit, Failure};

/// Where a value came from; a later variant outweighs an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Environment { variable: String },
    Flag { flag: String },
}

impl Source {
    fn weight(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment { .. } => 2,
            Self::Flag { .. } => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => f.write_str(variable),
            Self::Flag { flag } => f.write_str(flag),
        }
    }
}

/// The effective value of every key.
#[derive(Clone, Debug)]
pub(crate) struct Values(BTreeMap<&'static str, (Raw, Source)>);

impl Values {
    /// The built-in defaults.
    pub(crate) fn defaults() -> Self {
        Self(
            KEYS.iter()
                .map(|key| {
                    (
                        key.path,
                        (Raw::One(key.default.to_owned()), Source::Default),
                    )
                })
                .collect(),
        )
    }

    /// Takes `raw` for `key` unless a heavier source has already spoken.
    ///
    /// Which source speaks first makes no difference; of two offers with the
    /// same weight the later one wins, as with a flag given twice.
    ///
    /// # Errors
    /// If `raw` is not a value of that key: even an offer that would not win is
    /// a mistake somebody should hear about.
    pub(crate) fn offer(&mut self, key: &Key, raw: Raw, source: Source) -> Result<(), Failure> {
        if let Err(problem) = (key.check)(&raw) {
            return Err(bad_value(key, &raw, &source, &problem));
        }
        let held = self.0.get(key.path).map_or(0, |(_, held)| held.weight());
        if source.weight() >= held {
            self.0.insert(key.path, (raw, source));
        }
        Ok(())
    }

    /// Takes what the environment says.
    ///
    /// # Errors
    /// For a value that does not fit, and for a variable in one of our sections
    /// that is no key of it.
    pub(crate) fn offer_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Failure> {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix("ENVIOMQ_") else {
                continue;
            };
            match KEYS.iter().find(|key| key.variable() == variable) {
                Some(key) => {
                    let source = Source::Environment { variable };
                    self.offer(key, Raw::One(value), source)?;
                }
                None if is_ours(name) => return Err(unknown_variable(&variable)),
                None => {}
            }
        }
        Ok(())
    }

    /// Takes `KEY=VALUE` or a key and value given by a flag.
    ///
    /// # Errors
    /// For an unknown key or a value that does not fit.
    pub(crate) fn offer_flag(&mut self, path: &str, value: Raw, flag: &str) -> Result<(), Failure> {
        let source = Source::Flag {
            flag: flag.to_owned(),
        };
        match find_key(path) {
            Some(key) => self.offer(key, value, source),
            None => Err(unknown_key(path, &source)),
        }
    }

    /// The typed value of a key.
    pub(crate) fn read<T: Setting>(&self, path: &'static str) -> Result<T, Failure> {
        let (raw, source) = &self.0[path];
        T::read(raw).map_err(|problem| {
            let key = find_key(path).expect("invariant: callers name keys of the table");
            bad_value(key, raw, source, &problem)
        })
    }

    /// Where the value of a key comes from.
    pub(crate) fn source(&self, path: &'static str) -> &Source {
        &self.0[path].1
    }

    /// Every key with its value and source, in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Key, &Raw, &Source)> {
        KEYS.iter().map(|key| {
            let (raw, source) = &self.0[key.path];
            (key, raw, source)
        })
    }
}

/// The key with that path.
pub(crate) fn find_key(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The error for a key that does not exist; names the nearest one.
pub(crate) fn unknown_key(path: &str, source: &Source) -> Failure {
    Failure::new("ENV-U701")
        .with("key", path)
        .with("source", source)
        .with("nearest", nearest(path, KEYS.iter().map(|key| key.path)))
        .mend("enviomq config show")
        .exit(Exit::Usage)
}

fn unknown_variable(variable: &str) -> Failure {
    let names: Vec<String> = KEYS.iter().map(Key::variable).collect();
    Failure::new("ENV-U701")
        .with("key", variable)
        .with("source", "environment")
        .with(
            "nearest",
            nearest(variable, names.iter().map(String::as_str)),
        )
        .mend("enviomq config show")
        .exit(Exit::Usage)
}

fn bad_value(key: &Key, raw: &Raw, source: &Source, problem: &str) -> Failure {
    Failure::new("ENV-U702")
        .with("key", key.path)
        .with("value", raw)
        .with("source", source)
        .because(problem)
        .exit(Exit::Usage)
        .mend("enviomq config show")
}

/// The candidate that looks most like `word`.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    // A bare name is more often the right name without its section than another word.
    candidates
        .max_by(|left, right| likeness(word, left).total_cmp(&likeness(word, right)))
        .unwrap_or_default()
        .to_owned()
}

fn likeness(word: &str, candidate: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(word, candidate);
    match candidate.split_once('.') {
        Some((_, name)) if !word.contains('.') => {
            whole.max(strsim::normalized_damerau_levenshtein(word, name))
        }
        _ => whole,
    }
}

/// Whether a variable (without `ENVIOMQ_`) claims to be a key of one of our sections.
///
/// Kubernetes and old Docker links put variables such as
/// `ENVIOMQ_BROKER_PORT_8883_TCP_ADDR` into every container beside a service
/// named `enviomq-broker`; they are nobody's typing mistake.
fn is_ours(name: &str) -> bool {
    let Some((section, rest)) = name.split_once('_') else {
        return false;
    };
    let is_section = KEYS
        .iter()
        .any(|key| key.section.eq_ignore_ascii_case(section));
    let is_link = rest == "PORT"
        || rest == "NAME"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_")
        || rest.starts_with("ENV_");
    is_section && !is_link
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use proptest::prelude::*;

    /// One offer per source for the same key, with different values.
    fn offers() -> Vec<(Raw, Source)> {
        vec![
            (
                Raw::One("debug".into()),
                Source::File {
                    path: "enviomq.toml".into(),
                    line: 3,
                },
            ),
            (
                Raw::One("warn".into()),
                Source::Environment {
                    variable: "ENVIOMQ_LOG_LEVEL".into(),
                },
            ),
            (
                Raw::One("trace".into()),
                Source::Flag {
                    flag: "--log-level".into(),
                },
            ),
        ]
    }

    proptest! {
        /// Whoever speaks first, the heaviest source that spoke at all wins.
        #[test]
        fn the_order_in_which_sources_speak_makes_no_difference(
            order in Just(vec![0_usize, 1, 2]).prop_shuffle(),
            present in proptest::array::uniform3(any::<bool>()),
        ) {
            let key = find_key("log.level").unwrap();
            let mut values = Values::defaults();
            for index in order.into_iter().filter(|index| present[*index]) {
                let (raw, source) = offers().swap_remove(index);
                values.offer(key, raw, source).unwrap();
            }
            let heaviest = (0..3).rev().find(|index| present[*index]);
            let (_, raw, source) = values.iter().find(|(key, ..)| key.path == "log.level").unwrap();
            match heaviest {
                Some(index) => {
                    let (expected, from) = offers().swap_remove(index);
                    prop_assert_eq!(raw, &expected);
                    prop_assert_eq!(source, &from);
                }
                None => prop_assert_eq!(source, &Source::Default),
            }
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in KEYS {
            let result = (key.check)(&Raw::One(key.default.to_owned()));
            assert_eq!(result, Ok(()), "{}", key.path);
        }
    }

    #[test]
    fn an_unknown_variable_of_ours_names_the_nearest_key() {
        let mut values = Values::defaults();
        let failure = values
            .offer_environment([("ENVIOMQ_BROKER_LISTN".into(), "*:1".into())].into_iter())
            .unwrap_err();
        assert!(
            failure
                .render(Language::English)
                .contains("ENVIOMQ_BROKER_LISTEN")
        );
    }

    #[test]
    fn variables_that_orchestrators_invent_are_left_alone() {
        let mut values = Values::defaults();
        let foreign = [
            ("ENVIOMQ_BROKER_PORT_8883_TCP_ADDR", "10.0.0.1"),
            ("ENVIOMQ_BROKER_SERVICE_HOST", "10.0.0.1"),
            ("ENVIOMQ_BROKER_PORT", "tcp://10.0.0.1:8883"),
            ("ENVIOMQ_DATA_DIR", "/data"),
            ("PATH", "/bin"),
        ];
        let foreign = foreign.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(values.offer_environment(foreign.into_iter()).is_ok());
    }

    #[test]
    fn the_nearest_key_is_found_with_and_without_its_section() {
        let paths = || KEYS.iter().map(|key| key.path);
        assert_eq!(nearest("broker.lisen", paths()), "broker.listen");
        assert_eq!(
            nearest("history_max_age", paths()),
            "subscriber.history_max_age"
        );
    }
}
