//! The arrows between our crates are those of the table in ARCHITECTURE.md, and no others.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `null` for an ordinary one, else `dev` or `build`.
    kind: Option<String>,
    /// Set for those inside the workspace.
    path: Option<String>,
}

/// What a crate must not use directly: the last column of the table, as crates.
///
/// Only examples of each kind; they are what somebody would reach for first.
const ABSENT: &[(&str, &[&str])] = &[
    (
        "mqtt",
        &[
            "tokio", "rustls", "socket2", "rustix", "tracing", "jiff", "fastrand",
        ],
    ),
    ("transport", &["bytestring", "axum", "rusqlite"]),
    ("pki", &["tokio", "axum", "hyper"]),
    ("store", &["rustls", "axum", "hyper"]),
    (
        "broker",
        &["rusqlite", "axum", "hyper", "askama", "async-nats"],
    ),
    ("client", &["rusqlite", "axum", "hyper", "askama"]),
    ("services", &["rusqlite"]),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Our crates by their short name, as the workspace calls them.
fn our_crates() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--locked",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata.packages.into_iter();
    packages
        .map(|package| (short(&package.name).to_owned(), package))
        .collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix("enviomq-").unwrap_or(name)
}

/// Reads the table headed `| crate | is | uses | ...`; `None` stands for "all".
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| crate | is | uses |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = columns[1].trim_matches('`').to_owned();
        let uses = match columns[3] {
            "all" => None,
            words => Some(
                words
                    .split([' ', ','])
                    .map(|word| word.trim_matches(['`', '–', '-']).to_owned())
                    .filter(|word| !word.is_empty())
                    .collect(),
            ),
        };
        (name, uses)
    })
    .collect()
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let table = table();
    let rows: BTreeSet<&String> = table.keys().collect();
    let crates = our_crates();
    let outside = ["tests", "xtask"];
    let crates: BTreeSet<&String> = crates
        .keys()
        .filter(|name| !outside.contains(&name.as_str()))
        .collect();
    assert_eq!(
        rows, crates,
        "ARCHITECTURE.md (left) and the workspace (right)"
    );
}

#[test]
fn no_crate_uses_one_of_ours_that_its_row_does_not_name() {
    let table = table();
    let mut unexpected = Vec::new();
    for (name, package) in our_crates() {
        let Some(Some(allowed)) = table.get(&name) else {
            continue;
        };
        let ours = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some());
        for dependency in ours {
            // Dev-dependencies count as well: a test that needs more than its crate
            // may know belongs to tests/.
            let used = short(&dependency.name);
            if !allowed.contains(used) {
                unexpected.push(format!("{name} -> {used}"));
            }
        }
    }
    assert!(
        unexpected.is_empty(),
        "arrows that are not in the table of ARCHITECTURE.md: {}",
        unexpected.join(", ")
    );
}

#[test]
fn no_crate_uses_a_library_of_what_it_knows_nothing_about() {
    let crates = our_crates();
    let mut unexpected = Vec::new();
    for (name, absent) in ABSENT {
        for dependency in &crates[*name].dependencies {
            let is_dev = dependency.kind.as_deref() == Some("dev");
            if !is_dev && absent.contains(&dependency.name.as_str()) {
                unexpected.push(format!("{name} -> {}", dependency.name));
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join(", "));
}

#[test]
fn the_tests_and_the_tasks_stand_outside() {
    for (name, package) in our_crates() {
        // The tests ask the tasks for the table of conformance.
        if name == "tests" {
            continue;
        }
        for dependency in package.dependencies.iter().filter(|one| one.path.is_some()) {
            assert!(
                !["tests", "xtask"].contains(&short(&dependency.name)),
                "{name} -> {}",
                dependency.name
            );
        }
    }
}
