//! The client's half of an MQTT session, without I/O: packets and commands in, bytes out.
//!
//! It outlives connections. Time is an argument. Whatever it wants to send is in `out`, in
//! order; the driver takes it from there and tells back with `written` when the network has it.

mod publishing;
mod receiving;
mod requests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt::flow::inflight::Inflight;
use mqtt::flow::keep_alive::KeepAlive;
use mqtt::flow::packet_ids::PacketIds;
use mqtt::{
    ByteString, Codec, ConnAck, Connect, ControlPacket, Disconnect, PacketId, ProtocolVersion,
    Publish, QoS, ReasonCode, SubscriptionOptions, TopicFilter,
};
use tokio::sync::mpsc;

use crate::incoming::ReceiptId;
use crate::publication::Watcher;
use crate::{ClientError, Incoming, Options};

use publishing::{Released, Unanswered};
use receiving::Owed;
use requests::Answers;
pub(crate) use requests::Request;

/// What a handle asks of the session.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { publish: Publish, watcher: Watcher },
    Ask(Request),
}

/// The session and the state of the connection it is on.
pub(crate) struct Session {
    version: ProtocolVersion,
    receive_maximum: usize,
    in_flight_maximum: usize,
    keep_alive_s: u16,
    survives: bool,
    codec: Codec,
    limits: Limits,
    online: bool,
    /// Counts the connections, to tell a repetition from a new message.
    connection: u64,

    packet_ids: PacketIds,
    inflight: Inflight<Unanswered, Released>,
    owed: HashMap<PacketId, Owed>,
    /// Messages of this connection that wait for their acknowledgement or PUBREL.
    owed_here: usize,
    next_serial: u64,
    receipts: mpsc::UnboundedSender<ReceiptId>,

    asked: HashMap<PacketId, Request>,
    to_ask: VecDeque<Request>,
    subscriptions: BTreeMap<ByteString, (TopicFilter, SubscriptionOptions)>,

    /// Encoded and not yet taken by the driver.
    pub(crate) out: BytesMut,
    /// Publications whose bytes are in `out` or with the driver.
    leaving: Vec<Leaving>,

    promise: KeepAlive,
    silence: Silence,
}

/// What the broker allows on this connection.
struct Limits {
    in_flight: usize,
    qos: QoS,
    retain: bool,
}

/// Told when its bytes are with the network.
enum Leaving {
    /// QoS 0: that is its end.
    Finally(Watcher),
    /// QoS 1 and 2: the answer follows.
    Awaiting(Watcher),
}

/// Whether the broker is still heard.
struct Silence {
    heard: Instant,
    limit: Option<Duration>,
    pinged: Option<Instant>,
}

impl Session {
    pub(crate) fn new(
        options: &Options,
        receipts: mpsc::UnboundedSender<ReceiptId>,
        now: Instant,
    ) -> Session {
        Session {
            version: options.version,
            receive_maximum: options.receive_maximum.get().into(),
            in_flight_maximum: options.in_flight_maximum.get().into(),
            keep_alive_s: options.keep_alive_s,
            survives: options.session_survives(),
            codec: Codec::new(Some(options.version), options.maximum_packet_size),
            limits: Limits {
                in_flight: 0,
                qos: QoS::ExactlyOnce,
                retain: true,
            },
            online: false,
            connection: 0,
            // Anywhere: a broker that kept the session of an earlier process may remember QoS 2
            // identifiers of it, and would take a new message with one of them for a repetition.
            packet_ids: PacketIds::starting_after(fastrand::u16(..)),
            inflight: Inflight::new(),
            owed: HashMap::new(),
            owed_here: 0,
            next_serial: 0,
            receipts,
            asked: HashMap::new(),
            to_ask: VecDeque::new(),
            subscriptions: BTreeMap::new(),
            out: BytesMut::new(),
            leaving: Vec::new(),
            promise: KeepAlive::promise(0, now),
            silence: Silence {
                heard: now,
                limit: None,
                pinged: None,
            },
        }
    }

    /// The codec of the connection, for what has arrived.
    pub(crate) fn codec(&mut self) -> &mut Codec {
        &mut self.codec
    }

