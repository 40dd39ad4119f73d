//! Fingerprint: the SHA-256 by which a certificate is recognised.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use rustls_pki_types::CertificateDer;

/// SHA-256 of a certificate's DER; shown as `7C:21:...:9E`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Fingerprint {
        Fingerprint(sha256(certificate))
    }

    /// Compares without telling by its duration where the first difference is.
    pub fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &sha256(certificate)).is_ok()
    }

    /// `7C:21:..:9E`: enough for a person to compare two screens.
    pub fn short(&self) -> String {
        format!("{:02X}:{:02X}:..:{:02X}", self.0[0], self.0[1], self.0[31])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
