//! All counters in one struct, one doc line each.
//!
//! Every worker thread adds to a cell of its own, so counting costs no shared
//! cache line; [`Metrics::snapshot`] sums the cells.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Defines the counters once: the cell of atomics, its sum, and the list of names with their doc lines.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        #[derive(Debug, Default)]
        #[repr(align(128))]
        struct Cell {
            $($name: AtomicU64,)+
            dropped: [AtomicU64; DropReason::ALL.len()],
        }

        /// The values of all counters at one moment.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct MetricsSnapshot {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Messages dropped, by [`DropReason`] in the order of [`DropReason::ALL`].
            pub dropped: [u64; DropReason::ALL.len()],
            /// Network Connections open now, before and after CONNECT.
            pub connections_current: u64,
            /// Sessions held now, online or not.
            pub sessions_current: u64,
            /// Retained messages held now.
            pub retained_count: u64,
            /// Bytes of retained messages held now.
            pub retained_bytes: u64,
        }

        impl MetricsSnapshot {
            /// Every counter: name, what it counts, value.
            pub fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($doc),+).trim_ascii_start(), self.$name),)+]
            }

            fn add(&mut self, cell: &Cell) {
                $(self.$name += cell.$name.load(Ordering::Relaxed);)+
                for (sum, count) in self.dropped.iter_mut().zip(&cell.dropped) {
                    *sum += count.load(Ordering::Relaxed);
                }
            }
        }

        impl Metrics {
            $($(#[doc = $doc])+ pub fn $name(&self, count: u64) {
                self.cell().$name.fetch_add(count, Ordering::Relaxed);
            })+
        }
    };
}

counters! {
    /// TCP connections accepted.
    connections_accepted,
    /// TCP connections closed at once because the broker holds its maximum.
    connections_over_limit,
    /// TLS handshakes that ended with an authenticated peer.
    handshakes_completed,
    /// TLS handshakes refused or failed, for any reason.
    handshakes_refused,
    /// Connections that ended before a byte was said, such as health probes.
    connections_silent,
    /// CONNECT packets answered with a session.
    connects_accepted,
    /// CONNECT packets refused, or that never came in time.
    connects_refused,
    /// Sessions taken over by a newer connection of the same identity and Client Identifier.
    sessions_taken_over,
    /// Offline sessions that reached their expiry.
    sessions_expired,
    /// Connections whose task panicked; the others were not touched.
    connection_panics,
    /// Connections closed for a violation of the protocol.
    protocol_errors,
    /// Connections closed because the client was silent for one and a half keep alive periods.
    keep_alive_timeouts,
    /// Bytes of MQTT received, after decryption.
    bytes_received,
    /// Bytes of MQTT sent, before encryption.
    bytes_sent,
    /// PUBLISH packets received.
    messages_received,
    /// Messages put into outboxes: a PUBLISH to three receivers counts three.
    messages_routed,
    /// Messages nobody had subscribed to.
    messages_unmatched,
    /// Will Messages published.
    wills_published,
    /// PUBLISH packets refused by the access policy.
    publishes_denied,
    /// Filters in SUBSCRIBE packets refused by the access policy.
    subscribes_denied,
}

/// Why a message was not delivered: label, log field and documentation row in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum DropReason {
    /// QoS 0, and the receiver's outbox was full.
    OutboxFullQos0,
    /// QoS 1 or 2, and the receiver's outbox was full.
    OutboxFull,
    /// QoS 0 for a client that was away.
    OfflineQos0,
    /// The session ended while the message was on its way or waiting.
    SessionEnded,
    /// The retained store was full; the message was routed but not kept.
    RetainedFull,
    /// Its Message Expiry Interval passed while it waited.
    Expired,
    /// Larger than the Maximum Packet Size of the receiver.
    TooLarge,
}

impl DropReason {
    /// Every reason, in the order of [`MetricsSnapshot::dropped`].
    pub const ALL: [Self; 7] = [
        Self::OutboxFullQos0,
        Self::OutboxFull,
        Self::OfflineQos0,
        Self::SessionEnded,
        Self::RetainedFull,
        Self::Expired,
        Self::TooLarge,
    ];

    /// Its name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::OutboxFullQos0 => "outbox_full_qos0",
            Self::OutboxFull => "outbox_full",
            Self::OfflineQos0 => "offline_qos0",
            Self::SessionEnded => "session_ended",
            Self::RetainedFull => "retained_full",
            Self::Expired => "expired",
            Self::TooLarge => "too_large",
        }
    }
}

/// The broker's counters.
#[derive(Debug)]
pub struct Metrics {
    cells: [Cell; CELL_COUNT],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            cells: std::array::from_fn(|_| Cell::default()),
        }
    }
}

impl Metrics {
    /// Counts `count` messages dropped for `reason`.
    pub fn dropped(&self, reason: DropReason, count: u64) {
        self.cell().dropped[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// The sum of all cells. Counters added to meanwhile may or may not be in it.
    ///
    /// The `_current` and `retained_` values are left 0 here: their owners know them.
    pub fn snapshot(&self) -> MetricsSnapshot {
        let mut sum = MetricsSnapshot::default();
        for cell in &self.cells {
            sum.add(cell);
        }
        sum
    }

    fn cell(&self) -> &Cell {
        thread_local! {
            static INDEX: usize = NEXT.fetch_add(1, Ordering::Relaxed) % CELL_COUNT;
        }
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        &self.cells[INDEX.with(|index| *index)]
    }
}

impl MetricsSnapshot {
    /// Messages dropped for `reason`.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Messages dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

/// More workers than this share cells, which stays correct and only costs a little.
const CELL_COUNT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_are_summed() {
        let metrics = Metrics::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    metrics.messages_received(2);
                    metrics.dropped(DropReason::OutboxFull, 1);
                });
            }
        });
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.messages_received, 8);
        assert_eq!(snapshot.dropped_for(DropReason::OutboxFull), 4);
        assert_eq!(snapshot.dropped_total(), 4);
    }

    #[test]
    fn every_drop_reason_has_its_own_place_and_label() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert!(
                DropReason::ALL
                    .iter()
                    .all(|other| *other == reason || other.label() != reason.label())
            );
        }
    }

    #[test]
    fn counters_carry_their_doc_line() {
        let snapshot = MetricsSnapshot {
            messages_received: 3,
            ..MetricsSnapshot::default()
        };
        assert!(snapshot.counters().contains(&(
            "messages_received",
            "PUBLISH packets received.",
            3
        )));
    }
}
