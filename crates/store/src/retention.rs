//! Retention: the oldest rows leave in small steps, by age and by the size of the database.
//!
//! A step removes at most a few hundred rows or a few megabytes, so a message never waits
//! long behind it. Size is counted in pages of the file that are in use: exact, and free to ask.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

/// How much history is kept. Whichever bound is reached first removes the oldest rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Rows older than this are removed.
    pub max_age: Duration,
    /// The database does not stay larger than this.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            max_age: Duration::from_secs(30 * 24 * 3600),
            max_bytes: 1 << 30,
        }
    }
}

/// Applies a [`Retention`] to one table with columns `id`, `at_ms` and `payload`.
pub(crate) struct Sweeper {
    retention: Retention,
    table: &'static str,
    due: Instant,
}

impl Sweeper {
    /// The first sweep is due at once: the program may have been off for a month.
    pub(crate) fn new(retention: Retention, table: &'static str) -> Sweeper {
        Sweeper {
            retention,
            table,
            due: Instant::now(),
        }
    }

    /// How long until the next step should run; zero if now.
    pub(crate) fn due_in(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Removes one small portion, and decides when the next is due.
    pub(crate) fn step(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        // Set first, so that a failing disk is not asked in a loop.
        self.due = Instant::now() + SWEEP_EVERY;
        let removed = self.remove(connection, now_ms())?;
        if removed > 0 {
            self.due = Instant::now();
        }
        Ok(())
    }

    fn remove(&self, connection: &mut Connection, now_ms: i64) -> rusqlite::Result<usize> {
        let transaction = connection.transaction()?;
        let excess = used_bytes(&transaction)?.saturating_sub(self.retention.max_bytes);
        let age_ms = i64::try_from(self.retention.max_age.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms.saturating_sub(age_ms);
        let mut last = None;
        let mut freed = 0u64;
        {
            let sql = format!(
                "SELECT id, at_ms, length(payload) FROM {} ORDER BY id LIMIT {STEP_ROWS}",
                self.table
            );
            let mut oldest = transaction.prepare_cached(&sql)?;
            let mut rows = oldest.query([])?;
            while let Some(row) = rows.next()? {
                let (id, at_ms, length): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                if at_ms >= oldest_ms && freed >= excess || freed >= STEP_BYTES {
                    break;
                }
                freed += length.cast_unsigned() + ROW_OVERHEAD;
                last = Some(id);
            }
        }
        let Some(last) = last else { return Ok(0) };
        let removed = transaction.execute(
            &format!("DELETE FROM {} WHERE id <= ?1", self.table),
            [last],
        )?;
        transaction.commit()?;
        // Gives at most this many pages back to the disk: short, like the step itself.
        connection.execute_batch("PRAGMA incremental_vacuum(4096)")?;
        tracing::debug!(table = self.table, removed, "old messages removed");
        Ok(removed)
    }
}

/// Bytes of the file that hold something.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok((pages * pragma("page_size")?).cast_unsigned())
}

/// The wall clock in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How long retention rests once nothing is left to remove.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const STEP_ROWS: usize = 200;
const STEP_BYTES: u64 = 8 << 20;
/// Topic, times and headers of a row, roughly; only steers how far one step goes.
const ROW_OVERHEAD: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(i64, i64)]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms, payload)")
            .unwrap();
        for (at_ms, length) in rows {
            connection
                .execute(
                    "INSERT INTO t (at_ms, payload) VALUES (?1, zeroblob(?2))",
                    (at_ms, length),
                )
                .unwrap();
        }
        connection
    }

    fn left(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT id FROM t ORDER BY id").unwrap();
        let ids = statement.query_map([], |r| r.get(0)).unwrap();
        ids.map(Result::unwrap).collect()
    }

    #[test]
    fn rows_older_than_the_limit_leave_and_younger_stay() {
        let mut connection = table(&[(100, 1), (200, 1), (900, 1), (950, 1)]);
        let retention = Retention {
            max_age: Duration::from_millis(500),
            max_bytes: 1 << 30,
        };
        let sweeper = Sweeper::new(retention, "t");
        assert_eq!(sweeper.remove(&mut connection, 1000).unwrap(), 2);
        assert_eq!(left(&connection), [3, 4]);
        assert_eq!(sweeper.remove(&mut connection, 1000).unwrap(), 0);
    }

    #[test]
    fn a_database_over_its_size_loses_its_oldest_in_bounded_steps() {
        let mut connection = table(&[(1, 1 << 20); 40]);
        let retention = Retention {
            max_age: Duration::from_secs(3600),
            max_bytes: 10 << 20,
        };
        let sweeper = Sweeper::new(retention, "t");
        let mut steps = 0;
        loop {
            let removed = sweeper.remove(&mut connection, 1).unwrap();
            if removed == 0 {
                break;
            }
            assert!(removed <= 8, "one step removed {removed} rows of 1 MiB");
            steps += 1;
        }
        assert!(steps >= 4);
        let left = left(&connection);
        assert_eq!(left.last(), Some(&40));
        assert!((8..=10).contains(&left.len()), "{left:?}");
    }
}
