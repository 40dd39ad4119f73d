//! The authority on disk: made once, opened often, finished after a crash.

use std::{fs, time::Duration};

use pki::{Authority, Leaf, SERVICE_LIFE};

use crate::support::{Lab, days, key, mode, now};

#[test]
fn an_authority_is_the_same_when_opened_again() {
    let lab = Lab::new();
    let again = Authority::open(&lab.path().join("pki"), now()).unwrap();
    assert_eq!(again.name(), "Aula EnvioMQ");
    assert_eq!(again.root_fingerprint(), lab.authority.root_fingerprint());
    assert_eq!(again.issuing(), lab.authority.issuing());
}

#[test]
fn its_files_are_as_narrow_as_they_should_be() {
    let lab = Lab::new();
    let pki = lab.path().join("pki");
    let year = fs::read_dir(pki.join("issuing"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for (path, expected) in [
        (pki.clone(), 0o700),
        (pki.join("root"), 0o700),
        (pki.join("root/root.key"), 0o400),
        (pki.join("root/root.crt"), 0o644),
        (year.clone(), 0o700),
        (year.join("ca.key"), 0o400),
        (year.join("ca.crt"), 0o644),
        (pki.join("trust/bundle.pem"), 0o644),
    ] {
        // The umask may take bits away from certificates; it can add none to keys.
        let found = mode(&path);
        assert_eq!(found & !expected, 0, "{} has {found:o}", path.display());
        assert_eq!(found & 0o400, 0o400, "{} has {found:o}", path.display());
    }
}

#[test]
fn an_authority_is_never_made_over_another() {
    let lab = Lab::new();
    let error = Authority::create(&lab.path().join("pki"), "Otra", now()).unwrap_err();
    assert_eq!(error.code(), "ENV-F112");
}

#[test]
fn names_of_every_language_are_carried() {
    let dir = tempfile::tempdir().unwrap();
    let name = "Año, \"Planta=1\" / niño";
    let authority = Authority::create(&dir.path().join("pki"), name, now()).unwrap();
    assert_eq!(authority.name(), name);
    assert_eq!(authority.site(), "a-o-planta-1-ni-o");
    assert!(
        authority
            .issue_client("pump", key(), now(), SERVICE_LIFE)
            .is_ok()
    );
}

#[test]
fn names_no_certificate_can_carry_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", "  ", "a\nb", "x\0", &"x".repeat(41)] {
        let error = Authority::create(&dir.path().join("pki"), name, now()).unwrap_err();
        assert_eq!(error.code(), "ENV-I502", "{name:?}");
    }
}

#[test]
fn a_crash_between_root_and_issuing_authority_is_mended_with_the_same_root() {
    let lab = Lab::new();
    let pki = lab.path().join("pki");
    let fingerprint = lab.authority.root_fingerprint();
    // What is on disk if the process dies after the first rename, with a second folder half made.
    fs::remove_dir_all(pki.join("issuing")).unwrap();
    fs::remove_dir_all(pki.join("trust")).unwrap();
    fs::create_dir_all(pki.join("issuing/.new-0123456789ABCDEF")).unwrap();

    assert!(!Authority::exists(&pki));
    assert_eq!(Authority::open(&pki, now()).unwrap_err().code(), "ENV-F113");
    let mended = Authority::create(&pki, "Otra", now()).unwrap();
    assert_eq!(mended.root_fingerprint(), fingerprint);
    assert_eq!(mended.name(), "Aula EnvioMQ");
    assert_eq!(fs::read_dir(pki.join("issuing")).unwrap().count(), 1);
    assert!(mended.trust_bundle_path().is_file());
}

#[test]
fn a_crash_before_the_root_has_its_name_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    fs::create_dir_all(pki.join(".new-0123456789ABCDEF")).unwrap();
    fs::write(pki.join(".new-0123456789ABCDEF/root.key"), "half").unwrap();
    assert!(!Authority::exists(&pki));
    Authority::create(&pki, "Aula", now()).unwrap();
    assert!(!pki.join(".new-0123456789ABCDEF").exists());
}

