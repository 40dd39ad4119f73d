//! The normative statements: `tests/conformance/mqtt-*.txt`, one line each.

use std::path::Path;

use super::Version;
use super::found::Claim;

/// One numbered statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// As the specification writes it: `MQTT-3.1.2-24`.
    pub(super) id: String,
    /// Number and title.
    pub(super) section: String,
    pub(super) binds: Binds,
    pub(super) summary: String,
    /// Statements of 5.0 that together ask for the same.
    pub(super) same_as: Vec<String>,
    /// Why no test is wanted.
    pub(super) because: Option<String>,
}

/// Who must keep to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binds {
    Server,
    Client,
    Both,
    Neither,
}

impl Binds {
    const ALL: [Self; 4] = [Self::Server, Self::Client, Self::Both, Self::Neither];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
            Self::Neither => "neither",
        }
    }
}

/// Those of both versions, in the order of their files.
#[derive(Debug)]
pub(super) struct Statements {
    v5: Vec<Statement>,
    v3_1_1: Vec<Statement>,
}

impl Statements {
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let read = |version: Version| {
            let path = folder.join(format!("mqtt-{}.txt", version.name()));
            let text = std::fs::read_to_string(&path)
                .map_err(|why| format!("{}: {why}", path.display()))?;
            parse(&text).map_err(|why| format!("{}: {why}", path.display()))
        };
        let statements = Self {
            v5: read(Version::V5)?,
            v3_1_1: read(Version::V3_1_1)?,
        };
        statements.check()?;
        Ok(statements)
    }

    pub(super) fn of(&self, version: Version) -> &[Statement] {
        match version {
            Version::V5 => &self.v5,
            Version::V3_1_1 => &self.v3_1_1,
        }
    }

    pub(super) fn find(&self, version: Version, id: &str) -> Option<&Statement> {
        self.of(version).iter().find(|statement| statement.id == id)
    }

    /// The statement that `claim` names; none if it names a section only.
    pub(super) fn resolve(&self, claim: &Claim) -> Result<Option<&Statement>, String> {
        let (version, id) = match claim {
            Claim::Id(version, id) => (*version, id.clone()),
            Claim::Numbers(version, numbers) => match &numbers[..] {
                [a, b, c, d] => (*version, format!("MQTT-{a}.{b}.{c}-{d}")),
                [a, b, c] => {
                    let id = format!("MQTT-{a}.{b}-{c}");
                    let section = format!("MQTT-{a}.{b}.{c}-");
                    let of_section = |one: &Statement| one.id.starts_with(&section);
                    if self.of(*version).iter().any(of_section) {
                        return Ok(None);
                    }
                    (*version, id)
                }
                _ => return Err("more numbers than an id has: a word comes next".to_owned()),
            },
        };
        match self.find(version, &id) {
            Some(statement) => Ok(Some(statement)),
            None => Err(format!("MQTT {} has no statement {id}", version.name())),
        }
    }

    pub(super) fn chapters(&self, version: Version) -> Vec<(String, usize)> {
        let mut chapters: Vec<(String, usize)> = Vec::new();
        for statement in self.of(version) {
            let chapter = statement.id.trim_start_matches("MQTT-");
            let chapter = chapter.split('.').next().unwrap_or_default();
            match chapters.last_mut() {
                Some((last, count)) if last == chapter => *count += 1,
                _ => chapters.push((chapter.to_owned(), 1)),
            }
        }
        chapters
    }

    /// "same as" names a statement of 5.0 that stands for itself, so that nothing goes in circles.
    fn check(&self) -> Result<(), String> {
        for version in Version::ALL {
            for (at, statement) in self.of(version).iter().enumerate() {
                let id = &statement.id;
                if self.of(version)[..at].iter().any(|one| one.id == *id) {
                    return Err(format!("MQTT {}: {id} stands twice", version.name()));
                }
                for same in &statement.same_as {
                    match self.find(Version::V5, same) {
                        Some(target) if target.same_as.is_empty() => {}
                        _ => return Err(format!("{id}: {same} does not stand for itself in 5.0")),
                    }
                }
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Vec<Statement>, String> {
    let mut statements = Vec::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix('[') {
            section = title.trim_end_matches(']').to_owned();
            continue;
        }
        let statement = statement(line, &section);
        statements.push(statement.ok_or_else(|| format!("not understood: {line}"))?);
    }
    Ok(statements)
}

fn statement(line: &str, section: &str) -> Option<Statement> {
    let mut columns = line.split(" | ");
    let id = columns.next()?.trim();
    let binds = columns.next()?.trim();
    let mut statement = Statement {
        id: id.starts_with("MQTT-").then(|| id.to_owned())?,
        section: section.to_owned(),
        binds: Binds::ALL.into_iter().find(|one| one.name() == binds)?,
        summary: columns.next()?.trim().to_owned(),
        same_as: Vec::new(),
        because: None,
    };
    if let Some(remark) = columns.next() {
        if let Some(ids) = remark.strip_prefix("same as ") {
            statement.same_as = ids.split(", ").map(str::to_owned).collect();
        } else {
            statement.because = Some(remark.strip_prefix("because ")?.to_owned());
        }
    }
    columns.next().is_none().then_some(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "\
# A remark.
[4.2 Network Connections]
MQTT-4.2-1 | both | A stream | because all of ours are
[4.7.1 Wildcards]
MQTT-4.7.1-1 | server | A hash | same as MQTT-4.2-1, MQTT-4.7.1-2
MQTT-4.7.1-2 | client | A plus
";

    fn statements() -> Statements {
        Statements {
            v5: parse(DATA).unwrap(),
            v3_1_1: Vec::new(),
        }
    }

    #[test]
    fn a_line_is_read_into_its_columns() {
        let all = parse(DATA).unwrap();
        assert_eq!(all[0].because.as_deref(), Some("all of ours are"));
        assert_eq!(all[1].section, "4.7.1 Wildcards");
        assert_eq!(all[1].same_as, ["MQTT-4.2-1", "MQTT-4.7.1-2"]);
        assert_eq!((all[2].binds, &*all[2].summary), (Binds::Client, "A plus"));
    }

    #[test]
    fn a_line_that_says_something_else_is_refused() {
        for line in [
            "MQTT-1.1.1-1 | everybody | x",
            "MQTT-1.1.1-1 | both",
            "1.1.1-1 | both | x",
            "MQTT-1.1.1-1 | both | x | but why",
            "MQTT-1.1.1-1 | both | x | because y | z",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn four_numbers_are_an_id_and_three_an_id_or_a_section() {
        let all = statements();
        let resolve = |numbers: &[&str]| {
            let numbers = numbers.iter().map(|one| (*one).to_owned()).collect();
            let claim = Claim::Numbers(Version::V5, numbers);
            all.resolve(&claim)
                .map(|found| found.map(|statement| statement.id.clone()))
        };
        let id = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(resolve(&["4", "7", "1", "2"]), id("MQTT-4.7.1-2"));
        assert_eq!(resolve(&["4", "2", "1"]), id("MQTT-4.2-1"));
        assert_eq!(resolve(&["4", "7", "1"]), Ok(None));
        assert!(resolve(&["4", "7", "1", "3"]).is_err());
        assert!(resolve(&["4", "7", "2"]).is_err());
        assert!(resolve(&["4", "7", "1", "2", "3"]).is_err());
    }

    #[test]
    fn nothing_is_the_same_as_what_is_the_same_as_something_else() {
        let mut all = statements();
        assert_eq!(all.check(), Ok(()));
        all.v5[2].same_as = vec!["MQTT-4.7.1-1".to_owned()];
        assert!(all.check().is_err());
    }
}
