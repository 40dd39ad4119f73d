//! Arriving messages: each is handed out once, and answered when its reader says so.

use mqtt::{Ack, ControlPacket, PacketId, ProtocolVersion, Publish, QoS, ReasonCode};

use super::{Session, misbehaved};
use crate::incoming::{Receipt, ReceiptId};
use crate::{ClientError, Incoming};

/// A QoS 1 or 2 message that arrived and is not finished.
pub(super) struct Owed {
    serial: u64,
    qos: QoS,
    /// The connection it was last seen on.
    connection: u64,
    /// The reader has it safe.
    is_safe: bool,
}

impl Session {
    /// PUBLISH: what it brings, unless it repeats what the reader has already.
    pub(super) fn arrive(&mut self, publish: Publish) -> Result<Option<Incoming>, ClientError> {
        // Also beside a topic: it would be a name for later, and we keep none.
        let topic = publish
            .topic_name()
            .filter(|_| publish.topic_alias().is_none());
        let Some(topic) = topic else {
            return Err(ClientError::Misbehaved {
                what: "a Topic Alias, and we allowed none",
                reason: ReasonCode::TopicAliasInvalid,
            });
        };
        let mut receipt = None;
        if let Some(packet_id) = publish.packet_id {
            if publish.dup && self.is_repetition(packet_id) {
                return Ok(None);
            }
            receipt = Some(self.owe(packet_id, publish.qos)?);
        }
        Ok(Some(Incoming {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            properties: publish.properties,
            receipt,
        }))
    }

    /// Whether it is one the reader was given on an earlier connection; answered if it is safe.
    fn is_repetition(&mut self, packet_id: PacketId) -> bool {
        let Some(owed) = self.owed.get_mut(&packet_id) else {
            return false;
        };
        if owed.connection != self.connection {
            owed.connection = self.connection;
            self.owed_here += 1;
        }
        if owed.is_safe {
            self.answer(packet_id);
        }
        true
    }

    fn owe(&mut self, packet_id: PacketId, qos: QoS) -> Result<Receipt, ClientError> {
        self.next_serial += 1;
        let owed = Owed {
            serial: self.next_serial,
            qos,
            connection: self.connection,
            is_safe: false,
        };
        // An old one with this identifier was finished by the broker without us.
        if let Some(old) = self.owed.insert(packet_id, owed)
            && old.connection == self.connection
        {
            return Err(misbehaved("a Packet Identifier that is in use"));
        }
        self.owed_here += 1;
        if self.owed_here > self.receive_maximum && self.version == ProtocolVersion::V5 {
            return Err(ClientError::Misbehaved {
                what: "more messages than our Receive Maximum",
                reason: ReasonCode::ReceiveMaximumExceeded,
            });
        }
        Ok(Receipt {
            receipt: ReceiptId {
                packet_id,
                serial: self.next_serial,
            },
            driver: self.receipts.clone(),
        })
    }

    /// The reader has it safe. If its connection is gone, the repetition is answered instead.
    pub(crate) fn handle_receipt(&mut self, receipt: ReceiptId) {
        let Some(owed) = self.owed.get_mut(&receipt.packet_id) else {
            return;
        };
        if owed.serial != receipt.serial || owed.is_safe {
            return;
        }
        owed.is_safe = true;
        if self.online && owed.connection == self.connection {
            self.answer(receipt.packet_id);
        }
    }

    /// PUBACK or PUBREC.
    fn answer(&mut self, packet_id: PacketId) {
        let ack = Ack::new(packet_id, ReasonCode::Success);
        if self.owed.get(&packet_id).map(|owed| owed.qos) == Some(QoS::AtLeastOnce) {
            self.settle(packet_id);
            self.send(&ControlPacket::PubAck(ack));
        } else {
            self.send(&ControlPacket::PubRec(ack));
        }
    }

    /// PUBREL: the broker knows that we have it; the identifier may come again.
    pub(super) fn release(&mut self, ack: &Ack) {
        let reason = match self.settle(ack.packet_id) {
            true => ReasonCode::Success,
            false => ReasonCode::PacketIdentifierNotFound,
        };
        self.send(&ControlPacket::PubComp(Ack::new(ack.packet_id, reason)));
    }

    /// Ends an exchange; false if there was none.
    fn settle(&mut self, packet_id: PacketId) -> bool {
        let Some(owed) = self.owed.remove(&packet_id) else {
            return false;
        };
        if owed.connection == self.connection {
            self.owed_here -= 1;
        }
        true
    }
}
