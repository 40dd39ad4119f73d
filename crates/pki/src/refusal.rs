//! Refusal: why a handshake failed, with the evidence, for logs and for people.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use crate::dates::{date, span};

/// One failed handshake, explained.
///
/// `detail` is English; whoever speaks to people translates by `code` and
/// fills in [`Refusal::fields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code of the catalogue, `ENV-C201` and so on.
    pub code: &'static str,
    /// Subject of the certificate that was refused, where one was presented.
    pub subject: Option<String>,
    /// Who signed it.
    pub issuer: Option<String>,
    /// Its serial number, upper-case hexadecimal.
    pub serial: Option<String>,
    /// Its beginning.
    pub not_before: Option<SystemTime>,
    /// Its end.
    pub not_after: Option<SystemTime>,
    /// The clock the certificate was judged by.
    pub judged_at: Option<SystemTime>,
    /// Whom this side trusts, or the names the server's certificate carries.
    pub expected: Vec<String>,
    /// The name this side wanted, or the alert it received.
    pub found: Option<String>,
    /// What happened, in one English sentence.
    pub detail: String,
}

impl Refusal {
    /// A refusal without a certificate to show.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal {
            code,
            subject: None,
            issuer: None,
            serial: None,
            not_before: None,
            not_after: None,
            judged_at: None,
            expected: Vec::new(),
            found: None,
            detail: detail.into(),
        }
    }

    /// The evidence, named as in the catalogue's placeholders (`{who}`, `{issuer}`, ...).
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if let Some(subject) = &self.subject {
            fields.push(("who", subject.clone()));
        }
        if let Some(issuer) = &self.issuer {
            fields.push(("issuer", issuer.clone()));
        }
        if let Some(serial) = &self.serial {
            fields.push(("serial", serial.clone()));
        }
        if let Some(found) = &self.found {
            fields.push(("name", found.clone()));
        }
        if !self.expected.is_empty() {
            fields.push(("list", self.expected.join(", ")));
        }
        if let Some(now) = self.judged_at {
            fields.push(("now", date(now)));
            if let Some(end) = self.not_after.filter(|end| *end <= now) {
                fields.extend([("date", date(end)), ("n", span(end, now))]);
            } else if let Some(start) = self.not_before.filter(|start| now < *start) {
                fields.extend([("date", date(start)), ("skew", span(now, start))]);
            }
        }
        fields
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// Where one connection's verifier leaves its evidence; clones share it.
///
/// rustls passes on only a terse error. The verifier sees the certificate, so
/// it writes down what it saw before it returns that error, and rustls still
/// sends the precise alert.
#[derive(Debug, Clone, Default)]
pub struct RefusalSlot(Arc<OnceLock<Refusal>>);

impl RefusalSlot {
    /// What the verifier saw, once it has refused.
    pub fn evidence(&self) -> Option<&Refusal> {
        self.0.get()
    }

    /// Keeps the first refusal of this connection: there is at most one.
    pub(crate) fn record(&self, refusal: Refusal) {
        let _ = self.0.set(refusal);
    }
}
