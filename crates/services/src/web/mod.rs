//! The shell both pages stand in: who may ask, who is looking, layout, live stream, serving.
//!
//! ```text
//! request -> guard (host, origin) -> login (cookie) -> page of the role
//!                  \-> /login /assets /healthz /readyz /preferences: open to everyone
//! ```

pub(crate) mod assets;
pub(crate) mod cookie;
mod error;
pub(crate) mod guard;
pub mod identity;
pub(crate) mod layout;
pub(crate) mod live;
pub(crate) mod login;
pub(crate) mod payload;
mod serve;

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

pub use self::error::ServiceError;
use self::identity::LoginLinks;
pub(crate) use self::serve::serve;
use crate::Language;
use crate::link::LinkState;

/// What both roles need to serve their page.
#[derive(Debug)]
pub struct WebConfig {
    /// Bound and listening already, so that whoever starts us can say which port is taken.
    pub listener: std::net::TcpListener,
    /// Who may log in.
    pub links: LoginLinks,
    /// The language for browsers that ask for none of ours.
    pub language: Language,
    /// Host names the page may be asked for by, besides `localhost`, `127.0.0.1` and `[::1]`.
    pub allowed_hosts: Vec<String>,
    /// The command that prints a new login link, as this user has to type it.
    pub link_command: String,
    /// The address of the other role's page, to point to; none if it is not known.
    pub other_page: Option<String>,
    /// Told once when requests are answered.
    pub ready: Option<oneshot::Sender<()>>,
}

/// Which of the two pages this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Publisher => "publisher",
            Role::Subscriber => "subscriber",
        }
    }
}

/// What every handler of a page may look at.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) role: Role,
    /// The name in our certificate.
    pub(crate) identity: String,
    /// The broker's address, for people.
    pub(crate) broker: String,
    pub(crate) links: LoginLinks,
    pub(crate) language: Language,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) link_command: String,
    pub(crate) other_page: Option<String>,
    /// Cookies are shared by all ports of a host, so each page has a name of its own.
    pub(crate) cookie: String,
    pub(crate) link: watch::Receiver<LinkState>,
    /// Places for live streams.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

impl Shell {
    /// Takes the parts of `config` the handlers need; the listener stays with the caller.
    pub(crate) fn new(
        role: Role,
        config: &WebConfig,
        connection: Connection,
        stop: CancellationToken,
    ) -> Result<Shell, ServiceError> {
        let port = config
            .listener
            .local_addr()
            .map_err(ServiceError::Serve)?
            .port();
        Ok(Shell {
            role,
            identity: connection.identity,
            broker: connection.broker,
            links: config.links.clone(),
            language: config.language,
            allowed_hosts: config.allowed_hosts.clone(),
            link_command: config.link_command.clone(),
            other_page: config.other_page.clone(),
            cookie: format!("enviomq-{}-{port}", role.name()),
            link: connection.state,
            streams: Arc::new(Semaphore::new(live::STREAMS_MAX)),
            stop,
        })
    }
}

/// The connection to the broker as a page shows it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) identity: String,
    pub(crate) broker: String,
    pub(crate) state: watch::Receiver<LinkState>,
}

/// Puts the pages of a role behind the login, and everything behind the guard.
pub(crate) fn router(shell: Arc<Shell>, pages: Router) -> Router {
    let missing = Router::new()
        .fallback(layout::not_found)
        .with_state(Arc::clone(&shell));
    let pages = pages
        .merge(missing)
        .layer(from_fn_with_state(Arc::clone(&shell), login::require));
    Router::new()
        .route("/login", get(login::open_link))
        .route("/preferences", post(login::set_preferences))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Arc::clone(&shell))
        .route("/assets/{hash}/{name}", get(assets::asset))
        .merge(pages)
        // Covers reading the request and making the answer, not the life of a stream.
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_MAX,
        ))
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(shell, guard::guard))
}

/// `GET /readyz`: 200 while the role can do its work, which needs the broker.
async fn readyz(State(shell): State<Arc<Shell>>) -> (StatusCode, &'static str) {
    if shell.link.borrow().is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        let text = "the page answers, but there is no connection to the broker\n";
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

/// The wall clock in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `path` with `query` after it, escaped.
pub(crate) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (index, (name, value)) in query.iter().enumerate() {
        address.push(if index == 0 { '?' } else { '&' });
        address.push_str(name);
        address.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    address.push(char::from(byte));
                }
                _ => {
                    // Writing to a String cannot fail.
                    let _ = write!(address, "%{byte:02X}");
                }
            }
        }
    }
    address
}

const REQUEST_MAX: Duration = Duration::from_secs(30);
