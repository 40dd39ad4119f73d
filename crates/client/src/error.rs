//! Why a client could not do what it was asked, in a form that can be explained.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mqtt::{ByteString, DecodeError, EncodeError, ReasonCode};
use rustls::{AlertDescription, CertificateError};
use transport::{ForeignProtocol, HandshakeError, HandshakeErrorKind, TransportError};

/// Why there is no connection, or why something could not be sent on it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The name of the broker has no address.
    #[error("the name \"{host}\" was not found: {detail}")]
    NameNotFound {
        /// As configured.
        host: String,
        /// What the system said.
        detail: String,
    },
    /// Nobody listens there.
    #[error("{address} refused the connection: nothing listens there")]
    ConnectionRefused {
        /// Host and port.
        address: String,
    },
    /// No answer in time, from the name to the CONNACK.
    #[error("{address} did not answer within {after:?}")]
    TimedOut {
        /// Host and port.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// TLS failed: we refused the broker's certificate, or the broker refused ours.
    #[error("TLS with \"{host}\" failed: {error}")]
    Tls {
        /// As configured.
        host: String,
        /// The judgement, for whoever can explain certificates.
        error: rustls::Error,
    },
    /// The other side speaks another protocol.
    #[error("{address} does not speak TLS: {looks_like}")]
    NotTls {
        /// Host and port.
        address: String,
        /// What it speaks.
        looks_like: ForeignProtocol,
    },
    /// The broker refused us in its CONNACK.
    #[error("the broker refused the connection: {reason}{}", said(.explanation))]
    Refused {
        /// Its Reason Code.
        reason: ReasonCode,
        /// Its Reason String.
        explanation: Option<ByteString>,
    },
    /// The broker ended the connection with a DISCONNECT.
    #[error("the broker ended the connection: {reason}{}", said(.explanation))]
    Disconnected {
        /// Its Reason Code.
        reason: ReasonCode,
        /// Its Reason String.
        explanation: Option<ByteString>,
    },
    /// The connection ended without a word.
    #[error("the connection was closed without a reason")]
    ConnectionLost,
    /// The network failed.
    #[error("the connection failed: {0}")]
    Network(Arc<io::Error>),
    /// Nothing came from the broker, not even an answer to PINGREQ.
    #[error("the broker has been silent for {after:?}")]
    Silent {
        /// How long.
        after: Duration,
    },
    /// The broker sent bytes that are no MQTT.
    #[error("the broker broke the protocol: {0}")]
    Malformed(#[from] DecodeError),
    /// The broker sent a packet that has no place here.
    #[error("the broker broke the protocol: {what}")]
    Misbehaved {
        /// What it did.
        what: &'static str,
        /// What we tell it in our DISCONNECT.
        reason: ReasonCode,
    },
    /// There is no connection at the moment.
    #[error("not connected to the broker")]
    NotConnected,
    /// The broker has lost the session and with it the acknowledgement.
    #[error("the broker has lost the session")]
    SessionLost,
    /// More is waiting to be sent than this client keeps.
    #[error("too much is waiting to be sent")]
    QueueFull,
    /// MQTT or the broker cannot carry it.
    #[error("it cannot be sent: {0}")]
    Unsendable(#[from] EncodeError),
    /// The broker said in its CONNACK that it does not do this.
    #[error("the broker does not support it: {0}")]
    Unsupported(ReasonCode),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

/// What the broker said, in a form that neither forges a line of a log nor acts on a terminal.
fn said(explanation: &Option<ByteString>) -> String {
    let Some(text) = explanation else {
        return String::new();
    };
    let acts =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown: String = text
        .chars()
        .map(|c| if acts(c) { '\u{fffd}' } else { c })
        .collect();
    format!(" ({shown})")
}

impl ClientError {
    /// The stable code of the message catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            ClientError::NameNotFound { .. } => "ENV-N304",
            ClientError::ConnectionRefused { .. } => "ENV-N305",
            ClientError::TimedOut { .. } => "ENV-N306",
            ClientError::Network(_)
            | ClientError::ConnectionLost
            | ClientError::NotConnected
            | ClientError::SessionLost => "ENV-N307",
            ClientError::Silent { .. } => "ENV-N308",
            ClientError::Tls { error, .. } => tls_code(error),
            ClientError::NotTls { looks_like, .. } => match looks_like {
                ForeignProtocol::PlainMqtt => "ENV-T404",
                ForeignProtocol::Http => "ENV-T406",
            },
            ClientError::Refused { reason, .. } | ClientError::Disconnected { reason, .. } => {
                match reason {
                    ReasonCode::ClientIdentifierNotValid => "ENV-I501",
                    ReasonCode::SessionTakenOver => "ENV-I506",
                    ReasonCode::NotAuthorized
                    | ReasonCode::BadUserNameOrPassword
                    | ReasonCode::Banned => "ENV-A601",
                    _ => "ENV-N309",
                }
            }
            ClientError::Malformed(_) | ClientError::Misbehaved { .. } => "ENV-N310",
            ClientError::QueueFull => "ENV-N311",
            ClientError::Unsendable(_) | ClientError::Unsupported(_) => "ENV-N312",
            ClientError::Closed => "ENV-N313",
        }
    }

    /// Whether somebody said no, so that trying again soon is of no use.
    pub fn is_refusal(&self) -> bool {
        match self {
            ClientError::Tls { error, .. } => !matches!(error, rustls::Error::DecryptError),
            ClientError::NotTls { .. } => true,
            ClientError::Refused { reason, .. } | ClientError::Disconnected { reason, .. } => {
                !matches!(
                    reason,
                    ReasonCode::Success
                        | ReasonCode::UnspecifiedError
                        | ReasonCode::ServerUnavailable
                        | ReasonCode::ServerBusy
                        | ReasonCode::ServerShuttingDown
                        | ReasonCode::KeepAliveTimeout
                        | ReasonCode::QuotaExceeded
                        | ReasonCode::MessageRateTooHigh
                        | ReasonCode::ConnectionRateExceeded
                        | ReasonCode::AdministrativeAction
                        | ReasonCode::MaximumConnectTime
                )
            }
            _ => false,
        }
    }

    /// The alert by which the broker refused our certificate, or the lack of one.
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            ClientError::Tls {
                error: rustls::Error::AlertReceived(alert),
                ..
            } => Some(*alert),
            _ => None,
        }
    }

    /// A failure of an established connection; `host` is for the words about TLS.
    pub(crate) fn from_transport(error: TransportError, host: &str) -> ClientError {
        match error {
            TransportError::Io(error) => ClientError::Network(Arc::new(error)),
            TransportError::Tls(error) => ClientError::Tls {
                host: host.to_owned(),
                error,
            },
        }
    }

    /// A failed handshake with `host`.
    pub(crate) fn from_handshake(error: HandshakeError, host: &str, address: &str) -> ClientError {
        if let Some(looks_like) = error.looks_like {
            return ClientError::NotTls {
                address: address.to_owned(),
                looks_like,
            };
        }
        match error.kind {
            HandshakeErrorKind::Io(error) => ClientError::Network(Arc::new(error)),
            HandshakeErrorKind::Tls(error) => ClientError::Tls {
                host: host.to_owned(),
                error,
            },
            HandshakeErrorKind::Closed | HandshakeErrorKind::TooLong(_) => {
                ClientError::ConnectionLost
            }
        }
    }
}

fn tls_code(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => "ENV-C201",
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "ENV-C202"
                }
                CertificateError::Revoked => "ENV-C208",
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => "ENV-N301",
                CertificateError::InvalidPurpose
                | CertificateError::InvalidPurposeContext { .. } => "ENV-C206",
                _ => "ENV-C203",
            }
        }
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => "ENV-T401",
            AlertDescription::CertificateExpired => "ENV-C201",
            AlertDescription::CertificateRevoked => "ENV-C208",
            AlertDescription::UnsupportedCertificate => "ENV-C206",
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError => "ENV-C203",
            AlertDescription::ProtocolVersion => "ENV-T402",
            _ => "ENV-T403",
        },
        rustls::Error::PeerIncompatible(_) => "ENV-T402",
        _ => "ENV-T403",
    }
}
