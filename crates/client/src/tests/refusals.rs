//! Why there is no connection: each failure has its own name.

use std::sync::Arc;
use std::time::Duration;

use mqtt::{ConnAck, ReasonCode};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use transport::Transport;

use super::support::{options, start};
use crate::{Client, ClientError, ConnectionState, Options};

/// The failure a one-shot client ends with.
async fn failure(options: Options) -> ClientError {
    let (client, _messages) = Client::start(Options {
        reconnect: None,
        ..options
    });
    client.connected().await.unwrap_err()
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = failure(Options::new("127.0.0.1", port, "tester")).await;
    assert!(matches!(error, ClientError::ConnectionRefused { .. }));
    assert_eq!(error.code(), "ENV-N305");
}

#[tokio::test]
async fn the_name_does_not_exist() {
    // RFC 6761: never resolves.
    let error = failure(Options::new("no.such.host.invalid", 1, "tester")).await;
    assert_eq!(error.code(), "ENV-N304");
}

#[tokio::test]
async fn nobody_answers_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut options = Options::new("127.0.0.1", port, "tester");
    options.connect_timeout = Duration::from_millis(50);
    assert_eq!(failure(options).await.code(), "ENV-N306");
}

#[tokio::test]
async fn the_broker_says_no_and_the_state_keeps_its_words() {
    let (client, _messages, mut broker) = start(options());
    let mut answer = ConnAck::new(ReasonCode::NotAuthorized);
    answer.properties.reason_string = Some("who are you".into());
    let _peer = broker.answer(answer).await;
    let mut state = client.state();
    let state = state
        .wait_for(|state| state.trouble().is_some())
        .await
        .unwrap();
    let ConnectionState::Refused { why, .. } = &*state else {
        panic!("not a refusal: {state:?}");
    };
    assert_eq!(why.code(), "ENV-A601");
    assert!(why.to_string().contains("who are you"));
}

#[tokio::test]
async fn garbage_instead_of_a_connack() {
    let (client, _messages, mut broker) = start(options());
    let mut peer = broker.link().await;
    peer.gets().await;
    peer.sends_bytes(&[0xff; 20]);
    let mut state = client.state();
    let state = state
        .wait_for(|state| state.trouble().is_some())
        .await
        .unwrap();
    assert_eq!(state.trouble().unwrap().code(), "ENV-N310");
}

#[tokio::test]
async fn a_server_without_tls_is_recognized() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new("127.0.0.1", listener.local_addr().unwrap().port(), "tester");
    options.tls = Some(Authority::new("ours").client(&rustls::version::TLS13, None));
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (error, _stream) = tokio::join!(failure(options), server);
    assert_eq!(error.code(), "ENV-T406");
}

#[tokio::test]
async fn a_refused_certificate_is_a_clear_error_in_both_versions() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (identity, alert, code) in [
            (None, AlertDescription::CertificateRequired, "ENV-T401"),
            (Some(&other), AlertDescription::UnknownCA, "ENV-C203"),
        ] {
            let error = handshake(ours.client(version, identity), ours.server()).await;
            assert_eq!(error.alert(), Some(alert), "{error:?}");
            assert_eq!(error.code(), code);
            assert!(error.is_refusal());
        }
    }
}

#[tokio::test]
async fn a_server_we_do_not_trust_is_a_clear_error() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let client = other.client(&rustls::version::TLS13, Some(&other));
    let error = handshake(client, ours.server()).await;
    assert!(matches!(
        error,
        ClientError::Tls {
            error: rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer),
            ..
        }
    ));
}

/// How a client ends that tries to connect to this server.
async fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> ClientError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new("127.0.0.1", listener.local_addr().unwrap().port(), "tester");
    options.server_name = Some("broker.test".to_owned());
    options.tls = Some(client);
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        Transport::accept(stream, server).await.unwrap_err()
    };
    tokio::join!(failure(options), accepting).0
}

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority {
            certificate: params.self_signed(&key).unwrap().der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        Arc::new(roots)
    }

    fn issue(
        &self,
        purpose: ExtendedKeyUsagePurpose,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(vec!["broker.test".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (vec![certificate.der().clone()], key.into())
    }

    fn server(&self) -> Arc<ServerConfig> {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider())
            .build()
            .unwrap();
        let (chain, key) = self.issue(ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    /// Trusts us and shows what `identity` issued.
    fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        identity: Option<&Authority>,
    ) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots());
        Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.issue(ExtendedKeyUsagePurpose::ClientAuth);
                config.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
