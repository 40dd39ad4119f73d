//! What is left to say when no certificate is at hand: alerts, versions, strangers.

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

use crate::Refusal;

/// Explains what needs no certificate to be understood.
pub(super) fn without_evidence(error: &Error) -> Refusal {
    match error {
        Error::NoCertificatesPresented => {
            Refusal::new("ENV-T401", "the client did not present a certificate")
        }
        Error::AlertReceived(alert) => alert_from_client(*alert),
        Error::PeerIncompatible(reason) => incompatible(reason),
        Error::InvalidMessage(InvalidMessage::InvalidContentType)
        | Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => {
            Refusal::new("ENV-T404", "what arrived on the TLS port is not TLS")
        }
        other => Refusal::new("ENV-T400", format!("the TLS handshake failed: {other}")),
    }
}

/// The server judged our certificate and told its verdict in one byte.
///
/// Only the server knows more: it logs it.
pub(super) fn alert_from_server(alert: AlertDescription) -> Refusal {
    use AlertDescription as A;
    let (code, text) = match alert {
        A::CertificateRequired => ("ENV-T401", "the server requires a client certificate"),
        // rustls sends this one for "not yet valid" too.
        A::CertificateExpired => (
            "ENV-C201",
            "our certificate has expired, or is not valid yet",
        ),
        A::UnknownCA => (
            "ENV-C203",
            "our certificate was signed by an authority it does not trust",
        ),
        A::UnsupportedCertificate => ("ENV-C206", "our certificate is not a client certificate"),
        // rustls has no better word for X.509 v1.
        A::CertificateUnknown => (
            "ENV-C207",
            "our certificate is of a kind it does not accept",
        ),
        A::CertificateRevoked => ("ENV-C208", "our certificate was revoked"),
        A::BadCertificate => ("ENV-C205", "our certificate is not usable"),
        A::AccessDenied => (
            "ENV-C208",
            "our certificate is good, but its holder is not admitted",
        ),
        A::ProtocolVersion => ("ENV-T402", "it speaks no version of TLS that we speak"),
        A::HandshakeFailure | A::InsufficientSecurity => {
            ("ENV-T403", "it accepts none of our cipher suites or groups")
        }
        _ => ("ENV-T400", "it broke off the handshake"),
    };
    Refusal {
        found: Some(format!("{alert:?}")),
        ..Refusal::new(
            code,
            format!("the server refused us: {text} (alert {alert:?})"),
        )
    }
}

/// The client judged our certificate.
fn alert_from_client(alert: AlertDescription) -> Refusal {
    use AlertDescription as A;
    let code = match alert {
        A::UnknownCA
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::DecryptError => "ENV-T407",
        A::ProtocolVersion => "ENV-T402",
        A::HandshakeFailure | A::InsufficientSecurity => "ENV-T403",
        _ => "ENV-T400",
    };
    let text = match code {
        "ENV-T407" => {
            "the client rejected our certificate; most likely it trusts another authority \
                       or used a name that is not in the certificate"
        }
        _ => "the client broke off the handshake",
    };
    Refusal {
        found: Some(format!("{alert:?}")),
        ..Refusal::new(code, format!("{text} (alert {alert:?})"))
    }
}

fn incompatible(reason: &PeerIncompatible) -> Refusal {
    use PeerIncompatible as P;
    let code = match reason {
        P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::Tls13RequiredForQuic
        | P::SupportedVersionsExtensionRequired
        | P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig => "ENV-T402",
        P::NoCipherSuitesInCommon
        | P::NoKxGroupsInCommon
        | P::NoSignatureSchemesInCommon
        | P::NoCertificateRequestSignatureSchemesInCommon => "ENV-T403",
        _ => "ENV-T400",
    };
    let text = match code {
        "ENV-T402" => "no version of TLS in common; here 1.3 and 1.2 are spoken",
        "ENV-T403" => "no cipher suite, group or signature scheme in common",
        _ => "the other side speaks TLS in a way we cannot answer",
    };
    Refusal::new(code, format!("{text} ({reason:?})"))
}
