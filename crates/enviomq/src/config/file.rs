//! The file `enviomq.toml`: its keys with their lines, and nothing unknown.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::KEYS;
use super::sources::{Source, Values, find_key, unknown_key};
use super::value::Raw;
use crate::failure::{Exit, Failure};

impl Values {
    /// Takes every key of the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or has a key or value that does not fit.
    pub(crate) fn offer_file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new("ENV-U704")
                .with("file", path.display())
                .because(error)
                .mend(format!("ls -l {}", path.display()))
        })?;
        self.offer_text(path, &text)
    }

    fn offer_text(&mut self, path: &Path, text: &str) -> Result<(), Failure> {
        let source = |span: std::ops::Range<usize>| Source::File {
            path: path.to_owned(),
            line: line_of(text, span.start),
        };
        let document = DeTable::parse(text).map_err(|error| {
            Failure::new("ENV-U703")
                .with("source", source(error.span().unwrap_or_default()))
                .because(error.message())
                .mend("enviomq config example")
                .exit(Exit::Usage)
        })?;
        for (section, content) in document.get_ref() {
            let DeValue::Table(table) = content.get_ref() else {
                return Err(unknown_key(section.get_ref(), &source(section.span())));
            };
            let is_section = KEYS
                .iter()
                .any(|key| key.section == section.get_ref().as_ref());
            if !is_section && table.is_empty() {
                return Err(unknown_key(section.get_ref(), &source(section.span())));
            }
            for (name, value) in table {
                let path = format!("{}.{}", section.get_ref(), name.get_ref());
                let from = source(name.span());
                match find_key(&path) {
                    Some(key) => self.offer(key, raw(value), from)?,
                    None => return Err(unknown_key(&path, &from)),
                }
            }
        }
        Ok(())
    }
}

/// The value as text; what the key's type makes of it is decided there.
fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::Array(items) => Raw::Many(items.iter().map(scalar).collect()),
        _ => Raw::One(scalar(value)),
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[...]".to_owned(),
        DeValue::Table(_) => "{...}".to_owned(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::language::Language;

    fn read(text: &str) -> Result<Config, String> {
        let mut values = Values::defaults();
        values
            .offer_text(Path::new("enviomq.toml"), text)
            .and_then(|()| Config::from_values(&values))
            .map_err(|failure| failure.render(Language::English))
    }

    #[test]
    fn a_file_sets_numbers_texts_truths_and_lists() {
        let config = read(
            "[broker]\nconnections_max = 5\nnames = [\"a\", \"b\"]\n\n[access]\nclassroom = false\n",
        )
        .unwrap();
        assert_eq!(config.broker.connections_max, 5);
        assert_eq!(config.broker.names, ["a", "b"]);
        assert!(!config.access.classroom);
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_one() {
        let error = read("[broker]\nlisten = \"*:1\"\nlisen = \"*:2\"\n").unwrap_err();
        assert!(error.contains("broker.lisen"), "{error}");
        assert!(error.contains("enviomq.toml:3"), "{error}");
        assert!(error.contains("broker.listen"), "{error}");
    }

    #[test]
    fn an_unknown_section_is_an_error_even_when_it_is_empty() {
        assert!(read("[brokr]\n").is_err());
        assert!(read("listen = 1\n").is_err());
    }

    #[test]
    fn a_bad_value_says_where_and_what_would_do() {
        let error = read("\n[broker]\noutbox_max_bytes = \"64 MBB\"\n").unwrap_err();
        assert!(error.contains("enviomq.toml:3"), "{error}");
        assert!(error.contains("\"MBB\" is not a unit"), "{error}");
    }

    #[test]
    fn broken_toml_names_the_line() {
        let error = read("[broker]\nlisten = \n").unwrap_err();
        assert!(error.contains("enviomq.toml:2"), "{error}");
    }
}
