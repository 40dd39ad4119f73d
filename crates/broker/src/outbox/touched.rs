//! Touched: who must be woken when a batch of pushes ends.

use std::sync::Arc;

use super::Outbox;

/// The outboxes a batch put its first message into: each is woken once, at the end.
///
/// Dropping it wakes them too, so a panic in a batch leaves no receiver asleep.
#[derive(Debug, Default)]
pub struct Touched {
    outboxes: Vec<Arc<Outbox>>,
}

impl Touched {
    /// Remembers to wake this outbox.
    pub fn add(&mut self, outbox: &Arc<Outbox>) {
        self.outboxes.push(Arc::clone(outbox));
    }

    /// Wakes everyone remembered, in the order they were touched.
    pub fn wake_all(&mut self) {
        for outbox in self.outboxes.drain(..) {
            outbox.wake();
        }
        if self.outboxes.capacity() > TOUCHED_KEPT {
            self.outboxes = Vec::new();
        }
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        self.wake_all();
    }
}

/// Room kept between batches; a larger fan-out gives its memory back.
const TOUCHED_KEPT: usize = 64;
