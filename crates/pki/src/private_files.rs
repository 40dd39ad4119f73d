//! Files and folders that are never wider than they should be, not even for an instant.

use std::path::Path;

use crate::PkiError;

/// Makes `path` and its parents with mode 0700; existing ones are left as they are.
pub fn create_private_dir(path: &Path) -> Result<(), PkiError> {
    todo!()
}
/// Replaces `path` atomically by a file of mode 0600.
pub fn write_private_file(path: &Path, contents: &[u8]) -> Result<(), PkiError> {
    todo!()
}
/// Replaces `path` atomically by a file of mode 0644.
pub fn write_public_file(path: &Path, contents: &[u8]) -> Result<(), PkiError> {
    todo!()
}
