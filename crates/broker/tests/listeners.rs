//! Real sockets and real certificates: who is let in, who is not, and what the log says then.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use enviomq_broker::{
    AccessPolicy, Broker, BrokerConfig, BrokerHandle, ListenerKind, Parts, StartError,
};
use mqtt::{ControlPacket, ProtocolVersion, QoS, ReasonCode};
use pki::tls::{ClientTls, ServerTls};
use pki::{Authority, Generations, KeyPair, LoadedPair, SERVICE_LIFE};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::subscriber::DefaultGuard;
use transport::Transport;

/// An authority on disk, with what it issued.
struct Site {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Site {
    fn new(name: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let authority =
            Authority::create(&dir.path().join("pki"), name, SystemTime::now()).unwrap();
        Site { dir, authority }
    }

    fn server(&self) -> LoadedPair {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let now = SystemTime::now();
        let issued = self
            .authority
            .issue_server(&names, KeyPair::generate().unwrap(), now)
            .unwrap();
        Generations::at(self.dir.path().join("server"))
            .install(&issued, now)
            .unwrap()
    }

    fn client(&self, name: &str) -> LoadedPair {
        let now = SystemTime::now();
        let issued = self
            .authority
            .issue_client(name, KeyPair::generate().unwrap(), now, SERVICE_LIFE)
            .unwrap();
        Generations::at(self.dir.path().join("identities").join(name))
            .install(&issued, now)
            .unwrap()
    }

    fn tls(&self) -> Arc<ServerTls> {
        let roots = self.authority.trust_roots();
        Arc::new(ServerTls::new(&self.server(), roots).unwrap())
    }
}

/// A broker on a free port with mutual TLS.
async fn serve(site: &Site, config: BrokerConfig) -> (BrokerHandle, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let parts = Parts {
        tls: Some(site.tls()),
        access: Arc::new(AccessPolicy::classroom()),
        listeners: vec![(socket, ListenerKind::MutualTls)],
    };
    let broker = Broker::start(config, parts).unwrap();
    let address = broker.local_addresses()[0];
    (broker, address)
}

/// Connects to `address`, trusting `site` and showing `pair`.
async fn dial(address: SocketAddr, site: &Site, pair: Option<&LoadedPair>) -> Option<Peer> {
    let tls = ClientTls::new(pair, site.authority.trust_roots()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let transport = Transport::connect(stream, tls.config(), name).await.ok()?;
    Some(Peer::over(transport, ProtocolVersion::V5))
}

/// In TLS 1.3 a client learns of its refusal only when it wants to read.
async fn is_refused(peer: Option<Peer>) -> bool {
    match peer {
        None => true,
        Some(mut peer) => {
            let connect = Box::new(v5("a"));
            peer.send(ControlPacket::Connect(connect)).await;
            peer.receive().await.is_none()
        }
    }
}

/// The lines logged on this thread, which is the one the runtime of the test runs on.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn capture() -> (Lines, DefaultGuard) {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// The one line with these words.
    fn only(&self, words: &[&str]) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let found: Vec<&str> = text
            .lines()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .collect();
        assert_eq!(found.len(), 1, "{words:?} in:\n{text}");
        found[0].to_owned()
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_certificate_of_ours_is_let_in_and_named_in_the_log() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let (broker, address) = serve(&site, BrokerConfig::default()).await;
    let mut subscriber = dial(address, &site, Some(&site.client("subscriber")))
        .await
        .unwrap();
    subscriber.say_connect(v5("s")).await;
    subscriber.subscribe("chat/#", QoS::AtLeastOnce).await;
    let mut publisher = dial(address, &site, Some(&site.client("publisher")))
        .await
        .unwrap();
    publisher.say_connect(v5("p")).await;
    let reason = publisher
        .publish(publish("chat/mensaje", vec![1; 1 << 20], QoS::ExactlyOnce))
        .await;
    assert_eq!(reason, ReasonCode::Success);
    assert_eq!(subscriber.receive_publish().await.payload.len(), 1 << 20);
    subscriber.disconnect().await;

    let connected = lines.only(&["p connected as publisher"]);
    assert!(
        connected.contains("identity=\"publisher\"") && connected.contains("client=\"p\""),
        "{connected}"
    );
    assert!(connected.contains("peer=127.0.0.1:"), "{connected}");
    lines.only(&["s disconnected: the client disconnected"]);
    assert_eq!(broker.metrics().handshakes_completed, 2);
}

#[tokio::test]
async fn no_certificate_is_refused_in_one_line() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let (broker, address) = serve(&site, BrokerConfig::default()).await;
    assert!(is_refused(dial(address, &site, None).await).await);
    until(&broker, |metrics| metrics.handshakes_refused == 1).await;
    broker.shutdown().await;
    let line = lines.only(&["WARN"]);
    assert!(
        line.contains("ENV-T401") && line.contains("127.0.0.1:"),
        "{line}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_with_subject_issuer_and_serial() {
    let (lines, _guard) = Lines::capture();
    let (ours, foreign) = (Site::new("Aula"), Site::new("Ajena"));
    let (broker, address) = serve(&ours, BrokerConfig::default()).await;
    let stranger = foreign.client("publisher");
    assert!(is_refused(dial(address, &ours, Some(&stranger)).await).await);
    until(&broker, |metrics| metrics.handshakes_refused == 1).await;
    broker.shutdown().await;
    let line = lines.only(&["WARN"]);
    let serial = &stranger.leaf().serial;
    for part in ["ENV-C203", "CN=publisher", "Ajena", "127.0.0.1:", serial] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn a_server_certificate_does_not_make_a_client() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let (broker, address) = serve(&site, BrokerConfig::default()).await;
    let server = site.server();
    // Our own client side refuses to use it, so it is shown by hand.
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots_of(&site))
    .with_client_auth_cert(server.chain().to_vec(), key_of(&server))
    .unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let transport = Transport::connect(stream, Arc::new(config), name).await;
    let peer = transport
        .ok()
        .map(|transport| Peer::over(transport, ProtocolVersion::V5));
    assert!(is_refused(peer).await);
    until(&broker, |metrics| metrics.handshakes_refused == 1).await;
    broker.shutdown().await;
    lines.only(&["WARN", "ENV-C206", "CN=localhost"]);
}

