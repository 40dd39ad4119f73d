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

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use mqtt::QoS;
use mqtt::message::Message;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::metrics::DropReason;

/// One message on its way to one receiver.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What was published.
    pub message: Arc<Message>,
    /// The lower of the published and the granted QoS.
    pub qos: QoS,
    /// The RETAIN flag this receiver gets.
    pub retain: bool,
    /// One for each matching subscription that has one.
    pub subscription_identifiers: SmallVec<[u32; 2]>,
}

impl Delivery {
    /// What this delivery counts for in a limit, in bytes.
    pub fn size(&self) -> usize {
        // The queue entry itself counts too, or empty messages would be free.
        self.message.size() + size_of::<Self>()
    }

    /// Copies the message out of its receive buffer, for a client that may be away for long.
    ///
    /// Not if many hold it: a thousand clients that are cut off together would hold a thousand
    /// copies, while the buffer, which is at most 64 KiB larger, is one for all of them.
    pub(crate) fn detach(&mut self) {
        if Arc::strong_count(&self.message) <= HOLDERS_MAX {
            self.message = Arc::new(self.message.detached());
        }
    }
}

/// Holders of a message that each make a copy of their own when their client leaves.
const HOLDERS_MAX: usize = 8;

/// The message of one fan-out, in the form for readers now and the form to keep.
///
/// The first is a slice of the receive buffer; kept for an absent client it would
/// pin up to 64 KiB for a few bytes, so those share one copy made on first need.
#[derive(Debug)]
pub struct Outgoing {
    live: Arc<Message>,
    kept: Option<Arc<Message>>,
    /// What `live` keeps alive.
    buffer: BufferId,
    buffer_bytes: usize,
}

/// Names one receive buffer among all of the process; many messages are slices of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferId(u64);

impl BufferId {
    /// No buffer: the message owns its bytes.
    pub const NONE: Self = Self(0);

    /// One that was never used; asked for once per read.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Outgoing {
    /// A message that holds no receive buffer worth counting.
    pub fn new(message: Arc<Message>) -> Self {
        Self::within(message, BufferId::NONE, 0)
    }

    /// A message as it came from the wire, a slice of a receive buffer of this size.
    pub fn within(message: Arc<Message>, buffer: BufferId, buffer_bytes: usize) -> Self {
        Self {
            live: message,
            kept: None,
            buffer,
            buffer_bytes,
        }
    }

    /// A message that already owns its bytes, such as a retained one.
    pub fn detached(message: Arc<Message>) -> Self {
        Self {
            kept: Some(Arc::clone(&message)),
            live: message,
            buffer: BufferId::NONE,
            buffer_bytes: 0,
        }
    }

    /// The message as it was published.
    pub fn message(&self) -> &Arc<Message> {
        &self.live
    }

    /// The copy that owns its bytes; made once, then shared.
    pub fn to_kept(&mut self) -> Arc<Message> {
        let live = &self.live;
        Arc::clone(self.kept.get_or_insert_with(|| Arc::new(live.detached())))
    }
}

/// How one receiver is to get a message: everything of a [`Delivery`] but the message.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The lower of the published and the granted QoS.
    pub qos: QoS,
    /// The RETAIN flag this receiver gets.
    pub retain: bool,
    /// One for each matching subscription that has one.
    pub subscription_identifiers: SmallVec<[u32; 2]>,
}

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

/// Bytes of receive buffers that may be kept alive for one reader.
///
/// 64 full ones: a flood of small messages reaches the limits of the outbox first, so it is never
/// copied. Without this bound a few bytes out of each of 10,000 buffers pin 640 MiB.
const PINNED_MAX: usize = 4 * 1024 * 1024;

