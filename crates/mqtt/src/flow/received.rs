//! QoS 2 identifiers we received and owe a PUBCOMP (4.3.3).

use crate::PacketId;
use crate::flow::packet_ids::IdSet;

/// The messages whose publisher has not released them yet. What is in here is not routed again.
#[derive(Debug, Clone, Default)]
pub struct Received {
    open: IdSet,
}

impl Received {
    /// Nothing received.
    #[must_use]
    pub const fn new() -> Received {
        Received { open: IdSet::new() }
    }

    /// A QoS 2 PUBLISH arrived: true if it is the first with this identifier, so it is to be routed
    /// \[MQTT-4.3.3-10\]. Either way it is to be answered with PUBREC.
    pub fn accept(&mut self, id: PacketId) -> bool {
        self.open.insert(id)
    }

    /// A PUBREL arrived, or the message was refused: the identifier is free for a new message.
    /// False if it was not open; a PUBREL is answered with PUBCOMP all the same.
    pub fn release(&mut self, id: PacketId) -> bool {
        self.open.remove(id)
    }

    /// Whether a message with this identifier is open.
    #[must_use]
    pub fn contains(&self, id: PacketId) -> bool {
        self.open.contains(id)
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.len() == 0
    }

    /// Gives memory held for an earlier burst back.
    pub fn shrink(&mut self) {
        self.open.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_4_3_3_10_the_same_identifier_is_new_again_only_after_its_release() {
        let id = PacketId::new(7).unwrap();
        let mut received = Received::new();
        assert!(received.accept(id));
        assert!(!received.accept(id));
        assert!(received.release(id));
        assert!(!received.release(id));
        assert!(received.accept(id));
    }

    #[test]
    fn identifiers_may_come_and_go_in_any_order() {
        let mut received = Received::new();
        for value in [9, 3, 65_535, 1] {
            assert!(received.accept(PacketId::new(value).unwrap()));
        }
        for value in [3, 65_535, 9, 1] {
            let id = PacketId::new(value).unwrap();
            assert!(received.contains(id));
            assert!(received.release(id));
            assert!(!received.contains(id));
        }
        assert!(received.is_empty());
    }
}
