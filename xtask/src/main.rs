//! `cargo xtask`: the commands of this repository, in one place for people and CI.
//!
//! No dependencies, so that the first thing a fresh clone builds takes a second.

mod checks;
mod engine;
mod groups;
mod process;
mod provision;
mod tally;
mod workspace;

use std::process::ExitCode;

use groups::Group;
use process::{Failed, Job, say};
use workspace::Workspace;
use xtask::conformance::{Conformance, PAGE};

const USAGE: &str = "\
cargo xtask test [GROUP...]   install what is missing (Debian), check, and run the tests;
                              GROUP is unit, e2e, interop, browser, compose or readme;
                              none means all of them, after the checks
cargo xtask check             formatting, clippy and rustdoc, warnings as errors
cargo xtask conformance       write docs/conformance.md from the tests and tests/conformance/
cargo xtask bench [ARGS...]   the load bench of the executable, release build
cargo xtask executable        build the static executable of the container image";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.split_first() {
        Some((&"test", groups)) => test(groups),
        Some((&"check", [])) => check(),
        Some((&"conformance", [])) => conformance(),
        Some((&"bench", rest)) => bench(rest),
        Some((&"executable", [])) => executable(),
        _ => Err(Failed::because(USAGE)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            // To stdout like everything else: the order of the lines stays true in a CI log.
            say(&why.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The checks and every group, or the groups named.
fn test(names: &[&str]) -> Result<bool, Failed> {
    let workspace = Workspace::find()?;
    let mut chosen = Vec::new();
    for name in names {
        let group = Group::named(name)
            .ok_or_else(|| Failed::because(&format!("there is no group {name:?}\n{USAGE}")))?;
        chosen.push(group);
    }
    let everything = chosen.is_empty();
    if everything {
        chosen.extend(Group::ALL);
    }

    let tools = provision::install(&workspace, &chosen)?;
    let mut tally = tally::Tally::default();
    if everything {
        checks::run(&workspace, &mut tally);
    }
    groups::run(&workspace, &tools, &chosen, &mut tally)?;
    tally.close();
    Ok(tally.is_green())
}

fn check() -> Result<bool, Failed> {
    let workspace = Workspace::find()?;
    let mut tally = tally::Tally::default();
    checks::run(&workspace, &mut tally);
    tally.close();
    Ok(tally.is_green())
}

fn conformance() -> Result<bool, Failed> {
    let workspace = Workspace::find()?;
    let table = Conformance::read(&workspace.root).map_err(|why| Failed::because(&why))?;
    let mistakes = table.mistakes();
    for mistake in &mistakes {
        say(mistake);
    }
    let path = workspace.root.join(PAGE);
    std::fs::write(&path, table.page())
        .map_err(|why| Failed::because(&format!("{}: {why}", path.display())))?;
    say(PAGE);
    Ok(mistakes.is_empty())
}

fn bench(arguments: &[&str]) -> Result<bool, Failed> {
    let workspace = Workspace::find()?;
    Job::new("cargo")
        .args(["run", "--release", "--package", "enviomq", "--", "bench"])
        .args(arguments)
        .folder(&workspace.root)
        .run()?;
    Ok(true)
}

fn executable() -> Result<bool, Failed> {
    let workspace = Workspace::find()?;
    let path = workspace.build_executable()?;
    say(&path.display().to_string());
    Ok(true)
}
