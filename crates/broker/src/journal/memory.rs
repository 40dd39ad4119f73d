//! A journal that keeps nothing: for a broker whose sessions live in memory.

use crate::journal::{Journal, Record, Sequence};

/// Nothing kept, always committed: every acknowledgement leaves at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryJournal;

impl Journal for MemoryJournal {
    fn append(&self, _record: Record<'_>) -> Sequence {
        Sequence::START
    }

    fn committed(&self) -> Sequence {
        Sequence::START
    }
}

#[cfg(test)]
mod tests {
    use mqtt::{Message, TopicName};

    use super::*;

    #[test]
    fn what_is_appended_is_committed_at_once() {
        let message = Message::new(TopicName::try_from("chat/mensaje").unwrap(), "hola");
        let sequence = MemoryJournal.append(Record::Published(&message));
        assert!(sequence <= MemoryJournal.committed());
    }
}
