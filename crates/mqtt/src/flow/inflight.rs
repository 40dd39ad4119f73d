//! QoS 1 and 2 exchanges we started and the peer has not finished (4.3, 4.4).

use std::collections::VecDeque;

use crate::{PacketId, QoS};

/// Those exchanges, in the order their PUBLISH was sent.
///
/// `P` is kept until the peer has the message, to send it again; `R` until the exchange is over.
#[derive(Debug, Clone)]
pub struct Inflight<P, R = ()> {
    exchanges: VecDeque<Exchange<P, R>>,
    /// The exchanges from here up to `resend_end` are still to be sent again.
    resend_next: usize,
    resend_end: usize,
}

/// One QoS 1 or 2 message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange<P, R = ()> {
    /// Given out by [`PacketIds`](super::packet_ids::PacketIds).
    pub packet_id: PacketId,
    /// How far it has come.
    pub stage: Stage<P, R>,
}

/// How far an exchange has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage<P, R = ()> {
    /// QoS 1 PUBLISH sent, PUBACK awaited.
    AwaitsPubAck(P),
    /// QoS 2 PUBLISH sent, PUBREC awaited.
    AwaitsPubRec(P),
    /// PUBREL sent, PUBCOMP awaited.
    AwaitsPubComp(R),
}

/// Why an acknowledgement fits no exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    /// No exchange has this identifier: it ended before, or the session was lost.
    #[error("no exchange has this Packet Identifier")]
    Unknown,
    /// There is one, but at another stage. For PUBREC at [`Stage::AwaitsPubComp`]: PUBREL was lost
    /// or is on its way; send it again.
    #[error("the exchange with this Packet Identifier is at another stage")]
    OtherStage,
}

impl<P, R> Inflight<P, R> {
    /// Nothing in flight.
    #[must_use]
    pub const fn new() -> Inflight<P, R> {
        Inflight {
            exchanges: VecDeque::new(),
            resend_next: 0,
            resend_end: 0,
        }
    }

    /// How many exchanges are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// A PUBLISH was sent. QoS 0 starts no exchange: it is handed back.
    pub fn start(&mut self, packet_id: PacketId, qos: QoS, published: P) -> Option<P> {
        let stage = match qos {
            QoS::AtMostOnce => return Some(published),
            QoS::AtLeastOnce => Stage::AwaitsPubAck(published),
            QoS::ExactlyOnce => Stage::AwaitsPubRec(published),
        };
        self.exchanges.push_back(Exchange { packet_id, stage });
        None
    }

    /// PUBACK: the exchange is over, its identifier free.
    ///
    /// # Errors
    /// No QoS 1 exchange has this identifier.
    pub fn acknowledge(&mut self, packet_id: PacketId) -> Result<P, Unexpected> {
        let index = self.find(packet_id)?;
        self.remove_if(index, |stage| match stage {
            Stage::AwaitsPubAck(published) => Ok(published),
            other => Err(other),
        })
    }

    /// PUBREC without an error: the peer has the message, PUBREL is next. `keep` decides what
    /// remains of it until PUBCOMP.
    ///
    /// # Errors
    /// No QoS 2 exchange with this identifier awaits a PUBREC.
    pub fn receive(
        &mut self,
        packet_id: PacketId,
        keep: impl FnOnce(P) -> R,
    ) -> Result<(), Unexpected> {
        let index = self.find(packet_id)?;
        // Taken out and put back, because the message moves into `keep`.
        let Some(Exchange { stage, .. }) = self.exchanges.remove(index) else {
            return Err(Unexpected::Unknown);
        };
        let (stage, result) = match stage {
            Stage::AwaitsPubRec(published) => (Stage::AwaitsPubComp(keep(published)), Ok(())),
            other => (other, Err(Unexpected::OtherStage)),
        };
        self.exchanges.insert(index, Exchange { packet_id, stage });
        result
    }

