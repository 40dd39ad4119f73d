//! The subscriber: stores what arrives, then acknowledges it, then shows it.
//!
//! | file | its one thought |
//! |---|---|
//! | `recorder` | messages into the database, acknowledgements only afterwards |
//! | `pages` | the handlers and what their templates show |
//! | `mqtt` | messages and connection, by the real client |

mod mqtt;
mod pages;
mod recorder;

use std::path::PathBuf;
use std::sync::Arc;

use store::{History, Retention};
use tokio_util::sync::CancellationToken;

use crate::web::{self, Connection, Role, ServiceError, Shell, WebConfig};

/// What the subscriber needs to run.
#[derive(Debug)]
pub struct SubscriberConfig {
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
    /// The Topic Filters it subscribes to, with QoS 2 so that nothing is lost or doubled.
    pub filters: Vec<String>,
}

/// Runs the subscriber until `stop`.
///
/// A broker that is not there is no error: the page says so and the client goes on trying.
///
/// # Errors
/// The database cannot be opened, a filter is wrong, or the page cannot be served.
pub async fn run(config: SubscriberConfig, stop: CancellationToken) -> Result<(), ServiceError> {
    let history = History::open(&config.database, config.retention)?;
    let broker = format!("{}:{}", config.client.host, config.client.port);
    let storing = recorder::Storing::default();
    let (link, state, arrivals) =
        mqtt::Link::start(config.client, &config.filters, storing.problem())?;
    let connection = Connection {
        identity: config.identity,
        broker,
        state,
    };
    let shell = Shell::new(Role::Subscriber, &config.web, connection, stop.clone())?;
    let recording = tokio::spawn(recorder::run(
        history.clone(),
        arrivals,
        storing,
        stop.clone(),
    ));
    let app = App {
        shell: Arc::new(shell),
        history: history.clone(),
    };
    let router = pages::router(app);
    let served = web::serve(config.web.listener, config.web.ready, router, stop).await;

    // The recorder ends with the batch it has in hand. What it has not stored it has not
    // acknowledged, so the broker will send it again.
    if recording.await.is_err() {
        tracing::error!("the recorder ended by a panic");
    }
    link.close().await;
    let closed = tokio::task::spawn_blocking(move || history.close()).await;
    if closed.is_err() {
        tracing::error!("the subscriber's database was not closed cleanly");
    }
    served
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct App {
    shell: Arc<Shell>,
    history: History,
}

/// The subscriber's page on a history of the test's making.
#[cfg(test)]
pub(crate) mod testing {
    use super::{App, Arc, History, Shell, pages};

    pub(crate) fn router(shell: Arc<Shell>, history: History) -> axum::Router {
        pages::router(App { shell, history })
    }
}
