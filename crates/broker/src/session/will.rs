//! The Will: what is published for a client that was lost, and when (3.1.2.5, 3.1.3.2).

use std::time::{Duration, Instant};

use bytes::Bytes;
use mqtt::{Message, Will};

/// A Will whose connection has ended.
///
/// Publish it after `delay`, or when the session ends if that is earlier; forget it if the client
/// is back before \[MQTT-3.1.3-9\].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWill {
    will: Will,
    /// Will Delay Interval, never longer than the session lives on.
    pub delay: Duration,
}

impl DueWill {
    pub(super) fn new(will: Will, expiry_interval_s: u32) -> DueWill {
        let delay_s = will.delay_interval_s.min(expiry_interval_s);
        DueWill {
            will,
            delay: Duration::from_secs(delay_s.into()),
        }
    }

    /// The message to route now; its Message Expiry Interval counts from here (3.1.3.2.4).
    #[must_use]
    pub fn into_message(self, now: Instant) -> Message {
        Message::from_will(self.will, now)
    }
}

/// A copy that outlives the receive buffer: a Will waits as long as its connection lasts.
pub(super) fn detached(will: &Will) -> Will {
    Will {
        topic: will.topic.detached(),
        payload: Bytes::copy_from_slice(&will.payload),
        qos: will.qos,
        retain: will.retain,
        delay_interval_s: will.delay_interval_s,
        properties: will
            .properties
            .as_ref()
            .map(|properties| Box::new(properties.detached())),
    }
}
