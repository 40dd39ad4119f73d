//! ServerConfig and ClientConfig: mutual TLS always, 1.3 and 1.2 with ECDHE and AEAD only.
//!
//! Every configuration is built here, with the provider passed explicitly.
//! Session resumption is off on both sides: a resumed session never calls the
//! verifier again, so it would let a revoked client back in.

mod alerts;
mod client;
mod enrol;
mod explain;
mod server;

use std::sync::Arc;

use rustls::{RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::CertificateDer;

use crate::PkiError;

pub use client::ClientTls;
pub use enrol::PinnedRoot;
pub use explain::explain_server_refusal;
pub use server::ServerTls;

/// aws-lc-rs as it comes: rustls offers only ECDHE with AEAD, there is nothing weak to leave out.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, PkiError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(Arc::new(store))
}
