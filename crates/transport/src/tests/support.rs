//! A small authority, configurations made from it, and whole reads and writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::BytesMut;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};

use crate::{HandshakeError, Read, Transport, TransportError};

pub(super) const BOTH_VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

static NEXT: AtomicU32 = AtomicU32::new(1);

pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Names of their own, so that "unknown issuer" is what a stranger's certificate is.
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {serial}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Authority {
            certificate,
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
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (
            vec![certificate],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
    }

    /// A server that wants a client certificate of ours.
    pub(super) fn server(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider())
            .build()
            .unwrap();
        let (chain, key) = self.issue(ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    /// A client that trusts us and shows a certificate of ours.
    pub(super) fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        self.client_with_identity_of(self, version)
    }

    /// A client that trusts us and shows a certificate of another authority.
    pub(super) fn client_with_identity_of(
        &self,
        other: &Authority,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        let (chain, key) = other.issue(ExtendedKeyUsagePurpose::ClientAuth);
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    /// A client that trusts us and shows nothing.
    pub(super) fn anonymous(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        Arc::new(config)
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from("broker.test").unwrap()
}

/// Two connected sockets on the loopback.
pub(super) async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (client.unwrap(), accepted.unwrap().0)
}

/// Client and server end of a handshake over memory that passes `capacity` bytes at a time.
pub(super) async fn handshake_in_memory(
    capacity: usize,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> (
    Result<Transport, HandshakeError>,
    Result<Transport, HandshakeError>,
) {
    let (left, right) = Transport::memory_pair(capacity);
    tokio::join!(left.connect_tls(client, name()), right.accept_tls(server))
}

pub(super) async fn handshake_over_tcp(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> (
    Result<Transport, HandshakeError>,
    Result<Transport, HandshakeError>,
) {
    let (left, right) = sockets().await;
    tokio::join!(
        Transport::connect(left, client, name()),
        Transport::accept(right, server)
    )
}

pub(super) async fn write_all(
    transport: &mut Transport,
    bytes: &[u8],
) -> Result<(), TransportError> {
    transport.write(&mut BytesMut::from(bytes))?;
    while transport.pending_write() > 0 {
        transport.writable().await?;
        transport.try_flush()?;
    }
    Ok(())
}

/// Reads until `count` bytes are there.
pub(super) async fn read_exactly(
    transport: &mut Transport,
    count: usize,
) -> Result<BytesMut, TransportError> {
    let mut plain = BytesMut::new();
    while plain.len() < count {
        match transport.try_read(&mut plain)? {
            Read::Bytes(_) => {}
            Read::WouldBlock => transport.readable().await?,
            Read::Closed { .. } => break,
        }
    }
    Ok(plain)
}

/// What ends the connection, with everything read before dropped.
pub(super) async fn read_to_end(transport: &mut Transport) -> Result<Read, TransportError> {
    let mut plain = BytesMut::new();
    loop {
        match transport.try_read(&mut plain)? {
            Read::Bytes(_) => plain.clear(),
            Read::WouldBlock => transport.readable().await?,
            closed @ Read::Closed { .. } => return Ok(closed),
        }
    }
}

/// Bytes that differ from their neighbours, so that a lost or moved one is seen.
pub(super) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index % 251) as u8).collect()
}