#[test]
fn a_lost_trust_bundle_is_written_again() {
    let lab = Lab::new();
    let bundle = lab.authority.trust_bundle_path();
    fs::remove_file(&bundle).unwrap();
    Authority::open(&lab.path().join("pki"), now()).unwrap();
    assert!(pki::read_certificates(&bundle).is_ok());
}

#[test]
fn the_root_key_may_be_kept_elsewhere() {
    let lab = Lab::new();
    fs::remove_file(lab.path().join("pki/root/root.key")).unwrap();
    let authority = Authority::open(&lab.path().join("pki"), now()).unwrap();
    assert!(
        authority
            .issue_client("pump", key(), now(), SERVICE_LIFE)
            .is_ok()
    );
}

#[test]
fn a_clock_before_the_authority_is_told_apart_from_everything_else() {
    let lab = Lab::new();
    let early = now() - days(400);
    let error = Authority::open(&lab.path().join("pki"), early).unwrap_err();
    assert_eq!(error.code(), "ENV-C202");
    assert!(error.to_string().contains("your clock says"), "{error}");
    assert!(
        error
            .fields()
            .iter()
            .any(|(name, value)| *name == "skew" && value == "399 days")
    );
    let issue = lab
        .authority
        .issue_client("pump", key(), early, SERVICE_LIFE);
    assert_eq!(issue.unwrap_err().code(), "ENV-C202");
}

#[test]
fn an_authority_past_its_end_says_so() {
    let lab = Lab::new();
    let error = Authority::open(&lab.path().join("pki"), now() + days(1_826)).unwrap_err();
    assert_eq!(error.code(), "ENV-C201");
}

#[test]
fn a_leaf_begins_an_hour_ago_and_never_outlives_its_issuer() {
    let lab = Lab::at(now() - days(100));
    let issuing = Leaf::parse(lab.authority.issuing()).unwrap();
    let short = lab
        .authority
        .issue_client("pump", key(), now(), SERVICE_LIFE)
        .unwrap();
    let short = Leaf::parse(&short.chain[0]).unwrap();
    let begun = now().duration_since(short.not_before).unwrap();
    assert!(begun >= Duration::from_secs(3_600) && begun < Duration::from_secs(3_700));
    let long = lab
        .authority
        .issue_client("pump", key(), now(), days(9_999))
        .unwrap();
    assert_eq!(
        Leaf::parse(&long.chain[0]).unwrap().not_after,
        issuing.not_after
    );
}

#[test]
fn serial_numbers_are_random_and_long() {
    let lab = Lab::new();
    let serial = || {
        let issued = lab
            .authority
            .issue_client("pump", key(), now(), SERVICE_LIFE)
            .unwrap();
        Leaf::parse(&issued.chain[0]).unwrap().serial
    };
    let serials: std::collections::HashSet<String> = (0..64).map(|_| serial()).collect();
    assert_eq!(serials.len(), 64);
    assert!(serials.iter().all(|serial| serial.len() <= 32));
    assert!(serials.iter().filter(|serial| serial.len() == 32).count() > 50);
}

#[test]
fn names_that_are_no_identity_are_not_certified() {
    let lab = Lab::new();
    for name in ["+", "a/b", "Pump", "", "a\0"] {
        let issued = lab.authority.issue_client(name, key(), now(), SERVICE_LIFE);
        assert_eq!(issued.unwrap_err().code(), "ENV-I502", "{name:?}");
        let csr = key().to_csr("pump").unwrap();
        let signed = lab
            .authority
            .sign_client_csr(csr.as_bytes(), name, now(), SERVICE_LIFE);
        assert_eq!(signed.unwrap_err().code(), "ENV-I502", "{name:?}");
    }
}
