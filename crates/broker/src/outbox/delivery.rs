//! Delivery: one message on its way to one receiver, and the message before it has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mqtt::QoS;
use mqtt::message::Message;
use smallvec::SmallVec;

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
    pub(super) live: Arc<Message>,
    pub(super) kept: Option<Arc<Message>>,
    /// What `live` keeps alive.
    pub(super) buffer: BufferId,
    pub(super) buffer_bytes: usize,
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
