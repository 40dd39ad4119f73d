//! What can go wrong with a database, each with a stable code and a way out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A history could not be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be created or opened: rights, a missing folder, a read-only disk.
    #[error("cannot open the database {path:?}: {detail}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The file is not a database, or its pages contradict each other.
    #[error(
        "the database {path:?} is damaged: {detail}; move it away to start a new one, it is never deleted for you"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// A later version of this program has written it.
    #[error(
        "the database {path:?} has schema version {found}, this program knows up to {known}; use the newer program that wrote it"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Latest version this program knows.
        known: i64,
    },
    /// It is a database, but not one of this kind.
    #[error("the database {path:?} is not {expected}; give each role a file of its own")]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// A statement failed while the database was in use: disk full, disk gone, damage.
    #[error("the database refused: {0}")]
    Statement(Arc<rusqlite::Error>),
    /// Something written together with it failed, and the whole batch was undone.
    #[error("the database refused the writes before this one")]
    Undone,
    /// The writer has ended; nothing more can be stored.
    #[error("the database is closed")]
    Closed,
}

impl StoreError {
    /// The stable code of this error, the same in every language.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Open { .. } => "ENV-F121",
            StoreError::Damaged { .. } => "ENV-F122",
            StoreError::Newer { .. } => "ENV-F123",
            StoreError::Foreign { .. } => "ENV-F124",
            StoreError::Statement(_) => "ENV-F125",
            StoreError::Undone => "ENV-F126",
            StoreError::Closed => "ENV-F127",
        }
    }

    /// Sorts what happened while opening `path`.
    pub(crate) fn opening(path: &Path, error: &rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let (path, detail) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged { path, detail },
            _ => StoreError::Open { path, detail },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Statement(Arc::new(error))
    }
}
