//! Language: Spanish or English, chosen by cookie, then by the browser, then by the configuration.

use std::borrow::Cow;

/// A language of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// The language of a tag such as `es`, `es-MX` or `en_GB.UTF-8`; `None` for all others.
    pub fn from_tag(tag: &str) -> Option<Language> {
        let primary = tag.trim().split(['-', '_', '.']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("es") {
            Some(Language::Spanish)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Language::English)
        } else {
            None
        }
    }

    /// The language an `Accept-Language` header likes best among ours.
    pub fn from_accept_language(header: &str) -> Option<Language> {
        let mut best: Option<(Language, f32)> = None;
        for choice in header.split(',') {
            let (tag, parameters) = choice.split_once(';').unwrap_or((choice, ""));
            let weight = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            let Some(language) = Language::from_tag(tag) else {
                continue;
            };
            if weight > 0.0 && best.is_none_or(|(_, heaviest)| weight > heaviest) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// Its tag: `en` or `es`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Spanish => "es",
        }
    }

    /// The text of `key` from the catalogue.
    pub(crate) fn text(self, key: &str) -> Cow<'static, str> {
        match crate::_rust_i18n_try_translate(self.tag(), key) {
            Some(text) => Cow::Owned(text.into_owned()),
            // A test proves that no key is missing.
            None => Cow::Owned(key.to_owned()),
        }
    }

    /// The text of `key` with `%{name}` replaced by `value`.
    pub(crate) fn text_with(self, key: &str, name: &str, value: &str) -> String {
        self.text(key).replace(&format!("%{{{name}}}"), value)
    }

    /// A count of bytes for people: `12 B`, `4.0 KiB`, `1,5 MiB`.
    pub(crate) fn size(self, bytes: u64) -> String {
        let (unit, divisor) = match bytes {
            0..1024 => return format!("{bytes} B"),
            1024..1_048_576 => ("KiB", 1024.0),
            _ => ("MiB", 1_048_576.0),
        };
        // Precise enough below 2^53 bytes; no payload is near that.
        let number = format!("{:.1}", bytes as f64 / divisor);
        match self {
            Language::English => format!("{number} {unit}"),
            Language::Spanish => format!("{} {unit}", number.replace('.', ",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_gets_the_language_it_likes_best() {
        let chosen = Language::from_accept_language;
        assert_eq!(chosen("es-MX,es;q=0.9,en;q=0.8"), Some(Language::Spanish));
        assert_eq!(
            chosen("fr, en;q=0.4, es;q=0.7, *;q=0.1"),
            Some(Language::Spanish)
        );
        assert_eq!(chosen("en-US,en;q=0.5"), Some(Language::English));
        assert_eq!(chosen("es;q=0, en;q=0.1"), Some(Language::English));
        assert_eq!(chosen("de, fr"), None);
        assert_eq!(chosen(";;;,q=1,"), None);
    }

    #[test]
    fn sizes_are_written_as_the_language_does() {
        assert_eq!(Language::English.size(0), "0 B");
        assert_eq!(Language::English.size(1536), "1.5 KiB");
        assert_eq!(Language::Spanish.size(1_572_864), "1,5 MiB");
    }
}
