//! Generations: key and certificate on disk, swapped together or not at all.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{Issued, LoadedPair, PkiError};

/// A folder `gen-0001`, `gen-0002`, ... with the link `current`.
#[derive(Debug, Clone)]
pub struct Generations {
    dir: PathBuf,
}

impl Generations {
    /// The generations in `dir` (`server` or `identities/<name>`); nothing is touched yet.
    pub fn at(dir: impl Into<PathBuf>) -> Generations {
        Generations { dir: dir.into() }
    }
    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// Whether any pair was ever installed.
    pub fn exists(&self) -> bool {
        todo!()
    }
    /// Makes `issued` the current pair.
    pub fn install(&self, issued: &Issued, now: SystemTime) -> Result<LoadedPair, PkiError> {
        todo!()
    }
    /// Loads the current pair.
    pub fn load(&self, now: SystemTime) -> Result<LoadedPair, PkiError> {
        todo!()
    }
}
