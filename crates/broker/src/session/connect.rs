//! CONNECT to CONNACK: what is asked, what is granted, what is refused (3.1, 3.2).

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use mqtt::flow::inflight::{Inflight, Stage};
use mqtt::flow::keep_alive::KeepAlive;
use mqtt::flow::packet_ids::PacketIds;
use mqtt::flow::received::Received;
use mqtt::flow::topic_alias::InboundAliases;
use mqtt::{
    ByteString, Codec, ConnAck, ConnAckProperties, Connect, ControlPacket, ProtocolVersion, QoS,
    ReasonCode, Will,
};

use crate::outbox::Delivery;
use crate::session::promises::Promises;
use crate::session::reply::Reply;
use crate::session::{Action, Dropped, Session, SessionLimits, will};

/// A CONNECT that may go on, with its Client Identifier settled.
///
/// The driver still decides whether this identity may use it; see [`Admission::refuse`].
#[derive(Debug)]
pub struct Admission {
    connect: Connect,
    assigned_client_id: bool,
}

/// A CONNECT that is turned away: send this CONNACK and close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    version: ProtocolVersion,
    reason: ReasonCode,
    reason_string: Option<ByteString>,
}

/// Judges a CONNECT by what MQTT and `limits` say; identity and credentials are for the driver.
///
/// `fresh_client_id` is asked for an unused Client Identifier if the client sent none.
///
/// # Errors
/// The CONNACK to send: enhanced authentication is asked for (0x8C), or the Client Identifier is
/// too long, or it is empty where 3.1.1 forbids it (0x85).
pub fn admit(
    mut connect: Connect,
    limits: &SessionLimits,
    fresh_client_id: impl FnOnce() -> ByteString,
) -> Result<Admission, Refusal> {
    let refuse = |reason, text: &'static str| {
        Err(Refusal::new(connect.version, reason).because(ByteString::from_static(text)))
    };
    if connect.properties.authentication_method.is_some() {
        let text = "enhanced authentication is not offered; the certificate is what counts";
        return refuse(ReasonCode::BadAuthenticationMethod, text);
    }
    if connect.client_id.len() > limits.client_id_max_bytes {
        let text = "the Client Identifier is too long";
        return refuse(ReasonCode::ClientIdentifierNotValid, text);
    }
    let assigned_client_id = connect.client_id.is_empty();
    // [MQTT-3.1.3-8] of 3.1.1: a session that is to stay needs a name to come back by.
    if assigned_client_id && connect.version == ProtocolVersion::V3_1_1 && !connect.clean_start {
        let text = "an empty Client Identifier needs Clean Session";
        return refuse(ReasonCode::ClientIdentifierNotValid, text);
    }
    connect.client_id = if assigned_client_id {
        fresh_client_id()
    } else {
        ByteString::from(&*connect.client_id) // the receive buffer is not ours to keep
    };
    Ok(Admission {
        connect,
        assigned_client_id,
    })
}

impl Admission {
    /// As sent, or as assigned.
    #[must_use]
    pub fn client_id(&self) -> &ByteString {
        &self.connect.client_id
    }

    /// Whether a session of this client, if there is one, is to be thrown away first \[MQTT-3.1.2-4\].
    #[must_use]
    pub fn clean_start(&self) -> bool {
        self.connect.clean_start
    }

    /// What the connection will speak.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.connect.version
    }

    /// The rest of the CONNECT, for whoever judges credentials and the Will Topic.
    #[must_use]
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// The CONNACK to send if the driver says no.
    #[must_use]
    pub fn refuse(&self, reason: ReasonCode) -> Refusal {
        Refusal::new(self.connect.version, reason)
    }
}

impl Refusal {
    /// A CONNACK with an error and nothing else.
    #[must_use]
    pub fn new(version: ProtocolVersion, reason: ReasonCode) -> Refusal {
        Refusal {
            version,
            reason,
            reason_string: None,
        }
    }

    /// Tells a 5.0 client the reason in words, too.
    #[must_use]
    pub fn because(mut self, reason_string: ByteString) -> Refusal {
        self.reason_string = Some(reason_string);
        self
    }

