//! The broker's side of enrolment: a small HTTPS listener of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use pki::tls::ServerTls;
use pki::{Authority, Identity, PkiError, SERVICE_LIFE};
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Denied, EnrolRequest, Granted, JoinTokens, RENEW_ALPN, RenewRequest};

/// Who decides about certificates, and what it answered lately.
pub(crate) struct Registrar {
    authority: Arc<Authority>,
    tls: Arc<ServerTls>,
    tokens: Option<JoinTokens>,
    /// Answers by token and request: a newcomer whose answer was lost on the way
    /// asks again with the same key and must not find its token used up.
    answered: Mutex<HashMap<(String, String), Granted>>,
}

/// Newcomers are few; more than this at once is somebody else.
const CONNECTIONS_MAX: usize = 32;

/// Nobody needs longer for a handshake and one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A token and a request are some 700 bytes.
const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// Answers kept for repetition; only good tokens get one, so this is never reached honestly.
const ANSWERED_MAX: usize = 1_000;

impl Registrar {
    /// A registrar for `authority`.
    pub(crate) fn new(
        authority: Arc<Authority>,
        tls: Arc<ServerTls>,
        tokens: Option<JoinTokens>,
    ) -> Self {
        Self {
            authority,
            tls,
            tokens,
            answered: Mutex::new(HashMap::new()),
        }
    }

    fn enrol(&self, request: EnrolRequest) -> Result<Granted, PkiError> {
        let now = SystemTime::now();
        // First, so that a request nobody could sign does not spend the token.
        pki::check_request(request.csr.as_bytes())?;
        let question = (request.token, request.csr);
        // Held throughout, so that two askers with one token cannot both be first.
        let mut answered = self.answered.lock();
        if let Some(granted) = answered.get(&question) {
            return Ok(granted.clone());
        }
        let name = self.authority.tokens().consume(&question.0, now)?;
        let granted = self.sign(&name, &question.1)?;
        if answered.len() < ANSWERED_MAX {
            answered.insert(question, granted.clone());
        }
        if let Some(tokens) = &self.tokens
            && let Err(failure) = tokens.used(&name)
        {
            let reason = failure.what(crate::language::Language::English);
            tracing::error!(identity = name, reason, "enrolment could not be recorded");
        }
        tracing::info!(identity = name, "enrolled");
        Ok(granted)
    }

    fn renew(&self, holder: &CertificateDer<'_>, csr: &str) -> Result<Granted, PkiError> {
        let identity = Identity::from_certificate(holder)?;
        let granted = self.sign(&identity.name, csr)?;
        tracing::info!(
            identity = identity.name,
            old_serial = identity.serial,
            "renewed"
        );
        Ok(granted)
    }

    fn sign(&self, name: &str, csr: &str) -> Result<Granted, PkiError> {
        let now = SystemTime::now();
        let chain = self
            .authority
            .sign_client_csr(csr.as_bytes(), name, now, SERVICE_LIFE)?;
        Ok(Granted {
            chain: pki::certificates_to_pem(&chain),
            roots: pki::certificates_to_pem(self.authority.trust_roots()),
        })
    }
}

/// The certificate of a connection that renews; none on one that enrols.
#[derive(Clone)]
struct Holder(Option<CertificateDer<'static>>);

/// Serves enrolment until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    registrar: Arc<Registrar>,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = Router::new()
        .route("/v1/enroll", post(enrol))
        .route("/v1/renew", post(renew))
        .layer(DefaultBodyLimit::max(REQUEST_MAX_BYTES))
        .with_state(registrar.clone());
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: trying again at once would spin.
                tracing::warn!(%error, "enrolment listener");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            continue; // dropped: the newcomer tries again
        };
        let (router, registrar) = (router.clone(), registrar.clone());
        tokio::spawn(async move {
            let served = serve_one(stream, router, &registrar);
            match tokio::time::timeout(CONNECTION_TIMEOUT, served).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "enrolment connection"),
                Err(_) => tracing::debug!("enrolment connection took too long"),
            }
            drop(permit);
        });
    }
}

async fn serve_one(
    stream: TcpStream,
    router: Router,
    registrar: &Registrar,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let renews = start
        .client_hello()
        .alpn()
        .is_some_and(|mut offered| offered.any(|protocol| protocol == RENEW_ALPN));
    let config = if renews {
        // Mutual TLS as on the MQTT listener; this copy alone agrees to the ALPN.
        let (config, _) = registrar.tls.accept_config();
        let mut config = (*config).clone();
        config.alpn_protocols = vec![RENEW_ALPN.to_vec()];
        Arc::new(config)
    } else {
        registrar.tls.enrol_config()
    };
    let tls = start.into_stream(config).await?;
    let holder = tls
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.clone().into_owned());
    let service = TowerToHyperService::new(router.layer(Extension(Holder(holder))));
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(tls), service)
        .await?;
    Ok(())
}

async fn enrol(
    State(registrar): State<Arc<Registrar>>,
    Json(request): Json<EnrolRequest>,
) -> Response {
    answer(tokio::task::spawn_blocking(move || registrar.enrol(request)).await)
}

async fn renew(
    State(registrar): State<Arc<Registrar>>,
    Extension(holder): Extension<Holder>,
    Json(request): Json<RenewRequest>,
) -> Response {
    let Some(holder) = holder.0 else {
        let denied = Denied {
            code: "ENV-T401".into(),
            detail: "renewal needs the certificate that is to be renewed".into(),
        };
        return (StatusCode::FORBIDDEN, Json(denied)).into_response();
    };
    answer(tokio::task::spawn_blocking(move || registrar.renew(&holder, &request.csr)).await)
}

fn answer(result: Result<Result<Granted, PkiError>, tokio::task::JoinError>) -> Response {
    match result {
        Ok(Ok(granted)) => Json(granted).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(code = error.code(), reason = %error, "enrolment refused");
            let denied = Denied {
                code: error.code().into(),
                detail: error.to_string(),
            };
            (StatusCode::FORBIDDEN, Json(denied)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "enrolment failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
