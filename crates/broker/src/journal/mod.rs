//! Journal: what must survive, in order; an acknowledgement waits for its position.
//!
//! Durability is one number. [`Journal::append`] says at which [`Sequence`] a record
//! stands; whoever promised it to a peer keeps the promise back until
//! [`Journal::committed`] has reached that position.

pub mod memory;

use mqtt::Message;

/// A position in the journal. What stands at or before the committed one survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(u64);

impl Sequence {
    /// Before the first record: always committed, so it waits for nothing.
    pub const START: Sequence = Sequence(0);

    /// The position with this number.
    #[must_use]
    pub const fn new(position: u64) -> Sequence {
        Sequence(position)
    }

    /// Its number.
    #[must_use]
    pub const fn position(self) -> u64 {
        self.0
    }
}

/// Something that must survive.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// A message that a persistent session or the retained store holds.
    Published(&'a Message),
}

/// The log behind the promises of all sessions.
pub trait Journal: Send + Sync + 'static {
    /// Appends a record; its promise may be kept once the returned position is committed.
    ///
    /// Cheap and never blocking: writing and syncing happen elsewhere, for many records at once.
    fn append(&self, record: Record<'_>) -> Sequence;

    /// Everything up to here survives. Never moves back.
    fn committed(&self) -> Sequence;
}
