//! Certificate signing requests from outside: the key is taken, the wishes are not.

use der::Decode;
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
use spki::SubjectPublicKeyInfoOwned;
use x509_parser::{
    prelude::{FromDer, X509CertificationRequest},
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use crate::PkiError;

/// Says whether [`crate::Authority::sign_client_csr`] would sign this request (PEM or DER), so
/// that nothing need be spent for one that it would not.
///
/// # Errors
/// `Request` or `Algorithm`, as there.
pub fn check_request(csr: &[u8]) -> Result<(), PkiError> {
    public_key_of(csr).map(drop)
}

/// The public key of a request (PEM or DER) that its own key has signed.
///
/// # Errors
/// `Request` if it is not a request or its signature does not hold: whoever
/// asks must own the key. `Algorithm` if the key is of a type we do not certify.
pub(crate) fn public_key_of(csr: &[u8]) -> Result<SubjectPublicKeyInfoOwned, PkiError> {
    let refused = |why: String| PkiError::Request { why };
    if csr.len() > REQUEST_MAX_BYTES {
        return Err(refused(format!(
            "it is longer than {REQUEST_MAX_BYTES} bytes"
        )));
    }
    let der = if csr.first() == Some(&DER_SEQUENCE) {
        CertificateSigningRequestDer::from(csr)
    } else {
        CertificateSigningRequestDer::from_pem_slice(csr)
            .map_err(|error| refused(error.to_string()))?
    };
    let (rest, request) =
        X509CertificationRequest::from_der(&der).map_err(|error| refused(error.to_string()))?;
    if !rest.is_empty() {
        return Err(refused("bytes follow it".to_owned()));
    }
    let key = &request.certification_request_info.subject_pki;
    check_algorithm(key)?;
    request
        .verify_signature()
        .map_err(|_| refused("it is not signed by the key it names".to_owned()))?;
    SubjectPublicKeyInfoOwned::from_der(key.raw).map_err(|error| refused(error.to_string()))
}

/// What OpenSSL, Go, rustls and Mbed TLS all understand.
fn check_algorithm(key: &SubjectPublicKeyInfo<'_>) -> Result<(), PkiError> {
    let unusable = |what: String| Err(PkiError::Algorithm { what });
    match key.parsed() {
        Ok(PublicKey::EC(point)) if matches!(point.key_size(), 256 | 384) => {
            let curve = key
                .algorithm
                .parameters
                .as_ref()
                .and_then(|any| any.as_oid().ok());
            match curve.map(|oid| oid.to_id_string()).as_deref() {
                Some(PRIME256V1 | SECP384R1) => Ok(()),
                other => unusable(format!("EC on curve {}", other.unwrap_or("unknown"))),
            }
        }
        Ok(PublicKey::RSA(rsa)) if (2_048..=8_192).contains(&rsa.key_size()) => Ok(()),
        Ok(PublicKey::RSA(rsa)) => unusable(format!("RSA of {} bits", rsa.key_size())),
        Ok(PublicKey::EC(point)) => unusable(format!("EC of {} bits", point.key_size())),
        _ => unusable(key.algorithm.algorithm.to_id_string()),
    }
}

const DER_SEQUENCE: u8 = 0x30;
/// A request with an RSA key of 8192 bits is under 4 KiB.
const REQUEST_MAX_BYTES: usize = 16 * 1024;
const PRIME256V1: &str = "1.2.840.10045.3.1.7";
const SECP384R1: &str = "1.3.132.0.34";
