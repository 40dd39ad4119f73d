//! Listener: accepts, bounds how many, finds out who it is, and hands over to the connection.
//!
//! Each accepted socket gets a task and a span of its own at once. A panic in it ends that
//! connection, is counted, and touches no other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pki::tls::ServerTls;
use pki::{Identity, Leaf, Refusal, RefusalSlot};
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, Span, field};
use transport::{ForeignProtocol, HandshakeError, HandshakeErrorKind, Transport};

use crate::broker::{BENCH_IDENTITY, ListenerKind, Shared};
use crate::connection;
use crate::metrics::Metrics;

/// Accepts until the broker stops.
pub(crate) async fn accept(shared: Arc<Shared>, socket: TcpListener, kind: ListenerKind) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // A listener for both families shows IPv4 peers as ::ffff:a.b.c.d.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                welcome(&shared, stream, peer, kind);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections: {error}; the next attempt is in {} ms", RETRY.as_millis());
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Serves a link whose peer is already known.
pub(crate) fn attach(shared: &Arc<Shared>, transport: Transport, identity: &str) {
    let Some(place) = shared.connection_count.enter() else {
        shared.metrics.connections_over_limit(1);
        return;
    };
    let span = tracing::info_span!(
        "connection",
        peer = "memory",
        identity,
        client = field::Empty
    );
    let identity = Arc::from(identity);
    spawn(shared, place, span, |shared| {
        connection::serve(shared, transport, identity)
    });
}

fn welcome(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, kind: ListenerKind) {
    shared.metrics.connections_accepted(1);
    let Some(place) = shared.connection_count.enter() else {
        shared.metrics.connections_over_limit(1);
        let max = shared.config.connections_max;
        let detail = format!("the broker already holds {max} connections, its maximum");
        shared
            .refusals
            .write(Some(peer), &Refusal::new("ENV-T409", detail));
        return;
    };
    let span =
        tracing::info_span!("connection", %peer, identity = field::Empty, client = field::Empty);
    spawn(shared, place, span, move |shared| async move {
        let secured = match kind {
            ListenerKind::MutualTls => secure(&shared, stream, peer).await,
            ListenerKind::PlainLoopback => plain(stream),
        };
        if let Some((transport, identity)) = secured {
            Span::current().record("identity", &*identity);
            connection::serve(shared, transport, identity).await;
        }
    });
}

