//! Authority: create, open and guard the certificate authority.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use rustls_pki_types::CertificateDer;

use crate::{Fingerprint, Issued, KeyPair, PkiError, token::Tokens};

/// A root that is kept aside and an issuing authority that signs leaves.
pub struct Authority {}

impl Authority {
    /// Whether a complete authority stands in `dir` (`<data>/pki`).
    pub fn exists(dir: &Path) -> bool {
        todo!()
    }
    /// Makes root and issuing authority in `dir`, or finishes what a crash left half made.
    ///
    /// # Errors
    /// `AuthorityExists` if a complete one is there.
    pub fn create(dir: &Path, name: &str, now: SystemTime) -> Result<Authority, PkiError> {
        todo!()
    }
    /// Opens the authority in `dir`.
    ///
    /// # Errors
    /// `ClockBefore` when our clock stands before the authority was made.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Authority, PkiError> {
        todo!()
    }
    /// The name people gave it.
    pub fn name(&self) -> &str {
        todo!()
    }
    /// SHA-256 of the root certificate.
    pub fn root_fingerprint(&self) -> Fingerprint {
        todo!()
    }
    /// The root certificate.
    pub fn root(&self) -> &CertificateDer<'static> {
        todo!()
    }
    /// The issuing certificate.
    pub fn issuing(&self) -> &CertificateDer<'static> {
        todo!()
    }
    /// What clients and the broker trust: the root alone.
    pub fn trust_roots(&self) -> &[CertificateDer<'static>] {
        todo!()
    }
    /// Join tokens of this authority.
    pub fn tokens(&self) -> Tokens {
        todo!()
    }
    /// A server certificate for `names` (host names and IP addresses).
    pub fn issue_server(
        &self,
        names: &[String],
        key: KeyPair,
        now: SystemTime,
    ) -> Result<Issued, PkiError> {
        todo!()
    }
    /// A client certificate for the identity `name`.
    pub fn issue_client(
        &self,
        name: &str,
        key: KeyPair,
        now: SystemTime,
        life: Duration,
    ) -> Result<Issued, PkiError> {
        todo!()
    }
    /// Signs the key of a request (PEM or DER) for the identity `name`; everything else in it is ignored.
    /// Answers the chain: leaf, issuing.
    pub fn sign_client_csr(
        &self,
        csr: &[u8],
        name: &str,
        now: SystemTime,
        life: Duration,
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        todo!()
    }
}
