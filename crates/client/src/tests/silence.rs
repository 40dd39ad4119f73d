//! Keep alive as the pure session sees it: time is an argument.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt::{Codec, ConnAck, ControlPacket, ProtocolVersion, ReasonCode};
use tokio::sync::mpsc;

use super::support::options;
use crate::ClientError;
use crate::session::Session;

const SECOND: Duration = Duration::from_secs(1);

/// A session connected at the instant returned, with a keep alive of 30 s.
fn session() -> (Session, Instant) {
    let now = Instant::now();
    let mut session = Session::new(&options(), mpsc::unbounded_channel().0, now);
    let codec = Codec::new(Some(ProtocolVersion::V5), 1 << 20);
    session.connected(codec, &ConnAck::new(ReasonCode::Success), now);
    (session, now)
}

fn take_ping(session: &mut Session) -> bool {
    let mut ping = BytesMut::new();
    Codec::new(Some(ProtocolVersion::V5), 100)
        .encode(&ControlPacket::PingReq, &mut ping)
        .unwrap();
    std::mem::take(&mut session.out) == ping
}

#[test]
fn a_quiet_connection_is_pinged_after_the_keep_alive() {
    let (mut session, start) = session();
    assert_eq!(session.poll_timeout(), Some(start + 30 * SECOND));
    session.handle_timeout(true, start + 29 * SECOND).unwrap();
    assert!(session.out.is_empty());
    session.handle_timeout(true, start + 30 * SECOND).unwrap();
    assert!(take_ping(&mut session));
    // The answer begins a new silence.
    session.handle_heard(start + 31 * SECOND);
    assert_eq!(session.poll_timeout(), Some(start + 60 * SECOND));
}

#[test]
fn a_broker_that_does_not_answer_is_silent() {
    let (mut session, start) = session();
    session.handle_timeout(true, start + 30 * SECOND).unwrap();
    assert_eq!(session.poll_timeout(), Some(start + 40 * SECOND));
    let error = session
        .handle_timeout(true, start + 40 * SECOND)
        .unwrap_err();
    assert!(matches!(error, ClientError::Silent { after } if after == 40 * SECOND));
}

#[test]
fn writing_all_the_time_does_not_hide_a_silent_broker() {
    let (mut session, start) = session();
    for second in 0..30 {
        session.handle_sent(start + second * SECOND);
    }
    session.handle_timeout(true, start + 30 * SECOND).unwrap();
    assert!(take_ping(&mut session));
}

#[test]
fn silence_proves_nothing_while_we_do_not_read() {
    let (mut session, start) = session();
    session.handle_timeout(false, start + 30 * SECOND).unwrap();
    session.handle_timeout(false, start + 40 * SECOND).unwrap();
    assert!(!session.out.is_empty());
    assert_eq!(session.poll_timeout(), Some(start + 50 * SECOND));
}

#[test]
fn a_keep_alive_of_zero_watches_nothing() {
    let (mut session, start) = session();
    let mut answer = ConnAck::new(ReasonCode::Success);
    answer.properties.server_keep_alive_s = Some(0);
    let codec = Codec::new(Some(ProtocolVersion::V5), 1 << 20);
    session.connected(codec, &answer, start);
    assert_eq!(session.poll_timeout(), None);
}
