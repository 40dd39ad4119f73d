//! Outbox: the messages waiting for one session.
//!
//! Any task may push; only the session's own task takes. It belongs to the
//! session, not to the connection, so messages for a client that is away enter
//! the same queue under the same limits.
//!
//! Waking is left to the pusher: [`Outbox::push`] says when the queue was empty,
//! the pusher collects those outboxes in [`Touched`] and wakes each once after
//! its whole batch. A std `Waker` is all this needs, so no runtime is known here.
//!
//! Invariant: `bytes` is the sum of [`Delivery::size`] over the queue.

mod delivery;
mod touched;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mqtt::QoS;
use parking_lot::Mutex;

use crate::metrics::DropReason;

pub use delivery::{BufferId, Delivery, Outgoing, Terms};
pub use touched::Touched;
/// What the broker wants from the connection that reads an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Another Network Connection claims the session; park it (0x8E).
    TakenOver,
    /// The broker ends; flush and say goodbye (0x8B).
    ShuttingDown,
}

/// Whether a push obliges the pusher to wake the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The queue was empty: wake the reader when the batch ends.
    First,
    /// Somebody else already has that duty.
    Queued,
}

/// Bounds of one outbox.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Messages that may wait.
    pub max_count: usize,
    /// Bytes that may wait, as [`Delivery::size`] counts them.
    pub max_bytes: usize,
}

/// The bounded queue between all publishers and one session.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    limits: OutboxLimits,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Delivery>,
    bytes: usize,
    /// Bytes of the receive buffers that what waits may keep alive.
    pinned: usize,
    /// The last of them.
    last_buffer: BufferId,
    reader: Reader,
    notice: Option<Notice>,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Present,
    Away,
    /// The session ended; nothing will ever read again.
    Gone,
}