fn roots_of(site: &Site) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(site.authority.trust_roots().iter().cloned());
    roots
}

fn key_of(pair: &LoadedPair) -> rustls_pki_types::PrivateKeyDer<'static> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::PrivateKeyDer::from_pem_file(pair.key_path()).unwrap()
}

#[tokio::test]
async fn plain_mqtt_and_http_are_recognized() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let (broker, address) = serve(&site, BrokerConfig::default()).await;
    let strangers: [&[u8]; 2] = [
        b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01a",
        b"GET / HTTP/1.1\r\nHost: localhost:8883\r\n\r\n",
    ];
    for words in strangers {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words).await.unwrap();
        // An alert or a reset, both are an end.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    until(&broker, |metrics| metrics.handshakes_refused == 2).await;
    broker.shutdown().await;
    lines.only(&["WARN", "ENV-T404"]);
    lines.only(&["WARN", "ENV-T406"]);
}

#[tokio::test]
async fn a_denial_is_logged_once_per_connection_and_topic() {
    let (lines, _guard) = Lines::capture();
    let broker = broker();
    let mut peer = Peer::connect(&broker, "alumno", v3("a")).await;
    for _ in 0..3 {
        peer.publish(publish("plant/x", "no", QoS::AtLeastOnce))
            .await;
        peer.try_subscribe("#", QoS::AtMostOnce).await;
    }
    lines.only(&["WARN", "ENV-A601", "alumno may not publish to plant/x"]);
    lines.only(&["WARN", "ENV-A602", "alumno may not subscribe to #"]);
    assert_eq!(broker.metrics().publishes_denied, 3);
}

