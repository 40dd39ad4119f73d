//! Opening a database: file mode, pragmas, schema version.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// What a database of one kind looks like.
pub(crate) struct Schema {
    /// Tells our files from other databases, and the two kinds from each other.
    pub(crate) application_id: i32,
    /// The kind in words, for the error message.
    pub(crate) kind: &'static str,
    /// Step `n` leads from version `n` to `n + 1`. Only ever appended to.
    pub(crate) migrations: &'static [&'static str],
}

/// Opens the one connection that writes, creating the file and its tables if needed.
pub(crate) fn open_writer(path: &Path, schema: &Schema) -> Result<Connection, StoreError> {
    create_private(path)?;
    let mut connection = connect(path).map_err(|e| StoreError::opening(path, &e))?;
    let version = recognise(&connection, path, schema)?;
    prepare(&mut connection, schema, version).map_err(|e| StoreError::opening(path, &e))?;
    Ok(connection)
}

/// Opens one more connection, that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = connect(path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|e| StoreError::opening(path, &e))
}

/// SQLite would create the file with the umask of the process; messages are private,
/// so the file is made by us first. The WAL and its index take the mode of the file.
fn create_private(path: &Path) -> Result<(), StoreError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|e| StoreError::Open {
            path: path.to_owned(),
            detail: e.to_string(),
        })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Another process (a backup, a curious person) may hold the file for a moment.
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// Says which schema version the file has, or why it is not for us.
fn recognise(connection: &Connection, path: &Path, schema: &Schema) -> Result<usize, StoreError> {
    let read = |name: &str| -> Result<i64, StoreError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|e| StoreError::opening(path, &e))
    };
    let (application, found, pages) = (
        read("application_id")?,
        read("user_version")?,
        read("page_count")?,
    );
    if pages > 0 && application != i64::from(schema.application_id) {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            expected: schema.kind,
        });
    }
    match usize::try_from(found) {
        Ok(version) if version <= schema.migrations.len() => Ok(version),
        _ => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: i64::try_from(schema.migrations.len()).unwrap_or(i64::MAX),
        }),
    }
}

fn prepare(connection: &mut Connection, schema: &Schema, version: usize) -> rusqlite::Result<()> {
    // Must precede the first table; it lets retention give pages back to the disk.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A row acknowledged is on disk. With batches this costs 5 % (measured: 99 k rows/s
    // instead of 104 k with NORMAL).
    connection.pragma_update(None, "synchronous", "FULL")?;
    for (step, sql) in schema.migrations.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        let reached = i64::try_from(step + 1).unwrap_or(i64::MAX);
        transaction.pragma_update(None, "user_version", reached)?;
        transaction.pragma_update(None, "application_id", schema.application_id)?;
        transaction.commit()?;
    }
    // Only touches the first pages, so that a damaged file is told at the start
    // and not at the first message.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const ONE: Schema = Schema {
        application_id: 7,
        kind: "a test database",
        migrations: &["CREATE TABLE a (x)"],
    };
    const TWO: Schema = Schema {
        application_id: 7,
        kind: "a test database",
        migrations: &[
            "CREATE TABLE a (x)",
            "ALTER TABLE a ADD COLUMN y DEFAULT 'new'",
        ],
    };
    const OTHER: Schema = Schema {
        application_id: 8,
        kind: "another kind",
        migrations: &["CREATE TABLE b (x)"],
    };

    #[test]
    fn all_its_files_are_readable_by_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let connection = open_writer(&path, &ONE).unwrap();
        connection.execute("INSERT INTO a VALUES (1)", []).unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.path());
        }
    }

    #[test]
    fn an_older_database_is_migrated_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let old = open_writer(&path, &ONE).unwrap();
        old.execute("INSERT INTO a VALUES (1)", []).unwrap();
        drop(old);
        let new = open_writer(&path, &TWO).unwrap();
        let row: (i64, String) = new
            .query_row("SELECT x, y FROM a", [], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap();
        assert_eq!(row, (1, "new".to_owned()));
    }

    #[test]
    fn a_newer_database_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        drop(open_writer(&path, &TWO).unwrap());
        let error = open_writer(&path, &ONE).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.code(), "ENV-F123");
    }

    #[test]
    fn a_database_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        drop(open_writer(&path, &ONE).unwrap());
        let error = open_writer(&path, &OTHER).unwrap_err();
        assert_eq!(error.code(), "ENV-F124");
    }

    #[test]
    fn a_file_of_rubbish_is_called_damaged_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let rubbish = b"this is not a database, it is a shopping list. ".repeat(50);
        std::fs::write(&path, &rubbish).unwrap();
        let error = open_writer(&path, &ONE).unwrap_err();
        assert_eq!(error.code(), "ENV-F122", "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), rubbish);
    }

    #[test]
    fn a_folder_that_is_missing_says_so() {
        let error = open_writer(Path::new("/nowhere/at/all.db"), &ONE).unwrap_err();
        assert_eq!(error.code(), "ENV-F121");
    }
}
