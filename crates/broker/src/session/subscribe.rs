//! SUBSCRIBE and UNSUBSCRIBE to their answers (3.8 to 3.11).

use mqtt::{PacketId, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe};

use crate::journal::Sequence;
use crate::session::promises::Owed;
use crate::session::reply::Reply;
use crate::session::{Action, Session};

impl Session {
    /// Passes the filters on with their options. Shared subscriptions are refused one by one,
    /// because CONNACK said that we have none (3.2.2.3.13).
    pub(super) fn handle_subscribe(&mut self, subscribe: Subscribe) {
        let refused = |shared: bool| shared.then_some(ReasonCode::SharedSubscriptionsNotSupported);
        let reasons: Vec<Option<ReasonCode>> = subscribe
            .filters
            .iter()
            .map(|(filter, _)| refused(filter.share().is_some()))
            .collect();
        self.link.reason_codes_waiting += reasons.len();
        let mut filters = subscribe.filters;
        filters.retain(|(filter, _)| filter.share().is_none());

        let packet_id = subscribe.packet_id;
        self.promises.open(Owed::SubAck(packet_id, reasons));
        if filters.is_empty() {
            self.subscribed(packet_id, Vec::new(), Sequence::START);
            return;
        }
        self.link.actions.push_back(Action::Subscribe {
            packet_id,
            filters,
            subscription_identifier: subscribe.subscription_identifier,
        });
    }

    pub(super) fn subscribed(
        &mut self,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
        sequence: Sequence,
    ) {
        let wanted = |owed: &Owed| matches!(owed, Owed::SubAck(id, _) if *id == packet_id);
        let Some(place) = self.promises.find(wanted) else {
            return;
        };
        let Some(Owed::SubAck(_, decided)) = self.promises.owed(place) else {
            return;
        };
        let mut reasons = reasons.into_iter();
        let reasons = std::mem::take(decided)
            .into_iter()
            .map(|reason| {
                reason
                    .or_else(|| reasons.next())
                    .unwrap_or(ReasonCode::UnspecifiedError)
            })
            .collect();
        let suback = SubAck {
            packet_id,
            reasons,
            properties: None,
        };
        let reply = Reply::SubAck(Box::new(suback));
        let replies = &mut self.link.replies;
        self.promises.answer(place, reply, sequence, replies);
    }

    pub(super) fn handle_unsubscribe(&mut self, unsubscribe: Unsubscribe) {
        let Unsubscribe {
            packet_id, filters, ..
        } = unsubscribe;
        self.link.reason_codes_waiting += filters.len();
        self.promises.open(Owed::UnsubAck(packet_id));
        self.link
            .actions
            .push_back(Action::Unsubscribe { packet_id, filters });
    }

    pub(super) fn unsubscribed(
        &mut self,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
        sequence: Sequence,
    ) {
        let wanted = |owed: &Owed| matches!(owed, Owed::UnsubAck(id) if *id == packet_id);
        let Some(place) = self.promises.find(wanted) else {
            return;
        };
        let unsuback = UnsubAck {
            packet_id,
            reasons,
            properties: None,
        };
        let reply = Reply::UnsubAck(Box::new(unsuback));
        let replies = &mut self.link.replies;
        self.promises.answer(place, reply, sequence, replies);
    }
}
