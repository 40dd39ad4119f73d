//! Database: what both logs are made of: a file, its writer, the latest change, and reading.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::watch;

use crate::retention::{Retention, Sweeper};
use crate::sqlite::{self, Schema};
use crate::writer::{self, Writer};
use crate::{HEAD_BYTES, PAGE_MAX, Query, StoreError};

/// One open log: a file with one table of messages.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    pub(crate) writer: Writer,
    latest: watch::Sender<i64>,
}

/// A row as a list shows it, from a table with columns `id` and `payload`.
pub(crate) trait Listed: Sized + Send + 'static {
    const TABLE: &'static str;
    /// The query of a list, up to its WHERE.
    const SELECT: &'static str;

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self>;
    /// Where a payload too long for the list is to be completed.
    fn payload_head(&mut self) -> Head<'_>;
}

/// The beginning of the payload of row `id`, which has `size` bytes.
pub(crate) struct Head<'a> {
    pub(crate) id: i64,
    pub(crate) size: u64,
    pub(crate) bytes: &'a mut Bytes,
}

impl Database {
    /// Opens or creates the file and starts its writer. `latest` prepares the tables for use
    /// and says what the latest change is.
    pub(crate) fn open<R: Listed>(
        path: &Path,
        schema: &Schema,
        retention: Retention,
        latest: impl FnOnce(&mut Connection) -> rusqlite::Result<i64>,
    ) -> Result<Database, StoreError> {
        let mut connection = sqlite::open_writer(path, schema)?;
        let latest = latest(&mut connection).map_err(|e| StoreError::opening(path, &e))?;
        let sweeper = Sweeper::new(retention, R::TABLE);
        Ok(Database {
            path: path.to_owned(),
            writer: Writer::start(connection, path.to_owned(), sweeper)?,
            latest: watch::Sender::new(latest),
        })
    }

    /// The latest change on disk, as it grows.
    pub(crate) fn latest(&self) -> watch::Receiver<i64> {
        self.latest.subscribe()
    }

    /// Two callers may return in either order; the mark only moves forward.
    pub(crate) fn moved_to(&self, change: i64) {
        self.latest.send_if_modified(|latest| {
            let moved = change > *latest;
            *latest = change.max(*latest);
            moved
        });
    }

    /// The rows of `query` by the column `key`, newest first.
    pub(crate) async fn page<R: Listed>(
        &self,
        key: &'static str,
        query: Query,
    ) -> Result<Vec<R>, StoreError> {
        self.read(move |connection| {
            let (sql, bounds) = page_sql(R::SELECT, key, query);
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(bounds, R::from_row)?;
            let mut records = rows.collect::<rusqlite::Result<Vec<R>>>()?;
            if is_forward(query) {
                records.reverse();
            }
            for record in &mut records {
                complete(connection, R::TABLE, record.payload_head())?;
            }
            Ok(records)
        })
        .await
    }

    pub(crate) async fn record_by_id<R: Listed>(&self, id: i64) -> Result<Option<R>, StoreError> {
        let query = Query {
            before: id.checked_add(1),
            after: id.checked_sub(1),
            limit: 1,
        };
        Ok(self.page("id", query).await?.pop())
    }

    /// The whole payload of a row.
    pub(crate) async fn payload<R: Listed>(&self, id: i64) -> Result<Option<Bytes>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT payload FROM {} WHERE id = ?1", R::TABLE);
            let bytes = connection.query_row(&sql, [id], |row| row.get::<_, Vec<u8>>(0));
            Ok(bytes.optional()?.map(Bytes::from))
        })
        .await
    }

    /// Reads on a connection of its own, off the async threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        writer::read(self.path.clone(), read).await
    }
}

/// The payload column of a list: the bytes if they are few, otherwise NULL.
pub(crate) fn head(row: &Row<'_>, index: usize) -> rusqlite::Result<Bytes> {
    let bytes: Option<Vec<u8>> = row.get(index)?;
    Ok(bytes.map(Bytes::from).unwrap_or_default())
}

/// True if the page is the one that follows `after`: it has to be read oldest first.
fn is_forward(query: Query) -> bool {
    query.after.is_some() && query.before.is_none()
}

/// Completes `select` with the bounds and order of `query` over `key`.
fn page_sql(select: &str, key: &str, query: Query) -> (String, (i64, i64, i64)) {
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

/// Fetches the first bytes of a payload too long for the list.
///
/// `substr` in SQL would load the whole value to cut it; the blob interface reads only
/// the pages it is asked for.
fn complete(connection: &Connection, table: &str, head: Head<'_>) -> rusqlite::Result<()> {
    let Head { id, size, bytes } = head;
    if size <= HEAD_BYTES as u64 {
        return Ok(());
    }
    let blob = match connection.blob_open("main", table, "payload", id, true) {
        Ok(blob) => blob,
        // Retention removed the row since the list was read.
        Err(rusqlite::Error::SqliteFailure(..)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut beginning = vec![0; HEAD_BYTES];
    blob.read_at_exact(&mut beginning, 0)?;
    *bytes = Bytes::from(beginning);
    Ok(())
}
