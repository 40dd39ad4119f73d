//! Payloads as a page shows them: text as text, everything else as hexadecimal, never as HTML.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::layout::Ui;

/// A payload, ready to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PayloadView {
    /// `text`, `hex` or `empty`.
    pub(crate) kind: &'static str,
    /// What is seen at once.
    pub(crate) preview: String,
    /// What is seen after opening; empty if `preview` is everything.
    pub(crate) more: String,
    /// Says that even `more` is only the beginning; empty otherwise.
    pub(crate) cut: String,
    /// The length of the whole payload, for people.
    pub(crate) size: String,
}

impl PayloadView {
    /// Shows a payload of `size` bytes of which `head` is known.
    pub(crate) fn new(ui: &Ui, head: &[u8], size: u64, is_text: bool) -> PayloadView {
        let (kind, preview, more, shown) = if size == 0 {
            (
                "empty",
                ui.t("payload.empty").into_owned(),
                String::new(),
                0,
            )
        } else if is_text {
            let text = whole_characters(head);
            let visible = visible(text);
            let short = beginning(&visible);
            let more = if short.len() < visible.len() {
                visible.clone()
            } else {
                String::new()
            };
            ("text", short.to_owned(), more, text.len() as u64)
        } else {
            let all = &head[..head.len().min(HEX_MAX)];
            let short = &all[..all.len().min(HEX_SHORT)];
            let more = if short.len() < all.len() {
                hex_dump(all)
            } else {
                String::new()
            };
            ("hex", hex_dump(short), more, all.len() as u64)
        };
        let cut = if shown < size {
            let shown = ui.language.size(shown);
            ui.with("payload.cut", "shown", &shown)
        } else {
            String::new()
        };
        PayloadView {
            kind,
            preview,
            more,
            cut,
            size: ui.language.size(size),
        }
    }
}

/// The whole payload as a file: no browser will try to show it.
pub(crate) fn download(name: &str, payload: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (StatusCode::OK, headers, Body::from(payload)).into_response()
}

/// The valid part of a text that may have been cut within a character.
fn whole_characters(head: &[u8]) -> &str {
    match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Makes control characters visible instead of letting them act.
fn visible(text: &str) -> String {
    let show = |c: char| match c {
        '\n' | '\t' => c,
        '\u{7f}' => '\u{2421}',
        // The "control pictures" follow the order of the controls.
        '\0'..'\u{20}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        // Marks that turn the direction of what follows could make a text read as another.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => c,
    };
    text.replace("\r\n", "\n").chars().map(show).collect()
}

/// The first lines of a text, up to what is read at a glance.
fn beginning(text: &str) -> &str {
    let lines = text.match_indices('\n').nth(PREVIEW_LINES - 1);
    let by_lines = lines.map_or(text.len(), |(at, _)| at);
    let characters = text.char_indices().nth(PREVIEW_CHARACTERS);
    let by_characters = characters.map_or(text.len(), |(at, _)| at);
    &text[..by_lines.min(by_characters)]
}

/// Sixteen bytes a line: offset, hexadecimal, and what of it is ASCII.
fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        if line > 0 {
            dump.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = write!(dump, "{:04x} ", line * 16);
        for index in 0..16 {
            let gap = if index % 8 == 0 { " " } else { "" };
            let _ = match chunk.get(index) {
                Some(byte) => write!(dump, "{gap}{byte:02x} "),
                None => write!(dump, "{gap}   "),
            };
        }
        dump.push(' ');
        let ascii = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '·',
        };
        dump.extend(chunk.iter().map(ascii));
    }
    dump
}

/// A moment as `<time>` wants it and as people without JavaScript read it, in UTC.
pub(crate) fn time(at_ms: i64) -> (String, String) {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let utc = at.to_zoned(TimeZone::UTC);
    let machine = utc.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    (machine, utc.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

const PREVIEW_LINES: usize = 8;
const PREVIEW_CHARACTERS: usize = 400;
const HEX_SHORT: usize = 64;
/// 1 KiB is 64 lines of dump; whoever needs more downloads it.
const HEX_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_direction_marks_are_shown_instead_of_obeyed() {
        assert_eq!(visible("a\u{1b}[31m\0\r\nb\rc"), "a␛[31m␀\nb␍c");
        assert_eq!(visible("gpj.\u{202e}exe"), "gpj.\u{fffd}exe");
    }

    #[test]
    fn a_text_cut_within_a_character_ends_before_it() {
        assert_eq!(whole_characters("señal".as_bytes()), "señal");
        assert_eq!(whole_characters(&"señal".as_bytes()[..3]), "se");
    }

    #[test]
    fn a_dump_shows_offset_bytes_and_ascii() {
        let dump = hex_dump(b"0123456789abcdef\xff\x00A");
        let lines: Vec<_> = dump.lines().collect();
        assert_eq!(
            lines[0],
            "0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef"
        );
        assert!(lines[1].starts_with("0010  ff 00 41 "), "{}", lines[1]);
        assert!(lines[1].ends_with(" ··A"), "{}", lines[1]);
    }

    #[test]
    fn the_beginning_is_bounded_in_lines_and_in_characters() {
        assert_eq!(beginning("uno\ndos"), "uno\ndos");
        assert_eq!(beginning(&"x\n".repeat(100)).lines().count(), PREVIEW_LINES);
        let long = "ñ".repeat(1000);
        assert_eq!(beginning(&long).chars().count(), PREVIEW_CHARACTERS);
    }

    #[test]
    fn times_are_written_for_machines_and_for_people() {
        let (machine, people) = time(1_700_000_000_123);
        assert_eq!(machine, "2023-11-14T22:13:20.123Z");
        assert_eq!(people, "2023-11-14 22:13:20 UTC");
    }
}
