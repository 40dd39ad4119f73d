//! The beginning of a connection: from its first byte to a session, or to the reason why not.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use mqtt::{ByteString, Codec, Connect, ControlPacket, DecodeError, ProtocolVersion, ReasonCode};
use tracing::Span;
use transport::{Read, Transport, TransportError};

use super::{Connection, End, Routed, now};
use crate::broker::Shared;
use crate::outbox::BufferId;
use crate::registry::{Claim, ClaimError, SessionKey};
use crate::session::{CloseReason, Refusal, Session, admit};
use pki::printable;

/// Serves an authenticated peer until its connection ends.
///
/// Runs inside the span of the connection and completes its `client` field.
pub(crate) async fn serve(shared: Arc<Shared>, transport: Transport, identity: Arc<str>) {
    let (timeout, stopping) = (shared.config.connect_timeout(), shared.stopping.clone());
    let mut guest = Guest::new(shared, transport, identity);
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(timeout, guest.connect()) => greeted.unwrap_or(Err(NoSession::TooSlow)),
        () = stopping.cancelled() => Err(NoSession::ShuttingDown),
    };
    let connect = match greeted {
        Ok(connect) => connect,
        Err(no_session) => return guest.turn_away(no_session).await,
    };
    let since = now();
    match guest.claim(connect, since).await {
        Ok(connection) => live(connection, since).await,
        Err((guest, refusal)) => guest.turn_away(NoSession::Refused(refusal)).await,
    }
}

/// From the accepted CONNECT to the end.
async fn live(mut connection: Box<Connection>, since: Instant) {
    let end = connection.run().await;
    let metrics = &connection.shared.metrics;
    match end.reason {
        CloseReason::Undecodable(_) | CloseReason::ProtocolError(_) => metrics.protocol_errors(1),
        CloseReason::KeepAliveTimeout => metrics.keep_alive_timeouts(1),
        CloseReason::SessionTakenOver => metrics.sessions_taken_over(1),
        _ => {}
    }
    log_end(&connection, &end, since);
    connection.farewell(&end).await;
}

fn log_end(connection: &Connection, end: &End, since: Instant) {
    let client = &*printable(connection.session.client_id());
    let duration_ms = u64::try_from(now().duration_since(since).as_millis()).unwrap_or(u64::MAX);
    let cause = end
        .cause
        .as_ref()
        .map_or(String::new(), |cause| format!(" ({cause})"));
    let reason = end.reason;
    match reason {
        CloseReason::Undecodable(_) | CloseReason::ProtocolError(_) => {
            tracing::warn!(
                event = "disconnect",
                client,
                duration_ms,
                "{client} disconnected for breaking the protocol: {reason}"
            );
        }
        _ => tracing::info!(
            event = "disconnect",
            client,
            duration_ms,
            "{client} disconnected: {reason}{cause}"
        ),
    }
}

/// A peer that has not said CONNECT yet.
struct Guest {
    shared: Arc<Shared>,
    transport: Transport,
    identity: Arc<str>,
    codec: Codec,
    plain_in: BytesMut,
}

/// Why a connection ends before it has a session.
enum NoSession {
    /// It closed without a word.
    Silent,
    /// It broke off in the middle of CONNECT.
    Lost(Option<TransportError>),
    /// No whole CONNECT in time.
    TooSlow,
    ShuttingDown,
    Undecodable(DecodeError),
    Refused(Refusal),
}

impl Guest {
    fn new(shared: Arc<Shared>, transport: Transport, identity: Arc<str>) -> Self {
        let codec = Codec::new(None, shared.config.session.packet_max_bytes);
        Self {
            shared,
            transport,
            identity,
            codec,
            plain_in: BytesMut::new(),
        }
    }

    /// The CONNECT; what follows it stays in `plain_in`.
    async fn connect(&mut self) -> Result<Connect, NoSession> {
        let mut silent = true;
        loop {
            match self.transport.try_read(&mut self.plain_in) {
                Ok(Read::Bytes(count)) => {
                    silent = false;
                    self.shared.metrics.bytes_received(count as u64);
                }
                // The reason for an error comes back from the next read.
                Ok(Read::WouldBlock) => drop(self.transport.readable().await),
                Ok(Read::Closed { .. }) if silent => return Err(NoSession::Silent),
                Ok(Read::Closed { .. }) => return Err(NoSession::Lost(None)),
                Err(error) => return Err(NoSession::Lost(Some(error))),
            }
            match self.codec.decode(&mut self.plain_in) {
                Ok(Some(ControlPacket::Connect(connect))) => return Ok(*connect),
                Ok(Some(_)) => return Err(NoSession::Undecodable(DecodeError::ConnectExpected)),
                Ok(None) => {}
                Err(error) => return Err(NoSession::Undecodable(error)),
            }
        }
    }

