//! OpenSSL judges what we issue, and makes what we must be able to read.

use std::{path::Path, process::Command};

use pki::{PkiError, SERVICE_LIFE, certificates_to_pem};

use crate::support::{Lab, days, key, now};

/// Runs openssl and answers what it said; it must exist.
pub(crate) fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().expect(
        "these tests need the openssl command: apt-get install openssl (it judges our certificates)",
    );
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn must(arguments: &[&str]) -> String {
    let (success, text) = openssl(arguments);
    assert!(success, "openssl {}\n{text}", arguments.join(" "));
    text
}

fn write(dir: &Path, name: &str, contents: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, contents).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Root, issuing and leaf as files, for `openssl verify`.
struct Chain {
    root: String,
    issuing: String,
    leaf: String,
}

impl Chain {
    fn of(lab: &Lab, chain: &[rustls_pki_types::CertificateDer<'static>]) -> Chain {
        let pem = |certificate| certificates_to_pem(std::slice::from_ref(certificate));
        Chain {
            root: write(lab.path(), "root.pem", &pem(lab.authority.root())),
            issuing: write(lab.path(), "issuing.pem", &pem(lab.authority.issuing())),
            leaf: write(lab.path(), "leaf.pem", &pem(&chain[0])),
        }
    }

    fn verify(&self, purpose: &str, more: &[&str]) -> (bool, String) {
        let mut arguments = vec!["verify", "-x509_strict", "-purpose", purpose];
        arguments.extend_from_slice(more);
        arguments.extend([
            "-CAfile",
            &self.root,
            "-untrusted",
            &self.issuing,
            &self.leaf,
        ]);
        openssl(&arguments)
    }

    fn text(&self) -> String {
        must(&["x509", "-in", &self.leaf, "-noout", "-text"])
    }
}

#[test]
fn openssl_accepts_a_client_certificate_for_clients_and_for_nothing_else() {
    let lab = Lab::new();
    let chain = Chain::of(&lab, lab.client("pump-01").chain());
    let (accepted, text) = chain.verify("sslclient", &[]);
    assert!(accepted, "{text}");
    assert!(!chain.verify("sslserver", &[]).0);

    let text = chain.text();
    for expected in [
        "Version: 3",
        "ecdsa-with-SHA256",
        "ASN1 OID: prime256v1",
        "CN = pump-01",
        "URI:urn:enviomq:aula-enviomq:device:pump-01",
        "TLS Web Client Authentication",
        "CA:FALSE",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(!text.contains("TLS Web Server Authentication"), "{text}");
}

#[test]
fn openssl_accepts_a_server_certificate_by_name_and_by_address() {
    let lab = Lab::new();
    let chain = Chain::of(&lab, lab.server().chain());
    for check in [
        ["-verify_hostname", "localhost"],
        ["-verify_hostname", "broker"],
        ["-verify_hostname", "mqtt.example"],
        ["-verify_ip", "127.0.0.1"],
        ["-verify_ip", "::1"],
    ] {
        let (accepted, text) = chain.verify("sslserver", &check);
        assert!(accepted, "{check:?}: {text}");
    }
    assert!(!chain.verify("sslserver", &["-verify_hostname", "other"]).0);
    assert!(!chain.verify("sslclient", &[]).0);

    let text = chain.text();
    for expected in [
        "DNS:127.0.0.1",
        "IP Address:127.0.0.1",
        "DNS:::1",
        "Web Server",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(!text.contains("TLS Web Client Authentication"), "{text}");
}

#[test]
fn the_authorities_say_what_they_may_sign() {
    let lab = Lab::new();
    let chain = Chain::of(&lab, lab.client("pump-01").chain());
    let root = must(&["x509", "-in", &chain.root, "-noout", "-text"]);
    let issuing = must(&["x509", "-in", &chain.issuing, "-noout", "-text"]);
    for text in [&root, &issuing] {
        assert!(
            text.contains("X509v3 Basic Constraints: critical"),
            "{text}"
        );
        assert!(text.contains("X509v3 Key Usage: critical"), "{text}");
        assert!(text.contains("Certificate Sign, CRL Sign"), "{text}");
    }
    assert!(issuing.contains("CA:TRUE, pathlen:0"), "{issuing}");
    assert!(!root.contains("pathlen"), "{root}");
    assert!(root.contains("CN = Aula EnvioMQ Root"), "{root}");
    assert!(issuing.contains("CN = Aula EnvioMQ Issuing "), "{issuing}");
    assert!(openssl(&["verify", "-CAfile", &chain.root, &chain.issuing]).0);
}

#[test]
fn a_request_made_by_openssl_gets_its_key_certified_and_none_of_its_wishes() {
    let lab = Lab::new();
    let config = write(
        lab.path(),
        "greedy.cnf",
        "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=ext\n\
         [dn]\nCN=admin\nO=Somebody\n\
         [ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n\
         extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost\n",
    );
    let kinds: [&[&str]; 3] = [
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
        &["-newkey", "rsa:2048"],
    ];
    for kind in kinds {
        let csr = lab.path().join("greedy.csr");
        let key = lab.path().join("greedy.key");
        let (csr, key) = (csr.to_str().unwrap(), key.to_str().unwrap());
        let more = ["-nodes", "-config", &config, "-keyout", key, "-out", csr];
        must(&[&["req", "-new"], kind, &more].concat());

        let pem = std::fs::read(csr).unwrap();
        let signed = lab
            .authority
            .sign_client_csr(&pem, "pump-01", now(), SERVICE_LIFE)
            .unwrap();
        let chain = Chain::of(&lab, &signed);
        let (accepted, why) = chain.verify("sslclient", &[]);
        assert!(accepted, "{why}");
        let text = chain.text();
        assert!(
            text.contains("CA:FALSE") && !text.contains("CA:TRUE"),
            "{text}"
        );
        assert!(text.contains("Subject: CN = pump-01"), "{text}");
        for wish in [
            "admin",
            "Somebody",
            "DNS:localhost",
            "Certificate Sign",
            "Web Server",
        ] {
            assert!(!text.contains(wish), "{wish} in\n{text}");
        }
        let of_key = must(&["pkey", "-in", key, "-pubout"]);
        assert_eq!(
            must(&["x509", "-in", &chain.leaf, "-noout", "-pubkey"]),
            of_key
        );
    }
}

#[test]
fn our_own_requests_are_understood_by_openssl_and_by_us() {
    let lab = Lab::new();
    let key = key();
    let csr = key.to_csr("pump-01").unwrap();
    let file = write(lab.path(), "own.csr", &csr);
    assert!(must(&["req", "-in", &file, "-noout", "-verify", "-subject"]).contains("CN = pump-01"));
    let der = lab.path().join("own.der");
    must(&[
        "req",
        "-in",
        &file,
        "-outform",
        "DER",
        "-out",
        der.to_str().unwrap(),
    ]);
    for bytes in [csr.into_bytes(), std::fs::read(der).unwrap()] {
        let chain = lab
            .authority
            .sign_client_csr(&bytes, "pump-01", now(), days(30))
            .unwrap();
        assert_eq!(chain.len(), 2);
    }
}

#[test]
fn requests_with_weak_keys_or_a_broken_signature_are_refused() {
    let lab = Lab::new();
    let sign = |csr: &[u8]| {
        lab.authority
            .sign_client_csr(csr, "pump-01", now(), SERVICE_LIFE)
            .unwrap_err()
    };
    let kinds: [&[&str]; 3] = [
        &["-newkey", "rsa:1024"],
        &["-newkey", "ed25519"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    ];
    for kind in kinds {
        let csr = must(
            &[
                &["req", "-new", "-nodes", "-subj", "/CN=x"],
                kind,
                &["-keyout", "/dev/null"],
            ]
            .concat(),
        );
        let csr = &csr[csr.find("-----BEGIN CERTIFICATE REQUEST").unwrap()..];
        assert_eq!(sign(csr.as_bytes()).code(), "ENV-C211", "{kind:?}");
    }

    let pem = key().to_csr("pump-01").unwrap();
    let file = write(lab.path(), "good.csr", &pem);
    let der = lab.path().join("good.der");
    must(&[
        "req",
        "-in",
        &file,
        "-outform",
        "DER",
        "-out",
        der.to_str().unwrap(),
    ]);
    let mut der = std::fs::read(der).unwrap();
    let last = der.len() - 1;
    der[last] ^= 1;
    assert!(matches!(sign(&der), PkiError::Request { .. }));
    for junk in [
        &b""[..],
        b"hola",
        b"-----BEGIN CERTIFICATE REQUEST-----\n",
        &[0x30, 0x03, 1, 2, 3],
    ] {
        assert_eq!(sign(junk).code(), "ENV-C212");
    }
}
