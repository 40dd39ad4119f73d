//! Handshakes: from a link to a [`Transport`] whose peer is known, or to the reason why not.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use crate::buffer::with_scratch;
use crate::error::{HandshakeError, HandshakeErrorKind};
use crate::link::Received;
use crate::tls::{Pulled, Tls};
use crate::{Transport, TransportError, tcp};

impl Transport {
    /// Server side. There is no deadline inside: the caller wraps one around it.
    ///
    /// # Errors
    /// The peer is refused, refuses us, speaks something else, or goes away. By then it has
    /// been told why, as far as an alert can tell.
    pub async fn accept(
        stream: TcpStream,
        config: Arc<ServerConfig>,
    ) -> Result<Transport, HandshakeError> {
        tcp::set_options(&stream).map_err(failed)?;
        Transport::over(crate::Link::Tcp(stream))
            .accept_tls(config)
            .await
    }

    /// Client side. There is no deadline inside: the caller wraps one around it.
    ///
    /// In TLS 1.3 this ends well even if the server then refuses our certificate; its alert
    /// arrives with the first read.
    ///
    /// # Errors
    /// As [`Transport::accept`].
    pub async fn connect(
        stream: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Transport, HandshakeError> {
        tcp::set_options(&stream).map_err(failed)?;
        Transport::over(crate::Link::Tcp(stream))
            .connect_tls(config, name)
            .await
    }

    /// Server side over a connection that has no TLS yet and has carried nothing.
    ///
    /// # Errors
    /// As [`Transport::accept`].
    pub async fn accept_tls(
        mut self,
        config: Arc<ServerConfig>,
    ) -> Result<Transport, HandshakeError> {
        self.shake_hands(Tls::server(config).map_err(failed)?)
            .await?;
        Ok(self)
    }

    /// Client side over a connection that has no TLS yet and has carried nothing.
    ///
    /// # Errors
    /// As [`Transport::accept`].
    pub async fn connect_tls(
        mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Transport, HandshakeError> {
        self.shake_hands(Tls::client(config, name).map_err(failed)?)
            .await?;
        Ok(self)
    }

    async fn shake_hands(&mut self, tls: Tls) -> Result<(), HandshakeError> {
        self.tls = Some(Box::new(tls));
        let mut handshake = Handshake {
            started: false,
            received: 0,
        };
        loop {
            match handshake.step(self) {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Wait) => self.link_ready().await.map_err(failed)?,
                Err(kind) => return Err(self.refuse(kind).await),
            }
        }
    }

    /// Waits until the link brings something, or takes something of what is pending.
    ///
    /// Both at once, because two peers that only wait to write would wait for ever.
    pub(crate) async fn link_ready(&self) -> std::io::Result<()> {
        poll_fn(|context| {
            let readable = self.link.poll_readable(context);
            if readable.is_ready() || self.pending.is_empty() {
                return readable;
            }
            self.link.poll_writable(context)
        })
        .await
    }

    /// Tells the peer as far as it can be told, then puts together what is known about it.
    async fn refuse(&mut self, kind: HandshakeErrorKind) -> HandshakeError {
        if matches!(kind, HandshakeErrorKind::Tls(_)) {
            // Best effort: the reason we report is the handshake's, not the goodbye's.
            let _ = tokio::time::timeout(LINGER, self.linger()).await;
        }
        let tls = self.tls.as_ref();
        HandshakeError {
            kind,
            server_name: tls.and_then(|tls| tls.server_name()).map(str::to_owned),
            looks_like: tls.and_then(|tls| tls.looks_like()),
        }
    }

    /// Sends our alert and waits until the peer hangs up.
    ///
    /// Closing a socket while unread bytes lie in it sends a reset, which can overtake the
    /// alert and leave the peer with "connection reset" instead of the reason.
    async fn linger(&mut self) -> std::io::Result<()> {
        while !self.pending.is_empty() {
            self.writable().await?;
            crate::flush(&mut self.link, &mut self.pending)?;
        }
        self.link.close();
        loop {
            let received = with_scratch(|scratch| self.link.recv(&mut scratch.incoming))?;
            match received {
                Received::End { .. } => return Ok(()),
                Received::WouldBlock => {
                    poll_fn(|context| self.link.poll_readable(context)).await?;
                }
                Received::Bytes(_) => {}
            }
        }
    }
}

/// How far a handshake got.
struct Handshake {
    started: bool,
    received: usize,
}

enum Step {
    Done,
    Wait,
}

impl Handshake {
    /// As far as it goes without waiting.
    fn step(&mut self, transport: &mut Transport) -> Result<Step, HandshakeErrorKind> {
        let Transport {
            link,
            pending,
            tls: Some(tls),
            ..
        } = transport
        else {
            return Ok(Step::Done);
        };
        if !self.started {
            self.started = true;
            tls.begin(link, pending)?;
        }
        loop {
            if let Err(error) = crate::flush(link, pending) {
                return Err(match tls.alert_behind(link, pending) {
                    Some(alert) => alert.into(),
                    None => error.into(),
                });
            }
            if !tls.is_handshaking() && (pending.is_empty() || tls.is_done_but_for_tickets()) {
                return Ok(Step::Done);
            }
            match tls.pull_early(link, pending)? {
                Pulled::WouldBlock => return Ok(Step::Wait),
                Pulled::End => return Err(HandshakeErrorKind::Closed),
                Pulled::Input(count) => self.received += count,
            }
            if self.received > INPUT_MAX {
                return Err(HandshakeErrorKind::TooLong(INPUT_MAX));
            }
        }
    }
}

impl From<TransportError> for HandshakeErrorKind {
    fn from(error: TransportError) -> HandshakeErrorKind {
        match error {
            TransportError::Io(error) => HandshakeErrorKind::Io(error),
            TransportError::Tls(error) => HandshakeErrorKind::Tls(error),
        }
    }
}

/// A failure before or beside the conversation itself.
fn failed(kind: impl Into<HandshakeErrorKind>) -> HandshakeError {
    HandshakeError {
        kind: kind.into(),
        server_name: None,
        looks_like: None,
    }
}

/// What a peer may send before its handshake is complete; real ones need a tenth of it.
const INPUT_MAX: usize = 128 * 1024;

/// How long a refused peer may take to read why; honest ones hang up at once.
const LINGER: Duration = Duration::from_millis(250);
