//! UNSUBSCRIBE and UNSUBACK (3.10, 3.11).

use crate::packet::ack::ReasonProperties;
use crate::{PacketId, ReasonCode, TopicFilter, UserProperties};

/// Ends subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Answered by the UNSUBACK that carries the same one.
    pub packet_id: PacketId,
    /// At least one; compared character by character with the subscriptions.
    pub filters: Vec<TopicFilter>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

/// Answers an UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubAck {
    /// Of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One per filter, in its order; empty when received in 3.1.1, which does not send them.
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only.
    pub properties: Option<Box<ReasonProperties>>,
}
