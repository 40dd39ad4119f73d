//! From a rustls error to a code, the evidence and a sentence.

use std::{net::IpAddr, time::SystemTime};

use rustls::{CertificateError, Error, ExtendedKeyPurpose};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    alerts::{alert_from_server, without_evidence},
    server::Presented,
};
use crate::{
    Leaf, Refusal,
    dates::{date, span},
    inspect,
};

/// What this side knows of its own authorities, to compare a stranger with.
#[derive(Debug)]
pub(super) struct Judge {
    /// Subjects of what we trust, for people.
    ours: Vec<String>,
    /// Raw subjects of roots and known intermediates.
    known: Vec<Vec<u8>>,
    /// Organisations of our roots: our authorities carry their name there.
    organisations: Vec<String>,
}

impl Judge {
    pub(super) fn new(roots: &[CertificateDer<'_>], intermediates: &[CertificateDer<'_>]) -> Judge {
        let parsed = || roots.iter().filter_map(|root| inspect::parse(root).ok());
        let known = roots
            .iter()
            .chain(intermediates)
            .filter_map(|c| inspect::parse(c).ok());
        Judge {
            ours: parsed()
                .map(|root| inspect::display_name(root.subject()))
                .collect(),
            known: known
                .map(|certificate| certificate.subject().as_raw().to_vec())
                .collect(),
            organisations: roots
                .iter()
                .filter_map(|root| Leaf::parse(root).ok()?.issuer_organisation)
                .collect(),
        }
    }
}

/// Explains to the server why it refused a client certificate.
pub(super) fn explain_client_refusal(
    judge: &Judge,
    presented: Presented<'_>,
    error: &Error,
) -> Refusal {
    let Ok(leaf) = Leaf::parse(presented.leaf) else {
        return Refusal::new("ENV-C205", "the client's certificate cannot be read at all");
    };
    let mut refusal = judge_leaf(&leaf, error, presented.now, "client");
    if refusal.code == UNKNOWN_ISSUER {
        refusal = unknown_issuer(judge, &leaf, presented);
    }
    with_evidence(refusal, leaf, presented.now)
}

/// Explains to a client why it refused the server, or why the server refused it.
///
/// Without the certificate at hand: [`super::ClientTls::explain`] knows more.
pub fn explain_server_refusal(error: &Error, host: &str) -> Refusal {
    match error {
        Error::InvalidCertificate(reason) => server_certificate(reason, host),
        Error::AlertReceived(alert) => alert_from_server(*alert),
        other => without_evidence(other),
    }
}

/// The same with the server's leaf as evidence.
pub(super) fn explain_server_certificate(
    leaf: Leaf,
    error: &Error,
    host: &str,
    now: SystemTime,
    ours: &[String],
) -> Refusal {
    let mut refusal = judge_leaf(&leaf, error, now, "server");
    if refusal.code == UNKNOWN_ISSUER {
        refusal.detail = format!(
            "the server's certificate was signed by \"{}\", which this side does not trust; it trusts {}",
            leaf.issuer,
            quoted(ours),
        );
        refusal.expected = ours.to_vec();
    } else if refusal.code == UNEXPLAINED {
        refusal = explain_server_refusal(error, host);
    }
    with_evidence(refusal, leaf, now)
}

