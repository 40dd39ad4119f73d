//! Units: sizes and times, which are never a bare number.

use std::time::Duration;

use super::value::Word;

/// A number of bytes: `64 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl Word for ByteSize {
    const KIND: &'static str = "a size: `B`, `KiB`, `MiB` or `GiB`";

    fn read_word(text: &str) -> Result<Self, String> {
        let units = [
            ("B", 1),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ];
        with_unit(text, &units, "use B, KiB, MiB or GiB, for example 64 MiB").map(Self)
    }
}

/// A length of time: `30 d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl Word for Span {
    const KIND: &'static str = "a time: `s`, `min`, `h` or `d`";

    fn read_word(text: &str) -> Result<Self, String> {
        let units = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];
        with_unit(text, &units, "use s, min, h or d, for example 30 d")
            .map(|seconds| Self(Duration::from_secs(seconds)))
    }
}

fn with_unit(text: &str, units: &[(&str, u64)], advice: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .replace('_', "")
        .parse()
        .map_err(|_| format!("it does not begin with a whole number; {advice}"))?;
    let unit = unit.trim();
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(if unit.is_empty() {
            format!("the unit is missing; {advice}")
        } else {
            format!("{unit:?} is not a unit; {advice}")
        });
    };
    number
        .checked_mul(*factor)
        .ok_or_else(|| format!("it is too large; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Raw, Setting as _};

    fn one(text: &str) -> Raw {
        Raw::One(text.into())
    }

    #[test]
    fn sizes_and_times_need_a_unit_we_know() {
        assert_eq!(ByteSize::read(&one("64 MiB")), Ok(ByteSize(64 << 20)));
        assert_eq!(ByteSize::read(&one("1_024B")), Ok(ByteSize(1024)));
        assert_eq!(
            Span::read(&one("30 d")),
            Ok(Span(Duration::from_secs(30 * 86_400)))
        );
        assert_eq!(
            ByteSize::read(&one("64 MBB")).unwrap_err(),
            "\"MBB\" is not a unit; use B, KiB, MiB or GiB, for example 64 MiB"
        );
        assert!(
            Span::read(&one("30"))
                .unwrap_err()
                .starts_with("the unit is missing")
        );
        assert!(ByteSize::read(&one("99999999999 GiB")).is_err());
    }
}
