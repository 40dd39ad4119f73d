//! Memory link: two ends that behave like a socket with small buffers, for tests.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;

use crate::link::Received;

/// One end of a link in memory.
#[derive(Debug)]
pub(crate) struct MemoryLink {
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
}

/// One direction.
///
/// Invariant: `bytes` is never longer than `capacity`.
#[derive(Debug)]
struct Pipe {
    bytes: BytesMut,
    capacity: usize,
    end: Option<End>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Cut,
}

pub(crate) fn pair(capacity: usize) -> (MemoryLink, MemoryLink) {
    let there = Pipe::new(capacity);
    let back = Pipe::new(capacity);
    (
        MemoryLink {
            incoming: back.clone(),
            outgoing: there.clone(),
        },
        MemoryLink {
            incoming: there,
            outgoing: back,
        },
    )
}

impl MemoryLink {
    pub(crate) fn recv(&mut self, into: &mut [u8]) -> Received {
        let mut pipe = self.incoming.lock();
        if pipe.bytes.is_empty() {
            return match pipe.end {
                Some(end) => Received::End {
                    clean: matches!(end, End::Closed),
                },
                None => Received::WouldBlock,
            };
        }
        let count = into.len().min(pipe.bytes.len());
        into[..count].copy_from_slice(&pipe.bytes[..count]);
        pipe.bytes.advance(count);
        wake(&mut pipe.writer);
        Received::Bytes(count)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let mut pipe = self.outgoing.lock();
        if pipe.reader_gone || pipe.end.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(pipe.capacity - pipe.bytes.len());
        if count == 0 {
            return Ok(None);
        }
        pipe.bytes.extend_from_slice(&bytes[..count]);
        wake(&mut pipe.reader);
        Ok(Some(count))
    }

    pub(crate) fn close(&mut self) {
        self.outgoing.lock().finish(End::Closed);
    }

    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut pipe = self.incoming.lock();
        if pipe.bytes.is_empty() && pipe.end.is_none() {
            pipe.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut pipe = self.outgoing.lock();
        let is_full = pipe.bytes.len() == pipe.capacity;
        if is_full && !pipe.reader_gone && pipe.end.is_none() {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        self.outgoing.lock().finish(End::Cut);
        let mut incoming = self.incoming.lock();
        incoming.reader_gone = true;
        wake(&mut incoming.writer);
    }
}

impl Pipe {
    fn new(capacity: usize) -> Arc<Mutex<Pipe>> {
        Arc::new(Mutex::new(Pipe {
            bytes: BytesMut::new(),
            capacity,
            end: None,
            reader_gone: false,
            reader: None,
            writer: None,
        }))
    }

    /// The first end counts: a link that was closed and then dropped was closed.
    fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
