//! Telemetry: log lines to stderr, for a person on a terminal, as JSON otherwise.

use std::io::{self, IsTerminal as _, Write};

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogLevel};

/// Installs the subscriber; called once, before the first line is logged.
///
/// Log lines go to stderr: stdout belongs to what a command was asked for.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let subscriber = tracing_subscriber::registry().with(filter(level.0));
    let output = tracing_subscriber::fmt::layer().with_writer(|| Stderr);
    // `try_init` fails only if a subscriber is there already, which is as good.
    let _ = if human {
        let output = output.with_ansi(terminal).with_target(false);
        subscriber.with(output).try_init()
    } else {
        let output = output.json().flatten_event(true).with_span_list(false);
        subscriber.with(output).try_init()
    };
}

/// Ours at the level asked for; the libraries under us only when they warn,
/// unless everything was asked for.
fn filter(level: LevelFilter) -> Targets {
    let foreign = match level {
        LevelFilter::TRACE => LevelFilter::DEBUG,
        other => other.min(LevelFilter::WARN),
    };
    Targets::new()
        .with_default(foreign)
        .with_target("enviomq", level)
}

/// Keeps log lines back while a table is being written to the same terminal.
///
/// None is lost: they follow when this is dropped, whatever happened meanwhile.
pub(crate) struct Hold(());

/// Holds log lines back if a person would see them between the lines of stdout.
pub(crate) fn hold_on_terminal() -> Option<Hold> {
    if !io::stderr().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    HELD.lock().get_or_insert_with(Vec::new);
    Some(Hold(()))
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(lines) = HELD.lock().take() {
            let _ = io::stderr().lock().write_all(&lines);
        }
    }
}

/// Lines held back; `None` while nothing is.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Stderr, or where its lines wait.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match HELD.lock().as_mut() {
            Some(held) => held.write(bytes),
            None => io::stderr().lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
