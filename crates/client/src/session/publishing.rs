//! Outgoing messages: from the request to the broker's last word.

use mqtt::flow::inflight::{Exchange, Stage, Unexpected};
use mqtt::{Ack, ControlPacket, EncodeError, PacketId, Publish, QoS, ReasonCode};

use super::{Leaving, Session, misbehaved};
use crate::publication::Watcher;
use crate::{ClientError, Outcome};

/// A QoS 1 or 2 message the broker has not answered; kept to be sent again.
pub(super) struct Unanswered {
    publish: Publish,
    watcher: Watcher,
}

/// A QoS 2 message the broker has; PUBCOMP is missing.
pub(super) struct Released {
    watcher: Watcher,
    /// What its PUBREC said: that nobody subscribes, perhaps.
    reason: ReasonCode,
}

impl Session {
    pub(super) fn publish(&mut self, mut publish: Publish, watcher: Watcher) {
        if let Some(why) = self.objection(&publish) {
            watcher.done(Outcome::NotSent { why });
            return;
        }
        if publish.qos > QoS::AtMostOnce {
            let Some(packet_id) = self.packet_ids.take() else {
                let why = ClientError::QueueFull;
                watcher.done(Outcome::NotSent { why });
                return;
            };
            publish.packet_id = Some(packet_id);
        }
        if let Err(error) = self.encode(&publish) {
            if let Some(packet_id) = publish.packet_id {
                self.packet_ids.put_back(packet_id);
            }
            let why = error.into();
            watcher.done(Outcome::NotSent { why });
            return;
        }
        let Some(packet_id) = publish.packet_id else {
            self.leaving.push(Leaving::Finally(watcher));
            return;
        };
        self.leaving.push(Leaving::Awaiting(watcher.clone()));
        let qos = publish.qos;
        self.inflight
            .start(packet_id, qos, Unanswered { publish, watcher });
    }

    /// Why it cannot be sent now, before anything is tried.
    fn objection(&self, publish: &Publish) -> Option<ClientError> {
        if !self.online {
            Some(ClientError::NotConnected)
        } else if publish.qos > self.limits.qos {
            Some(ClientError::Unsupported(ReasonCode::QoSNotSupported))
        } else if publish.retain && !self.limits.retain {
            Some(ClientError::Unsupported(ReasonCode::RetainNotSupported))
        } else {
            None
        }
    }

    fn encode(&mut self, publish: &Publish) -> Result<(), EncodeError> {
        // Cheap: topic and payload are shared.
        let packet = ControlPacket::Publish(publish.clone());
        self.codec.encode(&packet, &mut self.out)
    }

    /// The broker kept our session: everything open goes out again, in order [MQTT-4.4.0-1].
    pub(super) fn resend(&mut self) {
        while let Some(Exchange { packet_id, stage }) = self.inflight.resend() {
            let packet = match stage {
                Stage::AwaitsPubAck(open) | Stage::AwaitsPubRec(open) => {
                    let mut publish = open.publish.clone();
                    publish.dup = true;
                    ControlPacket::Publish(publish)
                }
                Stage::AwaitsPubComp(_) => {
                    ControlPacket::PubRel(Ack::new(*packet_id, ReasonCode::Success))
                }
            };
            match self.codec.encode(&packet, &mut self.out) {
                Ok(()) => self.inflight.resent(),
                // The broker takes less than it took before; the first copy may have arrived.
                Err(error) => {
                    if let Some(lost) = self.inflight.discard_resend() {
                        self.abandon(lost, &error.into());
                    }
                }
            }
        }
    }

    /// PUBACK.
    pub(super) fn acknowledged(&mut self, ack: Ack) -> Result<(), ClientError> {
        match self.inflight.acknowledge(ack.packet_id) {
            Ok(open) => {
                self.packet_ids.put_back(ack.packet_id);
                open.watcher.done(verdict(ack));
                Ok(())
            }
            // A late answer to something we have given up.
            Err(Unexpected::Unknown) => Ok(()),
            Err(Unexpected::OtherStage) => Err(misbehaved("a PUBACK for a QoS 2 message")),
        }
    }

    /// PUBREC.
    pub(super) fn received(&mut self, ack: Ack) -> Result<(), ClientError> {
        let packet_id = ack.packet_id;
        if ack.reason.is_error() {
            return match self.inflight.refuse(packet_id) {
                Ok(open) => {
                    self.packet_ids.put_back(packet_id);
                    open.watcher.done(verdict(ack));
                    Ok(())
                }
                Err(Unexpected::Unknown) => Ok(()),
                Err(Unexpected::OtherStage) => {
                    Err(misbehaved("a refusing PUBREC at the wrong moment"))
                }
            };
        }
        let reason = ack.reason;
        let watcher = |open: Unanswered| Released {
            watcher: open.watcher,
            reason,
        };
        let answer = match self.inflight.receive(packet_id, watcher) {
            Ok(()) => ReasonCode::Success,
            Err(Unexpected::Unknown) => ReasonCode::PacketIdentifierNotFound,
            // Our PUBREL was lost; a PUBREC for a QoS 1 message gets the same and changes nothing.
            Err(Unexpected::OtherStage) => ReasonCode::Success,
        };
        self.send(&ControlPacket::PubRel(Ack::new(packet_id, answer)));
        Ok(())
    }

    /// PUBCOMP.
    pub(super) fn completed(&mut self, ack: &Ack) -> Result<(), ClientError> {
        match self.inflight.complete(ack.packet_id) {
            Ok(released) => {
                self.packet_ids.put_back(ack.packet_id);
                // Whatever PUBCOMP says: with PUBREC the broker had taken responsibility.
                released.watcher.done(Outcome::Accepted {
                    reason: released.reason,
                });
                Ok(())
            }
            Err(Unexpected::Unknown) => Ok(()),
            Err(Unexpected::OtherStage) => Err(misbehaved("a PUBCOMP without a PUBREC")),
        }
    }

    /// The connection went while bytes were on their way to it. The QoS 1 and 2 ones are in flight.
    pub(super) fn abandon_leaving(&mut self, why: &ClientError) {
        for leaving in self.leaving.drain(..) {
            if let Leaving::Finally(watcher) = leaving {
                let why = why.clone();
                watcher.done(Outcome::Unconfirmed { why });
            }
        }
    }

    /// The session is gone: nobody will ever answer.
    pub(super) fn abandon_inflight(&mut self, why: &ClientError) {
        let lost: Vec<_> = self.inflight.drain().collect();
        for exchange in lost {
            self.abandon(exchange, why);
        }
    }

    fn abandon(&mut self, lost: Exchange<Unanswered, Released>, why: &ClientError) {
        self.packet_ids.put_back(lost.packet_id);
        match lost.stage {
            Stage::AwaitsPubAck(open) | Stage::AwaitsPubRec(open) => {
                let why = why.clone();
                open.watcher.done(Outcome::Unconfirmed { why });
            }
            // PUBREC was the broker's word that it has the message.
            Stage::AwaitsPubComp(released) => released.watcher.done(Outcome::Accepted {
                reason: released.reason,
            }),
        }
    }

    /// Gives the identifier of a finished exchange back.
    pub(super) fn free(&mut self, packet_id: PacketId) {
        self.packet_ids.put_back(packet_id);
    }
}

fn verdict(ack: Ack) -> Outcome {
    if ack.reason.is_error() {
        Outcome::Refused {
            reason: ack.reason,
            reason_string: ack
                .properties
                .and_then(|properties| properties.reason_string),
        }
    } else {
        Outcome::Accepted { reason: ack.reason }
    }
}
