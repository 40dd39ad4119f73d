//! Peers that do not speak TLS, or never stop speaking.

use super::support::Authority;
use crate::{ForeignProtocol, HandshakeError, HandshakeErrorKind, Transport, hello};

async fn accept_after(bytes: &[u8]) -> HandshakeError {
    let (mut left, right) = Transport::memory_pair(256 * 1024);
    left.link.send(bytes).unwrap();
    left.link.close();
    right
        .accept_tls(Authority::new().server(&rustls::version::TLS13))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn plain_mqtt_on_the_tls_port_is_recognized() {
    let error = accept_after(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test").await;
    assert_eq!(error.looks_like, Some(ForeignProtocol::PlainMqtt));
    assert!(error.tls().is_some());
    assert!(error.to_string().contains("MQTT without TLS"));
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_recognized() {
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "POST /v1/enroll HTTP/1.1\r\n",
        "G",
    ] {
        let error = accept_after(request.as_bytes()).await;
        assert_eq!(error.looks_like, Some(ForeignProtocol::Http));
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_not_called_a_failure_of_tls() {
    for bytes in [&b""[..], &b"\x16\x03\x01"[..]] {
        let error = accept_after(bytes).await;
        assert!(matches!(error.kind, HandshakeErrorKind::Closed));
        assert_eq!(error.looks_like, None);
    }
}

#[tokio::test]
async fn a_handshake_message_without_end_is_refused_with_bounded_memory() {
    // A ClientHello that announces 65,535 bytes, in records of 1,000.
    let mut endless = Vec::new();
    for index in 0..70 {
        endless.extend_from_slice(&[0x16, 3, 1, 0x03, 0xe8]);
        endless.extend_from_slice(&[if index == 0 { 1 } else { 0 }]);
        endless.extend_from_slice(&[0x00, 0xff, 0xff]);
        endless.extend_from_slice(&[0; 996]);
    }
    let error = accept_after(&endless).await;
    assert!(error.tls().is_some());
}

#[test]
fn a_cut_client_hello_has_no_name_and_no_panic() {
    let mut hello = vec![0x16, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3];
    hello.extend_from_slice(&[0; 32]); // random
    hello.extend_from_slice(&[0]); // session id
    hello.extend_from_slice(&[0, 2, 0x13, 1]); // cipher suites
    hello.extend_from_slice(&[1, 0]); // compression
    hello.extend_from_slice(&[0, 14, 0, 0, 0, 10, 0, 8, 0, 0, 5]);
    hello.extend_from_slice(b"a.org");
    let length = (hello.len() - 5) as u16;
    hello[3..5].copy_from_slice(&length.to_be_bytes());
    assert_eq!(hello::server_name(&hello).as_deref(), Some("a.org"));
    for cut in 0..hello.len() {
        assert_eq!(hello::server_name(&hello[..cut]), None);
    }
}
