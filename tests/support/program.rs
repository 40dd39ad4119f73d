//! A running program whose output can be awaited, line by line.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::PATIENCE;

/// A child process. Killed when dropped.
pub struct Program {
    name: String,
    child: Child,
    output: Arc<Output>,
    leads_group: bool,
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

impl Output {
    /// A waiting test that gave up must not take the reading threads with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until something was printed, a stream has ended, or the time is over.
    fn changed<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let woken = self.changed.wait_timeout(state, limit);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    open_streams: usize,
}

/// A program that came to its end by itself.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Both streams; lines of one stream are in order.
    pub lines: Vec<String>,
}

impl Ended {
    /// The exit code, -1 after a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Everything it printed.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// Runs `command` to its end.
///
/// # Panics
/// If it cannot be started or does not end in time.
pub fn finish(command: Command) -> Ended {
    Program::start(command).ended()
}

impl Program {
    /// Starts `command` with both streams watched and nothing on its standard input.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: Command) -> Self {
        Self::spawn(command, false)
    }

    /// The same for a program that starts others (`cargo run`, a shell): whatever ends
    /// it ends them too.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_group(mut command: Command) -> Self {
        command.process_group(0);
        Self::spawn(command, true)
    }

    fn spawn(mut command: Command, leads_group: bool) -> Self {
        let name = format!("{command:?}");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(why) => panic!("{name}: {why}"),
        };
        let output = Arc::new(Output::default());
        output.lock().open_streams = 2;
        watch(child.stdout.take().unwrap(), Arc::clone(&output));
        watch(child.stderr.take().unwrap(), Arc::clone(&output));
        Self {
            name,
            child,
            output,
            leads_group,
        }
    }

    /// Waits for a line that contains `text`, from the beginning of the output.
    ///
    /// # Panics
    /// If the program ends or falls silent before.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_line(text, |line| line.contains(text))
    }

    /// The same for what may take long, such as a build.
    ///
    /// # Panics
    /// If the program ends before, or does not print it in time.
    pub fn wait_within(&self, limit: Duration, text: &str) -> String {
        self.wait(limit, text, |line| line.contains(text))
    }

    /// Waits for a line that `is_it`; `what` names it should it never come.
    ///
    /// # Panics
    /// If the program ends or falls silent before.
    pub fn wait_for_line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.wait(PATIENCE, what, is_it)
    }

    fn wait(&self, limit: Duration, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + limit;
        let mut state = self.output.lock();
        loop {
            if let Some(line) = state.lines.iter().find(|line| is_it(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && state.open_streams > 0,
                "{} never printed {what:?}. It printed:\n{}",
                self.name,
                state.lines.join("\n")
            );
            state = self.output.changed(state, left);
        }
    }

    /// Everything printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().lines.clone()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it does not.
    pub fn ended(self) -> Ended {
        self.ended_within(Duration::from_secs(60))
    }

    /// Waits until it ends by itself, at most so long.
    ///
    /// # Panics
    /// If it does not.
    pub fn ended_within(mut self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        let mut state = self.output.lock();
        // Both streams end when the process does, unless it left a child that holds them.
        while state.open_streams > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} did not end. It printed:\n{}",
                self.name,
                state.lines.join("\n")
            );
            state = self.output.changed(state, left);
        }
        let lines = state.lines.clone();
        drop(state);
        let status = self.child.wait().unwrap();
        Ended { status, lines }
    }

    /// SIGTERM, then waits for its end.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// What Ctrl-C sends, then waits for its end.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn interrupt(self) -> Ended {
        self.signal(Signal::INT);
        self.ended()
    }

    /// Takes the processor away from it: its sockets stay, but it answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGKILL: no goodbye of any kind.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // An error means that it is gone already, which is what was wanted.
        let _ = if self.leads_group {
            kill_process_group(pid, signal)
        } else {
            kill_process(pid, signal)
        };
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            // Captured by the test runner and shown with the failure.
            println!("--- {}\n{}", self.name, self.lines().join("\n"));
        }
    }
}

fn watch(stream: impl Read + Send + 'static, output: Arc<Output>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            output.lock().lines.push(line);
            output.changed.notify_all();
        }
        output.lock().open_streams -= 1;
        output.changed.notify_all();
    });
}
