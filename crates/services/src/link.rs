//! The state of the connection to the broker, in words for a page.

use client::{ClientError, ConnectionState};
use serde::Serialize;

use crate::Language;

/// What is known of the connection, as the driver tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Trying, nothing known yet.
    Connecting,
    /// The broker has answered and everything is in place.
    Connected,
    /// Connected, but not everything the role needs was granted.
    Limited(Why),
    /// No connection; it is tried again by itself.
    Down(Why),
    /// Closed by us.
    Closed,
}

/// Why something did not happen: a stable code, and the evidence in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// The same, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LinkView {
    /// `connected`, `connecting`, `limited` or `down`; colour and icon follow it.
    pub(crate) kind: &'static str,
    /// A few words for the header.
    pub(crate) text: String,
    /// A sentence that explains what is wrong; empty if nothing is.
    pub(crate) why: String,
    /// The evidence behind that sentence, in the words of whoever said it.
    pub(crate) detail: String,
}

impl LinkState {
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, LinkState::Connected)
    }

    /// Moves on to `next`; true if that changes what is shown.
    ///
    /// While the connection is down each attempt is a short "connecting". The page goes on
    /// saying why it is down until one succeeds, instead of flickering.
    pub(crate) fn follow(&mut self, next: LinkState) -> bool {
        let is_attempt = matches!((&self, &next), (LinkState::Down(_), LinkState::Connecting));
        let changes = !is_attempt && *self != next;
        if changes {
            *self = next;
        }
        changes
    }

    /// Puts the state in words. `broker` is its address, `identity` our name.
    pub(crate) fn view(&self, language: Language, identity: &str, broker: &str) -> LinkView {
        let (kind, text, why) = match self {
            LinkState::Connecting => ("connecting", language.text("link.connecting"), None),
            LinkState::Connected => {
                let text = language.text_with("link.connected", "identity", identity);
                ("connected", text.into(), None)
            }
            LinkState::Limited(why) => ("limited", language.text("link.limited"), Some(why)),
            LinkState::Down(why) => ("down", language.text("link.down"), Some(why)),
            LinkState::Closed => ("down", language.text("link.closed"), None),
        };
        LinkView {
            kind,
            text: text.into_owned(),
            why: why.map_or_else(String::new, |why| explain(language, &why.code, broker)),
            detail: why.map_or_else(String::new, |why| why.detail.clone()),
        }
    }
}

impl From<&ConnectionState> for LinkState {
    fn from(state: &ConnectionState) -> LinkState {
        match state {
            ConnectionState::Connecting { .. } => LinkState::Connecting,
            ConnectionState::Connected { .. } => LinkState::Connected,
            ConnectionState::Waiting { why, .. } | ConnectionState::Refused { why, .. } => {
                LinkState::Down(Why::from(why))
            }
            ConnectionState::Closed { .. } => LinkState::Closed,
        }
    }
}

impl From<&ClientError> for Why {
    fn from(error: &ClientError) -> Why {
        let is_told = matches!(
            error,
            ClientError::ConnectionRefused { .. }
                | ClientError::TimedOut { .. }
                | ClientError::ConnectionLost
                | ClientError::NotConnected
                | ClientError::Closed
        );
        Why {
            code: error.code().to_owned(),
            // Where our sentence says all there is, the evidence would only repeat it.
            detail: if is_told {
                String::new()
            } else {
                error.to_string()
            },
        }
    }
}

/// The sentence of a code, with the code in front; just the code if it has no sentence.
pub(crate) fn explain(language: Language, code: &str, broker: &str) -> String {
    match CODES.iter().find(|(known, _)| *known == code) {
        Some((_, key)) => {
            let text = language.text_with(key, "broker", broker);
            format!("{text} ({code})")
        }
        None => code.to_owned(),
    }
}

/// The codes a page has words for.
const CODES: &[(&str, &str)] = &[
    ("ENV-A601", "why.not_authorized"),
    ("ENV-C201", "why.expired"),
    ("ENV-C202", "why.not_yet_valid"),
    ("ENV-C203", "why.unknown_issuer"),
    ("ENV-C206", "why.purpose"),
    ("ENV-C208", "why.revoked"),
    ("ENV-I501", "why.client_id"),
    ("ENV-I506", "why.taken_over"),
    ("ENV-N301", "why.name"),
    ("ENV-N304", "why.not_found"),
    ("ENV-N305", "why.not_listening"),
    ("ENV-N306", "why.timeout"),
    ("ENV-N307", "why.disconnected"),
    ("ENV-N308", "why.silent"),
    ("ENV-N309", "why.refused"),
    ("ENV-N310", "why.protocol"),
    ("ENV-N311", "why.queue_full"),
    (CODE_UNSENDABLE, "why.unsendable"),
    ("ENV-N313", "why.stopped"),
    ("ENV-T401", "why.no_certificate"),
    ("ENV-T402", "why.tls"),
    ("ENV-T403", "why.tls"),
    ("ENV-T404", "why.not_tls"),
    ("ENV-T406", "why.not_tls"),
    (store::sent::CODE_RESTARTED, "why.restarted"),
    (CODE_FILTER, "why.filter"),
    (CODE_NOT_STORED, "why.not_stored"),
];

/// MQTT or the broker cannot carry a message; a code of the client.
pub(crate) const CODE_UNSENDABLE: &str = "ENV-N312";
/// A filter was not granted.
pub(crate) const CODE_FILTER: &str = "ENV-P702";
/// What arrives cannot be stored.
pub(crate) const CODE_NOT_STORED: &str = "ENV-P703";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_do_not_hide_why_the_connection_is_down() {
        let down = LinkState::Down(Why::from(&ClientError::NotConnected));
        let mut shown = LinkState::Connecting;
        assert!(shown.follow(down.clone()));
        assert!(!shown.follow(LinkState::Connecting));
        assert!(!shown.follow(down.clone()));
        assert_eq!(shown, down);
        assert!(shown.follow(LinkState::Connected));
        assert!(shown.follow(LinkState::Connecting));
    }

    #[test]
    fn a_code_without_a_sentence_is_still_told() {
        assert_eq!(explain(Language::English, "ENV-X999", "b"), "ENV-X999");
    }
}
