//! Handshakes in memory, TLS 1.3 and 1.2: who is let in, and what the refused one is told.

use std::sync::Arc;

use pki::{
    Generations, KeyPair, LoadedPair, Refusal, RefusalSlot, SERVER_LIFE, SERVICE_LIFE,
    tls::{ClientTls, PinnedRoot, ServerTls, explain_server_refusal},
    token::JoinToken,
};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind, ProtocolVersion,
    ServerConfig, ServerConnection,
};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::{
    openssl::openssl,
    support::{Lab, days, key, now},
};

/// Both ends of a finished or failed handshake.
struct Outcome {
    client: Result<(), Error>,
    server: Result<(), Error>,
    connection: ServerConnection,
}

/// Carries records to and fro until both are content or one has failed and told the other.
fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>, host: &str) -> Outcome {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let (mut client_result, mut server_result) = (Ok(()), Ok(()));
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while server_result.is_ok() && !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server_result = server.process_new_packets().map(drop);
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while client_result.is_ok() && !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client_result = client.process_new_packets().map(drop);
        }
    }
    Outcome {
        client: client_result,
        server: server_result,
        connection: server,
    }
}

/// The same client, speaking TLS 1.2 only.
fn tls12(config: &ClientConfig, lab: &Lab) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(lab.authority.root().clone()).unwrap();
    let mut config12 = ClientConfig::builder_with_provider(config.crypto_provider().clone())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config12.client_auth_cert_resolver = config.client_auth_cert_resolver.clone();
    Arc::new(config12)
}

fn root(lab: &Lab) -> &[CertificateDer<'static>] {
    lab.authority.trust_roots()
}

fn client(pair: Option<&LoadedPair>, lab: &Lab) -> Arc<ClientConfig> {
    ClientTls::new(pair, root(lab)).unwrap().config()
}

fn server(lab: &Lab) -> ServerTls {
    ServerTls::new(&lab.server(), root(lab)).unwrap()
}

/// The refusal the server writes down, and the alert the client receives.
fn refused(server: &ServerTls, config: Arc<ClientConfig>) -> (Refusal, AlertDescription) {
    let (accept, slot): (_, RefusalSlot) = server.accept_config();
    let outcome = handshake(config, accept, "localhost");
    let error = outcome.server.expect_err("the server must refuse");
    let Err(Error::AlertReceived(alert)) = outcome.client else {
        panic!("the client must be told: {:?}", outcome.client);
    };
    (ServerTls::refusal(&slot, &error), alert)
}

#[test]
fn a_client_of_ours_is_let_in_by_every_name_of_the_server() {
    let lab = Lab::new();
    let server = server(&lab);
    let config = client(Some(&lab.client("pump-01")), &lab);
    for host in [
        "localhost",
        "127.0.0.1",
        "::1",
        "broker",
        "enviomq",
        "mqtt.example",
    ] {
        let (accept, slot) = server.accept_config();
        let outcome = handshake(config.clone(), accept, host);
        assert_eq!(
            (&outcome.client, &outcome.server),
            (&Ok(()), &Ok(())),
            "{host}"
        );
        assert!(slot.evidence().is_none());
        assert_eq!(
            outcome.connection.protocol_version(),
            Some(ProtocolVersion::TLSv1_3)
        );
        let identity =
            pki::Identity::from_certificate(&outcome.connection.peer_certificates().unwrap()[0]);
        assert_eq!(identity.unwrap().name, "pump-01");
    }
}

#[test]
fn nothing_is_resumed_and_no_protocol_is_negotiated() {
    let lab = Lab::new();
    let server = server(&lab);
    let config = client(Some(&lab.client("pump-01")), &lab);
    for _ in 0..3 {
        let outcome = handshake(config.clone(), server.accept_config().0, "localhost");
        assert_eq!(
            outcome.connection.handshake_kind(),
            Some(HandshakeKind::Full)
        );
        assert_eq!(outcome.connection.alpn_protocol(), None);
    }
}

#[test]
fn a_client_that_forgets_its_intermediate_is_let_in_since_we_know_it() {
    let lab = Lab::new();
    let pair = lab.client("pump-01");
    let leaf = pki::certificates_to_pem(&pair.chain()[..1]);
    let file = lab.path().join("leaf.crt");
    std::fs::write(&file, leaf).unwrap();
    let pair = LoadedPair::load(&file, pair.key_path(), now()).unwrap();
    let outcome = handshake(
        client(Some(&pair), &lab),
        server(&lab).accept_config().0,
        "localhost",
    );
    assert_eq!(outcome.server, Ok(()));
}

