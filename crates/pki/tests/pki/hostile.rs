//! Bytes from outside never bring the process down.

use pki::{Identity, SERVICE_LIFE, certificates_from_pem, token::JoinToken};
use proptest::prelude::*;

use crate::support::{Lab, key, now};

proptest! {
    #[test]
    fn any_bytes_as_request_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
        thread_local!(static LAB: Lab = Lab::new());
        LAB.with(|lab| {
            let signed = lab.authority.sign_client_csr(&bytes, "pump-01", now(), SERVICE_LIFE);
            prop_assert!(signed.is_err());
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_as_certificate_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
        prop_assert!(Identity::from_certificate(&bytes.into()).is_err());
    }

    #[test]
    fn any_text_as_token_or_pem_is_refused_without_a_panic(text in any::<String>()) {
        prop_assert!(JoinToken::parse(&text).is_err());
        prop_assert!(certificates_from_pem(&text).is_err());
    }
}

#[test]
fn a_certificate_with_any_byte_changed_never_panics() {
    let lab = Lab::new();
    let issued = lab
        .authority
        .issue_client("pump-01", key(), now(), SERVICE_LIFE)
        .unwrap();
    for position in 0..issued.chain[0].len() {
        let mut bytes = issued.chain[0].to_vec();
        bytes[position] ^= 0xFF;
        let _ = Identity::from_certificate(&bytes.into());
    }
}
