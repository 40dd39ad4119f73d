//! The end of a connection: last words, Will, and the session parked or over.

use std::time::{Duration, Instant};

use super::{Connection, End, now};
use crate::session::CloseReason;

impl Connection {
    /// Ends the Network Connection; the session is in its slot, or gone, before the last byte
    /// is: a client that takes over must not wait for a peer that does not read.
    pub(super) async fn farewell(mut self, end: &End) {
        let close_timeout = self.shared.config.close_timeout();
        let deadline = tokio::time::Instant::now() + close_timeout;
        if end.reason == CloseReason::ServerShuttingDown {
            // Best effort: whoever does not read in time gets it after the restart, or never.
            let _ = tokio::time::timeout_at(deadline, self.drain()).await;
        }
        let now = now();
        let mut everything = usize::MAX;
        self.go_on_fanning_out(&mut everything);
        self.touched.wake_all();
        self.session.disconnect(end.reason);
        // Best effort: the peer may be gone, and then nothing is left to tell it.
        let _ = self.write(usize::MAX, now);
        self.transport.close();
        let mut transport = self.settle(end.reason, now);
        let _ = tokio::time::timeout_at(deadline, async move {
            while transport.pending_write() > 0 {
                transport.writable().await?;
                transport.try_flush().map_err(std::io::Error::other)?;
            }
            Ok::<_, std::io::Error>(())
        })
        .await;
    }

    /// Sends what waits before the broker ends, until nothing more may leave.
    async fn drain(&mut self) {
        while let Ok(sent) = self.send(now()) {
            if self.transport.pending_write() > 0 {
                if self.transport.writable().await.is_err() {
                    return;
                }
            } else if sent == 0 && !(self.has_retained() && self.wants_deliveries()) {
                return;
            }
        }
    }

    /// Publishes the Will and parks or ends the session. Gives back the transport, to be flushed.
    fn settle(mut self, reason: CloseReason, now: Instant) -> transport::Transport {
        let registry = &self.shared.registry;
        let expiry_s = self.session.expiry_interval_s();
        let mut will = self.session.take_will(reason);
        if let Some(will) = will.take_if(|will| will.delay.is_zero()) {
            registry.publish_will(self.lease.key(), self.lease.id(), will, now);
        }
        if expiry_s > 0 {
            self.session.park();
            self.count_dropped();
            self.lease.keep_wishes(self.wishes);
            let expires_at =
                (expiry_s != u32::MAX).then(|| now + Duration::from_secs(expiry_s.into()));
            self.lease.park(self.session, expires_at, will, now);
        }
        self.transport
    }
}