/// The faults a certificate shows by itself; [`UNEXPLAINED`] for all others.
fn judge_leaf(leaf: &Leaf, error: &Error, now: SystemTime, side: &str) -> Refusal {
    use CertificateError as E;
    let who = leaf.who();
    // Version 1 first: webpki reports it as a mere "other" error.
    if leaf.version == 1 {
        return Refusal::new(
            "ENV-C207",
            format!("the certificate of {who} is an old X.509 v1 certificate"),
        );
    }
    let Error::InvalidCertificate(reason) = error else {
        return Refusal::new(UNEXPLAINED, error.to_string());
    };
    match reason {
        E::Expired | E::ExpiredContext { .. } if leaf.not_after <= now => Refusal::new(
            "ENV-C201",
            format!(
                "the certificate of {who} expired {} ago ({})",
                leaf.ended(now),
                date(leaf.not_after),
            ),
        ),
        E::Expired | E::ExpiredContext { .. } => Refusal::new(
            "ENV-C201",
            format!("the certificate of an authority above {who} has expired"),
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => Refusal::new(
            "ENV-C202",
            format!(
                "the certificate of {who} is valid from {}; the clock here says {} ({} before)",
                date(leaf.not_before),
                date(now),
                span(now, leaf.not_before),
            ),
        ),
        E::UnknownIssuer | E::BadSignature => Refusal::new(UNKNOWN_ISSUER, String::new()),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Refusal::new(
            "ENV-C206",
            format!(
                "the certificate of {who} is a {} certificate, used as a {side} certificate",
                leaf.purpose(),
            ),
        ),
        E::Revoked => Refusal::new("ENV-C208", format!("the certificate of {who} was revoked")),
        other => Refusal::new(UNEXPLAINED, other.to_string()),
    }
}

/// Another authority, or ours with a link missing.
fn unknown_issuer(judge: &Judge, leaf: &Leaf, presented: Presented<'_>) -> Refusal {
    let top = presented.intermediates.last().unwrap_or(presented.leaf);
    let Ok(top) = inspect::parse(top) else {
        return Refusal::new(
            "ENV-C205",
            "a certificate in the client's chain cannot be read",
        );
    };
    let issuer = inspect::display_name(top.issuer());
    let self_signed = top.issuer().as_raw() == top.subject().as_raw();
    let same_name = judge
        .known
        .iter()
        .any(|known| known == top.issuer().as_raw());
    let same_house = leaf
        .issuer_organisation
        .as_ref()
        .is_some_and(|o| judge.organisations.contains(o));
    let mut refusal = if same_name {
        let text = "another authority of the same name signed it";
        Refusal::new(
            "ENV-C203",
            format!("signed by \"{issuer}\", but not by ours: {text}"),
        )
    } else if same_house && presented.intermediates.is_empty() && !self_signed {
        Refusal::new(
            "ENV-C204",
            format!("the chain stops at \"{issuer}\": the intermediate was not sent along"),
        )
    } else {
        let trusted = quoted(&judge.ours);
        Refusal::new(
            "ENV-C203",
            format!("signed by \"{issuer}\", which this side does not trust; it trusts {trusted}"),
        )
    };
    refusal.expected = judge.ours.clone();
    refusal
}

fn server_certificate(reason: &CertificateError, host: &str) -> Refusal {
    use CertificateError as E;
    match reason {
        E::ExpiredContext { time, not_after } => Refusal {
            not_after: Some(system_time(*not_after)),
            judged_at: Some(system_time(*time)),
            ..Refusal::new(
                "ENV-C201",
                format!(
                    "the server's certificate expired {} ago ({})",
                    span(system_time(*not_after), system_time(*time)),
                    date(system_time(*not_after)),
                ),
            )
        },
        E::Expired => Refusal::new("ENV-C201", "the server's certificate has expired"),
        E::NotValidYetContext { time, not_before } => Refusal {
            not_before: Some(system_time(*not_before)),
            judged_at: Some(system_time(*time)),
            ..Refusal::new(
                "ENV-C202",
                format!(
                    "the server's certificate is valid from {}; your clock says {}",
                    date(system_time(*not_before)),
                    date(system_time(*time)),
                ),
            )
        },
        E::NotValidYet => Refusal::new("ENV-C202", "the server's certificate is not valid yet"),
        E::UnknownIssuer | E::BadSignature => Refusal::new(
            "ENV-C203",
            "the server's certificate was signed by an authority this side does not trust \
             (or the server does not send its intermediate)",
        ),
        E::NotValidForNameContext { presented, .. } => wrong_name(host, plain_names(presented)),
        E::NotValidForName => wrong_name(host, Vec::new()),
        E::InvalidPurposeContext { presented, .. } => Refusal::new(
            "ENV-C206",
            format!(
                "the server uses a certificate that is meant for {}",
                purposes(presented)
            ),
        ),
        E::InvalidPurpose => Refusal::new(
            "ENV-C206",
            "the server uses a certificate that is not meant for servers",
        ),
        E::Revoked => Refusal::new("ENV-C208", "the server's certificate was revoked"),
        E::Other(other) if other.to_string().contains("UnsupportedCertVersion") => {
            Refusal::new("ENV-C207", "the server uses an old X.509 v1 certificate")
        }
        other => Refusal::new(
            "ENV-C205",
            format!("the server's certificate is not usable: {other}"),
        ),
    }
}

fn wrong_name(host: &str, names: Vec<String>) -> Refusal {
    let is_address = matches!(ServerName::try_from(host), Ok(ServerName::IpAddress(_)));
    let code = if is_address { "ENV-N302" } else { "ENV-N301" };
    let list = if names.is_empty() {
        "others".to_owned()
    } else {
        names.join(", ")
    };
    Refusal {
        expected: names,
        found: Some(host.to_owned()),
        ..Refusal::new(
            code,
            format!("you connect to \"{host}\", but the server's certificate names {list}"),
        )
    }
}

fn with_evidence(refusal: Refusal, leaf: Leaf, now: SystemTime) -> Refusal {
    Refusal {
        subject: Some(leaf.subject),
        issuer: Some(leaf.issuer),
        serial: Some(leaf.serial),
        not_before: Some(leaf.not_before),
        not_after: Some(leaf.not_after),
        judged_at: Some(now),
        ..refusal
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    if quoted.is_empty() {
        "nobody".to_owned()
    } else {
        quoted.join(", ")
    }
}

/// rustls writes `DnsName("localhost")` and `IpAddress(0::1)`; people want each name once.
fn plain_names(presented: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in presented {
        let inside = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        let plain = inside.trim_end_matches(')').trim_matches('"');
        let plain = match plain.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => plain.to_owned(),
        };
        if !names.contains(&plain) {
            names.push(plain);
        }
    }
    names
}

fn purposes(presented: &[ExtendedKeyPurpose]) -> String {
    let name = |purpose: &ExtendedKeyPurpose| match purpose {
        ExtendedKeyPurpose::ClientAuth => "clients".to_owned(),
        ExtendedKeyPurpose::ServerAuth => "servers".to_owned(),
        other => other.to_string(),
    };
    let names: Vec<String> = presented.iter().map(name).collect();
    if names.is_empty() {
        "something else".to_owned()
    } else {
        names.join(" and ")
    }
}

fn system_time(time: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs())
}

const UNKNOWN_ISSUER: &str = "ENV-C203";
const UNEXPLAINED: &str = "ENV-C205";
