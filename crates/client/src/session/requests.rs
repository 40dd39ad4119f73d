//! SUBSCRIBE and UNSUBSCRIBE, and what to ask for again when a session was lost.

use mqtt::{
    ControlPacket, PacketId, ProtocolVersion, ReasonCode, Subscribe, SubscriptionOptions,
    TopicFilter, Unsubscribe,
};
use tokio::sync::oneshot;

use super::{Session, misbehaved};
use crate::ClientError;

/// Where the answer to a request goes.
pub(crate) type Reply = oneshot::Sender<Result<Vec<ReasonCode>, ClientError>>;

/// Something asked of the broker that it answers once.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe {
        filters: Vec<(TopicFilter, SubscriptionOptions)>,
        reply: Reply,
    },
    Unsubscribe {
        filters: Vec<TopicFilter>,
        reply: Reply,
    },
    /// Subscriptions the broker granted before and has lost.
    Renew {
        filters: Vec<(TopicFilter, SubscriptionOptions)>,
    },
}

impl Session {
    /// Sends it, or keeps it for the next connection.
    pub(super) fn ask(&mut self, request: Request) {
        self.to_ask.push_back(request);
        if self.online {
            self.send_requests();
        }
    }

    pub(super) fn send_requests(&mut self) {
        while let Some(request) = self.to_ask.pop_front() {
            if request.is_abandoned() {
                continue;
            }
            let Some(packet_id) = self.packet_ids.take() else {
                self.to_ask.push_front(request);
                return;
            };
            match self.codec.encode(&request.packet(packet_id), &mut self.out) {
                Ok(()) => {
                    self.asked.insert(packet_id, request);
                }
                Err(error) => {
                    self.free(packet_id);
                    request.answer(Err(error.into()));
                }
            }
        }
    }

    /// After a lost session. In one packet per filter, so that size can be no reason to fail.
    pub(super) fn renew_subscriptions(&mut self) {
        self.to_ask
            .retain(|request| !matches!(request, Request::Renew { .. }));
        for subscription in self.subscriptions.values().rev() {
            self.to_ask.push_front(Request::Renew {
                filters: vec![subscription.clone()],
            });
        }
    }

    /// SUBACK or UNSUBACK.
    ///
    /// # Errors
    /// It answers something else than was asked; the request stays, for the next connection.
    pub(super) fn answered(
        &mut self,
        answers: Answers,
        packet_id: PacketId,
        reasons: Vec<ReasonCode>,
    ) -> Result<(), ClientError> {
        let Some(request) = self.asked.get(&packet_id) else {
            return Ok(());
        };
        if !request.is_answered_by(answers, reasons.len(), self.version) {
            return Err(misbehaved(
                "an answer that does not fit the filters asked for",
            ));
        }
        let Some(request) = self.asked.remove(&packet_id) else {
            return Ok(());
        };
        self.free(packet_id);
        match &request {
            Request::Subscribe { filters, .. } | Request::Renew { filters } => {
                for ((filter, options), reason) in filters.iter().zip(&reasons) {
                    let name = filter.as_byte_string();
                    if !reason.is_error() {
                        self.subscriptions
                            .insert(name.clone(), (filter.clone(), *options));
                    } else if self.subscriptions.remove(name).is_some() {
                        tracing::warn!(%name, %reason, "subscription {name} was not granted again");
                    }
                }
            }
            Request::Unsubscribe { filters, .. } => {
                for filter in filters {
                    self.subscriptions.remove(filter.as_byte_string());
                }
            }
        }
        request.answer(Ok(reasons));
        Ok(())
    }

    /// The connection went: what was not answered is asked again on the next.
    pub(super) fn take_back_requests(&mut self) {
        let asked: Vec<_> = self.asked.drain().collect();
        for (packet_id, request) in asked {
            self.free(packet_id);
            self.to_ask.push_back(request);
        }
    }

    pub(super) fn fail_requests(&mut self, why: &ClientError) {
        for request in self.to_ask.drain(..) {
            request.answer(Err(why.clone()));
        }
    }
}

/// Which of the two an answer says it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Subscribe,
    Unsubscribe,
}

impl Request {
    /// Whether `count` Reason Codes may answer it; 3.1.1 has none for UNSUBSCRIBE.
    fn is_answered_by(&self, answers: Answers, count: usize, version: ProtocolVersion) -> bool {
        match self {
            Request::Subscribe { filters, .. } | Request::Renew { filters } => {
                answers == Answers::Subscribe && count == filters.len()
            }
            Request::Unsubscribe { filters, .. } => {
                let expected = match version {
                    ProtocolVersion::V3_1_1 => 0,
                    ProtocolVersion::V5 => filters.len(),
                };
                answers == Answers::Unsubscribe && count == expected
            }
        }
    }

    fn packet(&self, packet_id: PacketId) -> ControlPacket {
        match self {
            Request::Subscribe { filters, .. } | Request::Renew { filters } => {
                ControlPacket::Subscribe(Subscribe {
                    packet_id,
                    filters: filters.clone(),
                    subscription_identifier: None,
                    user_properties: Vec::new(),
                })
            }
            Request::Unsubscribe { filters, .. } => ControlPacket::Unsubscribe(Unsubscribe {
                packet_id,
                filters: filters.clone(),
                user_properties: Vec::new(),
            }),
        }
    }

    fn answer(self, answer: Result<Vec<ReasonCode>, ClientError>) {
        match self {
            // Whoever asked may have stopped waiting.
            Request::Subscribe { reply, .. } | Request::Unsubscribe { reply, .. } => {
                let _ = reply.send(answer);
            }
            Request::Renew { .. } => {}
        }
    }

    /// Nobody waits for the answer any more. A subscription is wanted all the same once sent.
    fn is_abandoned(&self) -> bool {
        match self {
            Request::Subscribe { reply, .. } | Request::Unsubscribe { reply, .. } => {
                reply.is_closed()
            }
            Request::Renew { .. } => false,
        }
    }
}