    /// Why, as the specification numbers it.
    #[must_use]
    pub fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// Why, in words.
    #[must_use]
    pub fn reason_string(&self) -> Option<&str> {
        self.reason_string.as_deref()
    }

    /// Appends the CONNACK.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut connack = ConnAck::new(self.reason);
        if self.version == ProtocolVersion::V5 {
            connack.properties.reason_string = self.reason_string.clone();
        }
        let packet = ControlPacket::ConnAck(Box::new(connack));
        // A refusal that cannot be written is told by the closed connection alone.
        let _ = Codec::new(Some(self.version), 0).encode(&packet, out);
    }
}

/// What belongs to one Network Connection and ends with it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) version: ProtocolVersion,
    pub(super) codec: Codec,
    /// Maximum Packet Size of the client.
    pub(super) peer_max_bytes: usize,
    /// Whether answers may carry reason strings \[MQTT-3.1.2-29\].
    pub(super) problem_information: bool,
    pub(super) keep_alive: KeepAlive,
    /// The Session Expiry Interval of CONNECT, which limits what DISCONNECT may say.
    pub(super) expiry_asked_s: u32,
    pub(super) aliases: InboundAliases,
    /// QoS 1 and 2 messages the client sent on this connection and has no final answer to.
    pub(super) unanswered: u16,
    /// QoS 1 and 2 messages we may still send, and where that begins (4.9).
    pub(super) send_quota: u16,
    pub(super) send_maximum: u16,
    /// Packets that leave before any message, in this order.
    pub(super) replies: VecDeque<Reply>,
    /// Filters asked for, and not answered in a packet that left: an answer may have thousands.
    pub(super) reason_codes_waiting: usize,
    pub(super) actions: VecDeque<Action>,
    pub(super) dropped: Dropped,
    /// The end is decided: nothing is taken in any more.
    pub(super) ending: bool,
}

impl Link {
    fn new(connect: &Connect, limits: &SessionLimits, keep_alive_s: u16, now: Instant) -> Link {
        let asked = &connect.properties;
        let peer_max_bytes = asked.maximum_packet_size.map_or(u32::MAX, NonZeroU32::get);
        let mut codec = Codec::new(Some(connect.version), 0);
        codec.set_peer_max_packet_size(peer_max_bytes);
        let send_maximum = asked
            .receive_maximum
            .map_or(u16::MAX, NonZeroU16::get)
            .min(limits.inflight_max_count.max(1));
        Link {
            version: connect.version,
            codec,
            peer_max_bytes: usize::try_from(peer_max_bytes).unwrap_or(usize::MAX),
            problem_information: asked.request_problem_information.unwrap_or(true),
            keep_alive: KeepAlive::watch(keep_alive_s, now),
            expiry_asked_s: asked.session_expiry_interval_s.unwrap_or(0),
            aliases: InboundAliases::new(limits.topic_alias_maximum),
            unanswered: 0,
            send_quota: send_maximum,
            send_maximum,
            replies: VecDeque::new(),
            reason_codes_waiting: 0,
            actions: VecDeque::new(),
            dropped: Dropped::default(),
            ending: false,
        }
    }
}

/// A session that begins.
pub(super) fn open(admission: Admission, limits: Arc<SessionLimits>, now: Instant) -> Session {
    let (link, terms) = negotiate(admission, &limits, SessionPresent::No, now);
    Session {
        client_id: terms.client_id,
        limits,
        expiry_interval_s: terms.expiry_interval_s,
        will: terms.will,
        inflight: Inflight::new(),
        inflight_bytes: 0,
        packet_ids: PacketIds::new(),
        received: Received::new(),
        pending: VecDeque::new(),
        promises: Promises::new(),
        link,
    }
}

/// A session that goes on.
pub(super) fn reopen(session: &mut Session, admission: Admission, now: Instant) {
    let (link, terms) = negotiate(admission, &session.limits, SessionPresent::Yes, now);
    let dropped = session.link.dropped;
    session.link = link;
    session.link.dropped = dropped;
    session.expiry_interval_s = terms.expiry_interval_s;
    session.will = terms.will;
    session.inflight.rewind();
}