#[test]
fn t401_no_certificate() {
    let lab = Lab::new();
    let (refusal, alert) = refused(&server(&lab), client(None, &lab));
    assert_eq!(refusal.code, "ENV-T401");
    assert_eq!(alert, AlertDescription::CertificateRequired);
    let told = explain_server_refusal(&Error::AlertReceived(alert), "localhost");
    assert_eq!(told.code, "ENV-T401");
}

#[test]
fn c203_a_certificate_of_another_authority_with_the_same_name() {
    let (lab, other) = (Lab::new(), Lab::new());
    let stranger = ClientTls::new(Some(&other.client("pump-01")), root(&lab)).unwrap();
    let (refusal, alert) = refused(&server(&lab), stranger.config());
    assert_eq!(refusal.code, "ENV-C203");
    assert_eq!(alert, AlertDescription::UnknownCA);
    assert_eq!(refusal.subject.as_deref(), Some("CN=pump-01"));
    assert!(refusal.issuer.unwrap().contains("Aula EnvioMQ Issuing"));
    assert!(refusal.detail.contains("same name"), "{}", refusal.detail);
    assert_eq!(refusal.expected, ["Aula EnvioMQ Root"]);
    assert_eq!(
        explain_server_refusal(&Error::AlertReceived(alert), "x").code,
        "ENV-C203"
    );
}

#[test]
fn c203_a_certificate_of_an_authority_with_another_name() {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let other = pki::Authority::create(&dir.path().join("pki"), "Planta Norte", now()).unwrap();
    let issued = other
        .issue_client("pump-01", key(), now(), SERVICE_LIFE)
        .unwrap();
    let pair = Generations::at(dir.path().join("pump"))
        .install(&issued, now())
        .unwrap();
    let (refusal, alert) = refused(&server(&lab), client(Some(&pair), &lab));
    assert_eq!(refusal.code, "ENV-C203");
    assert_eq!(alert, AlertDescription::UnknownCA);
    assert!(
        refusal.detail.contains("\"Planta Norte Root\""),
        "{}",
        refusal.detail
    );
    assert!(
        refusal.detail.contains("\"Aula EnvioMQ Root\""),
        "{}",
        refusal.detail
    );
}

#[test]
fn c201_an_expired_certificate_is_refused_with_its_date() {
    let lab = Lab::at(now() - days(60));
    let pair = lab.client_at("pump-01", now() - days(40));
    let (refusal, alert) = refused(&server(&lab), client(Some(&pair), &lab));
    assert_eq!(refusal.code, "ENV-C201");
    assert_eq!(alert, AlertDescription::CertificateExpired);
    assert!(
        refusal
            .detail
            .starts_with("the certificate of pump-01 expired 10 days ago")
    );
    assert_eq!(refusal.not_after, Some(pair.leaf().not_after));
    assert!(refusal.fields().contains(&("n", "10 days".to_owned())));
    assert_eq!(refusal.serial.as_deref(), Some(pair.leaf().serial.as_str()));
    assert_eq!(
        explain_server_refusal(&Error::AlertReceived(alert), "x").code,
        "ENV-C201"
    );
}

#[test]
fn c202_a_certificate_from_the_future() {
    let lab = Lab::new();
    let pair = lab.client_at("pump-01", now() + days(3));
    let (refusal, _alert) = refused(&server(&lab), client(Some(&pair), &lab));
    assert_eq!(refusal.code, "ENV-C202");
    assert!(
        refusal.fields().contains(&("skew", "2 days".to_owned())),
        "{:?}",
        refusal.fields()
    );
}

#[test]
fn c206_a_server_certificate_used_by_a_client() {
    let lab = Lab::new();
    let mut config = Arc::unwrap_or_clone(client(Some(&lab.client("pump-01")), &lab));
    let posing = rustls::sign::CertifiedKey::from_der(
        lab.server().chain().to_vec(),
        rustls_pki_types::pem::PemObject::from_pem_file(lab.path().join("server/current/key.pem"))
            .unwrap(),
        config.crypto_provider(),
    );
    config.client_auth_cert_resolver =
        Arc::new(rustls::sign::SingleCertAndKey::from(posing.unwrap()));
    let (refusal, alert) = refused(&server(&lab), Arc::new(config));
    assert_eq!(refusal.code, "ENV-C206");
    assert_eq!(alert, AlertDescription::UnsupportedCertificate);
    assert!(
        refusal
            .detail
            .contains("is a server certificate, used as a client"),
        "{refusal}"
    );
    assert!(
        ClientTls::new(Some(&lab.server()), root(&lab)).is_err(),
        "and we never make one"
    );
}