    /// The broker has accepted us, on a connection whose bytes `codec` knows.
    pub(crate) fn connected(&mut self, codec: Codec, answer: &ConnAck, now: Instant) {
        self.codec = codec;
        let granted = &answer.properties;
        let broker_takes = granted
            .receive_maximum
            .map_or(usize::MAX, |n| n.get().into());
        self.limits = Limits {
            in_flight: self.in_flight_maximum.min(broker_takes),
            qos: granted.maximum_qos.unwrap_or(QoS::ExactlyOnce),
            retain: granted.retain_available.unwrap_or(true),
        };
        if let Some(bytes) = granted.maximum_packet_size {
            self.codec.set_peer_max_packet_size(bytes.get());
        }
        let keep_alive_s = granted.server_keep_alive_s.unwrap_or(self.keep_alive_s);
        self.promise = KeepAlive::promise(keep_alive_s, now);
        self.silence = Silence {
            heard: now,
            limit: (keep_alive_s > 0).then(|| Duration::from_secs(keep_alive_s.into())),
            pinged: None,
        };
        self.online = true;
        self.connection += 1;
        self.owed_here = 0;
        if answer.session_present {
            self.inflight.rewind();
            self.resend();
        } else {
            self.forget_session(&ClientError::SessionLost);
            self.renew_subscriptions();
        }
        self.send_requests();
    }

    /// The connection is gone. What may have left stays open only if the session may return.
    pub(crate) fn disconnected(&mut self, why: &ClientError) {
        self.online = false;
        self.out.clear();
        self.abandon_leaving(why);
        self.take_back_requests();
        if !self.survives {
            self.forget_session(why);
        }
    }

    /// The client ends: nothing more will be known.
    pub(crate) fn closed(&mut self, why: &ClientError) {
        self.disconnected(why);
        self.forget_session(why);
        self.fail_requests(why);
    }

    fn forget_session(&mut self, why: &ClientError) {
        self.abandon_inflight(why);
        self.owed.clear();
    }

    /// One packet of the broker; what it brings for the reader.
    ///
    /// # Errors
    /// The connection is over: the broker said so, or broke the protocol.
    pub(crate) fn handle_packet(
        &mut self,
        packet: ControlPacket,
    ) -> Result<Option<Incoming>, ClientError> {
        match packet {
            ControlPacket::Publish(publish) => return self.arrive(publish),
            ControlPacket::PubRel(ack) => self.release(&ack),
            ControlPacket::PubAck(ack) => self.acknowledged(ack)?,
            ControlPacket::PubRec(ack) => self.received(ack)?,
            ControlPacket::PubComp(ack) => self.completed(&ack)?,
            ControlPacket::SubAck(answer) => {
                self.answered(Answers::Subscribe, answer.packet_id, answer.reasons)?;
            }
            ControlPacket::UnsubAck(answer) => {
                self.answered(Answers::Unsubscribe, answer.packet_id, answer.reasons)?;
            }
            ControlPacket::PingResp => {}
            ControlPacket::Disconnect(goodbye) => return Err(ended(goodbye)),
            _ => return Err(misbehaved("a packet that only starts a connection")),
        }
        Ok(None)
    }

    /// Whether another command may be handled; otherwise it waits with its sender.
    pub(crate) fn has_room(&self) -> bool {
        self.online
            && self.inflight.len() < self.limits.in_flight
            && self.leaving.len() < LEAVING_MAX
            && self.asked.len() < ASKED_MAX
    }

    /// While online and with room. Offline, publications end and requests wait.
    pub(crate) fn handle_command(&mut self, command: Command) {
        match command {
            Command::Publish { publish, watcher } => self.publish(publish, watcher),
            Command::Ask(request) => self.ask(request),
        }
    }

    /// The bytes taken from `out` are all with the network.
    pub(crate) fn written(&mut self) {
        for leaving in self.leaving.drain(..) {
            match leaving {
                Leaving::Finally(watcher) => watcher.done(crate::Outcome::Sent),
                Leaving::Awaiting(watcher) => watcher.sent(),
            }
        }
    }