impl Outbox {
    /// An empty outbox whose reader is present.
    pub fn new(limits: OutboxLimits) -> Self {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            pinned: 0,
            last_buffer: BufferId::NONE,
            reader: Reader::Present,
            notice: None,
            waker: None,
        };
        Self {
            state: Mutex::new(state),
            limits,
        }
    }

    /// Queues the message on these terms, or says why it was dropped.
    ///
    /// After [`Pushed::First`] the caller owes a [`Outbox::wake`]; [`Touched`] keeps that debt.
    ///
    /// # Errors
    /// Full, or nobody to read it: the caller counts the reason. The newest message is
    /// the one that is dropped, so what was already promised stays in order.
    pub fn push(&self, message: &mut Outgoing, terms: Terms) -> Result<Pushed, DropReason> {
        let mut state = self.state.lock();
        let message = match (state.reader, terms.qos) {
            (Reader::Present, _) if state.may_pin(message) => Arc::clone(message.message()),
            (Reader::Present, _) => message.to_kept(),
            (Reader::Away, QoS::AtMostOnce) => return Err(DropReason::OfflineQos0),
            (Reader::Away, _) => message.to_kept(),
            (Reader::Gone, _) => return Err(DropReason::SessionEnded),
        };
        let Terms {
            qos,
            retain,
            subscription_identifiers,
        } = terms;
        let delivery = Delivery {
            message,
            qos,
            retain,
            subscription_identifiers,
        };
        let size = delivery.size();
        // One message always fits an empty queue, however small the limit is set.
        let fits = state.queue.len() < self.limits.max_count
            && state.bytes + size <= self.limits.max_bytes;
        if !fits && !state.queue.is_empty() {
            return Err(if qos == QoS::AtMostOnce {
                DropReason::OutboxFullQos0
            } else {
                DropReason::OutboxFull
            });
        }
        let pushed = if state.queue.is_empty() {
            Pushed::First
        } else {
            Pushed::Queued
        };
        state.bytes += size;
        state.queue.push_back(delivery);
        Ok(pushed)
    }

    /// Moves up to `max_count` deliveries, oldest first, to the end of `batch`.
    ///
    /// The whole queue changes hands at once when it fits and `batch` is empty.
    pub fn take(&self, batch: &mut VecDeque<Delivery>, max_count: usize) {
        let mut state = self.state.lock();
        state.waker = None; // The reader runs: a wake-up now would only be a second one.
        if state.queue.len() <= max_count {
            if batch.is_empty() {
                std::mem::swap(batch, &mut state.queue);
            } else {
                batch.append(&mut state.queue);
            }
            state.bytes = 0;
            state.pinned = 0;
            state.last_buffer = BufferId::NONE;
        } else {
            let bytes: usize = state.queue.iter().take(max_count).map(Delivery::size).sum();
            batch.extend(state.queue.drain(..max_count));
            state.bytes -= bytes;
        }
    }

    /// Asks the reader to end its connection; it is woken at once.
    ///
    /// A shutdown is never replaced by a takeover.
    pub fn notify(&self, notice: Notice) {
        let mut state = self.state.lock();
        if state.notice != Some(Notice::ShuttingDown) {
            state.notice = Some(notice);
        }
        let waker = state.waker.take();
        drop(state); // the woken task takes this lock at once
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What the broker asked of the reader, if anything.
    pub fn notice(&self) -> Option<Notice> {
        self.state.lock().notice
    }

    /// Ready when there is a notice or, if `wanted`, a delivery. Only the reader may call it.
    pub fn poll_woken(&self, context: &Context<'_>, wanted: bool) -> Poll<()> {
        let mut state = self.state.lock();
        if state.notice.is_some() || (wanted && !state.queue.is_empty()) {
            return Poll::Ready(());
        }
        if !state
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Wakes the reader if it waits.
    pub fn wake(&self) {
        let waker = self.state.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The reader left and may return: what waits is copied out of the receive buffers, unless
    /// many others hold it too.
    ///
    /// QoS 0 messages do not wait for it; their number is returned, to be counted.
    pub fn park(&self) -> usize {
        let mut state = self.state.lock();
        let before = state.queue.len();
        state
            .queue
            .retain(|delivery| delivery.qos != QoS::AtMostOnce);
        state.queue.iter_mut().for_each(Delivery::detach);
        state.queue.shrink_to_fit();
        state.bytes = state.queue.iter().map(Delivery::size).sum();
        state.reader = Reader::Away;
        state.notice = None;
        state.waker = None;
        before - state.queue.len()
    }

    /// A reader is back.
    pub fn resume(&self) {
        let mut state = self.state.lock();
        state.reader = Reader::Present;
        state.notice = None;
    }

    /// The session ended: nothing enters any more, what waited is dropped and its number returned.
    pub fn end(&self) -> usize {
        let mut state = self.state.lock();
        state.reader = Reader::Gone;
        state.waker = None;
        state.bytes = 0;
        let queue = std::mem::take(&mut state.queue);
        drop(state); // freeing thousands of messages needs no lock
        queue.len()
    }

    /// Gives memory held for an earlier burst back.
    pub fn release(&self) {
        let mut state = self.state.lock();
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
        }
    }

    /// Messages waiting now.
    pub fn depth(&self) -> usize {
        self.state.lock().queue.len()
    }
}

impl State {
    /// Whether the message may wait as the slice it is. Few readers are so far behind that
    /// it may not: what waits from one buffer counts once.
    fn may_pin(&mut self, message: &Outgoing) -> bool {
        let is_most_of_it = message.live.payload.len() * 2 >= message.buffer_bytes;
        if is_most_of_it || message.buffer == self.last_buffer {
            return true;
        }
        let fits = self.pinned + message.buffer_bytes <= PINNED_MAX;
        if fits {
            self.pinned += message.buffer_bytes;
            self.last_buffer = message.buffer;
        }
        fits
    }
}
/// Bytes of receive buffers that may be kept alive for one reader.
///
/// 64 full ones: a flood of small messages reaches the limits of the outbox first, so it is never
/// copied. Without this bound a few bytes out of each of 10,000 buffers pin 640 MiB.
const PINNED_MAX: usize = 4 * 1024 * 1024;