#[test]
fn c207_an_x509_v1_certificate() {
    let lab = Lab::new();
    let file = |name: &str| lab.path().join(name).to_str().unwrap().to_owned();
    let (root_file, key_file) = (file("pki/root/root.crt"), file("pki/root/root.key"));
    let (csr, leaf, leaf_key) = (file("v1.csr"), file("v1.crt"), file("v1.key"));
    let made = KeyPair::generate().unwrap();
    pki::write_private_file(leaf_key.as_ref(), made.to_pem().as_bytes()).unwrap();
    std::fs::write(&csr, made.to_csr("pump-01").unwrap()).unwrap();
    let (success, text) = openssl(&[
        "x509",
        "-req",
        "-in",
        &csr,
        "-CA",
        &root_file,
        "-CAkey",
        &key_file,
        "-set_serial",
        "7",
        "-days",
        "9",
        "-out",
        &leaf,
    ]);
    assert!(success, "{text}");
    let pair = LoadedPair::load(leaf.as_ref(), leaf_key.as_ref(), now()).unwrap();
    assert_eq!(pair.leaf().version, 1);
    let (refusal, alert) = refused(&server(&lab), client(Some(&pair), &lab));
    assert_eq!(refusal.code, "ENV-C207");
    assert_eq!(alert, AlertDescription::CertificateUnknown);
}

#[test]
fn c204_a_chain_that_stops_short() {
    // The same root, but an issuing authority of another year, which this broker does not know.
    let lab = Lab::at(now() - days(366));
    let copy = tempfile::tempdir().unwrap();
    let pki_dir = copy.path().join("pki");
    std::fs::create_dir_all(pki_dir.join("root")).unwrap();
    for name in ["root.crt", "root.key"] {
        std::fs::copy(
            lab.path().join("pki/root").join(name),
            pki_dir.join("root").join(name),
        )
        .unwrap();
    }
    let other = pki::Authority::create(&pki_dir, "Aula EnvioMQ", now()).unwrap();
    let issued = other
        .issue_client("pump-01", key(), now(), SERVICE_LIFE)
        .unwrap();
    let leaf = pki::Issued {
        chain: issued.chain[..1].to_vec(),
        key: issued.key,
    };
    let pair = Generations::at(copy.path().join("pump"))
        .install(&leaf, now())
        .unwrap();
    let (refusal, alert) = refused(&server(&lab), client(Some(&pair), &lab));
    assert_eq!(refusal.code, "ENV-C204", "{refusal}");
    assert_eq!(alert, AlertDescription::UnknownCA);
}

#[test]
fn tls_1_2_is_judged_the_same() {
    let (lab, other) = (Lab::new(), Lab::new());
    let server = server(&lab);
    let outcome = handshake(
        tls12(&client(Some(&lab.client("pump-01")), &lab), &lab),
        server.accept_config().0,
        "localhost",
    );
    assert_eq!((&outcome.client, &outcome.server), (&Ok(()), &Ok(())));
    assert_eq!(
        outcome.connection.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );

    let stranger = ClientTls::new(Some(&other.client("pump-01")), root(&lab))
        .unwrap()
        .config();
    let (refusal, alert) = refused(&server, tls12(&stranger, &lab));
    assert_eq!(
        (refusal.code, alert),
        ("ENV-C203", AlertDescription::UnknownCA)
    );
    let (refusal, alert) = refused(&server, tls12(&client(None, &lab), &lab));
    assert_eq!(
        (refusal.code, alert),
        ("ENV-T401", AlertDescription::CertificateRequired)
    );
}

#[test]
fn the_client_explains_why_it_refused_the_server() {
    let (lab, other) = (Lab::new(), Lab::new());
    let server = server(&lab);
    let ours = ClientTls::new(Some(&lab.client("pump-01")), root(&lab)).unwrap();
    let explain = |tls: &ClientTls, host: &str| {
        let (accept, slot) = server.accept_config();
        let outcome = handshake(tls.config(), accept, host);
        let error = outcome.client.expect_err("the client must refuse");
        let server_error = outcome.server.expect_err("the server must be told");
        assert_eq!(ServerTls::refusal(&slot, &server_error).code, "ENV-T407");
        let without = explain_server_refusal(&error, host);
        let with = tls.explain(&error, host);
        assert_eq!(without.code, with.code);
        with
    };
    let name = explain(&ours, "elsewhere");
    assert_eq!(name.code, "ENV-N301");
    assert_eq!(name.found.as_deref(), Some("elsewhere"));
    for expected in ["localhost", "127.0.0.1", "mqtt.example"] {
        assert!(
            name.expected.iter().any(|n| n == expected),
            "{:?}",
            name.expected
        );
    }
    assert!(
        name.detail.contains("names localhost, 127.0.0.1, ::1"),
        "{}",
        name.detail
    );
    assert_eq!(explain(&ours, "198.51.100.7").code, "ENV-N302");

    let foreign = ClientTls::new(None, root(&other)).unwrap();
    let issuer = explain(&foreign, "localhost");
    assert_eq!(issuer.code, "ENV-C203");
    assert!(issuer.issuer.unwrap().contains("Aula EnvioMQ Issuing"));
}