    /// PUBREC with an error: the exchange is over, its identifier free \[MQTT-4.3.3-4\].
    ///
    /// # Errors
    /// No QoS 2 exchange with this identifier awaits a PUBREC.
    pub fn refuse(&mut self, packet_id: PacketId) -> Result<P, Unexpected> {
        let index = self.find(packet_id)?;
        self.remove_if(index, |stage| match stage {
            Stage::AwaitsPubRec(published) => Ok(published),
            other => Err(other),
        })
    }

    /// PUBCOMP: the exchange is over, its identifier free.
    ///
    /// # Errors
    /// No QoS 2 exchange with this identifier awaits a PUBCOMP.
    pub fn complete(&mut self, packet_id: PacketId) -> Result<R, Unexpected> {
        let index = self.find(packet_id)?;
        self.remove_if(index, |stage| match stage {
            Stage::AwaitsPubComp(rest) => Ok(rest),
            other => Err(other),
        })
    }

    /// A new Network Connection: everything open is to be sent again, see [`Inflight::resend`].
    pub fn rewind(&mut self) {
        self.resend_next = 0;
        self.resend_end = self.exchanges.len();
    }

    /// The next exchange to send again, in the original order \[MQTT-4.6.0-1\]; it stays the next
    /// one until [`Inflight::resent`] or [`Inflight::discard_resend`].
    #[must_use]
    pub fn resend(&self) -> Option<&Exchange<P, R>> {
        (self.resend_next < self.resend_end)
            .then(|| self.exchanges.get(self.resend_next))
            .flatten()
    }

    /// The exchange of [`Inflight::resend`] was sent.
    pub fn resent(&mut self) {
        self.resend_next = self.resend_end.min(self.resend_next + 1);
    }

    /// The exchange of [`Inflight::resend`] can not be sent on this connection and ends.
    pub fn discard_resend(&mut self) -> Option<Exchange<P, R>> {
        if self.resend_next < self.resend_end {
            self.remove(self.resend_next)
        } else {
            None
        }
    }

    /// All open exchanges, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Exchange<P, R>> {
        self.exchanges.iter()
    }

    /// All open exchanges, oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Exchange<P, R>> {
        self.exchanges.iter_mut()
    }

    /// Ends every exchange, oldest first: the peer has lost the session.
    pub fn drain(&mut self) -> impl Iterator<Item = Exchange<P, R>> + '_ {
        (self.resend_next, self.resend_end) = (0, 0);
        self.exchanges.drain(..)
    }

    /// Gives memory held for an earlier burst back.
    pub fn shrink(&mut self) {
        self.exchanges.shrink_to_fit();
    }

    /// Peers acknowledge in the order they received, so the first look is nearly always the last.
    fn find(&self, packet_id: PacketId) -> Result<usize, Unexpected> {
        self.exchanges
            .iter()
            .position(|exchange| exchange.packet_id == packet_id)
            .ok_or(Unexpected::Unknown)
    }

    /// Removes the exchange at `index` if `take` finds what it wants in its stage.
    fn remove_if<T>(
        &mut self,
        index: usize,
        take: impl FnOnce(Stage<P, R>) -> Result<T, Stage<P, R>>,
    ) -> Result<T, Unexpected> {
        let Some(Exchange { packet_id, stage }) = self.exchanges.remove(index) else {
            return Err(Unexpected::Unknown);
        };
        match take(stage) {
            Ok(taken) => {
                self.forget(index);
                Ok(taken)
            }
            Err(stage) => {
                self.exchanges.insert(index, Exchange { packet_id, stage });
                Err(Unexpected::OtherStage)
            }
        }
    }

    fn remove(&mut self, index: usize) -> Option<Exchange<P, R>> {
        let exchange = self.exchanges.remove(index)?;
        self.forget(index);
        Some(exchange)
    }

    /// The exchange at `index` is gone: the ones behind it moved up.
    fn forget(&mut self, index: usize) {
        if index < self.resend_next {
            self.resend_next -= 1;
        }
        if index < self.resend_end {
            self.resend_end -= 1;
        }
    }
}

