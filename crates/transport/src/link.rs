//! Link: the thing under TLS that takes and gives raw bytes without waiting.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

use crate::memory::MemoryLink;
use crate::tcp;

/// A socket, or its stand-in in tests.
#[derive(Debug)]
pub(crate) enum Link {
    Tcp(TcpStream),
    Memory(MemoryLink),
}

/// What one `recv` brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// At least one byte.
    Bytes(usize),
    WouldBlock,
    /// No more will come; `clean` if the peer ended the stream and did not just vanish.
    End {
        clean: bool,
    },
}

impl Link {
    pub(crate) fn recv(&mut self, into: &mut [u8]) -> io::Result<Received> {
        match self {
            Link::Tcp(stream) => tcp::recv(stream, into),
            Link::Memory(memory) => Ok(memory.recv(into)),
        }
    }

    /// Sends a first part of `bytes`; `None` if the link takes nothing at the moment.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match self {
            Link::Tcp(stream) => tcp::send(stream, bytes),
            Link::Memory(memory) => memory.send(bytes),
        }
    }

    /// Ends our direction of the stream; what was sent still arrives.
    pub(crate) fn close(&mut self) {
        match self {
            Link::Tcp(stream) => tcp::shut_write(stream),
            Link::Memory(memory) => memory.close(),
        }
    }

    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Link::Tcp(stream) => stream.poll_read_ready(context),
            Link::Memory(memory) => memory.poll_readable(context).map(Ok),
        }
    }

    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Link::Tcp(stream) => stream.poll_write_ready(context),
            Link::Memory(memory) => memory.poll_writable(context).map(Ok),
        }
    }

    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        match self {
            Link::Tcp(stream) => stream.peer_addr().ok(),
            Link::Memory(_) => None,
        }
    }
}
