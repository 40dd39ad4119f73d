//! Issue: what goes into each kind of certificate.

use std::time::Duration;

use rustls_pki_types::CertificateDer;

use crate::{KeyPair, dates::days};

/// Life of a server certificate.
pub const SERVER_LIFE: Duration = days(90);
/// Life of the certificate of a service of ours, which renews by itself.
pub const SERVICE_LIFE: Duration = days(30);
/// Life of the certificate of a device that renews by itself.
pub const DEVICE_LIFE: Duration = days(90);

/// A certificate with its chain (leaf first, then issuing) and the key it was issued for.
pub struct Issued {
    /// Leaf first, then the issuing authority; the root is not part of it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: KeyPair,
}
