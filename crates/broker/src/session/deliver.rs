//! Outbound: answers and messages into bytes, and what the client answers to messages (4.3, 4.4, 4.9).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use mqtt::flow::inflight::{Stage, Unexpected};
use mqtt::{Ack, PacketId, ProtocolVersion, PublishHeader, QoS, ReasonCode};

use crate::outbox::Delivery;
use crate::session::connect::Link;
use crate::session::reply::Reply;
use crate::session::{ProtocolError, Session};

impl Session {
    /// Answers first, then what a resumed client must get again, then what is new.
    pub(super) fn write(&mut self, out: &mut BytesMut, budget: usize, now: Instant) {
        self.write_replies(out, budget);
        if self.link.ending {
            return;
        }
        self.write_again(out, budget, now);
        self.write_pending(out, budget, now);
        if self.pending.is_empty() && self.pending.capacity() > PENDING_KEPT {
            self.pending = VecDeque::new();
        }
    }

    fn write_replies(&mut self, out: &mut BytesMut, budget: usize) {
        while out.len() < budget {
            let Some(reply) = self.link.replies.pop_front() else {
                return;
            };
            if reply.ends_exchange() {
                self.link.unanswered = self.link.unanswered.saturating_sub(1);
            }
            let answered = reply.reason_code_count();
            self.link.reason_codes_waiting =
                self.link.reason_codes_waiting.saturating_sub(answered);
            reply.encode(&self.link.codec, out);
        }
    }

    /// What was sent on an earlier connection and not acknowledged \[MQTT-4.4.0-1\].
    fn write_again(&mut self, out: &mut BytesMut, budget: usize, now: Instant) {
        while out.len() < budget {
            let Some(exchange) = self.inflight.resend() else {
                return;
            };
            let packet_id = exchange.packet_id;
            let (delivery, qos) = match &exchange.stage {
                Stage::AwaitsPubComp(()) => {
                    Reply::PubRel(Ack::new(packet_id, ReasonCode::Success))
                        .encode(&self.link.codec, out);
                    self.inflight.resent();
                    continue;
                }
                Stage::AwaitsPubAck(delivery) => (delivery, QoS::AtLeastOnce),
                Stage::AwaitsPubRec(delivery) => (delivery, QoS::ExactlyOnce),
            };
            if self.link.send_quota == 0 {
                return;
            }
            let header = PublishHeader {
                qos,
                dup: true, // [MQTT-3.3.1-1]
                ..header_of(delivery, Some(packet_id))
            };
            if self.link.write_publish(delivery, &header, out, now) {
                self.link.send_quota -= 1;
                self.inflight.resent();
            } else {
                self.link.dropped.too_large += 1;
                self.inflight_bytes -= delivery.size();
                self.inflight.discard_resend();
                self.packet_ids.put_back(packet_id);
            }
        }
    }

    fn write_pending(&mut self, out: &mut BytesMut, budget: usize, now: Instant) {
        // New messages wait behind repeated ones, or they would overtake them [MQTT-4.6.0-1].
        if self.inflight.resend().is_some() {
            return;
        }
        let inflight_max = usize::from(self.limits.inflight_max_count.max(1));
        let inflight_max_bytes = self.limits.inflight_max_bytes.max(1);
        while out.len() < budget {
            let blocked = self.link.send_quota == 0
                || self.inflight.len() >= inflight_max
                || self.inflight_bytes >= inflight_max_bytes;
            let ready = |delivery: &mut Delivery| !blocked || delivery.qos == QoS::AtMostOnce;
            let Some(delivery) = self.pending.pop_front_if(ready) else {
                return;
            };
            if delivery.message.is_expired(now) {
                self.link.dropped.expired += 1; // [MQTT-3.3.2-5]
            } else {
                self.write_new(delivery, out, now);
            }
        }
    }

    fn write_new(&mut self, delivery: Delivery, out: &mut BytesMut, now: Instant) {
        let packet_id = match delivery.qos {
            QoS::AtMostOnce => None,
            // Fewer than 65,535 are in flight here, so there is an identifier left.
            _ => self.packet_ids.take(),
        };
        let header = header_of(&delivery, packet_id);
        let written = self.link.write_publish(&delivery, &header, out, now);
        match (packet_id, written) {
            (Some(packet_id), true) => {
                self.link.send_quota -= 1;
                self.inflight_bytes += delivery.size();
                self.inflight.start(packet_id, delivery.qos, delivery);
            }
            (Some(packet_id), false) => {
                self.link.dropped.too_large += 1;
                self.packet_ids.put_back(packet_id);
            }
            (None, true) => {}
            (None, false) => self.link.dropped.too_large += 1,
        }
    }

