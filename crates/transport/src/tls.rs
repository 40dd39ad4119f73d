//! TLS: rustls fed from memory, one decrypt and one encrypt per batch.
//!
//! rustls' buffered connection reads 4 KiB at a time and keeps plaintext of its own. Its
//! unbuffered one is a pure machine ([`Machine`]); this is what it takes to run it over a link.

use std::sync::Arc;

use bytes::BytesMut;
use rustls::Error;
use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::server::{ServerConfig, UnbufferedServerConnection};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::buffer::{HELD_MAX, Outgoing, READ_BATCH, Scratch, with_scratch};
use crate::hello;
use crate::link::{Link, Received};
use crate::machine::{Machine, Turn, Wish};
use crate::{ForeignProtocol, Read, TransportError, flush};

/// The TLS state of one connection.
#[derive(Debug)]
pub(crate) struct Tls {
    machine: Machine,
    /// The front of a record or handshake message whose end has not arrived. Without memory
    /// when there is none.
    held: Vec<u8>,
    /// Plaintext nobody has taken yet: what came with the last bytes of the handshake, or
    /// while the reason of a failed write was looked for.
    received: BytesMut,
    server_name: Option<Box<str>>,
    looks_like: Option<ForeignProtocol>,
    heard_peer: bool,
    peer_closed: bool,
    failure: Option<Error>,
}

impl Tls {
    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Tls, Error> {
        UnbufferedServerConnection::new(config)
            .map(|connection| Tls::new(Machine::Server(Box::new(connection))))
    }

    pub(crate) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Tls, Error> {
        UnbufferedClientConnection::new(config, name)
            .map(|connection| Tls::new(Machine::Client(Box::new(connection))))
    }

