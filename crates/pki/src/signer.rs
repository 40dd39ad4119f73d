//! Signer: one authority's certificate and the key that signs with it.

use std::path::Path;

use der::Decode;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::{Certificate, name::Name};

use crate::{
    KeyPair, Leaf, PkiError, certificates_to_pem, inspect, pem,
    private_files::{create_file, create_private_dir, rename, sync_dir, temporary_neighbour},
};

/// A certificate of ours that signs others.
pub(crate) struct Signer {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) subject: Name,
    pub(crate) leaf: Leaf,
    pub(crate) key: KeyPair,
}

impl Signer {
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Signer, PkiError> {
        let malformed = |path: &Path, what, why: String| PkiError::Malformed {
            path: path.to_owned(),
            what,
            why,
        };
        let der = read_one(certificate)?;
        let parsed = Certificate::from_der(&der)
            .map_err(|error| malformed(certificate, "certificate", error.to_string()))?;
        let key_der = pem::read_key(key)?;
        let PrivateKeyDer::Pkcs8(pkcs8) = &*key_der else {
            return Err(malformed(
                key,
                "authority key",
                "it is not PKCS#8".to_owned(),
            ));
        };
        let key_pair = KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der())
            .ok_or_else(|| malformed(key, "authority key", "it is not P-256".to_owned()))?;
        let signer = Signer {
            leaf: Leaf::parse(&der)?,
            subject: parsed.tbs_certificate().subject().clone(),
            certificate: der,
            key: key_pair,
        };
        if *parsed.tbs_certificate().subject_public_key_info() != signer.key.public_key()? {
            return Err(malformed(
                key,
                "authority key",
                "it belongs to another certificate".into(),
            ));
        }
        Ok(signer)
    }

    pub(crate) fn check_signed_by(
        &self,
        root: &CertificateDer<'_>,
        path: &Path,
    ) -> Result<(), PkiError> {
        let certificate = inspect::parse(&self.certificate)?;
        if inspect::signed_by(&certificate, &inspect::parse(root)?) {
            return Ok(());
        }
        Err(PkiError::BrokenChain {
            path: path.to_owned(),
            who: inspect::display_name(certificate.subject()),
            issuer: inspect::display_name(certificate.issuer()),
        })
    }
}

/// Writes certificate and key into a temporary folder and renames it to `target`.
pub(crate) fn write_signer(
    target: &Path,
    (certificate_name, certificate): (&str, &CertificateDer<'_>),
    (key_name, key): (&str, &KeyPair),
) -> Result<(), PkiError> {
    let temporary = temporary_neighbour(target)?;
    create_private_dir(&temporary)?;
    create_file(&temporary.join(key_name), key.to_pem().as_bytes(), 0o400)?;
    let pem = certificates_to_pem(std::slice::from_ref(certificate));
    create_file(&temporary.join(certificate_name), pem.as_bytes(), 0o644)?;
    sync_dir(&temporary)?;
    rename(&temporary, target)
}

/// Reads the first certificate of a file.
pub(crate) fn read_one(path: &Path) -> Result<CertificateDer<'static>, PkiError> {
    let mut certificates = pem::read_certificates(path)?;
    Ok(certificates.swap_remove(0))
}
