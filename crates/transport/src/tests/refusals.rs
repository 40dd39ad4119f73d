//! Each side learns why the other refused it, as a typed error.

use std::sync::Arc;

use bytes::BytesMut;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error};
use tokio::net::TcpStream;

use super::support::{
    Authority, BOTH_VERSIONS, handshake_in_memory, handshake_over_tcp, name, read_to_end, sockets,
};
use crate::{Read, Transport, TransportError};

#[tokio::test]
async fn tls13_client_without_certificate_learns_it_with_its_first_read() {
    let authority = Authority::new();
    let version = &rustls::version::TLS13;
    let (client, server) =
        handshake_over_tcp(authority.anonymous(version), authority.server(version)).await;
    assert!(matches!(
        server.unwrap_err().tls(),
        Some(Error::NoCertificatesPresented)
    ));
    let error = read_to_end(&mut client.unwrap()).await.unwrap_err();
    assert_eq!(error.alert(), Some(AlertDescription::CertificateRequired));
}

#[tokio::test]
async fn tls13_client_of_another_authority_learns_it_although_it_was_writing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let version = &rustls::version::TLS13;
    let (left, right) = sockets().await;
    // Trusts our server, but shows a certificate we did not issue.
    let config = authority.client_with_identity_of(&other, version);
    let (verdict, server) = tokio::join!(
        talk_until_refused(left, config),
        Transport::accept(right, authority.server(version))
    );
    assert!(matches!(
        server.unwrap_err().tls(),
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    ));
    assert_eq!(verdict.alert(), Some(AlertDescription::UnknownCA));
}

/// As an MQTT client does: CONNECT at once, without having heard the verdict.
async fn talk_until_refused(stream: TcpStream, config: Arc<ClientConfig>) -> TransportError {
    let mut client = Transport::connect(stream, config, name()).await.unwrap();
    loop {
        if let Err(error) = client.write(&mut BytesMut::from(&[0x10; 200][..])) {
            return error;
        }
        match client.try_read(&mut BytesMut::new()) {
            Err(error) => return error,
            Ok(Read::Closed { .. }) => panic!("closed without a reason"),
            Ok(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn tls12_client_without_certificate_learns_it_in_the_handshake() {
    let authority = Authority::new();
    let version = &rustls::version::TLS12;
    let (client, server) =
        handshake_over_tcp(authority.anonymous(version), authority.server(version)).await;
    assert!(matches!(
        server.unwrap_err().tls(),
        Some(Error::NoCertificatesPresented)
    ));
    assert_eq!(
        client.unwrap_err().alert(),
        Some(AlertDescription::CertificateRequired)
    );
}

#[tokio::test]
async fn server_learns_that_the_client_does_not_trust_it() {
    let (authority, other) = (Authority::new(), Authority::new());
    for version in BOTH_VERSIONS {
        let (client, server) =
            handshake_in_memory(64 * 1024, other.client(version), authority.server(version)).await;
        assert!(matches!(
            client.unwrap_err().tls(),
            Some(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        ));
        let refusal = server.unwrap_err();
        assert_eq!(refusal.alert(), Some(AlertDescription::UnknownCA));
        assert_eq!(refusal.server_name.as_deref(), Some("broker.test"));
    }
}

#[tokio::test]
async fn damaged_records_end_the_connection_for_both() {
    let authority = Authority::new();
    let version = &rustls::version::TLS13;
    let (client, server) =
        handshake_in_memory(4096, authority.client(version), authority.server(version)).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    // A whole record of 20 bytes that no key of ours has sealed.
    client.link.send(&[0x17, 3, 3, 0, 20]).unwrap();
    client.link.send(&[0; 20]).unwrap();
    let error = read_to_end(&mut server).await.unwrap_err();
    assert!(matches!(error, TransportError::Tls(Error::DecryptError)));
    assert!(server.write(&mut BytesMut::from(&b"x"[..])).is_err());
    assert!(read_to_end(&mut server).await.is_err());
    let error = read_to_end(&mut client).await.unwrap_err();
    assert_eq!(error.alert(), Some(AlertDescription::BadRecordMac));
}
