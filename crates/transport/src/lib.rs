//! Bytes between two peers: TCP under mutual TLS, plain TCP for benches, memory for tests.
//!
//! ```text
//!   socket --recv--> scratch of the worker --decrypt--> plain bytes of the caller
//!   socket <--send-- scratch of the worker <--encrypt-- plain bytes of the caller
//! ```
//!
//! A [`Transport`] never blocks: [`Transport::try_read`] makes one `recv` of up to 64 KiB,
//! decrypts every whole record in it and appends the plaintext; [`Transport::write`] encrypts
//! everything it is given into full records and makes one `send` per 64 KiB. Waiting is
//! apart from moving: [`Transport::readable`] and [`Transport::writable`] wait, are cancel safe,
//! and belong to one task.
//!
//! The 64 KiB buffers belong to the worker thread, not to the connection. A
//! connection holds memory of its own only while a record is incomplete or the socket refuses
//! bytes, so an idle one costs what rustls keeps and nothing else.
//!
//! This crate knows no MQTT.

mod buffer;
mod error;
mod handshake;
mod hello;
mod link;
mod machine;
mod memory;
mod tcp;
mod tls;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;

pub use error::{ForeignProtocol, HandshakeError, HandshakeErrorKind, TransportError};

use buffer::with_scratch;
use link::{Link, Received};
use tls::Tls;

/// What one [`Transport::try_read`] brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// This many bytes of plaintext were appended; never zero.
    Bytes(usize),
    /// Nothing for the caller yet; wait with [`Transport::readable`].
    WouldBlock,
    /// The peer will send no more.
    Closed {
        /// The peer said so (TLS close_notify, or the end of a link without TLS). Otherwise
        /// the link was cut and the last bytes may be missing.
        clean: bool,
    },
}

/// One connection: a link, TLS over it or not, and the bytes the link did not take yet.
///
/// One task owns it. Nothing here blocks; only `readable` and `writable` wait.
#[derive(Debug)]
pub struct Transport {
    link: Link,
    tls: Option<Box<Tls>>,
    /// What the link refused so far, already encrypted. Empty and without memory when idle.
    pending: BytesMut,
    closing: bool,
}

impl Transport {
    /// A connection without TLS. Only for benches on the loopback and for tests.
    ///
    /// # Errors
    /// The socket refuses its options.
    pub fn plain(stream: TcpStream) -> io::Result<Transport> {
        tcp::set_options(&stream)?;
        Ok(Transport::over(Link::Tcp(stream)))
    }

    /// Two ends of one link in memory, each direction holding at most `capacity` bytes.
    ///
    /// An end that is dropped without [`Transport::close`] looks to the other like a cut link.
    pub fn memory_pair(capacity: usize) -> (Transport, Transport) {
        let (left, right) = memory::pair(capacity);
        (
            Transport::over(Link::Memory(left)),
            Transport::over(Link::Memory(right)),
        )
    }

    fn over(link: Link) -> Transport {
        Transport {
            link,
            tls: None,
            pending: BytesMut::new(),
            closing: false,
        }
    }

