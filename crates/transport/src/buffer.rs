//! Scratch memory of a worker thread: where bytes are while they pass, never while they wait.

use std::cell::RefCell;

/// What one `recv` may bring.
///
/// 64 KiB drains several hundred small messages in one system call; more gained nothing.
pub(crate) const READ_BATCH: usize = 64 * 1024;

/// What a connection may hold of incomplete TLS messages between two reads.
///
/// A record is at most 16 KiB and 261 bytes, a fragmented handshake message may span several
/// of them; certificate chains are a few KiB.
pub(crate) const HELD_MAX: usize = 34 * 1024;

/// The two buffers of one worker thread.
pub(crate) struct Scratch {
    /// What a connection held, followed by what `recv` brought.
    pub(crate) incoming: Box<[u8]>,
    /// Encrypted records on their way to `send`.
    pub(crate) outgoing: Outgoing,
}

/// Bytes appended one piece after the other into memory that is zeroed only once.
#[derive(Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    used: usize,
}

impl Outgoing {
    /// At least `count` bytes to write into; what was written is claimed with [`Self::advance`].
    pub(crate) fn room(&mut self, count: usize) -> &mut [u8] {
        let needed = self.used + count;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.used..]
    }

    /// Claims `count` bytes of the room as written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.used += count;
    }

    /// What was written since the last [`Self::clear`].
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Forgets what was written; the memory stays.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }
}

/// Lends the scratch of this thread. Not to be called from inside `work`.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
            incoming: vec![0; HELD_MAX + READ_BATCH].into_boxed_slice(),
            outgoing: Outgoing::default(),
        });
    }
    SCRATCH.with_borrow_mut(work)
}
