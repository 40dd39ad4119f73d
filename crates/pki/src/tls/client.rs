//! ClientTls: shows our certificate, trusts our roots and nothing else.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;

use crate::{LoadedPair, PkiError, Refusal};

/// The client's side of TLS; its certificate can be swapped while it runs.
pub struct ClientTls {}

impl ClientTls {
    /// Shows `pair` (or nothing) and trusts servers whose chain ends at one of `roots`.
    pub fn new(
        pair: Option<&LoadedPair>,
        roots: &[CertificateDer<'static>],
    ) -> Result<ClientTls, PkiError> {
        todo!()
    }
    /// Shows another pair from the next handshake on.
    pub fn reload(&self, pair: &LoadedPair) {
        todo!()
    }
    /// The configuration; always the same, so keep it.
    pub fn config(&self) -> Arc<ClientConfig> {
        todo!()
    }
    /// Explains a failed handshake, with the server certificate last seen as evidence.
    pub fn explain(&self, error: &rustls::Error, host: &str) -> Refusal {
        todo!()
    }
}
