//! ClientTls: shows our certificate, trusts our roots and nothing else.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    explain::{explain_server_certificate, explain_server_refusal},
    provider, root_store,
};
use crate::{Leaf, LoadedPair, PkiError, Refusal, inspect};

/// The client's side of TLS; its certificate can be swapped while it runs.
#[derive(Debug)]
pub struct ClientTls {
    shown: Arc<Shown>,
    verifier: Arc<Remembering>,
    config: Arc<ClientConfig>,
    ours: Vec<String>,
}

impl ClientTls {
    /// Shows `pair` (or nothing) and trusts servers whose chain ends at one of `roots`.
    ///
    /// # Errors
    /// `Tls` if a root is not usable or there is none, `Purpose` if `pair` is
    /// not a client's.
    pub fn new(
        pair: Option<&LoadedPair>,
        roots: &[CertificateDer<'static>],
    ) -> Result<ClientTls, PkiError> {
        pair.map_or(Ok(()), check_client)?;
        let provider = provider();
        let inner =
            WebPkiServerVerifier::builder_with_provider(root_store(roots)?, provider.clone())
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        let verifier = Arc::new(Remembering {
            inner,
            refused: ArcSwapOption::empty(),
        });
        let shown = Arc::new(Shown(ArcSwapOption::from(pair.map(LoadedPair::certified))));
        let config = client_config(provider, verifier.clone(), shown.clone())?;
        let ours = roots
            .iter()
            .filter_map(|root| Some(inspect::display_name(inspect::parse(root).ok()?.subject())))
            .collect();
        Ok(ClientTls {
            shown,
            verifier,
            config: Arc::new(config),
            ours,
        })
    }

    /// Shows another pair from the next handshake on.
    ///
    /// # Errors
    /// `Purpose` if `pair` is not a client's; the old one is then kept.
    pub fn reload(&self, pair: &LoadedPair) -> Result<(), PkiError> {
        check_client(pair)?;
        self.shown.0.store(Some(pair.certified()));
        Ok(())
    }

    /// The configuration; it stays the same, so keep it.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// Explains a failed handshake, with the last server certificate that was
    /// refused as evidence. For one connection after the other, not for many at once.
    pub fn explain(&self, error: &Error, host: &str) -> Refusal {
        let seen = self.verifier.refused.load_full();
        match (error, seen) {
            (Error::InvalidCertificate(_), Some(seen)) => {
                explain_server_certificate(seen.leaf.clone(), error, host, seen.at, &self.ours)
            }
            _ => explain_server_refusal(error, host),
        }
    }
}

/// A configuration with everything we do not want switched off.
pub(super) fn client_config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    shown: Arc<dyn ResolvesClientCert>,
) -> Result<ClientConfig, PkiError> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(shown);
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The pair in use, or none; read once per handshake.
pub(super) struct Shown(ArcSwapOption<CertifiedKey>);

impl Shown {
    pub(super) fn nothing() -> Shown {
        Shown(ArcSwapOption::empty())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }

    fn has_certs(&self) -> bool {
        self.0.load().is_some()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// Judges by webpki and remembers the last certificate it refused.
#[derive(Debug)]
struct Remembering {
    inner: Arc<WebPkiServerVerifier>,
    refused: ArcSwapOption<Seen>,
}

#[derive(Debug)]
struct Seen {
    leaf: Leaf,
    at: SystemTime,
}

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let refused = verdict
            .as_ref()
            .err()
            .and_then(|_| Leaf::parse(end_entity).ok());
        self.refused
            .store(refused.map(|leaf| Arc::new(Seen { leaf, at })));
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn check_client(pair: &LoadedPair) -> Result<(), PkiError> {
    let leaf = pair.leaf();
    if leaf.client_auth {
        return Ok(());
    }
    Err(PkiError::Purpose {
        who: leaf.who().to_owned(),
        found: leaf.purpose().to_owned(),
        wanted: "client",
    })
}
