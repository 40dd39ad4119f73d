//! A person's path through both pages, in Debian's Chromium.
//!
//! The steps are Python scripts beside this file, one per path, driven by playwright.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

use std::path::Path;
use std::process::Command;

use support::{Ended, Page, Ports, Up, finish, python, root, target, until};

/// Runs a script with these arguments; whatever it asserts must hold.
fn person(script: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new(python());
    command
        .arg(root().join("tests/browser").join(script))
        .args(arguments);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = finish(command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    ended
}

fn up(folder: &Path, ports: Ports) -> Up {
    let up = Up::start(&folder.join("data"), ports);
    until("both pages are connected", || {
        [ports.publisher, ports.subscriber]
            .iter()
            .all(|port| Page::stranger(*port).get("/readyz").status == 200)
    });
    up
}

#[test]
fn what_is_sent_on_one_page_is_seen_on_the_other_and_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let first = up(folder.path(), ports);
    let state = folder.path().join("state.json");
    let state = state.to_str().unwrap();
    person(
        "send_and_see.py",
        &[&first.publisher_link(), &first.subscriber_link(), state],
    );
    assert_eq!(first.program.terminate().code(), 0);

    let second = up(folder.path(), ports);
    // Once with the login of before, once with the new link.
    person(
        "still_there.py",
        &[&format!("http://localhost:{}/", ports.subscriber), state],
    );
    person("still_there.py", &[&second.subscriber_link()]);
}

#[test]
fn everything_can_be_done_with_the_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let up = up(folder.path(), Ports::free());
    person(
        "keyboard.py",
        &[&up.publisher_link(), &up.subscriber_link()],
    );
}

#[test]
fn a_script_in_a_message_is_text_on_both_pages() {
    let folder = tempfile::tempdir().unwrap();
    let up = up(folder.path(), Ports::free());
    person(
        "script_is_text.py",
        &[&up.publisher_link(), &up.subscriber_link()],
    );
}

#[test]
fn the_live_page_goes_on_by_itself_after_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let first = up(folder.path(), ports);
    let link = first.subscriber_link();
    let mut command = Command::new(python());
    command.arg(root().join("tests/browser/cut.py")).arg(link);
    let person = support::Program::start(command);
    person.wait_for("watching");
    assert_eq!(first.program.terminate().code(), 0);
    person.wait_for("sees the cut");

    let second = up(folder.path(), ports);
    second
        .publisher()
        .send("chat/mensaje", "after the cut", 1, false);
    let ended = person.ended();
    assert_eq!(ended.code(), 0, "{}", ended.text());
}

#[test]
fn both_pages_fit_every_screen_in_both_languages_and_lights() {
    let folder = tempfile::tempdir().unwrap();
    let up = up(folder.path(), Ports::free());
    let screenshots = target().join("screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    let screenshots = screenshots.to_str().unwrap();
    person(
        "screens.py",
        &[&up.publisher_link(), &up.subscriber_link(), screenshots],
    );
}
