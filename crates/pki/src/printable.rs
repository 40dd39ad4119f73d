//! Printable: text that strangers chose, made harmless for terminals and logs.
//!
//! Client Identifiers, topics and names in foreign certificates may hold line breaks, escape
//! sequences, or marks that turn the direction of text. Shown as they are, they would act.

use std::borrow::Cow;

/// The text with everything that acts instead of being seen written as `\u{..}`.
///
/// What was escaped holds a `\`, which no identity and no host name may: it never passes for
/// another name.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Controls, line and paragraph separators, and the marks that reorder what is displayed.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "bomba-01", "chat/señal \"7\"", "日本"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn line_breaks_escapes_and_direction_marks_cannot_act() {
        assert_eq!(printable("a\nWARN b"), "a\\u{a}WARN b");
        assert_eq!(printable("\u{1b}[31m"), "\\u{1b}[31m");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
    }
}