    /// Judges the CONNECT and takes the session it asks for.
    async fn claim(
        self,
        connect: Connect,
        now: Instant,
    ) -> Result<Box<Connection>, (Self, Refusal)> {
        let admission = match admit(connect, &self.shared.config.session, fresh_client_id) {
            Ok(admission) => admission,
            Err(refusal) => return Err((self, refusal)),
        };
        let client = &*printable(admission.client_id()).into_owned();
        Span::current().record("client", client);
        let key = SessionKey {
            identity: Arc::clone(&self.identity),
            client_id: admission.client_id().clone(),
        };
        let Claim { lease, parked } = match self
            .shared
            .registry
            .claim(&key, admission.clean_start(), now)
            .await
        {
            Ok(claim) => claim,
            Err(error) => {
                let reason = match error {
                    ClaimError::TooManySessions => ReasonCode::QuotaExceeded,
                    ClaimError::Occupied => ReasonCode::ServerBusy,
                };
                let refusal = admission
                    .refuse(reason)
                    .because(ByteString::from(error.to_string()));
                return Err((self, refusal));
            }
        };
        // A takeover may have taken seconds: the keep alive counts from here.
        let now = super::now();
        if self.shared.stopping.is_cancelled() {
            // The notice to all sessions may have gone out before this one was claimed.
            lease.outbox().notify(crate::outbox::Notice::ShuttingDown);
        }
        self.shared.metrics.connects_accepted(1);
        let version = version_name(admission.version());
        let session_present = parked.is_some();
        tracing::info!(
            event = "connect",
            client,
            version,
            session_present,
            "{client} connected as {}",
            self.identity
        );
        let session = match parked {
            Some(mut session) => {
                session.resume(admission, now);
                session
            }
            None => Box::new(Session::new(
                admission,
                Arc::clone(&self.shared.session_limits),
                now,
            )),
        };
        let grants = self.shared.access.grants(&self.identity);
        let wishes = lease.take_wishes();
        Ok(Box::new(Connection {
            shared: self.shared,
            transport: self.transport,
            codec: self.codec,
            session,
            lease,
            grants,
            cache: Default::default(),
            denials: Default::default(),
            buffer: BufferId::next(),
            buffer_bytes: self.plain_in.capacity(),
            plain_in: self.plain_in,
            fan_out: None,
            touched: Default::default(),
            batch: Default::default(),
            wishes,
            routed: Routed::All,
            closed: None,
            last_work: now,
        }))
    }

    /// Says why in the log, and to the peer as far as MQTT can.
    async fn turn_away(mut self, no_session: NoSession) {
        let identity = &*self.identity;
        if matches!(no_session, NoSession::Silent) {
            self.shared.metrics.connections_silent(1);
            tracing::debug!(identity, "{identity} closed the connection without a word");
            return;
        }
        self.shared.metrics.connects_refused(1);
        let mut connack = BytesMut::new();
        if let Some(refusal) = self.log_refusal(&no_session) {
            refusal.encode(&mut connack);
        }
        // Best effort: the connection ends anyway.
        let _ = self.transport.write(&mut connack);
        self.transport.close();
        let flush = async {
            while self.transport.pending_write() > 0 {
                self.transport.writable().await?;
                self.transport.try_flush().map_err(std::io::Error::other)?;
            }
            Ok::<_, std::io::Error>(())
        };
        let _ = tokio::time::timeout(self.shared.config.close_timeout(), flush).await;
    }

    /// Logs why, and makes the CONNACK that tells it, if there is one to be sent.
    fn log_refusal(&self, no_session: &NoSession) -> Option<Refusal> {
        let identity = &*self.identity;
        let version = self.codec.version();
        match no_session {
            NoSession::Silent => None,
            NoSession::Lost(cause) => {
                let cause = cause
                    .as_ref()
                    .map_or(String::new(), |cause| format!(": {cause}"));
                tracing::info!(
                    event = "refused",
                    identity,
                    "{identity} was lost before its CONNECT was complete{cause}"
                );
                None
            }
            NoSession::TooSlow => {
                let seconds = self.shared.config.connect_timeout_s;
                tracing::warn!(
                    event = "refused",
                    identity,
                    "{identity} sent no whole CONNECT within {seconds} s"
                );
                None
            }
            NoSession::ShuttingDown => Some(Refusal::new(version?, ReasonCode::ServerUnavailable)),
            NoSession::Undecodable(error) => {
                tracing::warn!(
                    event = "refused",
                    identity,
                    "{identity} sent no valid CONNECT: {error}"
                );
                refusal_for(*error, version)
            }
            NoSession::Refused(refusal) => {
                let reason = refusal.reason();
                let words = refusal.reason_string().unwrap_or_default();
                tracing::warn!(
                    event = "refused",
                    identity,
                    "CONNECT of {identity} refused: {reason} {words}"
                );
                Some(refusal.clone())
            }
        }
    }
}

/// 3.1.1 has a return code only for a version we do not speak; otherwise it just closes.
fn refusal_for(error: DecodeError, version: Option<ProtocolVersion>) -> Option<Refusal> {
    match (error, version) {
        (DecodeError::UnsupportedProtocolVersion, version) => {
            let version = version.unwrap_or(ProtocolVersion::V3_1_1);
            Some(Refusal::new(
                version,
                ReasonCode::UnsupportedProtocolVersion,
            ))
        }
        (error, Some(ProtocolVersion::V5)) => {
            Some(Refusal::new(ProtocolVersion::V5, error.reason()))
        }
        _ => None,
    }
}

/// Client Identifiers belong to an identity, so it need not be a secret, only new.
fn fresh_client_id() -> ByteString {
    ByteString::from(format!("auto-{:032x}", fastrand::u128(..)))
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V3_1_1 => "3.1.1",
        ProtocolVersion::V5 => "5.0",
    }
}
