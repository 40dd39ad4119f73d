//! Leaf: what a certificate says, whoever made it.

use std::time::SystemTime;

use rustls_pki_types::CertificateDer;

use crate::PkiError;

/// The parts of a certificate people ask about; lenient, so that foreign and broken ones can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Subject, as `CN=pump-01`.
    pub subject: String,
    /// Issuer, in the same form.
    pub issuer: String,
    /// The common name, if there is exactly one.
    pub common_name: Option<String>,
    /// Serial number, upper-case hexadecimal.
    pub serial: String,
    /// Its beginning.
    pub not_before: SystemTime,
    /// Its end.
    pub not_after: SystemTime,
    /// DNS names and addresses of the SAN, each once, in order.
    pub names: Vec<String>,
    /// URIs of the SAN.
    pub uris: Vec<String>,
    /// X.509 version: 1 or 3.
    pub version: u32,
    /// Whether the extended key usage allows a TLS server.
    pub server_auth: bool,
    /// Whether the extended key usage allows a TLS client.
    pub client_auth: bool,
}

impl Leaf {
    /// Parses a certificate.
    pub fn parse(certificate: &CertificateDer<'_>) -> Result<Leaf, PkiError> {
        todo!()
    }
    pub(crate) fn device_uris(&self) -> impl Iterator<Item = &str> {
        self.uris.iter().map(|u| u.as_str())
    }
}
