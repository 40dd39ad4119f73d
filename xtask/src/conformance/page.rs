//! `docs/conformance.md`, written from the statements and the tests.

use std::fmt::Write as _;

use super::found::Test;
use super::statements::{Binds, Statement};
use super::{Conformance, State, Version};

const HEAD: &str = "\
<!-- Written by `cargo xtask conformance`. Change the tests or tests/conformance/, not this page. -->

# Conformance

For whoever wants to know which test shows which normative statement of MQTT, and what nobody has shown yet.

A test shows the statement whose id its name begins with: `mqtt_3_1_2_24_...` is [MQTT-3.1.2-24] of 5.0, `mqtt311_3_1_2_24_...` that of 3.1.1.
A comment above a test, `/// Also [MQTT-3.1.2-25].`, adds others, and `/// Shows [MQTT-3.1.2-25].` gives one to a test whose name has none (`[MQTT311-...]` for 3.1.1).
A statement marked \"as\" says what others say already; it is shown when each of them is.
The summaries are ours; [the specifications](https://docs.oasis-open.org/mqtt/mqtt/) are what counts.
What is argued instead of tested stands in `tests/conformance/`, with the list of all ids.

";

pub(super) fn write(all: &Conformance) -> String {
    let mut page = HEAD.to_owned();
    counts(all, &mut page);
    missing(all, &mut page);
    for version in Version::ALL {
        rows(all, version, &mut page);
    }
    page
}

fn counts(all: &Conformance, page: &mut String) {
    page.push_str(
        "| MQTT | statements | shown by tests | argued | not yet | of these for the broker |\n",
    );
    page.push_str("| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for version in Version::ALL {
        let statements = all.statements.of(version);
        let count = |state: State| {
            let is_so = |one: &&Statement| all.state(one) == state;
            statements.iter().filter(is_so).count()
        };
        line(
            page,
            format_args!(
                "| {} | {} | {} | {} | {} | {} |",
                version.name(),
                statements.len(),
                count(State::Shown),
                count(State::Argued),
                count(State::NotYet),
                open(all, version)
                    .filter(|one| concerns_broker(one))
                    .count(),
            ),
        );
    }
}

fn missing(all: &Conformance, page: &mut String) {
    page.push_str("\n## Not yet\n\nStatements that have neither a test nor a reason, by section; those in parentheses bind clients only.\n");
    for version in Version::ALL {
        line(page, format_args!("\n**MQTT {}**\n", version.name()));
        let mut section = "";
        for statement in open(all, version) {
            if statement.section != section {
                if !section.is_empty() {
                    page.push('\n');
                }
                section = &statement.section;
                let _ = write!(page, "- {section}:");
            }
            let number = statement.id.trim_start_matches("MQTT-");
            let _ = match concerns_broker(statement) {
                true => write!(page, " {number}"),
                false => write!(page, " ({number})"),
            };
        }
        page.push_str(if section.is_empty() { "None.\n" } else { "\n" });
    }
}

fn rows(all: &Conformance, version: Version, page: &mut String) {
    line(page, format_args!("\n## MQTT {}", version.name()));
    let mut section = "";
    for statement in all.statements.of(version) {
        if statement.section != section {
            section = &statement.section;
            line(page, format_args!("\n### {section}\n"));
            page.push_str("| id | binds | in short | shown by |\n| --- | --- | --- | --- |\n");
        }
        line(
            page,
            format_args!(
                "| {} | {} | {} | {} |",
                statement.id,
                statement.binds.name(),
                statement.summary,
                evidence(all, statement),
            ),
        );
    }
}

/// The last column: tests, reference, reason, or that there is nothing.
fn evidence(all: &Conformance, statement: &Statement) -> String {
    let counting = all.counting(statement, statement.binds);
    let mut pieces = Vec::new();
    if all.state(statement) == State::NotYet {
        pieces.push("**not yet**".to_owned());
    }
    let others = all.tests_of(statement);
    if counting.is_empty() && !others.is_empty() {
        pieces.push(format!("only of the other side: {}", links(&others)));
    } else if !counting.is_empty() {
        pieces.push(links(&counting));
    }
    if !statement.same_as.is_empty() {
        pieces.push(format!("as 5.0 {}", statement.same_as.join(", ")));
    }
    if let Some(reason) = &statement.because {
        pieces.push(format!("argued: {reason}"));
    }
    pieces.join("<br>")
}

fn links(tests: &[&Test]) -> String {
    let link = |test: &&Test| format!("[`{}`](../{})", test.name, test.file);
    let links: Vec<String> = tests.iter().map(link).collect();
    links.join("<br>")
}

fn open(all: &Conformance, version: Version) -> impl Iterator<Item = &Statement> {
    let is_open = |one: &&Statement| all.state(one) == State::NotYet;
    all.statements.of(version).iter().filter(is_open)
}

fn concerns_broker(statement: &Statement) -> bool {
    matches!(statement.binds, Binds::Server | Binds::Both)
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A String takes whatever is written into it.
    let _ = writeln!(page, "{text}");
}
