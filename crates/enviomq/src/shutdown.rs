//! Shutdown: SIGINT and SIGTERM become one token; a second Ctrl-C does not wait.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Watches the signals for as long as the process lives.
///
/// The first signal cancels the token, and everything that holds it ends in
/// order. A later Ctrl-C means that somebody has lost patience: the process
/// ends at once, with the status a shell expects of an interrupted program.
///
/// # Errors
/// If the process may not install signal handlers.
pub(crate) fn on_signal() -> std::io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            match first {
                None => {
                    tracing::info!(signal = name, "stopping");
                    first = Some(Instant::now());
                    stop.cancel();
                }
                Some(first) if name == "SIGINT" && first.elapsed() > ECHO => {
                    tracing::warn!(signal = name, "second Ctrl-C: ending without waiting");
                    std::process::exit(130);
                }
                Some(_) => {}
            }
        }
    });
    Ok(token)
}

/// `timeout` and some supervisors signal the process and then its whole group: two signals, one meaning.
const ECHO: Duration = Duration::from_millis(300);