    fn new(machine: Machine) -> Tls {
        Tls {
            machine,
            held: Vec::new(),
            received: BytesMut::new(),
            server_name: None,
            looks_like: None,
            heard_peer: false,
            peer_closed: false,
            failure: None,
        }
    }

    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.machine.common().peer_certificates().unwrap_or(&[])
    }

    pub(crate) fn version(&self) -> Option<rustls::ProtocolVersion> {
        self.machine.common().protocol_version()
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    pub(crate) fn looks_like(&self) -> Option<ForeignProtocol> {
        self.looks_like
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.machine.common().is_handshaking()
    }

    /// Whether what is still to be sent is no part of the handshake.
    ///
    /// A TLS 1.3 server ends it by reading; its tickets follow as pending bytes, because the
    /// client may be waiting for us to read its data before it reads them.
    pub(crate) fn is_done_but_for_tickets(&self) -> bool {
        matches!(self.machine, Machine::Server(_))
            && self.version() == Some(rustls::ProtocolVersion::TLSv1_3)
            && !self.is_handshaking()
    }

    /// Whether a read brings something without the link bringing anything.
    pub(crate) fn has_news(&self) -> bool {
        !self.received.is_empty() || self.peer_closed || self.failure.is_some()
    }

    /// One `recv`, decrypted into `plain`.
    pub(crate) fn receive(
        &mut self,
        link: &mut Link,
        pending: &mut BytesMut,
        plain: &mut BytesMut,
    ) -> Result<Read, TransportError> {
        if !self.received.is_empty() {
            let count = self.received.len();
            plain.unsplit(std::mem::take(&mut self.received));
            return Ok(Read::Bytes(count));
        }
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        if self.peer_closed {
            return Ok(Read::Closed { clean: true });
        }
        let before = plain.len();
        match self.pull(link, pending, plain)? {
            Pulled::WouldBlock => Ok(Read::WouldBlock),
            // Without a close_notify anybody on the way could have cut the stream here.
            Pulled::End => Ok(Read::Closed { clean: false }),
            Pulled::Input(_) => Ok(match plain.len() - before {
                0 if self.peer_closed => Read::Closed { clean: true },
                0 => Read::WouldBlock,
                count => Read::Bytes(count),
            }),
        }
    }

    /// Encrypts all of `plain` and sends it as far as the link goes.
    pub(crate) fn send(
        &mut self,
        link: &mut Link,
        pending: &mut BytesMut,
        plain: &mut BytesMut,
    ) -> Result<(), TransportError> {
        if let Some(failure) = &self.failure {
            plain.clear();
            return Err(failure.clone().into());
        }
        let result = with_scratch(|scratch| {
            // Four full records at a time: the encrypted copy stays in the cache of the core
            // until `send` reads it.
            plain.chunks(READ_BATCH).try_for_each(|batch| {
                self.machine
                    .seal(&mut self.held, Wish::Encrypt(batch), &mut scratch.outgoing)?;
                Ok(deliver(link, pending, &mut scratch.outgoing)?)
            })
        });
        plain.clear();
        result
    }

    /// Queues a close_notify, unless an alert has already ended the connection.
    pub(crate) fn send_close_notify(&mut self, pending: &mut BytesMut) {
        if self.failure.is_some() || self.is_handshaking() {
            return;
        }
        with_scratch(|scratch| {
            let sealed =
                self.machine
                    .seal(&mut self.held, Wish::CloseNotify, &mut scratch.outgoing);
            if sealed.is_ok() {
                pending.extend_from_slice(scratch.outgoing.filled());
            }
            scratch.outgoing.clear();
        });
    }

    /// After a failed write: the TLS error, if any, that lies in the receive buffer.
    ///
    /// A peer that sent an alert and closed makes our next write fail with "connection reset",
    /// which explains nothing; the alert explains. Plaintext before it is kept for the reader.
    pub(crate) fn alert_behind(
        &mut self,
        link: &mut Link,
        pending: &mut BytesMut,
    ) -> Option<Error> {
        if self.failure.is_none() && !self.peer_closed {
            // Only the failure it may leave behind matters here.
            let _ = self.pull_early(link, pending);
        }
        self.failure.clone()
    }

    /// As [`Tls::pull`] while nobody reads: plaintext waits for the first who does.
    pub(crate) fn pull_early(
        &mut self,
        link: &mut Link,
        pending: &mut BytesMut,
    ) -> Result<Pulled, TransportError> {
        let mut plain = std::mem::take(&mut self.received);
        let result = self.pull(link, pending, &mut plain);
        if !plain.is_empty() {
            self.received = plain;
        }
        result
    }

    /// One `recv` and all that follows from it: plaintext, answers, and what must be held.
    fn pull(
        &mut self,
        link: &mut Link,
        pending: &mut BytesMut,
        plain: &mut BytesMut,
    ) -> Result<Pulled, TransportError> {
        with_scratch(|Scratch { incoming, outgoing }| {
            let held = self.held.len();
            incoming[..held].copy_from_slice(&self.held);
            let count = match link.recv(&mut incoming[held..held + READ_BATCH])? {
                Received::WouldBlock => return Ok(Pulled::WouldBlock),
                Received::End { .. } => return Ok(Pulled::End),
                Received::Bytes(count) => count,
            };
            // Plaintext is shorter than its records: one allocation for the whole batch.
            plain.reserve(count);
            let input = &mut incoming[..held + count];
            if self.is_handshaking() {
                self.notice(input);
            }
            let absorbed = self.absorb(input, plain, outgoing);
            let delivered = deliver(link, pending, outgoing);
            absorbed?;
            delivered?;
            Ok(Pulled::Input(count))
        })
    }

    /// Keeps what the log will want to say about the peer.
    fn notice(&mut self, input: &[u8]) {
        if !std::mem::replace(&mut self.heard_peer, true) {
            self.looks_like = ForeignProtocol::recognize(input);
        }
        if self.server_name.is_none() && matches!(self.machine, Machine::Server(_)) {
            self.server_name = hello::server_name(input).map(String::into_boxed_str);
        }
    }

    /// Lets the machine say what it has to say before any input: a client's hello.
    pub(crate) fn begin(
        &mut self,
        link: &mut Link,
        pending: &mut BytesMut,
    ) -> Result<(), TransportError> {
        with_scratch(|scratch| {
            self.absorb(&mut [], &mut BytesMut::new(), &mut scratch.outgoing)?;
            Ok(deliver(link, pending, &mut scratch.outgoing)?)
        })
    }

    /// Runs the machine over `input` until it asks for more; holds what it could not use yet.
    fn absorb(
        &mut self,
        input: &mut [u8],
        plain: &mut BytesMut,
        out: &mut Outgoing,
    ) -> Result<(), Error> {
        let mut used = 0;
        let result = loop {
            let (discard, turn) = self
                .machine
                .turn(&mut input[used..], Wish::Nothing, plain, out);
            used += discard;
            match turn {
                Turn::Again => {}
                Turn::PeerClosed => self.peer_closed = true,
                Turn::Idle => break Ok(()),
                Turn::Failed(error) => break Err(error),
            }
        };
        let rest = match result {
            Ok(()) if !self.peer_closed => &input[used..],
            _ => &[],
        };
        let result = if rest.len() > HELD_MAX {
            Err(Error::InvalidMessage(
                rustls::InvalidMessage::HandshakePayloadTooLarge,
            ))
        } else {
            self.hold(rest);
            result
        };
        if let Err(error) = &result {
            self.hold(&[]);
            self.failure = Some(error.clone());
            self.machine.drain_alerts(out);
        }
        result
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> (usize, usize) {
        (self.held.capacity(), self.received.capacity())
    }

    fn hold(&mut self, rest: &[u8]) {
        self.held.clear();
        if rest.is_empty() {
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(rest);
        }
    }
}

/// What one [`Tls::pull`] met.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pulled {
    /// This many raw bytes.
    Input(usize),
    WouldBlock,
    End,
}

/// Sends what was just encrypted, behind what is pending already.
fn deliver(link: &mut Link, pending: &mut BytesMut, out: &mut Outgoing) -> std::io::Result<()> {
    let bytes = out.filled();
    let mut sent = 0;
    if pending.is_empty() {
        while sent < bytes.len() {
            match link.send(&bytes[sent..]) {
                Ok(Some(count)) => sent += count,
                Ok(None) => break,
                Err(error) => {
                    out.clear();
                    return Err(error);
                }
            }
        }
        pending.extend_from_slice(&bytes[sent..]);
        out.clear();
        return Ok(());
    }
    pending.extend_from_slice(bytes);
    out.clear();
    flush(link, pending)
}
