//! PEM files, sniffed before they are parsed, so that each fault gets its own name.

use std::path::Path;

use rustls_pki_types::CertificateDer;

use crate::PkiError;

/// Reads every certificate of a PEM file.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    todo!()
}
/// Reads every certificate of a PEM text, such as one received over the network.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    todo!()
}
/// Writes certificates as PEM.
pub fn certificates_to_pem(certificates: &[CertificateDer<'_>]) -> String {
    todo!()
}