fn spawn<F>(shared: &Arc<Shared>, place: Place, span: Span, work: impl FnOnce(Arc<Shared>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let witness = PanicWitness(Arc::clone(&shared.metrics));
    // Boxed by hand: the handshake and the connection are then not moved with the task.
    let work = Box::pin(work(Arc::clone(shared)));
    let task = async move {
        let _held = (place, witness);
        work.await;
    };
    shared.tasks.spawn(task.instrument(span));
}

/// The TLS handshake, within its deadline; refusals are logged here.
async fn secure(
    shared: &Shared,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<(Transport, Arc<str>)> {
    let deadline = tokio::time::Instant::now() + shared.config.handshake_timeout();
    let handshake = tokio::select! {
        handshake = tokio::time::timeout_at(deadline, shake_hands(shared, stream)) => handshake,
        () = shared.stopping.cancelled() => return None,
    };
    let refusal = match handshake {
        Ok(Ok(secured)) => {
            shared.metrics.handshakes_completed(1);
            return Some(secured);
        }
        Ok(Err(NotSecure::Silent)) => {
            shared.metrics.connections_silent(1);
            tracing::debug!("closed without a byte: a health probe or a port scan");
            return None;
        }
        Ok(Err(NotSecure::Refused(refusal))) => *refusal,
        Err(_) => {
            let seconds = shared.config.handshake_timeout_s;
            Refusal::new(
                "ENV-T408",
                format!("no complete TLS handshake within {seconds} s"),
            )
        }
    };
    shared.metrics.handshakes_refused(1);
    shared.refusals.write(Some(peer), &refusal);
    None
}

/// Why a socket did not become an authenticated connection.
enum NotSecure {
    /// It closed without a byte.
    Silent,
    Refused(Box<Refusal>),
}

async fn shake_hands(
    shared: &Shared,
    stream: TcpStream,
) -> Result<(Transport, Arc<str>), NotSecure> {
    // Who says nothing must not hold one of the places for handshakes.
    match stream.peek(&mut [0]).await {
        Ok(0) | Err(_) => return Err(NotSecure::Silent),
        Ok(_) => {}
    }
    let (Ok(_permit), Some(tls)) = (shared.handshakes.acquire().await, &shared.tls) else {
        return Err(NotSecure::Silent); // neither happens: the semaphore is never closed, `tls` was checked at the start
    };
    let (config, slot) = tls.accept_config();
    let transport = Transport::accept(stream, config)
        .await
        .map_err(|error| explain(&error, &slot))?;
    let identity = identify(&transport)?;
    Ok((transport, identity))
}

/// From what TLS says to what the operator reads.
fn explain(error: &HandshakeError, slot: &RefusalSlot) -> NotSecure {
    let refusal = match (error.looks_like, &error.kind) {
        (Some(ForeignProtocol::PlainMqtt), _) => {
            Refusal::new("ENV-T404", "it speaks MQTT without TLS on the TLS port")
        }
        (Some(ForeignProtocol::Http), _) => {
            Refusal::new("ENV-T406", "it speaks HTTP on the MQTT port")
        }
        (None, HandshakeErrorKind::Tls(error)) => ServerTls::refusal(slot, error),
        (None, HandshakeErrorKind::Closed | HandshakeErrorKind::Io(_)) => Refusal::new(
            "ENV-T407",
            "the client broke off the TLS handshake without an alert; most likely it does not trust \
             our certificate, or used a name that is not in it",
        ),
        (None, HandshakeErrorKind::TooLong(_)) => Refusal::new("ENV-T400", error.to_string()),
    };
    let refusal = match &error.server_name {
        Some(name) if refusal.code == "ENV-T407" => Refusal {
            detail: format!("{} (it asked for \"{name}\")", refusal.detail),
            ..refusal
        },
        _ => refusal,
    };
    NotSecure::Refused(Box::new(refusal))
}

/// The identity of a verified certificate, if it may be one.
fn identify(transport: &Transport) -> Result<Arc<str>, NotSecure> {
    let certificate = transport.peer_certificates().first();
    let refusal = match certificate.map(Identity::from_certificate) {
        Some(Ok(identity)) => return Ok(Arc::from(identity.name)),
        Some(Err(error)) => {
            let leaf = certificate.and_then(|certificate| Leaf::parse(certificate).ok());
            Refusal {
                subject: leaf.as_ref().map(|leaf| leaf.subject.clone()),
                issuer: leaf.as_ref().map(|leaf| leaf.issuer.clone()),
                serial: leaf.map(|leaf| leaf.serial),
                ..Refusal::new(error.code(), error.to_string())
            }
        }
        None => Refusal::new("ENV-T401", "the client did not present a certificate"),
    };
    Err(NotSecure::Refused(Box::new(refusal)))
}

fn plain(stream: TcpStream) -> Option<(Transport, Arc<str>)> {
    match Transport::plain(stream) {
        Ok(transport) => Some((transport, Arc::from(BENCH_IDENTITY))),
        Err(error) => {
            tracing::debug!(%error, "the socket was gone before it was served: {error}");
            None
        }
    }
}

/// These concern the one connection that was about to be accepted, not the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::Interrupted
    )
}

/// How many connections there are, and how many there may be.
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    current: Arc<AtomicUsize>,
    max: usize,
}

/// One of the places; given back when dropped.
struct Place(Arc<AtomicUsize>);

impl ConnectionCount {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            current: Arc::default(),
            max,
        }
    }

    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    fn enter(&self) -> Option<Place> {
        // The place exists before the check, so that giving up gives it back.
        let place = Place(Arc::clone(&self.current));
        (self.current.fetch_add(1, Ordering::Relaxed) < self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts the panic that unwinds through it.
struct PanicWitness(Arc<Metrics>);

impl Drop for PanicWitness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.connection_panics(1);
            tracing::error!(
                "a connection ended by a panic, which is a bug of ours; the others go on"
            );
        }
    }
}

/// Out of file descriptors, usually: somebody must close some first.
const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_counted_and_gives_the_place_back() {
        let (metrics, count) = (Arc::new(Metrics::default()), ConnectionCount::new(1));
        let place = count.enter();
        assert!(place.is_some() && count.enter().is_none());
        let witness = PanicWitness(Arc::clone(&metrics));
        let task = tokio::spawn(async move {
            let _held = (place, witness);
            tokio::task::yield_now().await;
            panic!("a bug");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(metrics.snapshot().connection_panics, 1);
        assert_eq!(count.current(), 0);
        drop(PanicWitness(Arc::clone(&metrics)));
        assert_eq!(metrics.snapshot().connection_panics, 1);
    }
}
