//! What goes wrong while a connection is made, and what goes wrong on it afterwards.

use std::fmt;
use std::io;

use rustls::AlertDescription;

/// A failure of an established connection.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The link itself failed.
    #[error("the network connection failed: {0}")]
    Io(#[from] io::Error),
    /// TLS failed, here or at the peer.
    #[error("TLS failed: {0}")]
    Tls(#[from] rustls::Error),
}

impl TransportError {
    /// The alert by which the peer ended the connection.
    ///
    /// A TLS 1.3 client learns of its refused certificate here, after its handshake ended well.
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            TransportError::Tls(error) => alert_of(error),
            TransportError::Io(_) => None,
        }
    }
}

/// A handshake that did not end well, with what was learnt about the peer until then.
#[derive(Debug, thiserror::Error)]
#[error("{kind}{}", .looks_like.map_or(String::new(), |foreign| format!(" ({foreign})")))]
pub struct HandshakeError {
    /// What went wrong.
    #[source]
    pub kind: HandshakeErrorKind,
    /// The server name the client asked for (SNI), if it got that far; server side only.
    pub server_name: Option<String>,
    /// The peer speaks another protocol than TLS, recognized by its first bytes.
    pub looks_like: Option<ForeignProtocol>,
}

/// What went wrong in a handshake.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeErrorKind {
    /// The link itself failed.
    #[error("the network connection failed during the TLS handshake: {0}")]
    Io(#[from] io::Error),
    /// One of the two sides refused the other.
    #[error("the TLS handshake failed: {0}")]
    Tls(#[from] rustls::Error),
    /// The peer went away before the handshake was complete.
    #[error("the peer closed the connection during the TLS handshake")]
    Closed,
    /// The peer sent more than any handshake needs.
    #[error("the TLS handshake did not end within {0} bytes")]
    TooLong(usize),
}

impl HandshakeError {
    /// The alert by which the peer refused us.
    pub fn alert(&self) -> Option<AlertDescription> {
        match &self.kind {
            HandshakeErrorKind::Tls(error) => alert_of(error),
            _ => None,
        }
    }

    /// The judgement of TLS, if it was TLS that failed.
    pub fn tls(&self) -> Option<&rustls::Error> {
        match &self.kind {
            HandshakeErrorKind::Tls(error) => Some(error),
            _ => None,
        }
    }
}

fn alert_of(error: &rustls::Error) -> Option<AlertDescription> {
    match error {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// A protocol that is often spoken to a TLS port by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignProtocol {
    /// MQTT without TLS.
    PlainMqtt,
    /// HTTP without TLS.
    Http,
}

impl ForeignProtocol {
    /// Recognizes the first bytes of a peer that should have sent a TLS handshake record.
    pub(crate) fn recognize(first: &[u8]) -> Option<ForeignProtocol> {
        const HTTP: [&[u8]; 9] = [
            b"GET ",
            b"POST ",
            b"PUT ",
            b"HEAD ",
            b"DELETE ",
            b"OPTIONS ",
            b"CONNECT ",
            b"PRI * ",
            b"HTTP/",
        ];
        // The fixed headers of CONNECT and CONNACK: what an MQTT peer says first.
        if matches!(first.first(), Some(0x10 | 0x20)) {
            return Some(ForeignProtocol::PlainMqtt);
        }
        let is_http = !first.is_empty()
            && HTTP
                .iter()
                .any(|start| first.starts_with(start) || start.starts_with(first));
        is_http.then_some(ForeignProtocol::Http)
    }
}

impl fmt::Display for ForeignProtocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            ForeignProtocol::PlainMqtt => "the peer speaks MQTT without TLS",
            ForeignProtocol::Http => "the peer speaks HTTP without TLS",
        })
    }
}
