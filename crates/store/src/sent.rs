//! Sent log: what the publisher sent, and what is truly known of each message.
//!
//! Every change of a row takes the next revision, so a reader that knows up to which
//! revision it has seen can be told exactly what changed since.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use tokio::sync::watch;

use crate::database::{Database, Head, Listed, head};
use crate::retention::Retention;
use crate::sqlite::Schema;
use crate::{PAGE_MAX, Query, StoreError};

/// The sent messages. Clones share one database.
#[derive(Debug, Clone)]
pub struct SentLog {
    database: Arc<Database>,
}

/// A message about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// When it was written, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its Topic Name.
    pub topic: String,
    /// Its payload, any bytes.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// True if the broker is asked to retain it.
    pub retain: bool,
}

/// What is known of a sent message. Never more than what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SentState {
    /// Written down, not yet given to the network.
    Waiting,
    /// Its bytes have left. For QoS 0 this is all there ever is.
    Sent,
    /// The broker has taken responsibility for it.
    Accepted,
    /// The broker has refused it.
    Refused,
    /// It did not leave: there was no connection.
    NotSent,
    /// It left, or may have left, and the answer never came.
    Unconfirmed,
}

/// A sent message as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRecord {
    /// Grows with time, never used twice.
    pub id: i64,
    /// Position of its last change among all changes.
    pub revision: i64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its Topic Name.
    pub topic: String,
    /// 0, 1 or 2.
    pub qos: u8,
    /// True if the broker is asked to retain it.
    pub retain: bool,
    /// True if the whole payload is valid UTF-8.
    pub is_text: bool,
    /// Length of the whole payload in bytes.
    pub size: u64,
    /// The first [`HEAD_BYTES`](crate::HEAD_BYTES) of the payload.
    pub head: Bytes,
    /// What is known of it.
    pub state: SentState,
    /// The Reason Code with which the broker answered.
    pub reason: Option<u8>,
    /// The stable code of what prevented it, for example `ENV-N305`.
    pub code: Option<String>,
    /// The broker's Reason String, or the error in its own words.
    pub detail: Option<String>,
    /// The row that sent it again.
    pub again: Option<i64>,
}

/// A new state with its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is known now.
    pub state: SentState,
    /// The Reason Code with which the broker answered.
    pub reason: Option<u8>,
    /// The stable code of what prevented it.
    pub code: Option<String>,
    /// The broker's Reason String, or the error in its own words.
    pub detail: Option<String>,
}

impl SentLog {
    /// Opens or creates the log at `path` and starts its writer.
    ///
    /// Rows of which an earlier run did not learn the end become `Unconfirmed`: they were
    /// written down before they were sent, so nobody can say whether they left.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, newer than this program, or something else.
    pub fn open(path: &Path, retention: Retention) -> Result<SentLog, StoreError> {
        let database = Database::open::<SentRecord>(path, &SCHEMA, retention, settle)?;
        Ok(SentLog {
            database: Arc::new(database),
        })
    }

    /// Writes a message down as `Waiting`, before it is sent. On disk when its id returns.
    ///
    /// # Errors
    /// It was not written, so it must not be sent.
    pub async fn insert(&self, draft: Draft) -> Result<i64, StoreError> {
        let work = move |transaction: &Transaction<'_>| insert(transaction, &draft);
        let (id, revision) = self.database.writer.run(work).await?;
        self.database.moved_to(revision);
        Ok(id)
    }

