//! Broker: its parts put together, started, and stopped with everything flushed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pki::tls::ServerTls;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::Transport;

use crate::access::AccessPolicy;
use crate::config::BrokerConfig;
use crate::journal::memory::MemoryJournal;
use crate::listener::{self, ConnectionCount};
use crate::metrics::{Metrics, MetricsSnapshot};
use crate::outbox::Notice;
use crate::refusals::RefusalLog;
use crate::registry::{Registry, RegistryLimits};
use crate::router::Router;
use crate::session::SessionLimits;

/// The MQTT broker.
#[derive(Debug)]
pub struct Broker;

/// What a broker is made of besides its settings.
#[derive(Debug)]
pub struct Parts {
    /// Certificate and trust of the TLS listeners; not needed if there are none.
    pub tls: Option<Arc<ServerTls>>,
    /// Who may do what.
    pub access: Arc<AccessPolicy>,
    /// Bound sockets, and what is spoken on each.
    pub listeners: Vec<(TcpListener, ListenerKind)>,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// MQTT over TLS with a client certificate.
    MutualTls,
    /// MQTT without TLS for load benches on this machine: any other address is refused.
    /// Every client has the identity [`BENCH_IDENTITY`].
    PlainLoopback,
}

/// Who a client of a [`ListenerKind::PlainLoopback`] listener is.
pub const BENCH_IDENTITY: &str = "bench";

/// Why a broker was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A plain listener is reachable from elsewhere.
    #[error("a listener without TLS may only be bound to a loopback address, not to {0}")]
    PlainNotLoopback(SocketAddr),
    /// A TLS listener without a certificate.
    #[error("a TLS listener needs a server certificate and the authorities it trusts")]
    TlsMissing,
    /// The address of a listener is not known.
    #[error("the address of a listener cannot be read: {0}")]
    Address(#[from] io::Error),
}

/// A running broker. Dropping the handle does not stop it; [`BrokerHandle::shutdown`] does.
#[derive(Debug)]
pub struct BrokerHandle {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    timers: JoinHandle<()>,
}

/// What every connection of one broker shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: BrokerConfig,
    pub(crate) session_limits: Arc<SessionLimits>,
    pub(crate) router: Arc<Router>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) access: Arc<AccessPolicy>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) journal: MemoryJournal,
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) handshakes: Semaphore,
    pub(crate) connection_count: ConnectionCount,
    pub(crate) refusals: RefusalLog,
    /// Cancelled when the broker begins to stop.
    pub(crate) stopping: CancellationToken,
    /// Every task of a listener or a connection.
    pub(crate) tasks: TaskTracker,
}

impl Broker {
    /// Starts serving the listeners on the current tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then.
    pub fn start(config: BrokerConfig, parts: Parts) -> Result<BrokerHandle, StartError> {
        let addresses = check(&parts)?;
        let shared = Arc::new(Shared::new(config, parts.tls, parts.access));
        for (socket, kind) in parts.listeners {
            shared
                .tasks
                .spawn(listener::accept(Arc::clone(&shared), socket, kind));
        }
        let registry = Arc::clone(&shared.registry);
        let timers = tokio::spawn(async move { registry.run_timers().await });
        Ok(BrokerHandle {
            shared,
            addresses,
            timers,
        })
    }
}

/// Refuses what must not be served, before anything is.
fn check(parts: &Parts) -> Result<Vec<SocketAddr>, StartError> {
    let mut addresses = Vec::new();
    for (socket, kind) in &parts.listeners {
        let address = socket.local_addr()?;
        match kind {
            ListenerKind::MutualTls if parts.tls.is_none() => return Err(StartError::TlsMissing),
            ListenerKind::PlainLoopback if !address.ip().is_loopback() => {
                return Err(StartError::PlainNotLoopback(address));
            }
            _ => addresses.push(address),
        }
    }
    Ok(addresses)
}

impl Shared {
    fn new(config: BrokerConfig, tls: Option<Arc<ServerTls>>, access: Arc<AccessPolicy>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let router = Arc::new(Router::new(config.retained_limits()));
        let limits = RegistryLimits {
            sessions_max: config.sessions_max,
            outbox: config.outbox_limits(),
        };
        let registry = Registry::new(
            limits,
            Arc::clone(&router),
            Arc::clone(&access),
            Arc::clone(&metrics),
        );
        Self {
            session_limits: Arc::new(config.session.clone()),
            router,
            registry: Arc::new(registry),
            access,
            metrics,
            journal: MemoryJournal,
            tls,
            handshakes: Semaphore::new(config.handshakes_max.clamp(1, Semaphore::MAX_PERMITS)),
            connection_count: ConnectionCount::new(config.connections_max),
            refusals: RefusalLog::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
        }
    }
}

impl BrokerHandle {
    /// Where the listeners listen, in the order they were given.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// All counters at this moment.
    pub fn metrics(&self) -> MetricsSnapshot {
        let shared = &self.shared;
        let (retained_count, retained_bytes) = shared.router.retained_size();
        MetricsSnapshot {
            connections_current: shared.connection_count.current() as u64,
            sessions_current: shared.registry.len() as u64,
            retained_count: retained_count as u64,
            retained_bytes: retained_bytes as u64,
            ..shared.metrics.snapshot()
        }
    }

    /// Serves a link that was not accepted by a listener, as this identity: for tests and simulations.
    pub fn attach(&self, transport: Transport, identity: &str) {
        listener::attach(&self.shared, transport, identity);
    }

    /// Stops: no new connections, every client is sent what waits for it and told goodbye
    /// (0x8B in 5.0). Returns when all are gone, or their time to read it is over.
    pub async fn shutdown(self) {
        let shared = self.shared;
        // First the token: a connection that gets its session after the notice looks at it.
        shared.stopping.cancel();
        shared.registry.notify_all(Notice::ShuttingDown);
        shared.tasks.close();
        let patience = shared.config.close_timeout() + GRACE;
        if tokio::time::timeout(patience, shared.tasks.wait())
            .await
            .is_err()
        {
            let left = shared.tasks.len();
            tracing::warn!(left, "{left} connections did not end in time and are cut");
        }
        self.timers.abort();
    }
}

/// What the tasks may take beyond the deadline they keep themselves.
const GRACE: Duration = Duration::from_secs(1);