    /// Something was handed to the network.
    pub(crate) fn handle_sent(&mut self, now: Instant) {
        self.promise.heard(now);
    }

    /// Something came from the network.
    pub(crate) fn handle_heard(&mut self, now: Instant) {
        self.silence.heard = now;
        self.silence.pinged = None;
    }

    /// When [`Session::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let limit = self.silence.limit?;
        match self.silence.pinged {
            Some(pinged) => Some(pinged + patience(limit)),
            None => {
                let quiet = self.silence.heard + limit;
                Some(self.promise.deadline().map_or(quiet, |due| due.min(quiet)))
            }
        }
    }

    /// Keeps the connection alive, or finds that it is not. `is_reading` is false while the
    /// messages wait for their reader: then silence proves nothing.
    pub(crate) fn handle_timeout(
        &mut self,
        is_reading: bool,
        now: Instant,
    ) -> Result<(), ClientError> {
        let Some(limit) = self.silence.limit else {
            return Ok(());
        };
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        if self.silence.pinged.is_some() && is_reading {
            return Err(ClientError::Silent {
                after: now.saturating_duration_since(self.silence.heard),
            });
        }
        debug_assert!(limit > Duration::ZERO);
        self.send(&ControlPacket::PingReq);
        self.silence.pinged = Some(now);
        self.promise.heard(now);
        Ok(())
    }

    /// Says goodbye as the protocol wants it said.
    pub(crate) fn say_goodbye(&mut self, why: Option<&ClientError>) {
        let reason = match why {
            None => ReasonCode::Success,
            Some(ClientError::Malformed(error)) => error.reason(),
            Some(ClientError::Misbehaved { reason, .. }) => *reason,
            // The broker said goodbye, or cannot be spoken to.
            Some(_) => return,
        };
        // A client of 3.1.1 can only say that all is well, which would hide the failure.
        if reason == ReasonCode::Success || self.version == ProtocolVersion::V5 {
            self.send(&ControlPacket::Disconnect(Disconnect::new(reason)));
        }
    }

    /// For packets that always fit: without payload and without text of others.
    fn send(&mut self, packet: &ControlPacket) {
        let fits = self.codec.encode(packet, &mut self.out);
        debug_assert!(fits.is_ok(), "{packet:?}");
    }
}

/// The first packet of a connection.
pub(crate) fn connect_packet(options: &Options, client_id: &ByteString, is_first: bool) -> Connect {
    let mut connect = Connect::new(options.version, client_id.clone());
    connect.keep_alive_s = options.keep_alive_s;
    connect.username = options.username.clone();
    connect.password = options.password.clone();
    connect.will = options.will.clone();
    connect.clean_start = match options.version {
        ProtocolVersion::V3_1_1 => options.clean_start,
        // Coming back is not starting anew.
        ProtocolVersion::V5 => options.clean_start && (is_first || !options.session_survives()),
    };
    if options.version == ProtocolVersion::V5 {
        let wanted = &mut connect.properties;
        wanted.session_expiry_interval_s = Some(options.session_expiry_s);
        wanted.receive_maximum = Some(options.receive_maximum);
        wanted.maximum_packet_size = std::num::NonZeroU32::new(options.maximum_packet_size);
    }
    connect
}

fn ended(goodbye: Disconnect) -> ClientError {
    ClientError::Disconnected {
        reason: goodbye.reason,
        explanation: goodbye
            .properties
            .and_then(|properties| properties.reason_string),
    }
}

fn misbehaved(what: &'static str) -> ClientError {
    ClientError::Misbehaved {
        what,
        reason: ReasonCode::ProtocolError,
    }
}

/// How long an answer to PINGREQ may take.
fn patience(keep_alive: Duration) -> Duration {
    (keep_alive / 2).clamp(Duration::from_secs(1), Duration::from_secs(10))
}

/// Publications between the session and the network.
const LEAVING_MAX: usize = 1024;

/// SUBSCRIBE and UNSUBSCRIBE packets without an answer.
const ASKED_MAX: usize = 256;