#[test]
fn the_client_explains_an_expired_server() {
    let lab = Lab::at(now() - days(200));
    let then = now() - days(190);
    let names = ["localhost".to_owned()];
    let issued = lab.authority.issue_server(&names, key(), then).unwrap();
    let pair = Generations::at(lab.path().join("old"))
        .install(&issued, then)
        .unwrap();
    let server = ServerTls::new(&pair, root(&lab)).unwrap();
    let tls = ClientTls::new(None, root(&lab)).unwrap();
    let outcome = handshake(tls.config(), server.accept_config().0, "localhost");
    let refusal = tls.explain(&outcome.client.unwrap_err(), "localhost");
    assert_eq!(refusal.code, "ENV-C201");
    assert!(
        refusal.fields().contains(&("n", "100 days".to_owned())),
        "{:?}",
        refusal.fields()
    );
    assert_eq!(SERVER_LIFE, days(90));
}

#[test]
fn t404_somebody_speaks_plainly_on_the_tls_port() {
    let lab = Lab::new();
    let (accept, slot) = server(&lab).accept_config();
    let mut server = ServerConnection::new(accept).unwrap();
    server
        .read_tls(&mut &b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c"[..])
        .unwrap();
    let error = server.process_new_packets().unwrap_err();
    assert_eq!(ServerTls::refusal(&slot, &error).code, "ENV-T404");
}

#[test]
fn certificates_are_swapped_while_serving() {
    let lab = Lab::new();
    let server = server(&lab);
    let tls = ClientTls::new(Some(&lab.client("pump-01")), root(&lab)).unwrap();
    let serials = |server: &ServerTls, tls: &ClientTls| {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(tls.config(), name).unwrap();
        let outcome = handshake_with(&mut client, server.accept_config().0);
        let seen = |list: Option<&[CertificateDer<'_>]>| {
            pki::Leaf::parse(&list.unwrap()[0]).unwrap().serial
        };
        (
            seen(client.peer_certificates()),
            seen(outcome.peer_certificates()),
        )
    };
    let before = serials(&server, &tls);
    let (new_server, new_client) = (lab.server(), lab.client("pump-01"));
    server.reload(&new_server).unwrap();
    tls.reload(&new_client).unwrap();
    let after = serials(&server, &tls);
    assert_eq!(
        after,
        (
            new_server.leaf().serial.clone(),
            new_client.leaf().serial.clone()
        )
    );
    assert_ne!(before, after);
    assert_eq!(server.reload(&new_client).unwrap_err().code(), "ENV-C206");
    assert_eq!(tls.reload(&new_server).unwrap_err().code(), "ENV-C206");
}

fn handshake_with(client: &mut ClientConnection, server: Arc<ServerConfig>) -> ServerConnection {
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    server
}

#[test]
fn enrolment_trusts_the_root_of_the_token_and_no_other() {
    let (lab, other) = (Lab::new(), Lab::new());
    let server = server(&lab);
    let pinned = |lab: &Lab| {
        let token = lab
            .authority
            .tokens()
            .mint("pump-01", days(1), now())
            .unwrap();
        PinnedRoot::new(JoinToken::parse(&token).unwrap().root)
    };
    let config = |lab: &Lab| pinned(lab).client_config().unwrap();
    let outcome = handshake(config(&lab), server.enrol_config(), "broker");
    assert_eq!((&outcome.client, &outcome.server), (&Ok(()), &Ok(())));
    assert!(outcome.connection.peer_certificates().is_none());

    let wrong_root = handshake(config(&other), server.enrol_config(), "broker");
    assert_eq!(
        explain_server_refusal(&wrong_root.client.unwrap_err(), "broker").code,
        "ENV-C203"
    );
    let wrong_name = handshake(config(&lab), server.enrol_config(), "elsewhere");
    assert_eq!(
        explain_server_refusal(&wrong_name.client.unwrap_err(), "elsewhere").code,
        "ENV-N301"
    );
    // The ordinary listener does not send its root, and asks for a certificate.
    assert!(
        handshake(config(&lab), server.accept_config().0, "broker")
            .client
            .is_err()
    );

    server.reload(&lab.server()).unwrap();
    assert!(
        handshake(config(&lab), server.enrol_config(), "broker")
            .client
            .is_ok()
    );
}
