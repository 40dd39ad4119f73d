//! History: the messages the subscriber received, by id, newest first.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::watch;

use crate::database::{Database, Head, Listed, head};
use crate::retention::Retention;
use crate::sqlite::Schema;
use crate::{Query, StoreError};

/// The received messages. Clones share one database.
#[derive(Debug, Clone)]
pub struct History {
    database: Arc<Database>,
}

/// A message on its way into the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// When it was received, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its Topic Name.
    pub topic: String,
    /// Its payload, any bytes.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// True if it came from what the broker retains.
    pub retain: bool,
}

/// A received message as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Grows with time, never used twice.
    pub id: i64,
    /// When it was received, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its Topic Name.
    pub topic: String,
    /// 0, 1 or 2.
    pub qos: u8,
    /// True if it came from what the broker retains.
    pub retain: bool,
    /// True if the whole payload is valid UTF-8.
    pub is_text: bool,
    /// Length of the whole payload in bytes.
    pub size: u64,
    /// The first [`HEAD_BYTES`](crate::HEAD_BYTES) of the payload.
    pub head: Bytes,
}

impl History {
    /// Opens or creates the history at `path` and starts its writer.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, newer than this program, or something else.
    pub fn open(path: &Path, retention: Retention) -> Result<History, StoreError> {
        let database = Database::open::<Record>(path, &SCHEMA, retention, newest)?;
        Ok(History {
            database: Arc::new(database),
        })
    }

    /// Stores `messages` in order; they are on disk when this returns their ids.
    ///
    /// # Errors
    /// None of them was stored.
    pub async fn record(&self, messages: Vec<NewMessage>) -> Result<Vec<i64>, StoreError> {
        let work = move |transaction: &rusqlite::Transaction<'_>| {
            let mut insert = transaction.prepare_cached(INSERT)?;
            let mut ids = Vec::with_capacity(messages.len());
            for message in &messages {
                ids.push(insert.insert((
                    message.at_ms,
                    &message.topic,
                    message.qos,
                    message.retain,
                    std::str::from_utf8(&message.payload).is_ok(),
                    message.payload.as_ref(),
                ))?);
            }
            Ok(ids)
        };
        let ids = self.database.writer.run(work).await?;
        if let Some(&last) = ids.last() {
            self.database.moved_to(last);
        }
        Ok(ids)
    }

    /// The rows of `query`, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn page(&self, query: Query) -> Result<Vec<Record>, StoreError> {
        self.database.page("id", query).await
    }

    /// One message without its payload beyond the head.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn record_by_id(&self, id: i64) -> Result<Option<Record>, StoreError> {
        self.database.record_by_id(id).await
    }

    /// The whole payload of one message, unchanged; `None` if there is no such row (any more).
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn payload(&self, id: i64) -> Result<Option<Bytes>, StoreError> {
        self.database.payload::<Record>(id).await
    }

    /// How many messages are kept.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn count(&self) -> Result<u64, StoreError> {
        self.database
            .read(|connection| {
                let count = "SELECT count(*) FROM received";
                connection.query_row(count, [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
            })
            .await
    }

    /// The id of the newest message on disk (0 for none), as it grows. Rows up to it can be read.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.database.latest()
    }

    /// Finishes what waits and closes the file. Blocks for as long as the disk needs.
    pub fn close(&self) {
        self.database.writer.close();
    }
}

impl Listed for Record {
    const TABLE: &'static str = "received";
    // 4096 is HEAD_BYTES; a test holds them together.
    const SELECT: &'static str = "SELECT id, at_ms, topic, qos, retain, is_text, length(payload),
        CASE WHEN length(payload) <= 4096 THEN payload END FROM received";

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Record> {
        Ok(Record {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            topic: row.get(2)?,
            qos: row.get(3)?,
            retain: row.get(4)?,
            is_text: row.get(5)?,
            size: row.get::<_, i64>(6)?.cast_unsigned(),
            head: head(row, 7)?,
        })
    }

    fn payload_head(&mut self) -> Head<'_> {
        Head {
            id: self.id,
            size: self.size,
            bytes: &mut self.head,
        }
    }
}

/// The id given to the last row ever, kept by SQLite even if retention has removed the row.
fn newest(connection: &mut Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'received'";
    let newest = connection.query_row(sql, [], |row| row.get(0));
    Ok(newest.optional()?.unwrap_or(0))
}

const SCHEMA: Schema = Schema {
    application_id: 0x4551_5231, // "EQR1"
    kind: "a history of received messages",
    migrations: &["CREATE TABLE received (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms   INTEGER NOT NULL,
        topic   TEXT    NOT NULL,
        qos     INTEGER NOT NULL,
        retain  INTEGER NOT NULL,
        is_text INTEGER NOT NULL,
        payload BLOB    NOT NULL
    ) STRICT"],
};

const INSERT: &str = "INSERT INTO received (at_ms, topic, qos, retain, is_text, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
