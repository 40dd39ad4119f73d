//! LoadedPair: a certificate chain and the key that belongs to it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::CertificateDer;

use crate::{
    Leaf, PkiError,
    fingerprint::{hex, sha256},
    inspect, pem,
};

/// A pair that was checked: its key readable by no stranger, matching, its chain whole, in date.
#[derive(Debug, Clone)]
pub struct LoadedPair {
    certified: Arc<CertifiedKey>,
    leaf: Leaf,
    certificate_path: PathBuf,
    key_path: PathBuf,
}

impl LoadedPair {
    /// Loads a certificate chain and its key from any two PEM files, and checks them.
    ///
    /// # Errors
    /// Every fault has its own variant and code; see [`PkiError`]. `ClockBefore`
    /// and `Expired` come last, so they mean that all else is in order.
    pub fn load(certificate: &Path, key: &Path, now: SystemTime) -> Result<LoadedPair, PkiError> {
        let chain = pem::read_certificates(certificate)?;
        let leaf = Leaf::parse(&chain[0]).map_err(|error| at(certificate, error))?;
        let key_der = pem::read_key(key)?;
        let signing_key =
            aws_lc_rs::sign::any_supported_type(&key_der).map_err(|error| PkiError::Malformed {
                path: key.to_owned(),
                what: "private key",
                why: error.to_string(),
            })?;
        if let Some(public_key) = signing_key.public_key() {
            check_match(certificate, &chain[0], key, &public_key)?;
        }
        check_chain(certificate, &chain)?;
        leaf.check_dates(now)?;
        Ok(LoadedPair {
            certified: Arc::new(CertifiedKey::new(chain, signing_key)),
            leaf,
            certificate_path: certificate.to_owned(),
            key_path: key.to_owned(),
        })
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
        self.leaf.needs_renewal(now)
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

    /// The same pair, known under another path: its folder was renamed.
    pub(crate) fn moved_to(self, certificate_path: PathBuf, key_path: PathBuf) -> LoadedPair {
        LoadedPair {
            certificate_path,
            key_path,
            ..self
        }
    }
}

fn check_match(
    certificate: &Path,
    leaf: &CertificateDer<'_>,
    key: &Path,
    key_public: &[u8],
) -> Result<(), PkiError> {
    let parsed = inspect::parse(leaf).map_err(|error| at(certificate, error))?;
    let expected = parsed.public_key().raw;
    if expected == key_public {
        return Ok(());
    }
    Err(PkiError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        key_fingerprint: hex(&sha256(key_public)[..4]),
        certificate_fingerprint: hex(&sha256(expected)[..4]),
    })
}

/// Each certificate must have signed the one before it.
fn check_chain(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(), PkiError> {
    for pair in chain.windows(2) {
        let certificate = inspect::parse(&pair[0]).map_err(|error| at(path, error))?;
        let issuer = inspect::parse(&pair[1]).map_err(|error| at(path, error))?;
        if !inspect::signed_by(&certificate, &issuer) {
            return Err(PkiError::BrokenChain {
                path: path.to_owned(),
                who: inspect::display_name(certificate.subject()),
                issuer: inspect::display_name(certificate.issuer()),
            });
        }
    }
    Ok(())
}

/// Parsers do not know the file; their errors are told with it.
fn at(path: &Path, error: PkiError) -> PkiError {
    match error {
        PkiError::Malformed { what, why, .. } => PkiError::Malformed {
            path: path.to_owned(),
            what,
            why,
        },
        other => other,
    }
}