    /// Writes down a copy of row `id` as a new `Waiting` row, once per row.
    ///
    /// `None` if there is no such row, its end is not known yet, it arrived well, or it has
    /// been sent again already: two clicks send one message.
    ///
    /// # Errors
    /// It was not written, so it must not be sent.
    pub async fn insert_again(
        &self,
        id: i64,
        at_ms: i64,
    ) -> Result<Option<(i64, Draft)>, StoreError> {
        let work = move |transaction: &Transaction<'_>| {
            let Some(draft) = repeatable(transaction, id, at_ms)? else {
                return Ok(None);
            };
            let (again, _) = insert(transaction, &draft)?;
            let revision = next_revision(transaction)?;
            transaction
                .prepare_cached("UPDATE sent SET again = ?2, revision = ?3 WHERE id = ?1")?
                .execute((id, again, revision))?;
            Ok(Some((again, draft, revision)))
        };
        let Some((again, draft, revision)) = self.database.writer.run(work).await? else {
            return Ok(None);
        };
        self.database.moved_to(revision);
        Ok(Some((again, draft)))
    }

    /// Records what became known of row `id`.
    ///
    /// # Errors
    /// The change was not written; the row still says less than what is known.
    pub async fn set_state(&self, id: i64, change: Change) -> Result<(), StoreError> {
        let work = move |transaction: &Transaction<'_>| {
            let revision = next_revision(transaction)?;
            transaction.prepare_cached(UPDATE)?.execute((
                id,
                revision,
                change.state,
                change.reason,
                change.code,
                change.detail,
            ))?;
            Ok(revision)
        };
        let revision = self.database.writer.run(work).await?;
        self.database.moved_to(revision);
        Ok(())
    }

    /// The rows of `query`, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn page(&self, query: Query) -> Result<Vec<SentRecord>, StoreError> {
        self.database.page("id", query).await
    }

    /// The rows changed after `revision`, in the order of their last change.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn changes(
        &self,
        revision: i64,
        limit: usize,
    ) -> Result<Vec<SentRecord>, StoreError> {
        let query = Query {
            before: None,
            after: Some(revision),
            limit: limit.min(PAGE_MAX),
        };
        let mut records: Vec<SentRecord> = self.database.page("revision", query).await?;
        records.reverse();
        Ok(records)
    }

    /// One message without its payload beyond the head.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn record_by_id(&self, id: i64) -> Result<Option<SentRecord>, StoreError> {
        self.database.record_by_id(id).await
    }

    /// The whole payload of one message, unchanged; `None` if there is no such row (any more).
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn payload(&self, id: i64) -> Result<Option<Bytes>, StoreError> {
        self.database.payload::<SentRecord>(id).await
    }

    /// The revision of the latest change on disk, as it grows.
    pub fn revision(&self) -> watch::Receiver<i64> {
        self.database.latest()
    }

    /// Finishes what waits and closes the file. Blocks for as long as the disk needs.
    pub fn close(&self) {
        self.database.writer.close();
    }
}

impl SentState {
    /// True if nothing more will become known of a message of this QoS.
    pub fn is_final(self, qos: u8) -> bool {
        match self {
            SentState::Waiting => false,
            SentState::Sent => qos == 0,
            _ => true,
        }
    }

    /// True if sending the same message again makes sense.
    pub fn is_repeatable(self) -> bool {
        matches!(
            self,
            SentState::Refused | SentState::NotSent | SentState::Unconfirmed
        )
    }

    fn number(self) -> u8 {
        match self {
            SentState::Waiting => 0,
            SentState::Sent => 1,
            SentState::Accepted => 2,
            SentState::Refused => 3,
            SentState::NotSent => 4,
            SentState::Unconfirmed => 5,
        }
    }
}

impl ToSql for SentState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.number()))
    }
}

impl FromSql for SentState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(SentState::Waiting),
            1 => Ok(SentState::Sent),
            2 => Ok(SentState::Accepted),
            3 => Ok(SentState::Refused),
            4 => Ok(SentState::NotSent),
            5 => Ok(SentState::Unconfirmed),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

fn insert(transaction: &Transaction<'_>, draft: &Draft) -> Result<(i64, i64), StoreError> {
    let revision = next_revision(transaction)?;
    let id = transaction.prepare_cached(INSERT)?.insert((
        revision,
        draft.at_ms,
        &draft.topic,
        draft.qos,
        draft.retain,
        std::str::from_utf8(&draft.payload).is_ok(),
        draft.payload.as_ref(),
    ))?;
    Ok((id, revision))
}

