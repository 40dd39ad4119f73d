//! Output: what a command was asked for goes to stdout, whole and at once.
//!
//! A reader that has gone away (`enviomq sub … | head -1`) ends the command in
//! peace instead of with a panic.

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Writes bytes as they are.
///
/// # Errors
/// If stdout cannot be written for another reason than that nobody reads it.
pub(crate) fn bytes(content: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(content).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::new("ENV-P804").because(error).mend("df -h")),
        Ok(()) => Ok(()),
    }
}

/// Writes text as it is.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn text(content: &str) -> Result<(), Failure> {
    bytes(content.as_bytes())
}

/// Writes text and ends the line.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn line(content: &str) -> Result<(), Failure> {
    bytes(format!("{content}\n").as_bytes())
}

/// Writes a message for a person to stderr; there is nobody to tell if that fails.
pub(crate) fn complaint(content: &str) {
    let _ = writeln!(io::stderr().lock(), "{content}");
}