/// Room kept between batches; a larger fan-out gives its memory back.
const TOUCHED_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use mqtt::TopicName;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    const ROOMY: OutboxLimits = OutboxLimits {
        max_count: 100,
        max_bytes: 1 << 20,
    };

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn push(outbox: &Outbox, qos: QoS, payload: &[u8]) -> Result<Pushed, DropReason> {
        let payload = Bytes::copy_from_slice(payload);
        let message = Arc::new(Message::new(TopicName::try_from("a").unwrap(), payload));
        let terms = Terms {
            qos,
            retain: false,
            subscription_identifiers: SmallVec::new(),
        };
        outbox.push(&mut Outgoing::new(message), terms)
    }

    fn payloads(outbox: &Outbox, max_count: usize) -> Vec<Vec<u8>> {
        let mut batch = VecDeque::new();
        outbox.take(&mut batch, max_count);
        batch
            .iter()
            .map(|delivery| delivery.message.payload.to_vec())
            .collect()
    }

    #[test]
    fn an_idle_outbox_is_woken_once_for_a_burst() {
        let (outbox, bell) = (Arc::new(Outbox::new(ROOMY)), Arc::new(Bell::default()));
        let waker = Waker::from(Arc::clone(&bell));
        assert!(
            outbox
                .poll_woken(&Context::from_waker(&waker), true)
                .is_pending()
        );
        let mut touched = Touched::default();
        for _ in 0..10 {
            if push(&outbox, QoS::AtMostOnce, b"x") == Ok(Pushed::First) {
                touched.add(&outbox);
            }
        }
        assert_eq!(bell.0.load(Ordering::SeqCst), 0);
        touched.wake_all();
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        assert!(
            outbox
                .poll_woken(&Context::from_waker(&waker), true)
                .is_ready()
        );
    }

    #[test]
    fn a_reader_that_does_not_want_messages_is_still_told_a_notice() {
        let (outbox, bell) = (Outbox::new(ROOMY), Arc::new(Bell::default()));
        let waker = Waker::from(Arc::clone(&bell));
        push(&outbox, QoS::AtLeastOnce, b"x").unwrap();
        assert!(
            outbox
                .poll_woken(&Context::from_waker(&waker), false)
                .is_pending()
        );
        outbox.notify(Notice::TakenOver);
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        assert!(
            outbox
                .poll_woken(&Context::from_waker(&waker), false)
                .is_ready()
        );
        assert_eq!(outbox.notice(), Some(Notice::TakenOver));
    }

    #[test]
    fn a_shutdown_is_not_replaced_by_a_takeover() {
        let outbox = Outbox::new(ROOMY);
        outbox.notify(Notice::ShuttingDown);
        outbox.notify(Notice::TakenOver);
        assert_eq!(outbox.notice(), Some(Notice::ShuttingDown));
    }

    #[test]
    fn messages_leave_in_the_order_they_came_in_pieces_or_at_once() {
        let outbox = Outbox::new(ROOMY);
        for payload in [b"1", b"2", b"3", b"4", b"5"] {
            push(&outbox, QoS::AtMostOnce, payload).unwrap();
        }
        assert_eq!(payloads(&outbox, 2), [b"1", b"2"]);
        assert_eq!(payloads(&outbox, 9), [b"3", b"4", b"5"]);
        assert_eq!(outbox.state.lock().bytes, 0);
        assert_eq!(push(&outbox, QoS::AtMostOnce, b"6"), Ok(Pushed::First));
    }

    #[test]
    fn beyond_its_count_or_its_bytes_the_newest_is_dropped_with_a_reason() {
        let outbox = Outbox::new(OutboxLimits {
            max_count: 2,
            max_bytes: 1 << 20,
        });
        push(&outbox, QoS::AtLeastOnce, b"1").unwrap();
        push(&outbox, QoS::AtLeastOnce, b"2").unwrap();
        assert_eq!(
            push(&outbox, QoS::AtMostOnce, b"3"),
            Err(DropReason::OutboxFullQos0)
        );
        assert_eq!(
            push(&outbox, QoS::ExactlyOnce, b"3"),
            Err(DropReason::OutboxFull)
        );
        assert_eq!(payloads(&outbox, 9), [b"1", b"2"]);

        let outbox = Outbox::new(OutboxLimits {
            max_count: 99,
            max_bytes: 1500,
        });
        push(&outbox, QoS::AtLeastOnce, &[0; 1000]).unwrap();
        assert_eq!(
            push(&outbox, QoS::AtLeastOnce, &[0; 1000]),
            Err(DropReason::OutboxFull)
        );
        push(&outbox, QoS::AtLeastOnce, b"small").unwrap();
    }

    #[test]
    fn one_message_enters_an_empty_outbox_whatever_its_size() {
        let outbox = Outbox::new(OutboxLimits {
            max_count: 9,
            max_bytes: 10,
        });
        assert!(push(&outbox, QoS::AtMostOnce, &[0; 1000]).is_ok());
        assert!(push(&outbox, QoS::AtMostOnce, b"x").is_err());
    }

    #[test]
    fn for_an_absent_reader_only_acknowledged_messages_wait_and_they_own_their_bytes() {
        let outbox = Outbox::new(ROOMY);
        let buffer = Bytes::from(vec![b'x'; 64 * 1024]);
        let slice = || {
            Arc::new(Message::new(
                TopicName::try_from("a").unwrap(),
                buffer.slice(..3),
            ))
        };
        let terms = |qos| Terms {
            qos,
            retain: false,
            subscription_identifiers: SmallVec::new(),
        };
        outbox
            .push(&mut Outgoing::new(slice()), terms(QoS::AtMostOnce))
            .unwrap();
        outbox
            .push(&mut Outgoing::new(slice()), terms(QoS::AtLeastOnce))
            .unwrap();
        assert_eq!(outbox.park(), 1);
        let mut outgoing = Outgoing::new(slice());
        outbox.push(&mut outgoing, terms(QoS::AtLeastOnce)).unwrap();
        assert_eq!(
            outbox.push(&mut outgoing, terms(QoS::AtMostOnce)),
            Err(DropReason::OfflineQos0)
        );
        drop(outgoing);
        let buffer = buffer
            .try_into_mut()
            .expect("nobody else holds the receive buffer");
        assert_eq!(buffer.len(), 64 * 1024);
        outbox.resume();
        assert_eq!(payloads(&outbox, 9), [b"xxx", b"xxx"]);
        assert!(push(&outbox, QoS::AtMostOnce, b"x").is_ok());
    }

    #[test]
    fn a_slow_reader_pins_a_bounded_number_of_receive_buffers() {
        let outbox = Outbox::new(OutboxLimits {
            max_count: 10_000,
            max_bytes: 16 << 20,
        });
        let mut buffers: Vec<Bytes> = (0..1_000).map(|_| vec![b'x'; 65_536].into()).collect();
        for buffer in &buffers {
            let id = BufferId::next();
            for place in 0..3 {
                let message = Message::new(
                    TopicName::try_from("a").unwrap(),
                    buffer.slice(place..place + 9),
                );
                let mut outgoing = Outgoing::within(Arc::new(message), id, buffer.len());
                outbox.push(&mut outgoing, at_least_once()).unwrap();
            }
        }
        assert_eq!(outbox.depth(), 3_000);
        buffers.retain(|buffer| !buffer.is_unique());
        assert_eq!(buffers.len() * 65_536, PINNED_MAX);
        assert_eq!(payloads(&outbox, 3_000).len(), 3_000);
        assert!(buffers.iter().all(Bytes::is_unique));
    }

    fn at_least_once() -> Terms {
        Terms {
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_identifiers: SmallVec::new(),
        }
    }

    #[test]
    fn a_message_that_fills_its_buffer_is_not_copied_for_a_slow_reader() {
        let outbox = Outbox::new(OutboxLimits {
            max_count: 100,
            max_bytes: 16 << 20,
        });
        for _ in 0..7 {
            let payload = Bytes::from(vec![b'x'; 2_000_000]);
            let message = Arc::new(Message::new(TopicName::try_from("a").unwrap(), payload));
            let mut outgoing = Outgoing::within(message, BufferId::next(), 2_100_000);
            outbox.push(&mut outgoing, at_least_once()).unwrap();
            assert!(outgoing.kept.is_none());
        }
    }

    #[test]
    fn readers_that_leave_together_do_not_multiply_what_waits_for_all_of_them() {
        let outboxes: Vec<_> = (0..100).map(|_| Outbox::new(ROOMY)).collect();
        let message = Arc::new(Message::new(TopicName::try_from("a").unwrap(), "x"));
        let mut outgoing = Outgoing::new(message);
        for outbox in &outboxes {
            outbox.push(&mut outgoing, at_least_once()).unwrap();
        }
        drop(outgoing);
        let messages: std::collections::HashSet<_> = outboxes
            .iter()
            .map(|outbox| {
                outbox.park();
                Arc::as_ptr(&outbox.state.lock().queue[0].message)
            })
            .collect();
        assert_eq!(messages.len(), 1);
    }

    #[test]
    fn absent_readers_share_one_copy() {
        let mut outgoing = Outgoing::new(Arc::new(Message::new(
            TopicName::try_from("a").unwrap(),
            "x",
        )));
        assert!(Arc::ptr_eq(&outgoing.to_kept(), &outgoing.to_kept()));
        let mut kept = Outgoing::detached(Arc::clone(outgoing.message()));
        assert!(Arc::ptr_eq(&kept.to_kept(), outgoing.message()));
    }

    #[test]
    fn an_ended_outbox_takes_nothing() {
        let outbox = Outbox::new(ROOMY);
        push(&outbox, QoS::AtLeastOnce, b"x").unwrap();
        assert_eq!(outbox.end(), 1);
        assert_eq!(
            push(&outbox, QoS::AtLeastOnce, b"x"),
            Err(DropReason::SessionEnded)
        );
        assert_eq!(outbox.depth(), 0);
    }
}