#[tokio::test]
async fn a_health_probe_leaves_no_line() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let (broker, address) = serve(&site, BrokerConfig::default()).await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
    until(&broker, |metrics| metrics.connections_silent == 3).await;
    broker.shutdown().await;
    assert!(lines.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_cut_in_time() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let (broker, address) = serve(&site, BrokerConfig::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    until(&broker, |metrics| metrics.handshakes_refused == 1).await;
    lines.only(&["WARN", "ENV-T408", "within 10 s"]);
}

#[tokio::test]
async fn connections_beyond_the_maximum_are_closed_at_once() {
    let (lines, _guard) = Lines::capture();
    let site = Site::new("Aula");
    let config = BrokerConfig {
        connections_max: 1,
        ..BrokerConfig::default()
    };
    let (broker, address) = serve(&site, config).await;
    let mut first = dial(address, &site, Some(&site.client("publisher")))
        .await
        .unwrap();
    first.say_connect(v5("a")).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
    until(&broker, |metrics| metrics.connections_over_limit == 1).await;
    lines.only(&["WARN", "ENV-T409"]);
}

#[tokio::test]
async fn a_plain_listener_serves_the_loopback_only() {
    let parts = |socket| Parts {
        tls: None,
        access: Arc::new(AccessPolicy::classroom()),
        listeners: vec![(socket, ListenerKind::PlainLoopback)],
    };
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = Broker::start(BrokerConfig::default(), parts(everywhere));
    assert!(matches!(refused, Err(StartError::PlainNotLoopback(_))));

    let loopback = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broker = Broker::start(BrokerConfig::default(), parts(loopback)).unwrap();
    let stream = TcpStream::connect(broker.local_addresses()[0])
        .await
        .unwrap();
    let mut peer = Peer::over(Transport::plain(stream).unwrap(), ProtocolVersion::V5);
    peer.say_connect(v5("bench-1")).await;
    peer.subscribe("demo/x", QoS::AtMostOnce).await;
    peer.publish(publish("demo/x", "hola", QoS::AtMostOnce))
        .await;
    assert_eq!(&peer.receive_publish().await.payload[..], b"hola");
}

#[tokio::test]
async fn a_tls_listener_needs_a_certificate() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let parts = Parts {
        tls: None,
        access: Arc::default(),
        listeners: vec![(socket, ListenerKind::MutualTls)],
    };
    let refused = Broker::start(BrokerConfig::default(), parts);
    assert!(matches!(refused, Err(StartError::TlsMissing)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_at_once_all_get_through() {
    let site = Site::new("Aula");
    let config = BrokerConfig {
        handshakes_max: 4,
        ..BrokerConfig::default()
    };
    let (broker, address) = serve(&site, config).await;
    let pair = site.client("subscriber");
    let mut dialing = tokio::task::JoinSet::new();
    let site = Arc::new(site);
    for index in 0..40 {
        let (site, pair) = (Arc::clone(&site), pair.clone());
        dialing.spawn(async move {
            let mut peer = dial(address, &site, Some(&pair)).await.unwrap();
            peer.say_connect(v5(&format!("s{index}"))).await;
            peer.subscribe("demo/#", QoS::AtLeastOnce).await;
            peer
        });
    }
    let mut connected = dialing.join_all().await;
    let mut publisher = dial(address, &site, Some(&site.client("publisher")))
        .await
        .unwrap();
    publisher.say_connect(v5("p")).await;
    for round in 0..20_u8 {
        publisher
            .publish(publish("demo/x", vec![round; 100], QoS::AtLeastOnce))
            .await;
    }
    for peer in &mut connected {
        for round in 0..20_u8 {
            let got = peer.receive_publish().await;
            assert_eq!(got.payload[0], round);
            peer.puback(&got).await;
        }
    }
    let done = tokio::time::timeout(Duration::from_secs(10), broker.shutdown());
    let goodbyes = async {
        for peer in &mut connected {
            assert_eq!(
                peer.receive_disconnect().await,
                ReasonCode::ServerShuttingDown
            );
        }
    };
    assert!(tokio::join!(done, goodbyes).0.is_ok());
}
