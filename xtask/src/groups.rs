//! The groups of tests, from the smallest to the whole.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::process::{Failed, Job, say};
use crate::provision::Tools;
use crate::tally::{Counts, Tally};
use crate::workspace::Workspace;

/// One group, as it is named on the command line and in the closing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Everything beside the code: unit, property, transcript, architecture.
    Unit,
    /// The executable, started and stopped.
    EndToEnd,
    /// Other people's MQTT clients.
    Interop,
    /// A person's path through both pages, in Chromium.
    Browser,
    /// The three containers.
    Compose,
    /// The commands that the READMEs print.
    Readme,
}

impl Group {
    pub(crate) const ALL: [Self; 6] = [
        Self::Unit,
        Self::EndToEnd,
        Self::Interop,
        Self::Browser,
        Self::Compose,
        Self::Readme,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::EndToEnd => "e2e",
            Self::Interop => "interop",
            Self::Browser => "browser",
            Self::Compose => "compose",
            Self::Readme => "readme",
        }
    }

    /// The test of the `enviomq-tests` package, for all but `Unit`.
    fn target(self) -> &'static str {
        match self {
            Self::Unit => "architecture",
            Self::EndToEnd => "end_to_end",
            Self::Interop => "interop",
            Self::Browser => "browser",
            Self::Compose => "compose",
            Self::Readme => "readme",
        }
    }

    /// These use fixed ports or measure time, so their tests run one after another.
    fn runs_alone(self) -> bool {
        matches!(self, Self::Browser | Self::Compose | Self::Readme)
    }

    fn job(self, workspace: &Workspace) -> Job {
        let job = workspace
            .cargo("test")
            .args(["--locked", "--no-fail-fast"])
            // What a test prints explains it; backtraces of the test runner only bury that.
            .env("RUST_BACKTRACE", "0");
        if self == Self::Unit {
            return job
                .args(["--workspace"])
                .limit(Duration::from_secs(40 * 60));
        }
        job.args(["--package", "enviomq-tests", "--features", "whole"])
            .args(["--test", self.target()])
            .limit(Duration::from_secs(20 * 60))
    }
}

/// Runs the chosen groups, in the order from small to whole.
pub(crate) fn run(
    workspace: &Workspace,
    tools: &Tools,
    chosen: &[Group],
    tally: &mut Tally,
) -> Result<(), Failed> {
    let mut executable = None;
    for group in Group::ALL {
        if !chosen.contains(&group) {
            continue;
        }
        if group == Group::Unit {
            count(group, &group.job(workspace), tally);
            continue;
        }
        let executable = match &executable {
            Some(path) => path,
            None => executable.insert(workspace.build_executable()?),
        };
        whole(group, workspace, tools, executable, tally);
    }
    Ok(())
}

/// Runs a group that drives the executable.
fn whole(group: Group, workspace: &Workspace, tools: &Tools, executable: &Path, tally: &mut Tally) {
    let mut job = group
        .job(workspace)
        .env("ENVIOMQ_TEST_EXECUTABLE", executable.display().to_string())
        .env("ENVIOMQ_TEST_PYTHON", tools.python.display().to_string())
        .env(
            "ENVIOMQ_TEST_NODE_MODULES",
            tools.node_modules.display().to_string(),
        )
        .env(
            "ENVIOMQ_TEST_TARGET",
            workspace.target.display().to_string(),
        );

    // Held until the group has ended.
    let engine = match group {
        Group::Compose => match Engine::start(&workspace.target) {
            Ok(engine) => Some(engine),
            Err(why) => {
                let listed = job
                    .args(["--", "--list", "--format", "terse"])
                    .quiet()
                    .unwrap_or_default();
                let tests = listed
                    .lines()
                    .filter(|line| line.ends_with(": test"))
                    .count();
                tally.add_not_run(group.name(), u32::try_from(tests).unwrap_or(u32::MAX), why);
                return;
            }
        },
        _ => None,
    };
    if let Some(host) = engine.as_ref().and_then(|engine| engine.host.clone()) {
        job = job.env("DOCKER_HOST", host);
    }
    if group.runs_alone() {
        job = job.args(["--", "--test-threads=1"]);
    }
    count(group, &job, tally);
}

/// Runs `job`, repeats what it prints, and adds up its closing lines.
fn count(group: Group, job: &Job, tally: &mut Tally) {
    say(&format!("\n== {} ==\n$ {job}", group.name()));
    let started = Instant::now();
    let mut counts = Counts::default();
    let succeeded = match job.command().stdout(Stdio::piped()).spawn() {
        Ok(mut child) => {
            if let Some(stdout) = child.stdout.take() {
                for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    say(&line);
                    counts.read(&line);
                }
            }
            child.wait().is_ok_and(|status| status.success())
        }
        Err(why) => {
            say(&format!("{job}: {why}"));
            false
        }
    };
    // A test binary that did not compile, was killed or ran out of time prints no counts.
    if !succeeded && counts.failed == 0 {
        counts.failed = 1;
    }
    tally.add(group.name(), counts, started.elapsed());
}
