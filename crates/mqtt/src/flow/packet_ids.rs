//! Packet Identifiers: give them out and take them back.

use std::collections::VecDeque;

use crate::PacketId;

/// The identifiers of the exchanges we started; one is given out again only after it came back.
#[derive(Debug, Clone, Default)]
pub struct PacketIds {
    last: u16,
    used: IdSet,
}

impl PacketIds {
    /// All 65,535 free; the first one given out is 1.
    #[must_use]
    pub const fn new() -> PacketIds {
        PacketIds {
            last: 0,
            used: IdSet::new(),
        }
    }

    /// All free; the first one given out follows `last`, 1 after 65,535.
    ///
    /// For a client whose broker may remember identifiers of a process before it.
    #[must_use]
    pub const fn starting_after(last: u16) -> PacketIds {
        PacketIds {
            last,
            used: IdSet::new(),
        }
    }

    /// Gives out the next free identifier; `None` when all are in use.
    ///
    /// Counts upwards and starts again at 1, so that an identifier just taken back rests
    /// longest \[MQTT-2.2.1-3\].
    pub fn take(&mut self) -> Option<PacketId> {
        if self.used.len() == usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last = self.last.wrapping_add(1);
            if let Some(id) = PacketId::new(self.last)
                && self.used.insert(id)
            {
                return Some(id);
            }
        }
    }

    /// Takes an identifier back; false if it was not given out.
    pub fn put_back(&mut self, id: PacketId) -> bool {
        self.used.remove(id)
    }

    /// How many are given out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is given out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used.len() == 0
    }
}

/// A set of identifiers, sorted.
///
/// Peers count upwards and finish in order, so it grows at one end and shrinks at the other; only
/// the unusual order moves memory, 128 KiB at the very most. Empty it holds none.
#[derive(Debug, Clone, Default)]
pub(super) struct IdSet {
    sorted: VecDeque<PacketId>,
}

impl IdSet {
    pub(super) const fn new() -> IdSet {
        IdSet {
            sorted: VecDeque::new(),
        }
    }

    /// False if it was in the set already.
    pub(super) fn insert(&mut self, id: PacketId) -> bool {
        if self.sorted.back().is_none_or(|last| *last < id) {
            self.sorted.push_back(id);
            return true;
        }
        match self.sorted.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                self.sorted.insert(place, id);
                true
            }
        }
    }

    /// False if it was not in the set.
    pub(super) fn remove(&mut self, id: PacketId) -> bool {
        match self.sorted.binary_search(&id) {
            Ok(place) => self.sorted.remove(place).is_some(),
            Err(_) => false,
        }
    }

    pub(super) fn contains(&self, id: PacketId) -> bool {
        self.sorted.binary_search(&id).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(super) fn shrink(&mut self) {
        self.sorted.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    /// Also [MQTT-2.2.1-4].
    #[test]
    fn mqtt_2_2_1_3_an_identifier_in_use_is_not_given_out() {
        let mut ids = PacketIds::new();
        assert_eq!(ids.take(), Some(id(1)));
        for expected in 2..=u16::MAX {
            assert_eq!(ids.take(), Some(id(expected)));
            assert!(ids.put_back(id(expected)));
        }
        assert_eq!(ids.take(), Some(id(2)), "0 does not exist and 1 is in use");
    }

    #[test]
    fn nothing_is_given_out_when_all_are_in_use() {
        let mut ids = PacketIds::new();
        for _ in 1..=u16::MAX {
            assert!(ids.take().is_some());
        }
        assert_eq!(ids.take(), None);
        assert!(ids.put_back(id(40_000)));
        assert_eq!(ids.take(), Some(id(40_000)));
    }

    #[test]
    fn counting_may_begin_anywhere_and_never_meets_0() {
        assert_eq!(PacketIds::starting_after(6).take(), Some(id(7)));
        assert_eq!(PacketIds::starting_after(u16::MAX).take(), Some(id(1)));
    }

    #[test]
    fn an_identifier_comes_back_once() {
        let mut ids = PacketIds::new();
        let first = ids.take().unwrap();
        assert!(ids.put_back(first));
        assert!(!ids.put_back(first));
        assert!(ids.is_empty());
    }

    proptest! {
        #[test]
        fn no_identifier_is_in_use_twice(finish in prop::collection::vec(any::<prop::sample::Index>(), 0..300)) {
            let mut ids = PacketIds::new();
            let mut open = Vec::new();
            for (turn, which) in finish.iter().enumerate() {
                open.push(ids.take().unwrap());
                if turn % 3 != 0 {
                    let done = open.swap_remove(which.index(open.len()));
                    prop_assert!(ids.put_back(done));
                }
                prop_assert_eq!(open.iter().collect::<HashSet<_>>().len(), open.len());
                prop_assert_eq!(ids.len(), open.len());
            }
        }
    }
}
