//! The history of messages: what the subscriber received and what the publisher sent, in SQLite.
//!
//! | file | its one thought |
//! |---|---|
//! | [`received`] | [`History`]: messages received, by id |
//! | [`sent`] | [`SentLog`]: messages sent and what is known of each |
//! | `database` | what both are made of: a file, its writer, the latest change, and reading |
//! | `writer` | one thread writes; what waits together is committed together |
//! | `sqlite` | opening a database: modes, pragmas, schema versions |
//! | `retention` | the oldest rows leave in small steps |
//! | [`error`] | what can go wrong, with codes |
//!
//! Knows nothing of MQTT, sockets or pages. A write that has returned is on disk
//! (`synchronous=FULL`); payloads come back byte for byte as they went in.
//! Times are milliseconds since the Unix epoch, ids grow and are never used twice.

mod database;
pub mod error;
pub mod received;
mod retention;
pub mod sent;
mod sqlite;
mod writer;

pub use error::StoreError;
pub use received::{History, NewMessage, Record};
pub use retention::Retention;
pub use sent::{Draft, SentLog, SentRecord, SentState};

/// Which part of a log to read. Pages come newest first, changes oldest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// Only rows with a smaller id.
    pub before: Option<i64>,
    /// Only rows with a larger id. Without `before`, the page holds the rows that
    /// directly follow it, still newest first.
    pub after: Option<i64>,
    /// At most this many rows; never more than [`PAGE_MAX`].
    pub limit: usize,
}

/// The longest page that is served, whatever was asked.
pub const PAGE_MAX: usize = 500;

/// A row in a list carries this much of its payload; the rest is fetched by id.
///
/// 4 KiB is what a page shows of a long text, so 500 rows of 1 MiB cost 2 MiB, not 500.
pub const HEAD_BYTES: usize = 4096;
