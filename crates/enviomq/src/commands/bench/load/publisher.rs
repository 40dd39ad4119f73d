//! A publisher of the load: as fast as its window lets, or at a fixed rate.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use mqtt::{ByteString, ControlPacket, Publish, QoS};

use super::super::scenario::Scenario;
use super::wire::{Wire, ack};
use super::{Shared, histogram};

/// Publishes while its window, or its rate, allows.
pub(super) struct Publisher {
    wire: Wire,
    shared: Arc<Shared>,
    scenario: Scenario,
    index: usize,
    topic: ByteString,
    published: u64,
    acknowledged: u64,
    next_id: NonZeroU16,
}

impl Publisher {
    pub(super) fn new(wire: Wire, shared: Arc<Shared>, scenario: Scenario, index: usize) -> Self {
        let topic = scenario.topic(index).into();
        Self {
            wire,
            shared,
            scenario,
            index,
            topic,
            published: 0,
            acknowledged: 0,
            next_id: NonZeroU16::MIN,
        }
    }

    pub(super) async fn run(mut self) -> Result<Histogram<u64>, String> {
        match self.scenario.interval() {
            Some(interval) => self.paced(interval).await?,
            None => self.flood().await?,
        }
        Ok(histogram())
    }

    /// As fast as it goes with a bounded number of messages under way.
    async fn flood(&mut self) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let moved = &shared.publishers[self.index].moved;
        while !self.shared.is_stopped() {
            for _ in 0..self.room() {
                self.publish()?;
            }
            self.wire.flush()?;
            tokio::select! {
                () = moved.notified() => {}
                ready = self.wire.ready() => {
                    ready?;
                    self.take_acknowledgements()?;
                }
            }
        }
        Ok(())
    }

    /// One message at each tick, those missed made up for.
    async fn paced(&mut self, interval: Duration) -> Result<(), String> {
        let mut ticks = tokio::time::interval(interval);
        // Not all publishers at the same moment.
        ticks.reset_after(interval.mul_f64(fastrand::f64()));
        while !self.shared.is_stopped() {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish()?;
                    self.wire.flush()?;
                }
                ready = self.wire.ready() => {
                    ready?;
                    self.take_acknowledgements()?;
                }
            }
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        let delivered = self.shared.publishers[self.index]
            .delivered
            .load(Ordering::Relaxed);
        let done = delivered / self.scenario.receivers_per_message();
        let done = match self.scenario.qos {
            QoS::AtMostOnce => done,
            _ => done.min(self.acknowledged),
        };
        u64::from(self.scenario.window).saturating_sub(self.published - done)
    }

    fn publish(&mut self) -> Result<(), String> {
        let packet_id = (self.scenario.qos != QoS::AtMostOnce).then(|| {
            let id = self.next_id;
            self.next_id = id.checked_add(1).unwrap_or(NonZeroU16::MIN);
            id
        });
        let mut payload = vec![0_u8; self.scenario.payload_bytes];
        payload[..8].copy_from_slice(&(self.index as u64).to_be_bytes());
        payload[8..16].copy_from_slice(&self.shared.now_ns().to_be_bytes());
        self.published += 1;
        self.wire.queue(&ControlPacket::Publish(Publish {
            dup: false,
            qos: self.scenario.qos,
            retain: false,
            topic: self.topic.clone(),
            packet_id,
            payload: Bytes::from(payload),
            properties: None,
        }))
    }

    fn take_acknowledgements(&mut self) -> Result<(), String> {
        while self.wire.fill()? {
            while let Some(packet) = self.wire.decode()? {
                match packet {
                    ControlPacket::PubAck(_) | ControlPacket::PubComp(_) => self.acknowledged += 1,
                    ControlPacket::PubRec(received) => {
                        self.wire
                            .queue(&ControlPacket::PubRel(ack(received.packet_id)))?;
                    }
                    _ => {}
                }
            }
        }
        self.wire.flush()
    }
}
