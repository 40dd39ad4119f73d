//! The newcomer's side of enrolment: a key made here, a token spent once.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode};
use pki::tls::PinnedRoot;
use pki::token::JoinToken;
use pki::{Fingerprint, Generations, Issued, KeyPair, LoadedPair};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{Denied, EnrolRequest, Granted};
use crate::config::Endpoint;
use crate::data_folder::DataFolder;
use crate::failure::{Exit, Failure};
use crate::network::{Answer, request};

/// What is needed to become `name`.
pub(crate) struct Enrolment<'a> {
    pub(crate) data: &'a DataFolder,
    pub(crate) name: &'a str,
    /// The token's file, which may not be there yet.
    pub(crate) token_file: &'a Path,
    /// The broker's enrolment listener.
    pub(crate) endpoint: &'a Endpoint,
}

/// Enrols, however long the token and the broker take to appear.
///
/// Answers `None` if `stop` comes first.
///
/// # Errors
/// If the broker says no: asking again would not change its mind.
pub(crate) async fn enrol(
    enrolment: &Enrolment<'_>,
    stop: &CancellationToken,
) -> Result<Option<LoadedPair>, Failure> {
    let key = KeyPair::generate()?;
    let csr = key.to_csr(enrolment.name)?;
    let mut pause = Pause::new();
    loop {
        let attempt = async {
            let token = read_token(enrolment).await?;
            ask(enrolment, token, &csr).await
        };
        let Some(attempt) = stop.run_until_cancelled(attempt).await else {
            return Ok(None);
        };
        match attempt {
            Ok(granted) => return install(enrolment, &granted, key).map(Some),
            Err(Attempt::Refused(failure)) => return Err(failure),
            Err(Attempt::Later(reason)) => {
                if pause.is_longest() {
                    tracing::warn!(
                        identity = enrolment.name,
                        "still not enrolled; if it was before and lost its folder, remove \
                         broker/enrolled/{} from the broker's data folder and restart the broker",
                        enrolment.name
                    );
                }
                let wait = pause.next();
                tracing::info!(
                    identity = enrolment.name,
                    reason,
                    wait_ms = wait.as_millis() as u64,
                    "not enrolled yet"
                );
                if stop
                    .run_until_cancelled(tokio::time::sleep(wait))
                    .await
                    .is_none()
                {
                    return Ok(None);
                }
            }
        }
    }
}

/// Why one attempt did not end in a certificate.
enum Attempt {
    /// Something is not there yet.
    Later(String),
    /// No, for good.
    Refused(Failure),
}

async fn read_token(enrolment: &Enrolment<'_>) -> Result<String, Attempt> {
    let file = enrolment.token_file;
    match tokio::fs::read_to_string(file).await {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Attempt::Later(format!(
            "{} is not there yet",
            file.display()
        ))),
        Err(error) => Err(Attempt::Refused(
            Failure::new("ENV-J706")
                .with("file", file.display())
                .because(error)
                .mend(format!("ls -l {}", file.display())),
        )),
    }
}

async fn ask(enrolment: &Enrolment<'_>, token: String, csr: &str) -> Result<Pinned, Attempt> {
    let refused = |failure| Attempt::Refused(failure);
    let parsed = JoinToken::parse(&token)
        .map_err(|error| refused(Failure::from(pki::PkiError::from(error))))?;
    if parsed.name != enrolment.name {
        return Err(refused(
            Failure::new("ENV-J707")
                .with("file", enrolment.token_file.display())
                .with("found", &parsed.name)
                .with("wanted", enrolment.name)
                .mend(format!("enviomq {} --join FILE", parsed.name)),
        ));
    }
    let config = PinnedRoot::new(parsed.root)
        .client_config()
        .map_err(|error| refused(error.into()))?;
    let body = EnrolRequest {
        token,
        csr: csr.to_owned(),
    };
    let body = serde_json::json!(body).to_string();
    let answer = post(enrolment.endpoint, config, "/v1/enroll", body)
        .await
        .map_err(|error| Attempt::Later(format!("{}: {error}", enrolment.endpoint)))?;
    let granted = judge(&answer).map_err(|judged| match judged {
        Judged::Denied(denied) => refused(denial(&denied, enrolment)),
        Judged::Odd(reason) => Attempt::Later(reason),
    })?;
    Ok(Pinned {
        granted,
        root: parsed.root,
    })
}

fn denial(denied: &Denied, enrolment: &Enrolment<'_>) -> Failure {
    Failure::new("ENV-J708")
        .with("name", enrolment.name)
        .because(format!("{}: {}", denied.code, denied.detail))
        .mend(format!("rm DATA/broker/enrolled/{}", enrolment.name))
        .exit(Exit::RefusedByPolicy)
}

/// A grant, and the root that the token promised.
pub(super) struct Pinned {
    pub(super) granted: Granted,
    pub(super) root: Fingerprint,
}

/// Keeps what was granted, and of the roots that came with it the one that was promised.
pub(super) fn install(
    enrolment: &Enrolment<'_>,
    pinned: &Pinned,
    key: KeyPair,
) -> Result<LoadedPair, Failure> {
    let mut roots = pki::certificates_from_pem(&pinned.granted.roots)?;
    // The connection was pinned already; what is kept for later is that same root alone.
    roots.retain(|root| pinned.root.matches(root));
    if roots.is_empty() {
        return Err(Failure::from(pki::PkiError::from(
            pki::token::TokenError::OtherAuthority,
        )));
    }
    let issued = Issued {
        chain: pki::certificates_from_pem(&pinned.granted.chain)?,
        key,
    };
    let trust = enrolment.data.trust_bundle();
    if let Some(folder) = trust.parent() {
        pki::create_private_dir(folder)?;
    }
    pki::write_public_file(&trust, pki::certificates_to_pem(&roots).as_bytes())?;
    let generations = Generations::at(enrolment.data.identity(enrolment.name));
    let pair = generations.install(&issued, SystemTime::now())?;
    tracing::info!(
        identity = enrolment.name,
        serial = pair.leaf().serial,
        "enrolled"
    );
    Ok(pair)
}

/// One request to the enrolment listener.
pub(super) async fn post(
    endpoint: &Endpoint,
    config: Arc<rustls::ClientConfig>,
    path: &str,
    body: String,
) -> io::Result<Answer> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    let connect = async {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        TlsConnector::from(config).connect(name, stream).await
    };
    let stream = tokio::time::timeout(Duration::from_secs(10), connect)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    request(stream, &endpoint.host, Method::POST, path, body).await
}

/// An answer that grants nothing.
pub(super) enum Judged {
    Denied(Denied),
    Odd(String),
}

/// Sorts an answer of the enrolment listener.
pub(super) fn judge(answer: &Answer) -> Result<Granted, Judged> {
    let odd = || Judged::Odd(format!("the broker answered {}", answer.status));
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| odd()),
        StatusCode::FORBIDDEN => Err(match serde_json::from_slice(&answer.body) {
            Ok(denied) => Judged::Denied(denied),
            Err(_) => odd(),
        }),
        _ => Err(odd()),
    }
}

/// Growing pauses between attempts, from 0.2 to 5 seconds, never in step with another's.
struct Pause(Duration);

impl Pause {
    const LONGEST: Duration = Duration::from_secs(5);

    fn new() -> Self {
        Self(Duration::from_millis(200))
    }

    fn is_longest(&self) -> bool {
        self.0 == Self::LONGEST
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (self.0 * 2).min(Self::LONGEST);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
