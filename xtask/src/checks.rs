//! Formatting, clippy and rustdoc, warnings as errors.

use std::time::Instant;

use crate::process::{Job, say};
use crate::tally::{Counts, Tally};
use crate::workspace::Workspace;

/// Runs all three, also when the first complains: one run shows everything.
pub(crate) fn run(workspace: &Workspace, tally: &mut Tally) {
    let started = Instant::now();
    let mut counts = Counts::default();
    for job in jobs(workspace) {
        match job.run() {
            Ok(()) => counts.passed += 1,
            Err(why) => {
                counts.failed += 1;
                say(&why.to_string());
            }
        }
    }
    tally.add("check", counts, started.elapsed());
}

fn jobs(workspace: &Workspace) -> [Job; 3] {
    [
        workspace.cargo("fmt").args(["--all", "--check"]),
        workspace
            .cargo("clippy")
            .args(["--locked", "--workspace", "--all-targets"])
            .args(["--features", "enviomq-tests/whole"])
            .args(["--", "-D", "warnings"]),
        workspace
            .cargo("doc")
            .args(["--locked", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    ]
}
