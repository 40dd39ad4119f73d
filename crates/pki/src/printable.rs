//! Printable: names in certificates of strangers, made harmless for terminals and logs.
//!
//! A name may hold line breaks, escape sequences, or marks that turn the direction of text.

/// The text with everything that acts instead of being seen written as `\u{..}`.
///
/// What was escaped holds a `\`, which no identity and no host name may: it never passes for
/// another name.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
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
    fn ordinary_names_stay_as_they_are() {
        for text in ["", "bomba-01", "O=Aula \"7\", CN=señal", "日本"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn what_acts_is_shown() {
        assert_eq!(printable("a\nWARN\0b"), "a\\u{a}WARN\\u{0}b");
        assert_eq!(printable("\u{1b}[31m"), "\\u{1b}[31m");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
    }
}
