//! The commands of README.md and README.es.md, run as they stand there.
//!
//! Every ```sh block is run, in order, in one fresh folder that holds what a clone holds.
//! A comment before a block changes how: `<!-- test: background, until "TEXT" -->` leaves it
//! running and goes on when TEXT has been printed; `<!-- test: skip, REASON -->` leaves it out.
//! ```console blocks are pictures of a terminal and are not run.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Program, root, target};

#[derive(Debug, PartialEq, Eq)]
struct Block {
    how: How,
    script: String,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    ToTheEnd,
    Until(String),
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut remark: Option<&str> = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("<!-- test: ") {
            remark = Some(text.trim_end_matches("-->").trim());
        } else if line == "```sh" {
            let script: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let script = script.join("\n");
            match remark.take() {
                None => blocks.push(Block {
                    how: How::ToTheEnd,
                    script,
                }),
                Some(text) if text.starts_with("skip, ") => {}
                Some(text) => {
                    let text = text.strip_prefix("background, until \"").unwrap();
                    let text = text.strip_suffix('"').unwrap().to_owned();
                    blocks.push(Block {
                        how: How::Until(text),
                        script,
                    });
                }
            }
        } else if !line.trim().is_empty() {
            assert!(
                remark.is_none(),
                "no ```sh block follows <!-- test: {remark:?} -->"
            );
        }
    }
    blocks
}

/// Everything a clone would hold, changes that are not committed yet included.
fn clone_into(folder: &Path) {
    let copy = "git ls-files -z --cached --others --exclude-standard \
                | while IFS= read -r -d '' file; do [ -e \"$file\" ] && printf '%s\\0' \"$file\"; done \
                | tar --null --files-from=- -cf - | tar -xf - -C \"$1\"";
    let mut command = Command::new("bash");
    command
        .args(["-c", copy, "bash"])
        .arg(folder)
        .current_dir(root());
    let ended = support::finish(command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
}

/// A folder with what a clone holds and nothing else but what cargo has built.
///
/// It stays at one place, because cargo builds again whatever has moved.
fn fresh_clone() -> PathBuf {
    let folder = target().join("readme/clone");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            _ if entry.file_name() == "target" => {}
            true => std::fs::remove_dir_all(entry.path()).unwrap(),
            false => std::fs::remove_file(entry.path()).unwrap(),
        }
    }
    clone_into(&folder);
    folder
}

fn run(page: &str) {
    let folder = fresh_clone();
    let page = std::fs::read_to_string(folder.join(page)).unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 4, "{blocks:?}");
    let mut running = Vec::new();
    for Block { how, script } in blocks {
        // Line by line, also where a program would save up its lines because it sees a pipe.
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", "bash", "-e", "-c", &script])
            .current_dir(&folder)
            .env_remove("CARGO_TARGET_DIR")
            .env("CARGO_TERM_COLOR", "never");
        match how {
            How::ToTheEnd => {
                let ended = Program::start_group(command).ended_within(BUILD);
                assert_eq!(ended.code(), 0, "{script}\n{}", ended.text());
            }
            How::Until(text) => {
                let program = Program::start_group(command);
                program.wait_within(BUILD, &text);
                running.push(program);
            }
        }
    }
    // The last one started is the first to go, so that nobody loses its broker meanwhile.
    for program in running.into_iter().rev() {
        program.terminate();
    }
}

/// The first command builds everything, on whatever machine this is.
const BUILD: Duration = Duration::from_secs(18 * 60);

#[test]
fn the_commands_of_the_readme_work() {
    run("README.md");
}

#[test]
fn the_commands_of_the_spanish_readme_work() {
    run("README.es.md");
}

#[test]
fn both_readmes_have_the_same_commands() {
    let read = |name: &str| blocks(&std::fs::read_to_string(root().join(name)).unwrap());
    let how = |blocks: Vec<Block>| -> Vec<(How, String)> {
        let first = |script: &str| {
            script
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        blocks
            .into_iter()
            .map(|block| (block.how, first(&block.script)))
            .collect()
    };
    assert_eq!(how(read("README.md")), how(read("README.es.md")));
}
