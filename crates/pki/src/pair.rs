//! LoadedPair: a certificate chain and the key that belongs to it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use crate::{Leaf, PkiError};

/// A pair that was checked: readable only by us, matching, in order, in date.
#[derive(Debug, Clone)]
pub struct LoadedPair {
    certified: Arc<CertifiedKey>,
    leaf: Leaf,
    certificate_path: PathBuf,
    key_path: PathBuf,
}

impl LoadedPair {
    /// Loads a certificate chain and its key from any two PEM files.
    pub fn load(certificate: &Path, key: &Path, now: SystemTime) -> Result<LoadedPair, PkiError> {
        todo!()
    }
    /// Leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }
    /// What the leaf says.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }
    /// Whether two thirds of the certificate's life are over.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        todo!()
    }
    /// Where the certificate was read.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }
    /// Where the key was read.
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}
