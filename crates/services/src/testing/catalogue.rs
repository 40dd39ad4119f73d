//! Both languages say the same things, and nothing is said by neither or never.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The keys of a catalogue with their texts. The files are plain: two levels, quoted texts.
fn keys(yaml: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut section = "";
    for line in yaml.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, text)) = line.split_once(':') else {
            continue;
        };
        if key.starts_with(' ') {
            let full = format!("{section}.{}", key.trim());
            let text = text.trim().trim_matches('"').to_owned();
            assert!(keys.insert(full.clone(), text).is_none(), "{full} twice");
        } else {
            section = key;
        }
    }
    keys
}

fn catalogues() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    (
        keys(include_str!("../../locales/en.yml")),
        keys(include_str!("../../locales/es.yml")),
    )
}

/// All sources that may use a key: templates, and code other than these tests.
fn sources() -> String {
    fn read(dir: &Path, all: &mut String) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("testing") {
                read(&path, all);
            } else if path.is_file() {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    read(&root.join("src"), &mut all);
    read(&root.join("templates"), &mut all);
    all
}

/// `%{name}` of a text.
fn placeholders(text: &str) -> Vec<&str> {
    let parts = text.split("%{").skip(1);
    parts
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn both_languages_have_the_same_keys_and_placeholders() {
    let (english, spanish) = catalogues();
    assert!(english.len() > 50);
    let names = |c: &BTreeMap<String, String>| c.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&english), names(&spanish));
    for (key, text) in &english {
        assert_eq!(placeholders(text), placeholders(&spanish[key]), "{key}");
        assert!(!text.is_empty() && !spanish[key].is_empty(), "{key}");
    }
}

#[test]
fn every_key_is_used_and_every_used_key_exists() {
    let (english, _) = catalogues();
    let sources = sources();
    for key in english.keys() {
        assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
    }
    let sections: Vec<&str> = english
        .keys()
        .filter_map(|k| k.split_once('.'))
        .map(|(s, _)| s)
        .collect();
    for literal in sources.split('"') {
        let is_key = literal.split_once('.').is_some_and(|(section, rest)| {
            sections.contains(&section)
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        let is_file = [".html", ".js", ".css", ".db"]
            .iter()
            .any(|end| literal.ends_with(end));
        assert!(
            !is_key || is_file || english.contains_key(literal),
            "{literal} is used but in no catalogue"
        );
    }
}

#[test]
fn the_compiled_catalogue_is_the_one_in_the_files() {
    let (english, spanish) = catalogues();
    for key in english.keys() {
        assert_eq!(crate::Language::English.text(key), english[key]);
        assert_eq!(crate::Language::Spanish.text(key), spanish[key]);
    }
}
