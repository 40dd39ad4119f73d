//! Bytes from outside never bring the process down.

use pki::{Identity, Leaf, SERVICE_LIFE, certificates_from_pem, check_request, token::JoinToken};
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;

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

/// A certificate for `name`, with `name` overwritten; its signature no longer holds.
fn forged(name: &str, with: &[u8]) -> CertificateDer<'static> {
    assert_eq!(name.len(), with.len());
    let lab = Lab::new();
    let issued = lab
        .authority
        .issue_client(name, key(), now(), SERVICE_LIFE)
        .unwrap();
    let mut bytes = issued.chain[0].to_vec();
    for at in 0..bytes.len() - name.len() {
        if bytes[at..].starts_with(name.as_bytes()) {
            bytes[at..at + with.len()].copy_from_slice(with);
        }
    }
    bytes.into()
}

#[test]
fn a_name_that_would_act_on_a_terminal_is_shown_instead() {
    let leaf = Leaf::parse(&forged("aaaaaaaa", b"x\n\x1b[31m\0")).unwrap();
    let escaped = "x\\u{a}\\u{1b}[31m\\u{0}";
    assert_eq!(leaf.subject, format!("CN={escaped}"));
    assert_eq!(leaf.who(), escaped);
    assert!(leaf.uris[0].ends_with(escaped), "{:?}", leaf.uris);
}

#[test]
fn a_name_outside_the_rule_is_no_identity() {
    for name in [
        "publish\0",
        "pub/sher",
        "Publishe",
        "publis+r",
        "publi\u{f1}s",
    ] {
        let error = Identity::from_certificate(&forged("aaaaaaaa", name.as_bytes())).unwrap_err();
        assert_eq!(error.code(), "ENV-I502", "{name:?}");
    }
}

#[test]
fn a_request_is_judged_without_being_signed() {
    let lab = Lab::new();
    let good = key().to_csr("pump-01").unwrap();
    assert!(check_request(good.as_bytes()).is_ok());
    let changed = good.replacen("MI", "MJ", 1);
    for bad in ["", "hola", &changed] {
        let error = check_request(bad.as_bytes()).unwrap_err();
        let signing = lab
            .authority
            .sign_client_csr(bad.as_bytes(), "pump-01", now(), SERVICE_LIFE)
            .unwrap_err();
        assert_eq!(error.code(), signing.code());
    }
}
