//! The self-test: a message really passes, and strangers really do not.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use client::{Client, ClientError, Options, Outcome, PublishRequest};
use mqtt::{QoS, RetainHandling, SubscriptionOptions, TopicFilter, TopicName};
use pki::tls::ClientTls;
use pki::{Authority, Generations, KeyPair, LoadedPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Endpoint;
use crate::data_folder::DataFolder;
use crate::failure::{Exit, Failure};
use crate::roles::broker::SELF_TEST_TOPIC;

/// What the tests need to know about the system they look at.
pub(crate) struct System<'a> {
    pub(crate) data: &'a DataFolder,
    pub(crate) broker: &'a Endpoint,
    pub(crate) roots: &'a [CertificateDer<'static>],
    pub(crate) server: &'a LoadedPair,
    pub(crate) publisher: &'a LoadedPair,
    pub(crate) subscriber: &'a LoadedPair,
}

/// No step of either test takes longer on a machine that works.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a message as publisher and receives it as subscriber; answers how long it was on its way.
///
/// # Errors
/// ENV-S801, or what the connection failed with.
pub(crate) async fn message_passes(system: &System<'_>) -> Result<Duration, Failure> {
    in_time("the message did not arrive in time", pass(system)).await
}

async fn pass(system: &System<'_>) -> Result<Duration, Failure> {
    let topic = format!("{SELF_TEST_TOPIC}/{:016x}", fastrand::u64(..));
    let (subscriber, mut messages) = connect(system, system.subscriber).await?;
    let filter = TopicFilter::try_from(topic.as_str()).map_err(failed)?;
    let options = SubscriptionOptions {
        maximum_qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::DoNotSend,
    };
    let granted = subscriber
        .subscribe(vec![(filter, options)])
        .await
        .map_err(failed)?;
    if let Some(reason) = granted.iter().find(|reason| reason.is_error()) {
        return Err(failed(format!(
            "the subscription was refused: {}",
            reason.name()
        )));
    }

    let (publisher, _) = connect(system, system.publisher).await?;
    let topic = TopicName::try_from(topic.as_str()).map_err(failed)?;
    let secret = fastrand::u128(..).to_be_bytes();
    let begun = Instant::now();
    let request = PublishRequest::new(topic, secret.to_vec()).qos(QoS::AtLeastOnce);
    let publication = publisher.publish(request);
    let Some(message) = messages.next().await else {
        return Err(failed("the subscriber's connection was lost"));
    };
    let took = begun.elapsed();
    if message.payload[..] != secret {
        return Err(failed("another message arrived than was sent"));
    }
    message.ack();
    match publication.done().await {
        Outcome::Accepted { .. } => {}
        other => {
            return Err(failed(format!(
                "the broker did not accept the message: {other:?}"
            )));
        }
    }
    publisher.close().await;
    subscriber.close().await;
    Ok(took)
}

/// Knocks without certificate, with one of a foreign authority, and with the server's own.
///
/// # Errors
/// ENV-S802 if anybody was let in.
pub(crate) async fn strangers_are_refused(system: &System<'_>) -> Result<(), Failure> {
    tracing::info!("self-test: the three refusals that follow are our own");
    let work = async {
        let foreign = Foreign::make(system.data)?;
        tokio::try_join!(
            knock(system, "no certificate", trusting(system, None)?),
            knock(
                system,
                "a foreign certificate",
                trusting(system, Some(&foreign.pair))?
            ),
            knock(system, "a server certificate", disguised(system)?),
        )
    };
    in_time("a stranger got no answer in time", work)
        .await
        .map(|_| ())
}

async fn knock(
    system: &System<'_>,
    who: &'static str,
    tls: Arc<ClientConfig>,
) -> Result<(), Failure> {
    let (client, _messages) = Client::start(options(system, tls));
    match client.connected().await {
        Ok(()) => Err(Failure::new("ENV-S802")
            .because(who)
            .exit(Exit::RefusedByPolicy)),
        // With TLS 1.3 the refusal may overtake the alert that explains it.
        Err(ClientError::Tls { .. } | ClientError::ConnectionLost | ClientError::Network(_)) => {
            Ok(())
        }
        Err(error) => Err(failed(format!("{who}: {error}"))),
    }
}

fn trusting(system: &System<'_>, pair: Option<&LoadedPair>) -> Result<Arc<ClientConfig>, Failure> {
    Ok(ClientTls::new(pair, system.roots)?.config())
}

/// Shows the server's certificate as a client's, which `pki` itself would refuse to do.
fn disguised(system: &System<'_>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    for root in system.roots {
        roots.add(root.clone()).map_err(failed)?;
    }
    let key = PrivateKeyDer::from_pem_file(system.server.key_path()).map_err(failed)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_client_auth_cert(system.server.chain().to_vec(), key)
        .map_err(failed)?;
    Ok(Arc::new(config))
}

async fn connect(
    system: &System<'_>,
    pair: &LoadedPair,
) -> Result<(Client, client::Messages), Failure> {
    let tls = ClientTls::new(Some(pair), system.roots)?;
    let (client, messages) = Client::start(options(system, tls.config()));
    let host = &system.broker.host;
    client
        .connected()
        .await
        .map_err(|error| crate::commands::explain(&tls, host, &error))?;
    Ok((client, messages))
}

fn options(system: &System<'_>, tls: Arc<ClientConfig>) -> Options {
    let client_id = format!("enviomq-selftest-{:08x}", fastrand::u32(..));
    let mut options = Options::new(system.broker.host.clone(), system.broker.port, client_id);
    options.tls = Some(tls);
    options.reconnect = None;
    options
}

/// An authority nobody trusts, for as long as one test takes.
struct Foreign {
    folder: PathBuf,
    pair: LoadedPair,
}

impl Foreign {
    fn make(data: &DataFolder) -> Result<Self, Failure> {
        let folder = data
            .role("broker")
            .join(format!("selftest-{:08x}", fastrand::u32(..)));
        let made = Self::make_in(&folder);
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
        }
        made.map(|pair| Self { folder, pair })
    }

    fn make_in(folder: &std::path::Path) -> Result<LoadedPair, Failure> {
        let now = SystemTime::now();
        let authority = Authority::create(&folder.join("pki"), "Somebody else", now)?;
        let life = Duration::from_secs(600);
        let issued = authority.issue_client("publisher", KeyPair::generate()?, now, life)?;
        Ok(Generations::at(folder.join("identity")).install(&issued, now)?)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "left behind by the self-test");
        }
    }
}

async fn in_time<T>(
    otherwise: &'static str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(failed(otherwise)))
}

fn failed(reason: impl std::fmt::Display) -> Failure {
    Failure::new("ENV-S801").because(reason)
}
