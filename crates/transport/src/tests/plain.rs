//! Without TLS: memory links and plain sockets.

use bytes::BytesMut;

use super::support::{pattern, read_exactly, read_to_end, sockets, write_all};
use crate::{Read, Transport};

#[test]
fn a_full_memory_link_takes_no_more_than_its_capacity() {
    let (mut left, mut right) = Transport::memory_pair(4);
    left.write(&mut BytesMut::from(&b"0123456789"[..])).unwrap();
    assert_eq!(left.pending_write(), 6);

    let mut plain = BytesMut::new();
    assert_eq!(right.try_read(&mut plain).unwrap(), Read::Bytes(4));
    left.try_flush().unwrap();
    assert_eq!(left.pending_write(), 2);
    assert_eq!(right.try_read(&mut plain).unwrap(), Read::Bytes(4));
    left.try_flush().unwrap();
    assert_eq!(right.try_read(&mut plain).unwrap(), Read::Bytes(2));
    assert_eq!(&plain[..], b"0123456789");
    assert_eq!(left.pending.capacity(), 0);
}

#[test]
fn writes_keep_their_order_behind_what_is_pending() {
    let (mut left, mut right) = Transport::memory_pair(3);
    left.write(&mut BytesMut::from(&b"abcd"[..])).unwrap();
    left.write(&mut BytesMut::from(&b"efg"[..])).unwrap();
    let mut plain = BytesMut::new();
    while left.pending_write() > 0 {
        right.try_read(&mut plain).unwrap();
        left.try_flush().unwrap();
    }
    right.try_read(&mut plain).unwrap();
    assert_eq!(&plain[..], b"abcdefg");
}

#[tokio::test]
async fn a_closed_memory_link_delivers_what_was_sent_then_ends_cleanly() {
    let (mut left, mut right) = Transport::memory_pair(64);
    left.write(&mut BytesMut::from(&b"bye"[..])).unwrap();
    left.close();
    assert_eq!(&read_exactly(&mut right, 3).await.unwrap()[..], b"bye");
    assert_eq!(
        read_to_end(&mut right).await.unwrap(),
        Read::Closed { clean: true }
    );
    assert!(left.write(&mut BytesMut::from(&b"more"[..])).is_err());
}

#[tokio::test]
async fn a_dropped_memory_link_is_a_cut_one() {
    let (left, mut right) = Transport::memory_pair(64);
    drop(left);
    assert_eq!(
        read_to_end(&mut right).await.unwrap(),
        Read::Closed { clean: false }
    );
    assert!(right.write(&mut BytesMut::from(&b"x"[..])).is_err());
}

#[tokio::test]
async fn hanging_up_delivers_what_is_pending_and_waits_for_the_peer() {
    let (mut left, mut right) = Transport::memory_pair(2);
    left.write(&mut BytesMut::from(&b"abcdef"[..])).unwrap();
    let peer = async {
        let plain = read_exactly(&mut right, 6).await.unwrap();
        let end = read_to_end(&mut right).await.unwrap();
        write_all(&mut right, b"still talking").await.unwrap();
        right.close();
        (plain, end)
    };
    let (hung_up, (plain, end)) = tokio::join!(left.hang_up(), peer);
    hung_up.unwrap();
    assert_eq!(&plain[..], b"abcdef");
    assert_eq!(end, Read::Closed { clean: true });
}

#[tokio::test]
async fn a_mebibyte_crosses_a_plain_socket() {
    let (left, right) = sockets().await;
    let (mut left, mut right) = (
        Transport::plain(left).unwrap(),
        Transport::plain(right).unwrap(),
    );
    assert!(left.peer_address().unwrap().ip().is_loopback());
    let sent = pattern(1 << 20);
    let (written, read) = tokio::join!(
        write_all(&mut left, &sent),
        read_exactly(&mut right, sent.len())
    );
    written.unwrap();
    assert!(read.unwrap() == sent);
    left.close();
    assert_eq!(
        read_to_end(&mut right).await.unwrap(),
        Read::Closed { clean: true }
    );
}
