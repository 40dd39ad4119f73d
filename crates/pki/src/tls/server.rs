//! ServerTls: asks every client for a certificate and remembers why one was refused.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;

use crate::{LoadedPair, PkiError, Refusal, RefusalSlot};

/// The server's side of TLS; its certificate and its trust can be swapped while it serves.
pub struct ServerTls {}

impl ServerTls {
    /// Serves `pair` and trusts clients whose chain ends at one of `roots`.
    pub fn new(
        pair: &LoadedPair,
        roots: &[CertificateDer<'static>],
    ) -> Result<ServerTls, PkiError> {
        todo!()
    }
    /// Serves another pair from the next handshake on; live connections are not touched.
    pub fn reload(&self, pair: &LoadedPair) -> Result<(), PkiError> {
        todo!()
    }
    /// Trusts other roots from the next handshake on.
    pub fn reload_roots(&self, roots: &[CertificateDer<'static>]) -> Result<(), PkiError> {
        todo!()
    }
    /// For one connection: its configuration, and where the reason of a refusal will be.
    pub fn accept_config(&self) -> (Arc<ServerConfig>, RefusalSlot) {
        todo!()
    }
    /// For enrolment: no client certificate is asked, and the root is sent along.
    pub fn enrol_config(&self) -> Arc<ServerConfig> {
        todo!()
    }
    /// Explains a failed handshake of one connection.
    pub fn refusal(slot: &RefusalSlot, error: &rustls::Error) -> Refusal {
        todo!()
    }
}
