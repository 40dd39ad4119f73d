//! Timers: which parked session needs attention next.
//!
//! One entry per slot, kept in order of its deadline, so the memory follows the number
//! of parked sessions and not how often they come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::slot::{Parked, SessionSlot};
use crate::router::SlotId;

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_deadline: Mutex<BTreeMap<(Instant, SlotId), Arc<SessionSlot>>>,
    /// A deadline earlier than all others was set.
    sooner: Notify,
}

impl Timers {
    /// Remembers the slot until the deadline of what is parked in it, if there is one.
    pub(super) fn arm(&self, slot: &Arc<SessionSlot>, parked: &mut Parked) {
        parked.armed_at = parked.deadline();
        let Some(deadline) = parked.armed_at else {
            return;
        };
        let mut by_deadline = self.by_deadline.lock();
        let key = (deadline, slot.id);
        by_deadline.insert(key, Arc::clone(slot));
        let is_first = by_deadline
            .first_key_value()
            .is_some_and(|(first, _)| *first == key);
        drop(by_deadline);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// Forgets the slot.
    pub(super) fn disarm(&self, slot: &SessionSlot, parked: &Parked) {
        if let Some(deadline) = parked.armed_at {
            self.by_deadline.lock().remove(&(deadline, slot.id));
        }
    }

    /// Takes out the first slots whose deadline has come, not more than `max_count`.
    pub(super) fn take_due(&self, now: Instant, max_count: usize) -> Vec<Arc<SessionSlot>> {
        let mut by_deadline = self.by_deadline.lock();
        std::iter::from_fn(|| {
            let first = by_deadline.first_entry()?;
            (first.key().0 <= now).then(|| first.remove())
        })
        .take(max_count)
        .collect()
    }

    /// Waits until the first deadline, whichever that is meanwhile.
    pub(super) async fn wait(&self) {
        loop {
            let first = self
                .by_deadline
                .lock()
                .first_key_value()
                .map(|((at, _), _)| *at);
            match first {
                None => self.sooner.notified().await,
                Some(at) => {
                    if tokio::time::timeout_at(at.into(), self.sooner.notified())
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_deadline.lock().len()
    }
}
