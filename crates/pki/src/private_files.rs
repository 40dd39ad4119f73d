//! Files and folders that are never wider than they should be, not even for an instant.
//!
//! Modes are given when a file is created, never mended afterwards. The umask
//! can only take bits away from them, so none is needed for safety.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{PkiError, fingerprint::hex};

/// Makes `path` and the parents it lacks with mode 0700, down to the disk; existing
/// folders are left as they are.
///
/// # Errors
/// `Write` if it cannot.
pub fn create_private_dir(path: &Path) -> Result<(), PkiError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        create_private_dir(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_dir(above),
        // Somebody was faster, which is as good.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(PkiError::write(path)(error)),
    }
}

/// Replaces `path` atomically by a file of mode 0600.
///
/// # Errors
/// `Write` if it cannot; the file that was there before is then untouched.
pub fn write_private_file(path: &Path, contents: &[u8]) -> Result<(), PkiError> {
    replace_file(path, contents, 0o600)
}

/// Replaces `path` atomically by a file of mode 0644.
///
/// # Errors
/// `Write` if it cannot; the file that was there before is then untouched.
pub fn write_public_file(path: &Path, contents: &[u8]) -> Result<(), PkiError> {
    replace_file(path, contents, 0o644)
}

/// Creates `path`, which must not exist, and brings it to disk.
pub(crate) fn create_file(path: &Path, contents: &[u8], mode: u32) -> Result<(), PkiError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    write().map_err(PkiError::write(path))
}

/// Brings the entries of a folder to disk: without it a rename may be forgotten by a power cut.
pub(crate) fn sync_dir(path: &Path) -> Result<(), PkiError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(PkiError::write(path))
}

/// Renames and brings the new name to disk.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), PkiError> {
    fs::rename(from, to).map_err(PkiError::write(to))?;
    sync_dir(parent(to))
}

/// A neighbour of `path` that nothing else uses; left-overs are recognised by [`is_temporary`].
pub(crate) fn temporary_neighbour(path: &Path) -> Result<PathBuf, PkiError> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| PkiError::Crypto {
        what: "draw a file name",
    })?;
    Ok(parent(path).join(format!("{TEMPORARY}{}", hex(&random))))
}

/// Whether a file name is one of ours that a crash left behind.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

fn replace_file(path: &Path, contents: &[u8], mode: u32) -> Result<(), PkiError> {
    let temporary = temporary_neighbour(path)?;
    create_file(&temporary, contents, mode)
        .and_then(|()| rename(&temporary, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

const TEMPORARY: &str = ".new-";
