//! ServerTls: asks every client for a certificate and remembers why one was refused.

use std::{fmt, sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{
    alerts::without_evidence,
    explain::{Judge, explain_client_refusal},
    provider, root_store,
};
use crate::{LoadedPair, PkiError, Refusal, RefusalSlot, inspect};

/// The server's side of TLS; its certificate and its trust can be swapped while it serves.
#[derive(Debug)]
pub struct ServerTls {
    provider: Arc<CryptoProvider>,
    served: Arc<Served>,
    trust: ArcSwap<Trust>,
    enrol: Arc<ServerConfig>,
    enrol_served: Arc<Served>,
}

/// Whom we believe: replaced whole.
#[derive(Debug)]
struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    judge: Arc<Judge>,
    roots: Vec<CertificateDer<'static>>,
    /// Our own issuing authority, for clients that forget to send it along.
    intermediates: Vec<CertificateDer<'static>>,
}

impl ServerTls {
    /// Serves `pair` and trusts clients whose chain ends at one of `roots`.
    ///
    /// # Errors
    /// `Tls` if a root is not usable or there is none, `Purpose` if `pair` is
    /// not a server's.
    pub fn new(
        pair: &LoadedPair,
        roots: &[CertificateDer<'static>],
    ) -> Result<ServerTls, PkiError> {
        check_server(pair)?;
        let provider = provider();
        let trust = Trust::new(pair, roots, &provider)?;
        let enrol_served = Arc::new(Served::new(with_root(pair, roots)));
        let enrol = builder(&provider)?
            .with_no_client_auth()
            .with_cert_resolver(enrol_served.clone());
        Ok(ServerTls {
            served: Arc::new(Served::new(pair.certified())),
            trust: ArcSwap::from_pointee(trust),
            enrol: Arc::new(without_resumption(enrol)),
            enrol_served,
            provider,
        })
    }

    /// Serves another pair from the next handshake on; live connections are not touched.
    ///
    /// # Errors
    /// `Purpose` if `pair` is not a server's; the old one is then kept.
    pub fn reload(&self, pair: &LoadedPair) -> Result<(), PkiError> {
        check_server(pair)?;
        let trust = Trust::new(pair, &self.trust.load().roots, &self.provider)?;
        self.enrol_served.0.store(with_root(pair, &trust.roots));
        self.served.0.store(pair.certified());
        self.trust.store(Arc::new(trust));
        Ok(())
    }

    /// For one connection: its configuration, and where the reason of a refusal will be.
    ///
    /// A configuration of its own costs some allocations beside the 235 us of a
    /// handshake, and is the only way to know which connection was refused.
    pub fn accept_config(&self) -> (Arc<ServerConfig>, RefusalSlot) {
        let slot = RefusalSlot::default();
        let verifier = Recording {
            trust: self.trust.load_full(),
            slot: slot.clone(),
        };
        let config = builder(&self.provider)
            .expect("invariant: the same versions were accepted in ServerTls::new")
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(self.served.clone());
        (Arc::new(without_resumption(config)), slot)
    }

    /// For enrolment: no client certificate is asked, and the root is sent along,
    /// so that a client that knows only its fingerprint can verify us.
    pub fn enrol_config(&self) -> Arc<ServerConfig> {
        self.enrol.clone()
    }

    /// Explains a failed handshake of one connection.
    pub fn refusal(slot: &RefusalSlot, error: &Error) -> Refusal {
        match slot.evidence() {
            Some(refusal) => refusal.clone(),
            None => without_evidence(error),
        }
    }
}

impl Trust {
    fn new(
        pair: &LoadedPair,
        roots: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Trust, PkiError> {
        let store = root_store(roots)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(store, provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Trust {
            verifier,
            judge: Arc::new(Judge::new(roots, &pair.chain()[1..])),
            roots: roots.to_vec(),
            intermediates: pair.chain()[1..].to_vec(),
        })
    }
}

/// The pair in use; read once per handshake.
struct Served(ArcSwap<CertifiedKey>);

impl Served {
    fn new(certified: Arc<CertifiedKey>) -> Served {
        Served(ArcSwap::new(certified))
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Served")
    }
}

/// Judges by webpki, and writes down what it saw before it passes the error on.
#[derive(Debug)]
struct Recording {
    trust: Arc<Trust>,
    slot: RefusalSlot,
}

impl ClientCertVerifier for Recording {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trust.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut known = intermediates.to_vec();
        known.extend(self.trust.intermediates.iter().cloned());
        self.trust
            .verifier
            .verify_client_cert(end_entity, &known, now)
            .map_err(|error| {
                let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
                let presented = Presented {
                    leaf: end_entity,
                    intermediates,
                    now,
                };
                self.slot
                    .record(explain_client_refusal(&self.trust.judge, presented, &error));
                precise(error)
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust
            .verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust
            .verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.verifier.supported_verify_schemes()
    }
}

/// What a client put forward, and by which clock it is judged.
#[derive(Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) now: SystemTime,
}

/// Another authority with the name of ours fails by its signature, which rustls
/// would tell the peer as `decrypt_error`. It is an unknown authority, so we say that.
fn precise(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            CertificateError::UnknownIssuer.into()
        }
        other => other,
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, Error> {
    ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13, &TLS12])
}

fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// The chain with its root at the end, if one of `roots` signed it.
fn with_root(pair: &LoadedPair, roots: &[CertificateDer<'static>]) -> Arc<CertifiedKey> {
    let certified = pair.certified();
    let mut chain = certified.cert.clone();
    let signed_last = |root: &&CertificateDer<'static>| {
        let last = chain.last().and_then(|last| inspect::parse(last).ok());
        let root = inspect::parse(root).ok();
        last.zip(root)
            .is_some_and(|(last, root)| inspect::signed_by(&last, &root))
    };
    if let Some(root) = roots.iter().find(signed_last).cloned() {
        chain.push(root);
    }
    Arc::new(CertifiedKey::new(chain, certified.key.clone()))
}

fn check_server(pair: &LoadedPair) -> Result<(), PkiError> {
    let leaf = pair.leaf();
    if leaf.server_auth {
        return Ok(());
    }
    Err(PkiError::Purpose {
        who: leaf.who().to_owned(),
        found: leaf.purpose().to_owned(),
        wanted: "server",
    })
}
