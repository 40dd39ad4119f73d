//! Which test shows which normative statement of MQTT: `docs/conformance.md`.
//!
//! A test named `mqtt_3_1_2_24_...` shows [MQTT-3.1.2-24] of 5.0, and `mqtt311_3_1_2_24_...`
//! that of 3.1.1: the two versions give the same ids to different statements. The statements
//! are data in `tests/conformance/`; nothing here knows what they say.

mod found;
mod page;
mod statements;

use std::path::Path;

use found::Test;
use statements::{Binds, Statement, Statements};

/// Where the page goes, below the root of the repository.
pub const PAGE: &str = "docs/conformance.md";

/// The two versions whose statements are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V5,
    V3_1_1,
}

impl Version {
    const ALL: [Self; 2] = [Self::V5, Self::V3_1_1];

    fn name(self) -> &'static str {
        match self {
            Self::V5 => "5.0",
            Self::V3_1_1 => "3.1.1",
        }
    }
}

/// All statements of both versions, and all tests that name one.
#[derive(Debug)]
pub struct Conformance {
    statements: Statements,
    tests: Vec<Test>,
}

/// What is known of one statement.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Tests show it: its own or those of the statements it is the same as.
    Shown,
    /// No test, for an argued reason.
    Argued,
    /// Neither.
    NotYet,
}

impl Conformance {
    /// Reads the statements and the sources below `root`.
    ///
    /// # Errors
    /// In words: a file that cannot be read, or a line of the data that says nothing.
    pub fn read(root: &Path) -> Result<Self, String> {
        let statements = Statements::read(&root.join("tests/conformance"))?;
        let tests = found::tests(root)?;
        Ok(Self { statements, tests })
    }

    /// Tests that name a statement there is not, each with the reason in words.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for test in &self.tests {
            for claim in &test.claims {
                if let Err(why) = self.statements.resolve(claim) {
                    mistakes.push(format!("{}: {}: {why}", test.file, test.name));
                }
            }
        }
        mistakes
    }

    /// The page as Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        page::write(self)
    }

    /// How many statements each version has, by chapter: 5.0 first.
    #[must_use]
    pub fn chapters(&self) -> [Vec<(String, usize)>; 2] {
        Version::ALL.map(|version| self.statements.chapters(version))
    }

    /// The tests that carry the id of `statement`.
    fn tests_of(&self, statement: &Statement) -> Vec<&Test> {
        let names_it = |test: &&Test| {
            test.claims.iter().any(|claim| {
                self.statements
                    .resolve(claim)
                    .is_ok_and(|found| found.is_some_and(|found| std::ptr::eq(found, statement)))
            })
        };
        self.tests.iter().filter(names_it).collect()
    }

    /// Those of them that say something about whom `binds` names.
    fn counting(&self, statement: &Statement, binds: Binds) -> Vec<&Test> {
        let mut tests = self.tests_of(statement);
        tests.retain(|test| match binds {
            // A broker that refuses what is wrong says nothing about what our client sends.
            Binds::Client => ["crates/client/", "crates/mqtt/src/"]
                .iter()
                .any(|folder| test.file.starts_with(folder)),
            Binds::Server => !test.file.starts_with("crates/client/"),
            Binds::Both | Binds::Neither => true,
        });
        tests
    }

    fn state(&self, statement: &Statement) -> State {
        if !self.counting(statement, statement.binds).is_empty() {
            return State::Shown;
        }
        if statement.because.is_some() {
            return State::Argued;
        }
        if statement.same_as.is_empty() {
            return State::NotYet;
        }
        let mut outcome = State::Argued;
        for id in &statement.same_as {
            let Some(same) = self.statements.find(Version::V5, id) else {
                return State::NotYet;
            };
            if !self.counting(same, statement.binds).is_empty() {
                outcome = State::Shown;
            } else if same.because.is_none() {
                return State::NotYet;
            }
        }
        outcome
    }
}
