//! SUBSCRIBE, SUBACK, and the options of a subscription (3.8, 3.9).

use crate::packet::ack::ReasonProperties;
use crate::{PacketId, QoS, ReasonCode, TopicFilter, UserProperties};

/// Asks for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Answered by the SUBACK that carries the same one.
    pub packet_id: PacketId,
    /// At least one.
    pub filters: Vec<(TopicFilter, SubscriptionOptions)>,
    /// 1 to 268,435,455; 5.0 only.
    pub subscription_identifier: Option<u32>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

/// Subscription Options (3.8.3.1). 3.1.1 has only the QoS; the default of the others is its behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SubscriptionOptions {
    /// The highest QoS the server may use towards the subscriber.
    pub maximum_qos: QoS,
    /// Do not send back what this client published.
    pub no_local: bool,
    /// Keep the RETAIN flag as the publisher set it.
    pub retain_as_published: bool,
    /// Which retained messages to send at the subscription.
    pub retain_handling: RetainHandling,
}

/// Whether retained messages are sent when a subscription is made (3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    SendAtSubscribe = 0,
    /// Only if the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// Answers a SUBSCRIBE, one Reason Code per filter, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubAck {
    /// Of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Granted QoS or refusal; in 3.1.1 every refusal is written as 0x80.
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only.
    pub properties: Option<Box<ReasonProperties>>,
}

impl From<QoS> for SubscriptionOptions {
    /// What 3.1.1 can say.
    fn from(maximum_qos: QoS) -> SubscriptionOptions {
        SubscriptionOptions {
            maximum_qos,
            ..SubscriptionOptions::default()
        }
    }
}
