//! TCP: socket options, and one system call per batch.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::link::Received;

/// No delay, because batches are formed above; keep-alive, so that a peer without an MQTT keep
/// alive whose machine vanished is noticed within three minutes.
pub(crate) fn set_options(stream: &TcpStream) -> io::Result<()> {
    const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(20));
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&KEEP_ALIVE)
}

/// One `recv`.
///
/// `poll_read` instead of `try_read`: after a read that did not fill the buffer it knows that
/// the socket is drained, and the next wait costs no second `recv` that only says EAGAIN. The
/// waker does nothing, because waiting is `poll_readable`'s business, which sets its own.
pub(crate) fn recv(stream: &mut TcpStream, into: &mut [u8]) -> io::Result<Received> {
    let mut buffer = ReadBuf::new(into);
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(stream).poll_read(&mut context, &mut buffer) {
        Poll::Pending => Ok(Received::WouldBlock),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Ready(Ok(())) => Ok(match buffer.filled().len() {
            0 => Received::End { clean: true },
            count => Received::Bytes(count),
        }),
    }
}

/// One `send`.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(stream).poll_write(&mut context, bytes) {
        Poll::Pending => Ok(None),
        Poll::Ready(sent) => sent.map(Some),
    }
}

/// Ends our direction; an error means that the other end is gone already.
pub(crate) fn shut_write(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
}
