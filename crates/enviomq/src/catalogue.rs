//! The catalogue, checked: same keys in both languages, every code explained, nothing unused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const ENGLISH: &str = include_str!("../locales/en.yml");
const SPANISH: &str = include_str!("../locales/es.yml");

/// Keys and texts of a catalogue, read line by line: ours are nested maps of quoted texts.
fn texts(catalogue: &str) -> BTreeMap<String, String> {
    let mut path: Vec<&str> = Vec::new();
    let mut found = BTreeMap::new();
    for line in catalogue
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let Some((key, text)) = line.trim().split_once(':') else {
            continue;
        };
        path.truncate(depth);
        path.push(key);
        if !text.trim().is_empty() {
            found.insert(path.join("."), text.trim().to_owned());
        }
    }
    found
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split("%{")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .collect()
}

/// Every Rust file below `folder`, as one text.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    all
}

fn crates() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every code in the sources of all crates; those with an X stand in tests and doc comments.
fn codes() -> BTreeSet<String> {
    let all: String = fs::read_dir(crates())
        .unwrap()
        .map(|entry| sources(&entry.unwrap().path().join("src")))
        .collect();
    all.split("\"ENV-")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .filter(|(code, _)| !code.starts_with('X'))
        .filter(|(code, _)| code.len() == 4 && code[1..].bytes().all(|b| b.is_ascii_digit()))
        .map(|(code, _)| format!("ENV-{code}"))
        .collect()
}

#[test]
fn both_languages_have_the_same_keys_with_the_same_placeholders() {
    let (english, spanish) = (texts(ENGLISH), texts(SPANISH));
    assert_eq!(
        english.keys().collect::<Vec<_>>(),
        spanish.keys().collect::<Vec<_>>()
    );
    for (key, text) in &english {
        assert_eq!(placeholders(text), placeholders(&spanish[key]), "{key}");
    }
}

#[test]
fn commands_to_copy_are_the_same_in_both_languages() {
    let spanish = texts(SPANISH);
    for (key, command) in texts(ENGLISH) {
        if key.ends_with(".command") && key.starts_with("failure.") {
            assert_eq!(command, spanish[&key], "{key}");
        }
    }
}

#[test]
fn every_code_of_every_crate_is_explained_with_a_way_out() {
    let english = texts(ENGLISH);
    let missing: Vec<String> = codes()
        .iter()
        .flat_map(|code| ["what", "mend"].map(|part| format!("failure.{code}.{part}")))
        .filter(|key| !english.contains_key(key))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn no_text_is_unused() {
    let source = sources(&crates().join("enviomq/src"));
    let codes = codes();
    let is_used = |key: &String| match key.strip_prefix("failure.") {
        Some(rest) => rest
            .split('.')
            .next()
            .is_some_and(|code| codes.contains(code)),
        // Help is looked up by the shape of the command line; see cli/localize.rs.
        None if key.starts_with("help.") => help_is_used(key),
        None => source.contains(&format!("\"{key}\"")),
    };
    let unused: Vec<String> = texts(ENGLISH)
        .into_keys()
        .filter(|key| !is_used(key))
        .collect();
    assert_eq!(unused, Vec::<String>::new());
}

fn help_is_used(key: &str) -> bool {
    use clap::CommandFactory as _;
    fn walk(command: &clap::Command, path: &str, key: &str) -> bool {
        let mine = |part: &str| key == format!("help{path}.{part}");
        mine("about")
            || mine("after")
            || command.get_arguments().any(|argument| {
                let name = argument.get_id().as_str();
                mine(name) || key == format!("help.common.{name}")
            })
            || command
                .get_subcommands()
                .filter(|inner| !inner.is_hide_set())
                .any(|inner| walk(inner, &format!("{path}.{}", inner.get_name()), key))
    }
    let words = [
        "usage",
        "commands",
        "command",
        "arguments",
        "options",
        "options_in_usage",
    ];
    let added = ["common.help", "common.version"];
    words
        .iter()
        .chain(&added)
        .any(|word| key == format!("help.{word}"))
        || walk(&crate::cli::Cli::command(), "", key)
}
