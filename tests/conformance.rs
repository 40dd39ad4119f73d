//! The table of conformance is true: every id exists, the page is the one the sources give.

use support::root;
use xtask::conformance::{Conformance, PAGE};

#[test]
fn every_id_that_a_test_carries_exists() {
    let mistakes = Conformance::read(root()).unwrap().mistakes();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn the_page_is_the_one_the_sources_give() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    assert!(
        page == Conformance::read(root()).unwrap().page(),
        "{PAGE} is not up to date: run `cargo xtask conformance`"
    );
}

/// As they are counted in the specifications: a line lost by an edit is noticed here.
#[test]
fn no_statement_is_missing() {
    let expected: [&[(&str, usize)]; 2] = [
        &[("1", 5), ("2", 7), ("3", 175), ("4", 60), ("6", 4)],
        &[("1", 3), ("2", 9), ("3", 95), ("4", 26), ("6", 4), ("7", 4)],
    ];
    let chapters = Conformance::read(root()).unwrap().chapters();
    for (counted, expected) in chapters.iter().zip(expected) {
        let counted: Vec<(&str, usize)> = counted
            .iter()
            .map(|(chapter, count)| (chapter.as_str(), *count))
            .collect();
        assert_eq!(counted, expected);
    }
}
