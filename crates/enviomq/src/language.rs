//! Language: which of the two a person is spoken to in, and the words for it.
//!
//! Every text for a person lives in `locales/{en,es}.yml` under a stable key.
//! Commands, flags, codes, JSON keys and log lines are never translated.

use std::fmt::Display;

/// A language the program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Spanish,
}

impl Language {
    /// Decides by `--lang`, then `ENVIOMQ_LANG`, then `LC_ALL`, `LC_MESSAGES` and `LANG`.
    ///
    /// Looks at the raw arguments, because help and usage errors are printed
    /// before any of them is parsed.
    pub(crate) fn detect(arguments: &[String], variable: impl Fn(&str) -> Option<String>) -> Self {
        flag_value(arguments, "--lang")
            .and_then(|tag| Self::from_tag(&tag))
            .or_else(|| {
                ["ENVIOMQ_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
                    .into_iter()
                    .filter_map(&variable)
                    .find_map(|tag| Self::from_tag(&tag))
            })
            .unwrap_or(Self::English)
    }

    /// Reads `es`, `es-EC` or `es_EC.UTF-8`; `None` for a language we do not speak.
    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.', '@']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// The tag of the catalogue: `en` or `es`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// The text of `key`, or the key itself where the catalogue has none (a test forbids it).
    pub(crate) fn text(self, key: &str) -> String {
        self.find(key).unwrap_or_else(|| key.to_owned())
    }

    /// The text of `key` with each `%{name}` filled in.
    pub(crate) fn say(self, key: &str, values: &[(&str, &dyn Display)]) -> String {
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let texts: Vec<String> = values.iter().map(|(_, value)| value.to_string()).collect();
        rust_i18n::replace_patterns(&self.text(key), &names, &texts)
    }

    /// The text of `key`, if the catalogue has one.
    pub(crate) fn find(self, key: &str) -> Option<String> {
        crate::_rust_i18n_try_translate(self.code(), key).map(std::borrow::Cow::into_owned)
    }
}

/// The value of `--flag VALUE` or `--flag=VALUE` before any `--`.
fn flag_value(arguments: &[String], flag: &str) -> Option<String> {
    let mut rest = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = rest.next() {
        if word == flag {
            return rest.next().cloned();
        }
        if let Some(value) = word
            .strip_prefix(flag)
            .and_then(|tail| tail.strip_prefix('='))
        {
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(arguments: &[&str], variables: &[(&str, &str)]) -> Language {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Language::detect(&arguments, |name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_flag_wins_over_the_environment_in_both_spellings() {
        let spanish = [("ENVIOMQ_LANG", "es"), ("LANG", "es_EC.UTF-8")];
        assert_eq!(detect(&["--lang", "en"], &spanish), Language::English);
        assert_eq!(detect(&["up", "--lang=en"], &spanish), Language::English);
        assert_eq!(detect(&["up"], &spanish), Language::Spanish);
    }

    #[test]
    fn the_environment_is_asked_in_order_and_posix_means_english() {
        assert_eq!(
            detect(&[], &[("LC_ALL", "es_ES.UTF-8"), ("LANG", "en_US")]),
            Language::Spanish
        );
        assert_eq!(
            detect(&[], &[("ENVIOMQ_LANG", "en"), ("LANG", "es_ES")]),
            Language::English
        );
        assert_eq!(
            detect(&[], &[("LC_ALL", "C"), ("LANG", "es_ES")]),
            Language::Spanish
        );
        assert_eq!(detect(&[], &[]), Language::English);
    }

    #[test]
    fn what_follows_two_dashes_is_a_message_and_not_a_flag() {
        assert_eq!(
            detect(&["pub", "a", "--", "--lang", "es"], &[]),
            Language::English
        );
    }
}
