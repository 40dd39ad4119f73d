//! TLS that works: both versions, any fragmentation, big transfers, key updates, goodbyes.

use std::io::{Read as _, Write as _};

use bytes::BytesMut;

use super::support::{
    Authority, BOTH_VERSIONS, handshake_in_memory, handshake_over_tcp, name, pattern, read_exactly,
    read_to_end, sockets, write_all,
};
use crate::{Read, Transport};

#[tokio::test]
async fn both_sides_know_each_other_after_the_handshake() {
    let authority = Authority::new();
    for version in BOTH_VERSIONS {
        let (client, server) =
            handshake_over_tcp(authority.client(version), authority.server(version)).await;
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.peer_certificates().len(), 1);
        assert_eq!(server.peer_certificates().len(), 1);
        assert_ne!(client.peer_certificates(), server.peer_certificates());
        assert_eq!(server.server_name(), Some("broker.test"));
        assert_eq!(server.tls_version(), Some(version.version));
        assert_eq!(client.tls_version(), Some(version.version));
    }
}

#[tokio::test]
async fn a_link_that_passes_a_few_bytes_at_a_time_carries_everything() {
    let authority = Authority::new();
    for version in BOTH_VERSIONS {
        for capacity in [1, 7, 1000] {
            let (client, server) = handshake_in_memory(
                capacity,
                authority.client(version),
                authority.server(version),
            )
            .await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            assert_eq!(server.server_name(), Some("broker.test"));
            let sent = pattern(capacity * 200);
            let (written, read) = tokio::join!(
                write_all(&mut client, &sent),
                read_exactly(&mut server, sent.len())
            );
            written.unwrap();
            assert!(read.unwrap() == sent);
        }
    }
}

#[tokio::test]
async fn megabytes_cross_in_both_directions_at_once() {
    let authority = Authority::new();
    for version in BOTH_VERSIONS {
        let (client, server) =
            handshake_over_tcp(authority.client(version), authority.server(version)).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let sent = pattern(4 << 20);
        let (there, back) =
            tokio::join!(both_ways(&mut client, &sent), both_ways(&mut server, &sent));
        assert!(there == sent && back == sent);
    }
}

/// Writes `sent` and reads as much, without waiting for one before the other.
async fn both_ways(transport: &mut Transport, sent: &[u8]) -> BytesMut {
    let mut plain = BytesMut::new();
    transport.write(&mut BytesMut::from(sent)).unwrap();
    while plain.len() < sent.len() || transport.pending_write() > 0 {
        transport.try_flush().unwrap();
        if transport.try_read(&mut plain).unwrap() == Read::WouldBlock {
            let wants_write = transport.pending_write() > 0;
            tokio::select! {
                ready = transport.readable(), if plain.len() < sent.len() => ready.unwrap(),
                ready = transport.writable(), if wants_write => ready.unwrap(),
                else => {}
            }
        }
    }
    plain
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffer() {
    let authority = Authority::new();
    for version in BOTH_VERSIONS {
        let (client, server) =
            handshake_in_memory(900, authority.client(version), authority.server(version)).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let sent = pattern(100_000);
        let (written, read) = tokio::join!(
            write_all(&mut client, &sent),
            read_exactly(&mut server, sent.len())
        );
        written.unwrap();
        assert!(read.unwrap() == sent);
        for idle in [&client, &server] {
            let (held, received) = idle.tls.as_ref().unwrap().memory();
            assert_eq!((held, received, idle.pending.capacity()), (0, 0, 0));
        }
    }
}

#[tokio::test]
async fn a_goodbye_is_told_from_a_cut() {
    let authority = Authority::new();
    for version in BOTH_VERSIONS {
        for clean in [true, false] {
            let (client, server) =
                handshake_in_memory(4096, authority.client(version), authority.server(version))
                    .await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            client.write(&mut BytesMut::from(&b"last"[..])).unwrap();
            if clean {
                client.close();
            }
            drop(client);
            assert_eq!(&read_exactly(&mut server, 4).await.unwrap()[..], b"last");
            assert_eq!(
                read_to_end(&mut server).await.unwrap(),
                Read::Closed { clean }
            );
        }
    }
}

#[tokio::test]
async fn what_comes_with_the_last_handshake_bytes_is_read_first() {
    let authority = Authority::new();
    let version = &rustls::version::TLS13;
    let (left, right) = Transport::memory_pair(64 * 1024);
    let client = async {
        let mut client = left
            .connect_tls(authority.client(version), name())
            .await
            .unwrap();
        client
            .write(&mut BytesMut::from(&b"early bird"[..]))
            .unwrap();
        client
    };
    // The server is polled second, so it sees Finished and the first data in one read.
    let (_client, server) = tokio::join!(client, right.accept_tls(authority.server(version)));
    let plain = read_exactly(&mut server.unwrap(), 10).await.unwrap();
    assert_eq!(&plain[..], b"early bird");
}

/// The peer is rustls' own buffered connection, which here asks for new keys each time.
#[tokio::test]
async fn key_updates_of_the_peer_are_followed_and_answered() {
    let authority = Authority::new();
    let version = &rustls::version::TLS13;
    let (left, right) = sockets().await;
    let config = authority.client(version);
    let peer = std::thread::spawn(move || {
        let socket = left.into_std().unwrap();
        socket.set_nonblocking(false).unwrap();
        let connection = rustls::ClientConnection::new(config, name()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        for round in 0..5u8 {
            stream.write_all(&[round; 3000]).unwrap();
            stream.conn.refresh_traffic_keys().unwrap();
            stream.write_all(&[round; 10]).unwrap();
            let mut echo = [0; 3010];
            stream.read_exact(&mut echo).unwrap();
            assert_eq!(echo, [round; 3010]);
        }
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    let mut server = Transport::accept(right, authority.server(version))
        .await
        .unwrap();
    for _ in 0..5 {
        let plain = read_exactly(&mut server, 3010).await.unwrap();
        write_all(&mut server, &plain).await.unwrap();
    }
    assert_eq!(
        read_to_end(&mut server).await.unwrap(),
        Read::Closed { clean: true }
    );
    peer.join().unwrap();
}
