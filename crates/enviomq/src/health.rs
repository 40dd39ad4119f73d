//! Health: `/healthz` says the process lives, `/readyz` that it can do its work.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the broker knows about its own condition.
#[derive(Clone)]
pub(crate) struct Condition {
    certificate_end: Arc<Mutex<SystemTime>>,
    stop: CancellationToken,
}

impl Condition {
    /// The condition of a broker whose listeners are bound.
    pub(crate) fn new(certificate_end: SystemTime, stop: CancellationToken) -> Self {
        Self {
            certificate_end: Arc::new(Mutex::new(certificate_end)),
            stop,
        }
    }

    /// Tells of a renewed server certificate.
    pub(crate) fn renewed(&self, certificate_end: SystemTime) {
        *self.certificate_end.lock() = certificate_end;
    }

    fn report(&self) -> (StatusCode, Value) {
        let left = self
            .certificate_end
            .lock()
            .duration_since(SystemTime::now());
        let seconds = left.map(|left| left.as_secs()).unwrap_or_default();
        let ready = seconds > 0 && !self.stop.is_cancelled();
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let body = json!({
            "ready": ready,
            "stopping": self.stop.is_cancelled(),
            "server_certificate_seconds_left": seconds,
        });
        (status, body)
    }
}

/// Answers probes until `stop`.
pub(crate) async fn serve(listener: TcpListener, condition: Condition, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(|| async { Json(json!({ "alive": true })) }))
        .route(
            "/readyz",
            get(|State(condition): State<Condition>| async move {
                let (status, body) = condition.report();
                (status, Json(body))
            }),
        )
        .with_state(condition);
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the health endpoint ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_certificate_that_ended_makes_the_broker_unready() {
        let now = SystemTime::now();
        let condition = Condition::new(now + Duration::from_secs(60), CancellationToken::new());
        assert_eq!(condition.report().0, StatusCode::OK);
        condition.renewed(now - Duration::from_secs(1));
        assert_eq!(condition.report().0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_broker_that_stops_is_not_ready() {
        let stop = CancellationToken::new();
        let condition = Condition::new(SystemTime::now() + Duration::from_secs(60), stop.clone());
        stop.cancel();
        assert_eq!(condition.report().0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
