//! KeyPair: a P-256 key made here.

use zeroize::Zeroizing;

use crate::PkiError;

/// A P-256 key pair.
pub struct KeyPair {}

impl KeyPair {
    /// A new key.
    pub fn generate() -> Result<KeyPair, PkiError> {
        todo!()
    }
    /// From PKCS#8 PEM, as written by [`KeyPair::to_pem`].
    pub fn from_pem(pem: &str) -> Result<KeyPair, PkiError> {
        todo!()
    }
    /// PKCS#8 PEM; erased from memory when dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        todo!()
    }
    /// A certificate signing request in PEM, for the name `cn`.
    pub fn to_csr(&self, cn: &str) -> Result<String, PkiError> {
        todo!()
    }
}
