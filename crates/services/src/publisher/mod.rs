//! The publisher: a page to send messages from, and to see what truly became of each.
//!
//! | file | its one thought |
//! |---|---|
//! | `sender` | write the message down, send it, record each change of what is known |
//! | `form` | what a viewer filled in, as a message or as an explained problem |
//! | `pages` | the handlers and what their templates show |
//! | `mqtt` | the sender's seam, by the real client |

mod form;
mod mqtt;
mod pages;
mod sender;

use std::path::PathBuf;
use std::sync::Arc;

use store::{Retention, SentLog};
use tokio_util::sync::CancellationToken;

use self::sender::Sender;
use crate::web::{self, Connection, Role, ServiceError, Shell, WebConfig};

/// What the publisher needs to run.
#[derive(Debug)]
pub struct PublisherConfig {
    /// Its page.
    pub web: WebConfig,
    /// Its connection to the broker.
    pub client: client::Options,
    /// The name in its certificate, for the page.
    pub identity: String,
    /// The file of its history.
    pub database: PathBuf,
    /// How much history is kept.
    pub retention: Retention,
    /// The topic a new form starts with.
    pub default_topic: String,
    /// The longest payload the form takes, in bytes.
    pub max_message_bytes: usize,
}

/// Runs the publisher until `stop`.
///
/// A broker that is not there is no error: the page says so and the client goes on trying.
///
/// # Errors
/// The database cannot be opened or the page cannot be served.
pub async fn run(config: PublisherConfig, stop: CancellationToken) -> Result<(), ServiceError> {
    let log = SentLog::open(&config.database, config.retention)?;
    let broker = format!("{}:{}", config.client.host, config.client.port);
    let (link, state, watcher) = mqtt::Link::start(config.client);
    let connection = Connection {
        identity: config.identity,
        broker,
        state,
    };
    let shell = Shell::new(Role::Publisher, &config.web, connection, stop.clone())?;
    let sender = Sender::new(log.clone(), Arc::new(link.clone()));
    let app = App {
        shell: Arc::new(shell),
        log: log.clone(),
        sender: sender.clone(),
        default_topic: config.default_topic,
        max_message_bytes: config.max_message_bytes,
    };
    let router = pages::router(app);
    let served = web::serve(config.web.listener, config.web.ready, router, stop).await;

    // What is on its way gets a moment to be answered; closing the connection then gives
    // every other row its honest end, before the log is closed.
    sender.finish(|| link.close()).await;
    watcher.abort();
    let closed = tokio::task::spawn_blocking(move || log.close()).await;
    if closed.is_err() {
        tracing::error!("the publisher's database was not closed cleanly");
    }
    served
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct App {
    shell: Arc<Shell>,
    log: SentLog,
    sender: Sender,
    default_topic: String,
    max_message_bytes: usize,
}

/// The publisher's page on a broker of the test's making.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::sender::Outgoing;
    use super::{App, Arc, Sender, SentLog, Shell, pages};

    pub(crate) fn router(
        shell: Arc<Shell>,
        log: SentLog,
        outgoing: Arc<dyn Outgoing>,
    ) -> axum::Router {
        pages::router(App {
            shell,
            sender: Sender::new(log.clone(), outgoing),
            log,
            default_topic: "chat/mensaje".to_owned(),
            max_message_bytes: 1 << 20,
        })
    }
}