    /// The other end's address; none for a link in memory.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.link.peer_address()
    }

    /// The certificates the peer showed, its own first; empty without TLS.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.tls.as_ref().map_or(&[], |tls| tls.peer_certificates())
    }

    /// The TLS version agreed; none without TLS.
    pub fn tls_version(&self) -> Option<rustls::ProtocolVersion> {
        self.tls.as_ref().and_then(|tls| tls.version())
    }

    /// The server name the client asked for (SNI); server side only.
    pub fn server_name(&self) -> Option<&str> {
        self.tls.as_ref().and_then(|tls| tls.server_name())
    }

    /// Waits until [`Transport::try_read`] may bring something.
    ///
    /// Cancel safe. One task at a time: a second waiter replaces the first.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        if self.tls.as_ref().is_some_and(|tls| tls.has_news()) {
            return Ok(());
        }
        poll_fn(|context| self.link.poll_readable(context)).await
    }

    /// Waits until [`Transport::try_flush`] may send something. Cancel safe, one task at a time.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| self.link.poll_writable(context)).await
    }

    /// One `recv` of up to 64 KiB: decrypts every whole record and appends the plaintext.
    ///
    /// # Errors
    /// The link failed, or TLS did: the peer's alert arrives here, and so does, in TLS 1.3,
    /// a server's refusal of our client certificate. What was received before the failure is in
    /// `plain` all the same.
    pub fn try_read(&mut self, plain: &mut BytesMut) -> Result<Read, TransportError> {
        match &mut self.tls {
            Some(tls) => tls.receive(&mut self.link, &mut self.pending, plain),
            None => with_scratch(|scratch| match self.link.recv(&mut scratch.incoming)? {
                Received::Bytes(count) => {
                    plain.extend_from_slice(&scratch.incoming[..count]);
                    Ok(Read::Bytes(count))
                }
                Received::WouldBlock => Ok(Read::WouldBlock),
                Received::End { clean } => Ok(Read::Closed { clean }),
            }),
        }
    }

    /// Sends all of `plain`, which is empty afterwards; what the link does not take stays inside.
    ///
    /// Bytes are accepted even while others are pending: a caller that wants memory bounded
    /// stops writing while [`Transport::pending_write`] is not zero.
    ///
    /// # Errors
    /// The link failed or was closed. A TLS alert that explains it takes precedence over the
    /// error of the socket.
    pub fn write(&mut self, plain: &mut BytesMut) -> Result<(), TransportError> {
        if self.closing {
            plain.clear();
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        let result = match &mut self.tls {
            Some(tls) => tls.send(&mut self.link, &mut self.pending, plain),
            None => send_plain(&mut self.link, &mut self.pending, plain),
        };
        result.map_err(|error| self.explain(error))
    }

    /// Sends what is pending, as far as the link takes it.
    ///
    /// # Errors
    /// As [`Transport::write`].
    pub fn try_flush(&mut self) -> Result<(), TransportError> {
        flush(&mut self.link, &mut self.pending).map_err(|error| self.explain(error.into()))?;
        if self.closing && self.pending.is_empty() {
            self.link.close();
        }
        Ok(())
    }

    /// How many bytes (encrypted, where there is TLS) still wait for the link.
    pub fn pending_write(&self) -> usize {
        self.pending.len()
    }

    /// Says goodbye (close_notify, then the end of the stream), best effort.
    ///
    /// Whoever needs what is pending to arrive goes on with [`Transport::try_flush`] until
    /// nothing is; the end of the stream follows it.
    pub fn close(&mut self) {
        if self.closing {
            return;
        }
        self.closing = true;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify(&mut self.pending);
        }
        // Best effort: if the link is already gone there is nobody to say goodbye to.
        let _ = self.try_flush();
    }

    /// Closes, sends what is pending, and waits until the peer has closed too; what it still
    /// sends is dropped. There is no deadline inside: the caller wraps one around it.
    ///
    /// For last words that must arrive: a socket that is dropped with unread bytes in it is
    /// reset, and the reset can overtake what was sent.
    ///
    /// # Errors
    /// The link failed before the peer hung up.
    pub async fn hang_up(&mut self) -> Result<(), TransportError> {
        self.close();
        let mut dropped = BytesMut::new();
        loop {
            self.try_flush()?;
            match self.try_read(&mut dropped)? {
                Read::Bytes(_) => dropped.clear(),
                Read::WouldBlock => self.link_ready().await?,
                Read::Closed { .. } if self.pending_write() == 0 => return Ok(()),
                Read::Closed { .. } => self.writable().await?,
            }
        }
    }

    /// A refused write is often the echo of an alert that already lies in the receive buffer.
    fn explain(&mut self, error: TransportError) -> TransportError {
        match (&mut self.tls, error) {
            (Some(tls), TransportError::Io(cause)) => tls
                .alert_behind(&mut self.link, &mut self.pending)
                .map_or(TransportError::Io(cause), TransportError::Tls),
            (_, error) => error,
        }
    }
}

/// Sends straight from the caller's buffer; what the link leaves is kept without a copy.
fn send_plain(
    link: &mut Link,
    pending: &mut BytesMut,
    plain: &mut BytesMut,
) -> Result<(), TransportError> {
    if !pending.is_empty() {
        pending.extend_from_slice(plain);
        plain.clear();
        return Ok(flush(link, pending)?);
    }
    while !plain.is_empty() {
        match link.send(plain) {
            Ok(Some(count)) => plain.advance(count),
            Ok(None) => {
                *pending = plain.split();
                break;
            }
            Err(error) => {
                plain.clear();
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// Sends `pending` as far as the link takes it, and gives its memory back once it is empty.
fn flush(link: &mut Link, pending: &mut BytesMut) -> io::Result<()> {
    while !pending.is_empty() {
        match link.send(pending)? {
            Some(count) => pending.advance(count),
            None => return Ok(()),
        }
    }
    if pending.capacity() > 0 {
        *pending = BytesMut::new();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
