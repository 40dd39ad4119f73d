//! Promises: acknowledgements in the order they are owed, kept back until the journal has them.
//!
//! PUBACK and PUBREC must leave in the order of their PUBLISH \[MQTT-4.6.0-2\], \[MQTT-4.6.0-3\], and
//! none before what it acknowledges is committed. Both rules are one queue: only its front may
//! leave, and only when it is answered and committed.

use std::collections::VecDeque;

use mqtt::flow::received::Received;
use mqtt::{Ack, PacketId, ReasonCode};

use crate::journal::Sequence;
use crate::session::reply::Reply;

/// The answers of one session that may not leave yet.
#[derive(Debug)]
pub(super) struct Promises {
    queue: VecDeque<Promise>,
    /// The place of the front; places are never used twice, not even by another connection.
    first_place: u64,
    committed: Sequence,
    /// The highest position any answer of this session had to wait for.
    latest: Sequence,
}

#[derive(Debug)]
enum Promise {
    /// The driver has not said yet what became of it.
    Open(Owed),
    /// Leaves once this position is committed.
    Answered(Reply, Sequence),
}

/// What is owed to the client.
#[derive(Debug)]
pub(super) enum Owed {
    PubAck(PacketId),
    PubRec(PacketId),
    /// With the filters already refused by the session.
    SubAck(PacketId, Vec<Option<ReasonCode>>),
    UnsubAck(PacketId),
}

impl Promises {
    pub(super) fn new() -> Promises {
        Promises {
            queue: VecDeque::new(),
            first_place: 1,
            committed: Sequence::START,
            latest: Sequence::START,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Promises an answer; the place names it from here on.
    pub(super) fn open(&mut self, owed: Owed) -> u64 {
        self.queue.push_back(Promise::Open(owed));
        self.first_place + self.queue.len() as u64 - 1
    }

    /// What is owed at `place`; nothing if it was answered, or belongs to an earlier connection.
    pub(super) fn owed(&mut self, place: u64) -> Option<&mut Owed> {
        let index = place.checked_sub(self.first_place)?;
        match self.queue.get_mut(usize::try_from(index).ok()?)? {
            Promise::Open(owed) => Some(owed),
            Promise::Answered(..) => None,
        }
    }

    /// The place of the first open promise that `wanted` recognises.
    pub(super) fn find(&self, wanted: impl Fn(&Owed) -> bool) -> Option<u64> {
        let index = self.queue.iter().position(|promise| match promise {
            Promise::Open(owed) => wanted(owed),
            Promise::Answered(..) => false,
        })?;
        Some(self.first_place + index as u64)
    }

    /// The answer for `place`; moves what may leave now to `replies`.
    pub(super) fn answer(
        &mut self,
        place: u64,
        reply: Reply,
        sequence: Sequence,
        replies: &mut VecDeque<Reply>,
    ) {
        self.latest = self.latest.max(sequence);
        let index = place
            .checked_sub(self.first_place)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(promise) = index.and_then(|index| self.queue.get_mut(index)) {
            *promise = Promise::Answered(reply, sequence);
            self.release(replies);
        }
    }

    /// A repeated QoS 2 message: PUBREC once more, after all that is owed and, because it may
    /// repeat something not yet committed, after all this session ever waited for.
    pub(super) fn repeat_pubrec(&mut self, packet_id: PacketId, replies: &mut VecDeque<Reply>) {
        let reply = Reply::PubRec(Ack::new(packet_id, ReasonCode::Success));
        let latest = self.latest;
        self.queue.push_back(Promise::Answered(reply, latest));
        self.release(replies);
    }

    pub(super) fn handle_committed(&mut self, sequence: Sequence, replies: &mut VecDeque<Reply>) {
        self.committed = self.committed.max(sequence);
        self.release(replies);
    }

    /// The connection ended: what it was owed is owed to nobody. Late answers find no place.
    ///
    /// A QoS 2 message without an answer was perhaps never routed: it counts as not received, so
    /// that it is routed when the client repeats it.
    pub(super) fn forget(&mut self, received: &mut Received) {
        self.first_place += self.queue.len() as u64;
        for promise in std::mem::take(&mut self.queue) {
            if let Promise::Open(Owed::PubRec(packet_id)) = promise {
                received.release(packet_id);
            }
        }
    }

    fn release(&mut self, replies: &mut VecDeque<Reply>) {
        let committed = self.committed;
        while let Some(promise) = self.queue.pop_front_if(
            |promise| matches!(promise, Promise::Answered(_, sequence) if *sequence <= committed),
        ) {
            self.first_place += 1;
            if let Promise::Answered(reply, _) = promise {
                replies.push_back(reply);
            }
        }
    }
}