    /// The client has our QoS 1 message.
    pub(super) fn handle_puback(&mut self, ack: &Ack) -> Result<(), ProtocolError> {
        match self.inflight.acknowledge(ack.packet_id) {
            Ok(delivery) => {
                self.inflight_bytes -= delivery.size();
                self.finish(ack.packet_id);
            }
            Err(Unexpected::Unknown) => {} // an exchange that ended before; nothing to say
            Err(Unexpected::OtherStage) => return Err(ProtocolError::WrongAcknowledgement),
        }
        Ok(())
    }

    /// The client has our QoS 2 message, or refuses it.
    pub(super) fn handle_pubrec(&mut self, ack: &Ack) -> Result<(), ProtocolError> {
        let packet_id = ack.packet_id;
        let inflight_bytes = &mut self.inflight_bytes;
        let let_go = |delivery: Delivery| *inflight_bytes -= delivery.size();
        let result = if ack.reason.is_error() {
            self.inflight.refuse(packet_id).map(let_go)
        } else {
            self.inflight.receive(packet_id, let_go)
        };
        let reason = match result {
            Ok(()) if ack.reason.is_error() => {
                self.finish(packet_id); // [MQTT-4.3.3-4]: no PUBREL follows
                return Ok(());
            }
            Ok(()) => ReasonCode::Success,
            Err(Unexpected::Unknown) if ack.reason.is_error() => return Ok(()),
            Err(Unexpected::Unknown) if self.link.version == ProtocolVersion::V5 => {
                ReasonCode::PacketIdentifierNotFound
            }
            Err(Unexpected::Unknown) => ReasonCode::Success,
            Err(Unexpected::OtherStage) if self.awaits_pubcomp(packet_id) => ReasonCode::Success,
            Err(Unexpected::OtherStage) => return Err(ProtocolError::WrongAcknowledgement),
        };
        let pubrel = Ack::new(packet_id, reason);
        self.link.replies.push_back(Reply::PubRel(pubrel));
        Ok(())
    }

    /// The client has forgotten our QoS 2 message; so may we.
    pub(super) fn handle_pubcomp(&mut self, ack: &Ack) -> Result<(), ProtocolError> {
        match self.inflight.complete(ack.packet_id) {
            Ok(()) => self.finish(ack.packet_id),
            Err(Unexpected::Unknown) => {}
            Err(Unexpected::OtherStage) => return Err(ProtocolError::WrongAcknowledgement),
        }
        Ok(())
    }

    fn awaits_pubcomp(&self, packet_id: PacketId) -> bool {
        self.inflight.iter().any(|exchange| {
            exchange.packet_id == packet_id && matches!(exchange.stage, Stage::AwaitsPubComp(()))
        })
    }

    /// An exchange is over: its identifier is free, and another message may be sent (4.9).
    fn finish(&mut self, packet_id: PacketId) {
        self.packet_ids.put_back(packet_id);
        let link = &mut self.link;
        // Exchanges of an earlier connection come back, too; the quota never exceeds its start.
        link.send_quota = link.send_maximum.min(link.send_quota.saturating_add(1));
    }
}

impl Link {
    /// False if the client does not accept a packet of this size \[MQTT-3.1.2-24\].
    fn write_publish(
        &self,
        delivery: &Delivery,
        header: &PublishHeader<'_>,
        out: &mut BytesMut,
        now: Instant,
    ) -> bool {
        let message = Arc::as_ref(&delivery.message);
        // Most clients name no maximum: then nothing is measured before it is written.
        let fits = self.peer_max_bytes >= u32::MAX as usize
            || message.encoded_publish_len(self.version, header) <= self.peer_max_bytes;
        fits && message
            .encode_publish(out, self.version, header, now)
            .is_ok()
    }
}

fn header_of(delivery: &Delivery, packet_id: Option<PacketId>) -> PublishHeader<'_> {
    PublishHeader {
        qos: delivery.qos,
        dup: false,
        retain: delivery.retain,
        packet_id,
        subscription_identifiers: &delivery.subscription_identifiers,
        topic_alias: None,
    }
}

/// Room kept between bursts, in deliveries; a larger burst gives its memory back.
const PENDING_KEPT: usize = 64;