/// A session that waits for its client.
pub(super) fn part(session: &mut Session) {
    // The client repeats what it has no answer to, and asks again where it must.
    session.promises.forget(&mut session.received);
    let link = &mut session.link;
    link.ending = true;
    link.replies = VecDeque::new();
    link.actions = VecDeque::new();
    link.aliases = InboundAliases::new(0);
    let before = session.pending.len();
    session
        .pending
        .retain(|delivery| delivery.qos != QoS::AtMostOnce);
    let gone = before - session.pending.len();
    link.dropped.offline_qos0 += u32::try_from(gone).unwrap_or(u32::MAX);
    for exchange in session.inflight.iter_mut() {
        if let Stage::AwaitsPubAck(delivery) | Stage::AwaitsPubRec(delivery) = &mut exchange.stage {
            delivery.detach();
        }
    }
    session.pending.iter_mut().for_each(Delivery::detach);
    session.pending.shrink_to_fit();
    session.inflight.shrink();
    session.received.shrink();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionPresent {
    No,
    Yes,
}

/// What CONNECT settles for the session.
struct Terms {
    client_id: ByteString,
    expiry_interval_s: u32,
    will: Option<Will>,
}

/// Grants what is asked within the limits, and writes down in the CONNACK what differs.
fn negotiate(
    admission: Admission,
    limits: &SessionLimits,
    session_present: SessionPresent,
    now: Instant,
) -> (Link, Terms) {
    let connect = admission.connect;
    let v5 = connect.version == ProtocolVersion::V5;
    let keep_alive_s = granted_keep_alive_s(&connect, limits);
    let asked_expiry_s = asked_expiry_s(&connect);
    let expiry_interval_s = asked_expiry_s.min(limits.session_expiry_max_s);

    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.session_present = session_present == SessionPresent::Yes;
    if v5 {
        connack.properties = ConnAckProperties {
            session_expiry_interval_s: (expiry_interval_s != asked_expiry_s)
                .then_some(expiry_interval_s),
            receive_maximum: Some(our_receive_maximum(limits)),
            maximum_packet_size: NonZeroU32::new(limits.packet_max_bytes),
            assigned_client_identifier: admission
                .assigned_client_id
                .then(|| connect.client_id.clone()),
            topic_alias_maximum: (limits.topic_alias_maximum > 0)
                .then_some(limits.topic_alias_maximum),
            // Until the router has them; an absent property would promise them.
            shared_subscription_available: Some(false),
            server_keep_alive_s: (keep_alive_s != connect.keep_alive_s).then_some(keep_alive_s),
            ..ConnAckProperties::default()
        };
    }
    let mut link = Link::new(&connect, limits, keep_alive_s, now);
    link.replies.push_back(Reply::ConnAck(Box::new(connack)));
    let will = connect.will.as_ref().map(will::detached);
    let terms = Terms {
        client_id: connect.client_id,
        expiry_interval_s,
        will,
    };
    (link, terms)
}

/// 0 would switch our Receive Maximum off, and is not allowed on the wire (3.2.2.3.3).
pub(super) fn our_receive_maximum(limits: &SessionLimits) -> NonZeroU16 {
    NonZeroU16::new(limits.receive_maximum).unwrap_or(NonZeroU16::MIN)
}

/// 3.1.1 has no Server Keep Alive: there the client's word stands.
fn granted_keep_alive_s(connect: &Connect, limits: &SessionLimits) -> u16 {
    let asked_s = connect.keep_alive_s;
    let max_s = limits.keep_alive_max_s;
    let allowed = max_s == 0 || (1..=max_s).contains(&asked_s);
    if allowed || connect.version == ProtocolVersion::V3_1_1 {
        asked_s
    } else {
        max_s
    }
}

/// 3.1.1 says it by Clean Session: the session ends with the connection, or never.
fn asked_expiry_s(connect: &Connect) -> u32 {
    match (connect.version, connect.clean_start) {
        (ProtocolVersion::V5, _) => connect.properties.session_expiry_interval_s.unwrap_or(0),
        (ProtocolVersion::V3_1_1, true) => 0,
        (ProtocolVersion::V3_1_1, false) => u32::MAX,
    }
}
