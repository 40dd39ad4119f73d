//! History: the messages the subscriber received, by id, newest first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::watch;

use crate::retention::{Retention, Sweeper};
use crate::sqlite::{self, Schema};
use crate::writer::{self, Writer};
use crate::{HEAD_BYTES, PAGE_MAX, Query, StoreError};

/// The received messages. Clones share one database.
#[derive(Debug, Clone)]
pub struct History {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    writer: Writer,
    newest: watch::Sender<i64>,
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
    /// The first [`HEAD_BYTES`] of the payload.
    pub head: Bytes,
}

impl History {
    /// Opens or creates the history at `path` and starts its writer.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, newer than this program, or something else.
    pub fn open(path: &Path, retention: Retention) -> Result<History, StoreError> {
        let connection = sqlite::open_writer(path, &SCHEMA)?;
        let newest = newest(&connection).map_err(|e| StoreError::opening(path, &e))?;
        let sweeper = Sweeper::new(retention, "received");
        let writer = Writer::start(connection, path.to_owned(), sweeper)?;
        Ok(History {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                writer,
                newest: watch::Sender::new(newest),
            }),
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
        let ids = self.shared.writer.run(work).await?;
        if let Some(&last) = ids.last() {
            // Two callers may return in either order; the mark only moves forward.
            self.shared.newest.send_if_modified(|newest| {
                let moved = last > *newest;
                *newest = last.max(*newest);
                moved
            });
        }
        Ok(ids)
    }

    /// The rows of `query`, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn page(&self, query: Query) -> Result<Vec<Record>, StoreError> {
        writer::read(self.shared.path.clone(), move |connection| {
            let (sql, bounds) = page_sql(SELECT, "id", query);
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(bounds, record)?;
            let mut records = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            if is_forward(query) {
                records.reverse();
            }
            for record in &mut records {
                complete_head(
                    connection,
                    "received",
                    record.id,
                    record.size,
                    &mut record.head,
                )?;
            }
            Ok(records)
        })
        .await
    }

    /// One message without its payload beyond the head.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn record_by_id(&self, id: i64) -> Result<Option<Record>, StoreError> {
        let query = Query {
            before: id.checked_add(1),
            after: id.checked_sub(1),
            limit: 1,
        };
        Ok(self.page(query).await?.pop())
    }

    /// The whole payload of one message, unchanged; `None` if there is no such row (any more).
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn payload(&self, id: i64) -> Result<Option<Bytes>, StoreError> {
        payload(self.shared.path.clone(), "received", id).await
    }

    /// How many messages are kept.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn count(&self) -> Result<u64, StoreError> {
        writer::read(self.shared.path.clone(), |connection| {
            let count = "SELECT count(*) FROM received";
            connection.query_row(count, [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
        })
        .await
    }

    /// The id of the newest message on disk (0 for none), as it grows. Rows up to it can be read.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.shared.newest.subscribe()
    }

    /// Finishes what waits and closes the file. Blocks for as long as the disk needs.
    pub fn close(&self) {
        self.shared.writer.close();
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
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

/// The id given to the last row ever, kept by SQLite even if retention has removed the row.
fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'received'";
    let newest = connection.query_row(sql, [], |row| row.get(0));
    Ok(newest.optional()?.unwrap_or(0))
}

/// True if the page is the one that follows `after`: it has to be read oldest first.
pub(crate) fn is_forward(query: Query) -> bool {
    query.after.is_some() && query.before.is_none()
}

/// Completes `select` with the bounds and order of `query` over `key`.
pub(crate) fn page_sql(select: &str, key: &str, query: Query) -> (String, (i64, i64, i64)) {
    let order = if is_forward(query) { "ASC" } else { "DESC" };
    let sql = format!("{select} WHERE {key} > ?1 AND {key} < ?2 ORDER BY {key} {order} LIMIT ?3");
    let limit = i64::try_from(query.limit.min(PAGE_MAX)).unwrap_or(0);
    let bounds = (
        query.after.unwrap_or(i64::MIN),
        query.before.unwrap_or(i64::MAX),
        limit,
    );
    (sql, bounds)
}

/// The payload column of a list: the bytes if they are few, otherwise NULL.
pub(crate) fn head(row: &Row<'_>, index: usize) -> rusqlite::Result<Bytes> {
    let bytes: Option<Vec<u8>> = row.get(index)?;
    Ok(bytes.map(Bytes::from).unwrap_or_default())
}

/// Fetches the first bytes of a payload too long for the list.
///
/// `substr` in SQL would load the whole value to cut it; the blob interface reads only
/// the pages it is asked for.
pub(crate) fn complete_head(
    connection: &Connection,
    table: &str,
    id: i64,
    size: u64,
    head: &mut Bytes,
) -> rusqlite::Result<()> {
    if size <= HEAD_BYTES as u64 {
        return Ok(());
    }
    let blob = match connection.blob_open("main", table, "payload", id, true) {
        Ok(blob) => blob,
        // Retention removed the row since the list was read.
        Err(rusqlite::Error::SqliteFailure(..)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; HEAD_BYTES];
    blob.read_at_exact(&mut bytes, 0)?;
    *head = Bytes::from(bytes);
    Ok(())
}

/// The whole payload of a row.
pub(crate) async fn payload(
    path: PathBuf,
    table: &'static str,
    id: i64,
) -> Result<Option<Bytes>, StoreError> {
    writer::read(path, move |connection| {
        let sql = format!("SELECT payload FROM {table} WHERE id = ?1");
        let bytes = connection.query_row(&sql, [id], |row| row.get::<_, Vec<u8>>(0));
        Ok(bytes.optional()?.map(Bytes::from))
    })
    .await
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

// 4096 is HEAD_BYTES; a test holds them together.
const SELECT: &str = "SELECT id, at_ms, topic, qos, retain, is_text, length(payload),
    CASE WHEN length(payload) <= 4096 THEN payload END FROM received";
