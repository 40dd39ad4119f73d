//! Shared by the tests of the whole: the executable, its pages, other people's clients.
//!
//! Everything here fails by panicking with what the programs printed: a failed test
//! must be understood from its output alone.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

mod foreign;
mod page;
mod program;
mod system;

pub use foreign::{ForeignAuthority, Mosquitto, Pair};
pub use page::{Events, Page, Reply};
pub use program::{Ended, Program, finish};
pub use system::{Apart, Ports, Up, enviomq};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Generous: a slow machine is no bug.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `is_so`, for what announces itself nowhere.
///
/// # Panics
/// If it never is; `what` names it.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The executable under test.
pub fn executable() -> PathBuf {
    from_environment("ENVIOMQ_TEST_EXECUTABLE")
}

/// A Python with paho-mqtt and playwright.
pub fn python() -> PathBuf {
    from_environment("ENVIOMQ_TEST_PYTHON")
}

/// The folder that holds MQTT.js.
pub fn node_modules() -> PathBuf {
    from_environment("ENVIOMQ_TEST_NODE_MODULES")
}

/// The target folder, for screenshots and what is kept between runs.
pub fn target() -> PathBuf {
    from_environment("ENVIOMQ_TEST_TARGET")
}

fn from_environment(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(path) => path.into(),
        None => panic!("{name} is not set: these tests are run by `cargo xtask test`"),
    }
}
