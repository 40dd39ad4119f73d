//! PinnedRoot: trusts exactly the root whose SHA-256 a join token carries.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::{Fingerprint, PkiError};

/// Trust for one purpose: to enrol, before any root is known.
#[derive(Debug, Clone)]
pub struct PinnedRoot {}

impl PinnedRoot {
    /// Trusts the root of this fingerprint.
    pub fn new(root: Fingerprint) -> PinnedRoot {
        todo!()
    }
    /// A configuration without client certificate.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, PkiError> {
        todo!()
    }
}
