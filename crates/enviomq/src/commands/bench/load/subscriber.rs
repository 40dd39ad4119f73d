//! A subscriber of the load: receives, acknowledges, measures.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hdrhistogram::Histogram;
use mqtt::{
    ControlPacket, PacketId, Publish, QoS, RetainHandling, Subscribe, SubscriptionOptions,
    TopicFilter,
};
use tokio::sync::oneshot;

use super::wire::{Wire, ack};
use super::{Shared, histogram};

/// Receives, acknowledges, and measures the delay.
pub(super) struct Subscriber {
    wire: Wire,
    shared: Arc<Shared>,
    qos: QoS,
    delays: Histogram<u64>,
    /// Deliveries of this read, by publisher.
    fresh: Vec<u64>,
}

impl Subscriber {
    pub(super) fn new(wire: Wire, shared: Arc<Shared>, qos: QoS) -> Self {
        let fresh = vec![0; shared.publishers.len()];
        Self {
            wire,
            shared,
            qos,
            delays: histogram(),
            fresh,
        }
    }

    pub(super) async fn run(
        mut self,
        filter: String,
        ready: oneshot::Sender<()>,
    ) -> Result<Histogram<u64>, String> {
        let options = SubscriptionOptions {
            maximum_qos: self.qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::DoNotSend,
        };
        let filter = TopicFilter::try_from(filter.as_str()).map_err(|error| error.to_string())?;
        self.wire.queue(&ControlPacket::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            filters: vec![(filter, options)],
            subscription_identifier: None,
            user_properties: Vec::new(),
        }))?;
        self.wire.flush()?;
        match self.wire.next().await? {
            ControlPacket::SubAck(ack) if !ack.reasons.iter().any(|reason| reason.is_error()) => {}
            other => return Err(format!("{other:?} instead of SUBACK")),
        }
        let _ = ready.send(());
        let shared = Arc::clone(&self.shared);
        // One future for the whole run: a stopped load sends nothing more, so waiting for
        // bytes alone would never end, and a timeout per wait would cost the load its CPU.
        let mut stopped = pin!(shared.stopped.cancelled());
        loop {
            tokio::select! {
                biased;
                ready = self.wire.ready() => ready?,
                () = &mut stopped => return Ok(self.delays),
            }
            while self.wire.fill()? {
                self.take()?;
            }
            if shared.stopped.is_cancelled() {
                return Ok(self.delays);
            }
        }
    }

    /// Everything one read brought.
    fn take(&mut self) -> Result<(), String> {
        let now_ns = self.shared.now_ns();
        let measuring = self.shared.measuring.load(Ordering::Relaxed);
        while let Some(packet) = self.wire.decode()? {
            match packet {
                ControlPacket::Publish(publish) => {
                    let (publisher, sent_ns) = stamp_of(&publish.payload)?;
                    if measuring {
                        self.delays
                            .saturating_record(now_ns.saturating_sub(sent_ns) / 1_000);
                    }
                    *self.fresh.get_mut(publisher).ok_or("a stamp of nobody")? += 1;
                    self.acknowledge(&publish)?;
                }
                ControlPacket::PubRel(release) => {
                    self.wire
                        .queue(&ControlPacket::PubComp(ack(release.packet_id)))?;
                }
                _ => {}
            }
        }
        for (count, progress) in self.fresh.iter_mut().zip(&self.shared.publishers) {
            if *count > 0 {
                progress
                    .delivered
                    .fetch_add(std::mem::take(count), Ordering::Relaxed);
                progress.moved.notify_one();
            }
        }
        self.wire.flush()
    }

    fn acknowledge(&mut self, publish: &Publish) -> Result<(), String> {
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => self.wire.queue(&ControlPacket::PubAck(ack(id))),
            (QoS::ExactlyOnce, Some(id)) => self.wire.queue(&ControlPacket::PubRec(ack(id))),
            _ => Ok(()),
        }
    }
}

/// Publisher and moment, as `Publisher::publish` wrote them.
fn stamp_of(payload: &[u8]) -> Result<(usize, u64), String> {
    let number = |range: std::ops::Range<usize>| {
        payload
            .get(range)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_be_bytes)
            .ok_or_else(|| "a payload without a stamp".to_owned())
    };
    Ok((number(0..8)? as usize, number(8..16)?))
}