fn repeatable(
    transaction: &Transaction<'_>,
    id: i64,
    at_ms: i64,
) -> Result<Option<Draft>, StoreError> {
    let sql = "SELECT topic, payload, qos, retain, state FROM sent WHERE id = ?1 AND again IS NULL";
    let row = transaction.prepare_cached(sql)?.query_row([id], |row| {
        let draft = Draft {
            at_ms,
            topic: row.get(0)?,
            payload: Bytes::from(row.get::<_, Vec<u8>>(1)?),
            qos: row.get(2)?,
            retain: row.get(3)?,
        };
        Ok((draft, row.get::<_, SentState>(4)?))
    });
    let row = row.optional()?;
    Ok(row.and_then(|(draft, state)| state.is_repeatable().then_some(draft)))
}

/// Gives the rows an earlier run left open their honest end. Returns the latest revision.
fn settle(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction()?;
    let open: Vec<i64> = transaction
        .prepare("SELECT id FROM sent WHERE state = 0 OR (state = 1 AND qos > 0) ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in open {
        let revision = next_revision(&transaction)?;
        let change = (
            id,
            revision,
            SentState::Unconfirmed,
            None::<u8>,
            Some(CODE_RESTARTED),
            None::<String>,
        );
        transaction.prepare_cached(UPDATE)?.execute(change)?;
    }
    let latest = transaction.query_row("SELECT revision FROM latest", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(latest)
}

fn next_revision(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("UPDATE latest SET revision = revision + 1 RETURNING revision")?
        .query_row([], |row| row.get(0))
}

impl Listed for SentRecord {
    const TABLE: &'static str = "sent";
    // 4096 is HEAD_BYTES; a test holds them together.
    const SELECT: &'static str =
        "SELECT id, revision, at_ms, topic, qos, retain, is_text, length(payload),
        CASE WHEN length(payload) <= 4096 THEN payload END,
        state, reason, code, detail, again FROM sent";

    fn from_row(row: &Row<'_>) -> rusqlite::Result<SentRecord> {
        Ok(SentRecord {
            id: row.get(0)?,
            revision: row.get(1)?,
            at_ms: row.get(2)?,
            topic: row.get(3)?,
            qos: row.get(4)?,
            retain: row.get(5)?,
            is_text: row.get(6)?,
            size: row.get::<_, i64>(7)?.cast_unsigned(),
            head: head(row, 8)?,
            state: row.get(9)?,
            reason: row.get(10)?,
            code: row.get(11)?,
            detail: row.get(12)?,
            again: row.get(13)?,
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

/// The code of a row whose end was lost because the program ended first.
pub const CODE_RESTARTED: &str = "ENV-P701";

const SCHEMA: Schema = Schema {
    application_id: 0x4551_5331, // "EQS1"
    kind: "a log of sent messages",
    migrations: &["CREATE TABLE sent (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        revision INTEGER NOT NULL,
        at_ms    INTEGER NOT NULL,
        topic    TEXT    NOT NULL,
        qos      INTEGER NOT NULL,
        retain   INTEGER NOT NULL,
        is_text  INTEGER NOT NULL,
        state    INTEGER NOT NULL,
        reason   INTEGER,
        code     TEXT,
        detail   TEXT,
        again    INTEGER,
        payload  BLOB    NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX sent_by_revision ON sent (revision);
    CREATE INDEX sent_open ON sent (state) WHERE state IN (0, 1);
    CREATE TABLE latest (revision INTEGER NOT NULL) STRICT;
    INSERT INTO latest VALUES (0);"],
};

const INSERT: &str =
    "INSERT INTO sent (revision, at_ms, topic, qos, retain, is_text, payload, state)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)";

const UPDATE: &str =
    "UPDATE sent SET revision = ?2, state = ?3, reason = ?4, code = ?5, detail = ?6
    WHERE id = ?1";
