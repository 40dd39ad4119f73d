//! Identity: who a client certificate says its holder is.

use std::time::SystemTime;

use rustls_pki_types::CertificateDer;

use crate::{PkiError, fingerprint::Fingerprint, inspect::Leaf};

/// The holder of a verified client certificate.
///
/// The certificate says who, never what its holder may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name access rules and logs use; see [`check_name`].
    pub name: String,
    /// Serial number of the certificate, upper-case hexadecimal.
    pub serial: String,
    /// End of the certificate.
    pub not_after: SystemTime,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
}

impl Identity {
    /// Reads the identity from a certificate whose chain was already verified.
    ///
    /// # Errors
    /// `Name` if there is not exactly one common name, or it breaks the rules
    /// of [`check_name`], or a name of ours in its SAN contradicts it.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Identity, PkiError> {
        let leaf = Leaf::parse(certificate)?;
        let name = leaf.common_name.clone().unwrap_or_default();
        check_name(&name)?;
        if leaf.device_uris().any(|device| device != name) {
            return Err(PkiError::Name {
                name,
                why: "the certificate's SAN names another device",
            });
        }
        Ok(Identity {
            name,
            serial: leaf.serial,
            not_after: leaf.not_after,
            fingerprint: Fingerprint::of(certificate),
        })
    }
}

/// Says whether `name` may be an identity: `^[a-z0-9][a-z0-9._-]{0,62}$`.
///
/// `+ # / $` would act as wildcards in access rules, upper case and letters
/// from outside ASCII would let two names look alike.
///
/// # Errors
/// `Name`, with the rule that is broken.
pub fn check_name(name: &str) -> Result<(), PkiError> {
    let broken = |why| {
        Err(PkiError::Name {
            name: name.to_owned(),
            why,
        })
    };
    let Some(first) = name.bytes().next() else {
        return broken("it is empty");
    };
    if name.len() > NAME_MAX_BYTES {
        return broken("it is longer than 63 characters");
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return broken("upper-case letters are not allowed");
    }
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if !name.bytes().all(allowed) {
        return broken("only a-z, 0-9, '.', '_' and '-' are allowed");
    }
    if first.is_ascii_alphanumeric() {
        Ok(())
    } else {
        broken("it must begin with a letter or a digit")
    }
}

const NAME_MAX_BYTES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in [
            "publisher",
            "pump-01",
            "a",
            "0",
            "linea-3.bomba_2",
            &"x".repeat(63),
        ] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_could_act_as_wildcards_or_look_alike_are_refused() {
        let long = "x".repeat(64);
        for name in [
            "", "+", "a+b", "#", "a/b", "$sys", "a:b", "a b", "a\0b", "a\nb", "Pump", "pumр-01",
            ".a", "-a", "_a", "ñ", &long,
        ] {
            let error = check_name(name).unwrap_err();
            assert_eq!(error.code(), "ENV-I502", "{name:?}");
        }
    }
}
