//! Keep alive as pure arithmetic: when silence has lasted too long (3.1.2.10).

use std::time::{Duration, Instant};

/// How long a silence may last, and when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    limit: Option<Duration>,
    since: Instant,
}

impl KeepAlive {
    /// For a server: the client must be heard within one and a half times its keep alive
    /// \[MQTT-3.1.2-22\]. 0 watches nothing.
    #[must_use]
    pub fn watch(keep_alive_s: u16, now: Instant) -> KeepAlive {
        KeepAlive {
            limit: duration(keep_alive_s).map(|keep_alive| keep_alive * 3 / 2),
            since: now,
        }
    }

    /// For a client: something must be sent within the keep alive \[MQTT-3.1.2-20\]. 0 asks for nothing.
    #[must_use]
    pub fn promise(keep_alive_s: u16, now: Instant) -> KeepAlive {
        KeepAlive {
            limit: duration(keep_alive_s),
            since: now,
        }
    }

    /// A packet passed in the direction that counts: the silence begins anew.
    pub fn heard(&mut self, now: Instant) {
        self.since = now;
    }

    /// When the silence has lasted too long; `None` if it may last for ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.limit.map(|limit| self.since + limit)
    }
}

fn duration(keep_alive_s: u16) -> Option<Duration> {
    (keep_alive_s > 0).then(|| Duration::from_secs(keep_alive_s.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn mqtt_3_1_2_22_a_server_waits_one_and_a_half_times() {
        let start = Instant::now();
        let mut watch = KeepAlive::watch(60, start);
        assert_eq!(watch.deadline(), Some(start + seconds(90)));
        watch.heard(start + seconds(10));
        assert_eq!(watch.deadline(), Some(start + seconds(100)));
        let odd = KeepAlive::watch(1, start).deadline();
        assert_eq!(odd, Some(start + Duration::from_millis(1_500)));
    }

    #[test]
    fn mqtt_3_1_2_20_a_client_speaks_within_its_keep_alive() {
        let start = Instant::now();
        let promise = KeepAlive::promise(60, start);
        assert_eq!(promise.deadline(), Some(start + seconds(60)));
    }

    #[test]
    fn a_keep_alive_of_0_allows_any_silence() {
        let now = Instant::now();
        assert_eq!(KeepAlive::watch(0, now).deadline(), None);
        assert_eq!(KeepAlive::promise(0, now).deadline(), None);
    }
}
