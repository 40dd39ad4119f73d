//! Starting other programs, and saying which one failed.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Prints one line.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe (`cargo xtask test | head`) is no reason to stop the tests.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Why a task could not go on, in words for whoever started it.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn because(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One program to run, with its arguments, folder and environment.
pub(crate) struct Job {
    program: String,
    arguments: Vec<String>,
    folder: Option<PathBuf>,
    environment: Vec<(String, String)>,
    limit: Option<Duration>,
}

impl Job {
    pub(crate) fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            folder: None,
            environment: Vec::new(),
            limit: None,
        }
    }

    pub(crate) fn args<S: ToString>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.to_string());
        self.arguments.extend(arguments);
        self
    }

    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Ends the program, children included, when it runs longer than this.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The `Command`, for callers that read its output themselves.
    pub(crate) fn command(&self) -> Command {
        // coreutils' timeout signals the whole process group: a test that hangs
        // takes the servers it started with it.
        let mut command = match self.limit {
            None => Command::new(&self.program),
            Some(limit) => {
                let mut command = Command::new("timeout");
                command
                    .arg("--kill-after=10")
                    .arg(limit.as_secs().to_string());
                command.arg(&self.program);
                command
            }
        };
        command.args(&self.arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs it with our own output; an exit other than 0 is a failure.
    pub(crate) fn run(&self) -> Result<(), Failed> {
        say(&format!("$ {self}"));
        match self.command().status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failed(format!("{self}: {status}"))),
            Err(why) => Err(Failed(format!("{self}: {why}"))),
        }
    }

    /// Runs it without a word and returns what it printed, or `None` if it failed.
    pub(crate) fn quiet(&self) -> Option<String> {
        let output = self.command().stderr(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        for argument in &self.arguments {
            write!(f, " {argument}")?;
        }
        Ok(())
    }
}

/// Whether the program is on the PATH.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
