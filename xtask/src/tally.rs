//! The counts: what passed, what failed, what did not run, and how long it took.

use std::time::Duration;

use crate::process::say;

/// What one test runner printed about itself, added up over its closing lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Counts {
    /// Reads one line of output; only `test result: ...` changes anything.
    pub(crate) fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else {
            return;
        };
        let words: Vec<&str> = counts.split([' ', ';', '.']).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u32>() else {
                continue;
            };
            match pair[1] {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

/// Every group's counts, in the order they ran.
#[derive(Default)]
pub(crate) struct Tally {
    rows: Vec<Row>,
}

struct Row {
    group: &'static str,
    counts: Counts,
    took: Duration,
    remark: Option<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, group: &'static str, counts: Counts, took: Duration) {
        self.rows.push(Row {
            group,
            counts,
            took,
            remark: None,
        });
    }

    /// A group that could not run here: its tests count as skipped, never as passed.
    pub(crate) fn add_not_run(&mut self, group: &'static str, tests: u32, why: String) {
        let counts = Counts {
            skipped: tests,
            ..Counts::default()
        };
        let took = Duration::ZERO;
        self.rows.push(Row {
            group,
            counts,
            took,
            remark: Some(why),
        });
    }

    fn total(&self) -> Counts {
        self.rows.iter().fold(Counts::default(), |sum, row| Counts {
            passed: sum.passed + row.counts.passed,
            failed: sum.failed + row.counts.failed,
            skipped: sum.skipped + row.counts.skipped,
        })
    }

    /// Nothing failed, and something ran.
    pub(crate) fn is_green(&self) -> bool {
        let total = self.total();
        total.failed == 0 && total.passed > 0
    }

    /// Prints the table; its last line stands alone, for whoever counts.
    pub(crate) fn close(&self) {
        say("");
        for row in &self.rows {
            let Counts {
                passed,
                failed,
                skipped,
            } = row.counts;
            let seconds = row.took.as_secs();
            say(&format!(
                "{:8} {passed:>5} ok  {failed:>3} wrong  {skipped:>3} not run  {seconds:>5} s",
                row.group
            ));
            if let Some(why) = &row.remark {
                say(&format!("{:8} not run: {why}", row.group));
            }
        }
        let Counts {
            passed,
            failed,
            skipped,
        } = self.total();
        say(&format!(
            "{passed} passed, {failed} failed, {skipped} skipped"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_cargo_test_are_added_up() {
        let mut counts = Counts::default();
        counts.read("running 3 tests");
        counts.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        counts.read("test result: FAILED. 2 passed; 4 failed; 0 ignored; finished in 0.00s");
        assert_eq!(
            counts,
            Counts {
                passed: 5,
                failed: 4,
                skipped: 1
            }
        );
    }

    #[test]
    fn what_did_not_run_is_never_green_alone() {
        let mut tally = Tally::default();
        tally.add_not_run("compose", 5, "no engine".to_owned());
        assert!(!tally.is_green());
        assert_eq!(
            tally.total(),
            Counts {
                passed: 0,
                failed: 0,
                skipped: 5
            }
        );
    }
}
