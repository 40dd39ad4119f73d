//! Back-off: how long to wait before the next attempt.

use std::time::Duration;

/// Doubles from `first` to `longest`; each wait is then shortened by chance to between half and
/// all of it, so that a thousand clients do not return to a restarted broker in one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row, at least one.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.jittered(self.first.saturating_mul(1 << doublings).min(self.longest))
    }

    /// The wait after a refusal: it will most likely be repeated, but somebody may mend it.
    pub(crate) fn wait_after_refusal(&self) -> Duration {
        self.jittered(self.longest)
    }

    fn jittered(&self, full: Duration) -> Duration {
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_vary() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(2),
        };
        for (failures, full_ms) in [(1, 100), (2, 200), (5, 1600), (6, 2000), (u32::MAX, 2000)] {
            let full = Duration::from_millis(full_ms);
            let waits: Vec<_> = (0..20).map(|_| backoff.wait(failures)).collect();
            assert!(waits.iter().all(|wait| *wait >= full / 2 && *wait <= full));
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
