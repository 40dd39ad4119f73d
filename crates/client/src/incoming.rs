//! Arrived messages, and their acknowledgement when they are safe.

use bytes::Bytes;
use mqtt::{PacketId, PublishProperties, QoS, TopicName};
use tokio::sync::mpsc;

use crate::inbox::Waiting;

/// What arrives, in the order of arrival.
///
/// At most Receive Maximum messages wait here, and at most
/// [`waiting_maximum_bytes`](crate::Options::waiting_maximum_bytes) of them; then the client stops
/// reading, and the broker keeps the rest.
#[derive(Debug)]
pub struct Messages {
    pub(crate) queue: mpsc::Receiver<Waiting>,
}

impl Messages {
    /// The next message; none when the client has closed. Cancel safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        Some(self.queue.recv().await?.message)
    }

    /// The next message if one is here already: to make a batch of what has gathered.
    pub fn try_next(&mut self) -> Option<Incoming> {
        Some(self.queue.try_recv().ok()?.message)
    }
}

/// One arrived message.
#[derive(Debug)]
pub struct Incoming {
    /// Its Topic Name.
    pub topic: TopicName,
    /// Any bytes. A slice of the receive buffer: copy what is kept for long.
    pub payload: Bytes,
    /// QoS of this delivery.
    pub qos: QoS,
    /// It was kept by the broker from before the subscription.
    pub retain: bool,
    /// It may have been delivered before.
    pub dup: bool,
    /// 5.0 only.
    pub properties: Option<Box<PublishProperties>>,
    pub(crate) receipt: Option<Receipt>,
}

impl Incoming {
    /// It is safe: the broker may forget it. Nothing happens for QoS 0, or if the connection or
    /// its session is gone by now; then the broker sends it again.
    pub fn ack(mut self) {
        self.take_receipt().give();
    }

    /// Takes the acknowledgement apart from the message, to give it later.
    pub fn take_receipt(&mut self) -> Acknowledge {
        Acknowledge(self.receipt.take())
    }
}

/// The acknowledgement of one message, to be given when the message is safe.
#[derive(Debug)]
#[must_use = "the broker keeps and repeats what is not acknowledged"]
pub struct Acknowledge(Option<Receipt>);

impl Acknowledge {
    /// As [`Incoming::ack`].
    pub fn give(self) {
        if let Some(receipt) = self.0 {
            // Without a driver there is no connection, and the broker sends it again.
            let _ = receipt.driver.send(receipt.receipt);
        }
    }
}

/// Where and how to acknowledge.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) receipt: ReceiptId,
    pub(crate) driver: mpsc::UnboundedSender<ReceiptId>,
}

/// Which delivery is meant. The serial tells it from a later one with the same identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceiptId {
    pub(crate) packet_id: PacketId,
    pub(crate) serial: u64,
}
