//! Refusal log: one WARN line per refused connection, and a bound on how many a second.
//!
//! Whoever knocks a thousand times a second must neither fill the disk nor hide the one
//! refusal somebody looks for. What was left out is counted and told in the next line.

use std::net::SocketAddr;
use std::time::Instant;

use parking_lot::Mutex;
use pki::Refusal;

use pki::printable;

/// Writes refusals, at most [`LINES_PER_SECOND`] on average.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    budget: Mutex<Budget>,
}

#[derive(Debug)]
struct Budget {
    lines: u32,
    /// When a line was last added to the budget.
    filled_at: Option<Instant>,
    left_out: u64,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self {
            budget: Mutex::new(Budget {
                lines: BURST_MAX,
                filled_at: None,
                left_out: 0,
            }),
        }
    }

    /// Who was refused, from where, and why: one line.
    pub(crate) fn write(&self, peer: Option<SocketAddr>, refusal: &Refusal) {
        let Some(left_out) = self.permit(Instant::now()) else {
            return;
        };
        let who = refusal
            .subject
            .as_deref()
            .map_or("a client that showed no certificate".into(), printable);
        let from = peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string());
        let omitted = if left_out == 0 {
            String::new()
        } else {
            format!(" ({left_out} more refusals not shown)")
        };
        tracing::warn!(
            event = "refused",
            code = refusal.code,
            subject = refusal.subject,
            issuer = refusal.issuer,
            serial = refusal.serial,
            "refused {who} from {from}: {}{omitted}",
            printable(&refusal.to_string()),
        );
    }

    /// Whether a line may be written now, and how many were left out before it.
    fn permit(&self, now: Instant) -> Option<u64> {
        let mut budget = self.budget.lock();
        let since = budget
            .filled_at
            .map_or(0, |at| now.duration_since(at).as_millis());
        let earned = u32::try_from(since * u128::from(LINES_PER_SECOND) / 1000).unwrap_or(u32::MAX);
        if earned > 0 || budget.filled_at.is_none() {
            budget.lines = budget.lines.saturating_add(earned).min(BURST_MAX);
            budget.filled_at = Some(now);
        }
        if budget.lines == 0 {
            budget.left_out += 1;
            return None;
        }
        budget.lines -= 1;
        Some(std::mem::take(&mut budget.left_out))
    }
}

const LINES_PER_SECOND: u32 = 5;

/// A classroom that turns on with wrong certificates is still shown one by one.
const BURST_MAX: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_is_cut_and_the_next_line_says_how_much() {
        let log = RefusalLog::new();
        let start = Instant::now();
        let shown = (0..1000).filter(|_| log.permit(start).is_some()).count();
        assert_eq!(shown, BURST_MAX as usize);
        let later = start + Duration::from_secs(1);
        assert_eq!(log.permit(later), Some(1000 - u64::from(BURST_MAX)));
        assert_eq!(log.permit(later), Some(0));
    }

    #[test]
    fn refusals_that_come_one_by_one_are_all_shown() {
        let log = RefusalLog::new();
        let start = Instant::now();
        for second in 0..500 {
            assert_eq!(log.permit(start + Duration::from_secs(second)), Some(0));
        }
    }
}
