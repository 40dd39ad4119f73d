//! KeyPair: a P-256 key made here, and the signer of everything we issue.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use der::{
    Document, EncodePem,
    asn1::{Any, BitString, ObjectIdentifier},
    pem::LineEnding,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use signature::{Keypair, Signer};
use spki::{
    AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SignatureBitStringEncoding, SubjectPublicKeyInfoOwned,
};
use x509_cert::{builder::Builder, request::RequestBuilder};
use zeroize::Zeroizing;

use crate::{PkiError, identity::check_name, issue::common_name};

/// An ECDSA P-256 key pair; the private half is erased from memory when dropped.
pub struct KeyPair {
    pkcs8: Zeroizing<Vec<u8>>,
    key: EcdsaKeyPair,
}

impl KeyPair {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// `Crypto` if the system has none to give.
    pub fn generate() -> Result<KeyPair, PkiError> {
        let failed = |_| PkiError::Crypto { what: "make a key" };
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(failed)?;
        KeyPair::from_pkcs8(document.as_ref()).ok_or(PkiError::Crypto {
            what: "read its own key",
        })
    }

    /// From PKCS#8 PEM, as written by [`KeyPair::to_pem`].
    ///
    /// # Errors
    /// `Malformed` if it is anything but a P-256 key in PKCS#8.
    pub fn from_pem(pem: &str) -> Result<KeyPair, PkiError> {
        let malformed = |why: String| PkiError::Malformed {
            path: "PEM".into(),
            what: "P-256 private key",
            why,
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map(Zeroizing::new)
            .map_err(|error| malformed(error.to_string()))?;
        KeyPair::from_pkcs8(der.secret_pkcs8_der())
            .ok_or_else(|| malformed("it is of another type".to_owned()))
    }

    /// PKCS#8 PEM; erased from memory when dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        // `der` frames the bytes; the label is the one RFC 5958 gives.
        let pem = der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.pkcs8);
        Zeroizing::new(pem.expect("invariant: a P-256 key fits into PEM"))
    }

    /// A certificate signing request in PEM for the identity `name`.
    ///
    /// # Errors
    /// `Name` if no identity may be called that.
    pub fn to_csr(&self, name: &str) -> Result<String, PkiError> {
        check_name(name)?;
        let failed = |_| PkiError::Crypto {
            what: "sign a certificate request",
        };
        RequestBuilder::new(common_name(name)?)
            .and_then(|builder| builder.build::<_, EcdsaSignature>(self))
            .map_err(failed)?
            .to_pem(LineEnding::LF)
            .map_err(|_| PkiError::Crypto {
                what: "encode a certificate request",
            })
    }

    pub(crate) fn public_key(&self) -> Result<SubjectPublicKeyInfoOwned, PkiError> {
        SubjectPublicKeyInfoOwned::from_key(&self.verifying_key()).map_err(|_| PkiError::Crypto {
            what: "encode a public key",
        })
    }

    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Option<KeyPair> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).ok()?;
        Some(KeyPair {
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
            key,
        })
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(P-256)")
    }
}

// x509-cert writes certificates for any signer that implements these four.

impl Keypair for KeyPair {
    type VerifyingKey = PublicKey;

    fn verifying_key(&self) -> PublicKey {
        PublicKey(self.key.public_key().as_ref().to_vec())
    }
}

impl DynSignatureAlgorithmIdentifier for KeyPair {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned {
            oid: ECDSA_WITH_SHA256,
            parameters: None,
        })
    }
}

impl Signer<EcdsaSignature> for KeyPair {
    fn try_sign(&self, message: &[u8]) -> Result<EcdsaSignature, signature::Error> {
        self.key
            .sign(&SystemRandom::new(), message)
            .map(|signature| EcdsaSignature(signature.as_ref().to_vec()))
            .map_err(|_| signature::Error::new())
    }
}

/// The uncompressed point of a P-256 public key.
#[derive(Clone)]
pub struct PublicKey(Vec<u8>);

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        let info = SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifierOwned {
                oid: EC_PUBLIC_KEY,
                parameters: Some(Any::from(PRIME256V1)),
            },
            subject_public_key: BitString::from_bytes(&self.0)?,
        };
        Document::try_from(&info)
    }
}

/// An ECDSA signature in DER, as certificates carry it.
pub(crate) struct EcdsaSignature(Vec<u8>);

impl SignatureBitStringEncoding for EcdsaSignature {
    fn to_bitstring(&self) -> der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_pem() {
        let key = KeyPair::generate().unwrap();
        let pem = key.to_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let again = KeyPair::from_pem(&pem).unwrap();
        assert_eq!(key.public_key().unwrap(), again.public_key().unwrap());
    }

    #[test]
    fn debug_output_shows_no_key() {
        let key = KeyPair::generate().unwrap();
        assert_eq!(format!("{key:?}"), "KeyPair(P-256)");
    }

    #[test]
    fn a_request_for_a_forbidden_name_is_not_made() {
        let error = KeyPair::generate().unwrap().to_csr("a/b").unwrap_err();
        assert_eq!(error.code(), "ENV-I502");
    }
}
