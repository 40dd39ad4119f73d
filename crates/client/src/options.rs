//! Options: whom to connect to, as whom, and how patiently.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use mqtt::{ProtocolVersion, Will};

use crate::Backoff;

/// Everything a client is told at its start.
#[derive(Clone)]
pub struct Options {
    /// Host name or address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name its certificate must carry, where that is not `host`.
    pub server_name: Option<String>,
    /// Trust and identity. None only for benches on the loopback.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Protocol version to speak.
    pub version: ProtocolVersion,
    /// Client Identifier; empty lets a 5.0 broker choose one.
    pub client_id: String,
    /// Begin with a new session. In 3.1.1 the session then also ends with each connection; in
    /// 5.0 only the first connection begins anew if `session_expiry_s` is above 0.
    pub clean_start: bool,
    /// 5.0: how long the broker keeps the session of a lost connection.
    pub session_expiry_s: u32,
    /// Seconds of silence allowed in either direction; 0 watches nothing.
    pub keep_alive_s: u16,
    /// QoS 1 and 2 messages the broker may send before the first is acknowledged. Also how many
    /// arrived messages wait in [`crate::Messages`] before reading stops.
    pub receive_maximum: NonZeroU16,
    /// How many bytes of arrived messages wait in [`crate::Messages`] before reading stops; one
    /// message always may, whatever its size. Counting messages alone, 256 of 16 MiB would be
    /// 4 GiB for a slow reader.
    pub waiting_maximum_bytes: NonZeroU32,
    /// Our own QoS 1 and 2 messages in flight; the broker may allow less.
    pub in_flight_maximum: NonZeroU16,
    /// Larger packets are refused, in bytes.
    pub maximum_packet_size: u32,
    /// For one attempt, from the name to the CONNACK.
    pub connect_timeout: Duration,
    /// How to come back; none gives up at the first failure.
    pub reconnect: Option<Backoff>,
    /// User Name, a second factor beside the certificate.
    pub username: Option<ByteString>,
    /// Password.
    pub password: Option<Bytes>,
    /// What the broker publishes when we are lost.
    pub will: Option<Will>,
}

impl Options {
    /// MQTT 5.0, a new session that ends with the connection, a keep alive of 30 s, reconnecting.
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Options {
        Options {
            host: host.into(),
            port,
            server_name: None,
            tls: None,
            version: ProtocolVersion::V5,
            client_id: client_id.into(),
            clean_start: true,
            session_expiry_s: 0,
            keep_alive_s: 30,
            receive_maximum: const { NonZeroU16::new(256).expect("invariant: not zero") },
            waiting_maximum_bytes: const {
                NonZeroU32::new(64 * 1024 * 1024).expect("invariant: not zero")
            },
            in_flight_maximum: const { NonZeroU16::new(256).expect("invariant: not zero") },
            maximum_packet_size: 16 * 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            reconnect: Some(Backoff::default()),
            username: None,
            password: None,
            will: None,
        }
    }

    /// Host and port, for messages.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether the broker keeps our session when the connection is lost.
    pub(crate) fn session_survives(&self) -> bool {
        match self.version {
            ProtocolVersion::V5 => self.session_expiry_s > 0,
            ProtocolVersion::V3_1_1 => !self.clean_start,
        }
    }
}

/// Without password and Will, so that no log can ever show them.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_password() {
        let mut options = Options::new("broker", 8883, "tester");
        options.password = Some(Bytes::from_static(b"hunter2"));
        let shown = format!("{options:?}");
        assert!(
            shown.contains("tester") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
