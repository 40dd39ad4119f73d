//! What can be set: every bound of the broker, with its unit in its name and its default argued.

use std::time::Duration;

use crate::outbox::OutboxLimits;
use crate::router::retained::RetainedLimits;
use crate::session::SessionLimits;

/// Settings of one broker. Finished values: parsing and checking is the executable's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// TCP connections held at once, handshaking ones included; more are closed on arrival.
    ///
    /// 10,000: about 150 MiB when they are idle.
    pub connections_max: usize,
    /// TLS handshakes in progress at once; the others wait their turn within their deadline.
    ///
    /// 256: after a restart it keeps every core busy, and those who began come to an end
    /// before newcomers take their share.
    pub handshakes_max: usize,
    /// Seconds from accept to the end of the TLS handshake.
    pub handshake_timeout_s: u64,
    /// Seconds from the end of the handshake to a whole CONNECT.
    pub connect_timeout_s: u64,
    /// Seconds a closing connection has to send what is written before it is cut.
    pub close_timeout_s: u64,
    /// Sessions held at once, online or not; a CONNECT beyond is refused with Quota exceeded.
    pub sessions_max: usize,
    /// Subscriptions one session may have.
    pub subscriptions_max_per_session: usize,
    /// Levels of one Topic Filter: each may cost a node of the router.
    pub filter_levels_max: usize,
    /// Messages that may wait for one session.
    pub outbox_max_count: usize,
    /// Bytes that may wait for one session.
    ///
    /// 16 MiB: eight of the largest packets, or an hour of a sensor that sends four a second.
    pub outbox_max_bytes: usize,
    /// Retained messages held at once.
    pub retained_max_count: usize,
    /// Bytes of retained messages held at once.
    pub retained_max_bytes: usize,
    /// What one session may use of the protocol; told to clients in CONNACK where MQTT can.
    pub session: SessionLimits,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            handshakes_max: 256,
            handshake_timeout_s: 10,
            connect_timeout_s: 10,
            close_timeout_s: 5,
            sessions_max: 20_000,
            subscriptions_max_per_session: 1_000,
            filter_levels_max: 128,
            outbox_max_count: 10_000,
            outbox_max_bytes: 16 * MIB,
            retained_max_count: 100_000,
            retained_max_bytes: 256 * MIB,
            session: SessionLimits::default(),
        }
    }
}

impl BrokerConfig {
    pub(crate) fn outbox_limits(&self) -> OutboxLimits {
        OutboxLimits {
            max_count: self.outbox_max_count,
            max_bytes: self.outbox_max_bytes,
        }
    }

    pub(crate) fn retained_limits(&self) -> RetainedLimits {
        RetainedLimits {
            max_count: self.retained_max_count,
            max_bytes: self.retained_max_bytes,
        }
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_s)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_s)
    }

    pub(crate) fn close_timeout(&self) -> Duration {
        Duration::from_secs(self.close_timeout_s)
    }
}

const MIB: usize = 1024 * 1024;