impl<P, R> Default for Inflight<P, R> {
    fn default() -> Inflight<P, R> {
        Inflight::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn started(qos: &[QoS]) -> Inflight<&'static str> {
        let mut inflight = Inflight::new();
        for (index, qos) in qos.iter().enumerate() {
            let packet_id = id(u16::try_from(index).unwrap() + 1);
            assert_eq!(inflight.start(packet_id, *qos, "text"), None);
        }
        inflight
    }

    fn ids_to_resend(inflight: &mut Inflight<&'static str>) -> Vec<u16> {
        let mut ids = Vec::new();
        while let Some(exchange) = inflight.resend() {
            ids.push(exchange.packet_id.get());
            inflight.resent();
        }
        ids
    }

    #[test]
    fn qos_0_starts_no_exchange() {
        let mut inflight = started(&[]);
        assert_eq!(inflight.start(id(1), QoS::AtMostOnce, "text"), Some("text"));
        assert!(inflight.is_empty());
    }

    #[test]
    fn qos_1_ends_with_puback() {
        let mut inflight = started(&[QoS::AtLeastOnce]);
        assert_eq!(inflight.complete(id(1)), Err(Unexpected::OtherStage));
        assert_eq!(inflight.refuse(id(1)), Err(Unexpected::OtherStage));
        assert_eq!(inflight.acknowledge(id(1)), Ok("text"));
        assert_eq!(inflight.acknowledge(id(1)), Err(Unexpected::Unknown));
    }

    #[test]
    fn qos_2_ends_with_pubcomp_and_lets_the_message_go_at_pubrec() {
        let mut inflight = started(&[QoS::ExactlyOnce]);
        assert_eq!(inflight.acknowledge(id(1)), Err(Unexpected::OtherStage));
        let mut let_go = None;
        inflight.receive(id(1), |text| let_go = Some(text)).unwrap();
        assert_eq!(let_go, Some("text"));
        let again = inflight.receive(id(1), |_| ());
        assert_eq!(again, Err(Unexpected::OtherStage));
        assert_eq!(inflight.complete(id(1)), Ok(()));
        assert!(inflight.is_empty());
    }

    #[test]
    fn a_refused_qos_2_message_is_over() {
        let mut inflight = started(&[QoS::ExactlyOnce]);
        assert_eq!(inflight.refuse(id(1)), Ok("text"));
        assert_eq!(inflight.refuse(id(1)), Err(Unexpected::Unknown));
    }

    #[test]
    fn mqtt_4_6_0_1_exchanges_are_sent_again_in_their_order() {
        let mut inflight = started(&[QoS::AtLeastOnce; 4]);
        assert_eq!(ids_to_resend(&mut inflight), [0; 0]);
        inflight.rewind();
        assert_eq!(ids_to_resend(&mut inflight), [1, 2, 3, 4]);
        inflight.start(id(5), QoS::AtLeastOnce, "new");
        assert_eq!(ids_to_resend(&mut inflight), [0; 0], "5 is new, not again");
    }

    #[test]
    fn an_acknowledgement_in_the_middle_of_resending_skips_nothing() {
        let mut inflight = started(&[QoS::AtLeastOnce; 5]);
        inflight.rewind();
        inflight.resent();
        inflight.resent();
        inflight.acknowledge(id(1)).unwrap();
        inflight.acknowledge(id(4)).unwrap();
        assert_eq!(ids_to_resend(&mut inflight), [3, 5]);
    }

    #[test]
    fn a_discarded_exchange_gives_way_to_the_next() {
        let mut inflight = started(&[QoS::AtLeastOnce; 2]);
        inflight.rewind();
        assert_eq!(inflight.discard_resend().unwrap().packet_id, id(1));
        assert_eq!(ids_to_resend(&mut inflight), [2]);
        assert_eq!(inflight.discard_resend(), None);
    }
}
