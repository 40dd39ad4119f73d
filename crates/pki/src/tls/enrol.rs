//! PinnedRoot: trusts exactly the root whose SHA-256 a join token carries.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    client::{Shown, client_config},
    provider, root_store,
};
use crate::{Fingerprint, PkiError};

/// Trust for one purpose: to enrol, before any root is known.
#[derive(Debug, Clone, Copy)]
pub struct PinnedRoot {
    root: Fingerprint,
}

impl PinnedRoot {
    /// Trusts the root of this fingerprint.
    pub fn new(root: Fingerprint) -> PinnedRoot {
        PinnedRoot { root }
    }

    /// A configuration without client certificate, for a server that sends its
    /// root along ([`super::ServerTls::enrol_config`]).
    ///
    /// # Errors
    /// `Tls` if rustls refuses it.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, PkiError> {
        let provider = provider();
        let verifier = Pinned {
            root: self.root,
            provider: provider.clone(),
        };
        client_config(provider, Arc::new(verifier), Arc::new(Shown::nothing())).map(Arc::new)
    }
}

/// Finds the pinned root among what the server sent; from there on it is an ordinary verification.
#[derive(Debug)]
struct Pinned {
    root: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = intermediates
            .iter()
            .find(|certificate| self.root.matches(certificate));
        let Some(root) = pinned else {
            return Err(rustls::CertificateError::UnknownIssuer.into());
        };
        let roots = root_store(&[root.clone().into_owned()])
            .map_err(|error| Error::General(error.to_string()))?;
        WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
