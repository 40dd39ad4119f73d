//! The tests in our sources that name a normative statement.
//!
//! Read as text, line by line: what is not compiled on this machine counts as well.
//! A test is a function below `#[test]` or `#[tokio::test]`, or a row `name: ...` of a table
//! that a macro turns into tests. Its name begins with one id; a comment just above it may
//! add others, `/// Also [MQTT-4.3.3-11], [MQTT311-4.3.3-2].`, or give a test without
//! an id its first, `/// Shows [MQTT-4.3.3-8].`

use std::path::{Path, PathBuf};

use super::Version;

/// A test and the statements it says it shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) name: String,
    /// Below the root, with `/`.
    pub(super) file: String,
    pub(super) claims: Vec<Claim>,
}

/// A statement as a test names it; there may be no such one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The numbers at the beginning of a name.
    Numbers(Version, Vec<String>),
    /// Written out in a comment.
    Id(Version, String),
}

/// All of them below `root`, in the order of their files.
pub(super) fn tests(root: &Path) -> Result<Vec<Test>, String> {
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        sources(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut tests = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|why| name_it(&path, &why))?;
        let below = path.strip_prefix(root).unwrap_or(&path);
        tests.extend(in_text(&below.to_string_lossy().replace('\\', "/"), &text));
    }
    Ok(tests)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|why| name_it(folder, &why))?;
    for entry in entries {
        let entry = entry.map_err(|why| name_it(folder, &why))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|why| name_it(&path, &why))?;
        if kind.is_dir() {
            if !["target", "node_modules"]
                .map(Into::into)
                .contains(&entry.file_name())
            {
                sources(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn name_it(path: &Path, why: &std::io::Error) -> String {
    format!("{}: {why}", path.display())
}

fn in_text(file: &str, text: &str) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut also = Vec::new();
    let mut is_test = false;
    let mut in_attribute = false;
    for line in text.lines().map(str::trim) {
        if in_attribute {
            in_attribute = !line.ends_with(']');
            continue;
        }
        if line.starts_with("//") {
            also.extend(claims_of_comment(line));
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
            in_attribute = !line.contains(']');
            continue;
        }
        if let Some(name) = name_of_test(line, is_test) {
            let mut claims: Vec<Claim> = claim_of_name(name).into_iter().collect();
            claims.append(&mut also);
            if !claims.is_empty() {
                tests.push(Test {
                    name: name.to_owned(),
                    file: file.to_owned(),
                    claims,
                });
            }
        }
        also.clear();
        is_test = false;
    }
    tests
}

fn name_of_test(line: &str, is_test: bool) -> Option<&str> {
    let end = |text: &str| {
        text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(text.len())
    };
    let function = line.strip_prefix("async ").unwrap_or(line);
    if let Some(name) = function.strip_prefix("fn ") {
        return is_test.then(|| &name[..end(name)]);
    }
    let (name, rest) = line.split_at(end(line));
    let is_row = rest.starts_with(':') && !rest.starts_with("::");
    (is_row && claim_of_name(name).is_some()).then_some(name)
}

fn claim_of_name(name: &str) -> Option<Claim> {
    let (version, rest) = match name.strip_prefix("mqtt311_") {
        Some(rest) => (Version::V3_1_1, rest),
        None => (Version::V5, name.strip_prefix("mqtt_")?),
    };
    let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|one| one.is_ascii_digit());
    let numbers: Vec<String> = rest
        .split('_')
        .take_while(is_number)
        .map(str::to_owned)
        .collect();
    (numbers.len() >= 3).then_some(Claim::Numbers(version, numbers))
}

fn claims_of_comment(line: &str) -> Vec<Claim> {
    let marked = ["Also [", "Shows ["]
        .iter()
        .find_map(|word| line.split_once(word));
    let Some((_, ids)) = marked else {
        return Vec::new();
    };
    let mut claims = Vec::new();
    for piece in ids.split('[') {
        let Some((id, _)) = piece.split_once(']') else {
            continue;
        };
        if let Some(number) = id.strip_prefix("MQTT311-") {
            claims.push(Claim::Id(Version::V3_1_1, format!("MQTT-{number}")));
        } else if id.starts_with("MQTT-") {
            claims.push(Claim::Id(Version::V5, id.to_owned()));
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(version: Version, text: &str) -> Claim {
        Claim::Numbers(version, text.split('.').map(str::to_owned).collect())
    }

    #[test]
    fn a_test_names_its_statement_first() {
        let text = "
            #[test]
            fn mqtt_3_1_2_24_a_thing() {}
            #[tokio::test(
                start_paused = true
            )]
            async fn mqtt311_4_7_1_3_in_3_1_1() {}
            #[test]
            fn mqtt_js_speaks() {}
        ";
        let found = in_text("a.rs", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].name, "mqtt_3_1_2_24_a_thing");
        assert_eq!(found[0].claims, [numbers(Version::V5, "3.1.2.24")]);
        assert_eq!(found[1].claims, [numbers(Version::V3_1_1, "4.7.1.3")]);
    }

    #[test]
    fn a_comment_above_a_test_adds_others_to_that_test_alone() {
        let text = "
            /// Shows [MQTT-4.3.3-8], [MQTT311-4.3.3-2].
            #[test]
            fn a_sentence() {}
            /// Also [MQTT-4.3.3-9].
            fn no_test() {}
            #[test]
            fn another() {}
        ";
        let found = in_text("a.rs", text);
        let expected = [
            Claim::Id(Version::V5, "MQTT-4.3.3-8".to_owned()),
            Claim::Id(Version::V3_1_1, "MQTT-4.3.3-2".to_owned()),
        ];
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].claims, expected);
    }

    #[test]
    fn a_row_of_a_table_is_a_test_and_a_helper_is_none() {
        let text = "
            refused! {
                // Also [MQTT-2.1.3-1].
                mqtt_3_6_1_1_flags: Client, \"60 02\" => Malformed;
                flags: Client;
            }
            fn mqtt_3_6_1_1_helper() {}
            let x = mqtt::TopicName;
        ";
        let found = in_text("a.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].claims.len(), 2);
    }
}
