//! The scripted broker: accepts links, reads packets, sends packets.

use std::borrow::Borrow;
use std::time::Duration;

use bytes::BytesMut;
use mqtt::{
    Ack, Codec, ConnAck, Connect as ConnectPacket, ControlPacket, PacketId, Publish, QoS,
    ReasonCode, TopicFilter, TopicName,
};
use tokio::sync::mpsc;
use transport::{Read, Transport};

use crate::connect::{Connect, Connecting};
use crate::{Backoff, Client, ClientError, Messages, Options, PublishRequest};

/// Where the client's connections arrive.
pub(super) struct Broker {
    links: mpsc::UnboundedReceiver<Transport>,
}

struct Dialer(mpsc::UnboundedSender<Transport>);

impl Connect for Dialer {
    fn connect<'a>(&'a mut self, options: &'a Options) -> Connecting<'a> {
        let (ours, theirs) = Transport::memory_pair(64 * 1024);
        let reached = self.0.send(theirs).map(|()| ours);
        Box::pin(async move {
            reached.map_err(|_| ClientError::ConnectionRefused {
                address: options.host.clone(),
            })
        })
    }
}

/// Options for a quick test.
pub(super) fn options() -> Options {
    let mut options = Options::new("broker.test", 8883, "tester");
    options.reconnect = Some(Backoff {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
    });
    options
}

pub(super) fn start(options: Options) -> (Client, Messages, Broker) {
    let (sender, links) = mpsc::unbounded_channel();
    let (client, messages) = Client::start_over(options, Dialer(sender));
    (client, messages, Broker { links })
}

/// A client that the broker has accepted without a session.
pub(super) async fn connected(options: Options) -> (Client, Messages, Broker, Peer) {
    let (client, messages, mut broker) = start(options);
    let (peer, _) = broker.accept(false).await;
    client.connected().await.unwrap();
    (client, messages, broker, peer)
}

impl Broker {
    /// The next connection, with nothing read from it.
    pub(super) async fn link(&mut self) -> Peer {
        Peer {
            transport: self.links.recv().await.unwrap(),
            codec: Codec::new(None, 1 << 20),
            plain: BytesMut::new(),
        }
    }

    /// The next connection, accepted.
    pub(super) async fn accept(&mut self, session_present: bool) -> (Peer, ConnectPacket) {
        let mut answer = ConnAck::new(ReasonCode::Success);
        answer.session_present = session_present;
        self.answer(answer).await
    }

    pub(super) async fn answer(&mut self, answer: ConnAck) -> (Peer, ConnectPacket) {
        let mut peer = self.link().await;
        let ControlPacket::Connect(connect) = peer.gets().await else {
            panic!("the first packet is no CONNECT");
        };
        peer.sends(ControlPacket::ConnAck(Box::new(answer)));
        (peer, *connect)
    }
}

/// The broker's end of one connection.
pub(super) struct Peer {
    pub(super) transport: Transport,
    pub(super) codec: Codec,
    plain: BytesMut,
}

impl Peer {
    pub(super) fn sends(&mut self, packet: impl Borrow<ControlPacket>) {
        let mut out = BytesMut::new();
        self.codec.encode(packet.borrow(), &mut out).unwrap();
        self.transport.write(&mut out).unwrap();
    }

    pub(super) fn sends_bytes(&mut self, bytes: &[u8]) {
        self.transport.write(&mut BytesMut::from(bytes)).unwrap();
    }

    /// Until the client has taken everything.
    pub(super) async fn flushes(&mut self) {
        while self.transport.pending_write() > 0 {
            self.transport.writable().await.unwrap();
            self.transport.try_flush().unwrap();
        }
    }

    /// The next packet.
    pub(super) async fn gets(&mut self) -> ControlPacket {
        match self.gets_or_end().await {
            Some(packet) => packet,
            None => panic!("the client closed the connection"),
        }
    }

    /// The next packet, or nothing when the client has closed.
    pub(super) async fn gets_or_end(&mut self) -> Option<ControlPacket> {
        loop {
            if let Some(packet) = self.codec.decode(&mut self.plain).unwrap() {
                return Some(packet);
            }
            match self.transport.try_read(&mut self.plain).unwrap() {
                Read::Bytes(_) => {}
                Read::WouldBlock => self.transport.readable().await.unwrap(),
                Read::Closed { .. } => return None,
            }
        }
    }

    pub(super) async fn gets_publish(&mut self) -> Publish {
        match self.gets().await {
            ControlPacket::Publish(publish) => publish,
            other => panic!("expected a PUBLISH, got {other:?}"),
        }
    }
}

pub(super) fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).unwrap()
}

pub(super) fn ack(packet_id: PacketId) -> Ack {
    Ack::new(packet_id, ReasonCode::Success)
}

pub(super) fn request(qos: QoS) -> PublishRequest {
    let topic = TopicName::try_from("chat/mensaje").unwrap();
    PublishRequest::new(topic, "hola").qos(qos)
}

pub(super) fn filter(text: &str) -> TopicFilter {
    TopicFilter::try_from(text).unwrap()
}

/// A message as a broker delivers it.
pub(super) fn delivery(packet_id: Option<PacketId>, qos: QoS, payload: &str) -> ControlPacket {
    ControlPacket::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: "chat/mensaje".into(),
        packet_id,
        payload: payload.to_owned().into(),
        properties: None,
    })
}

pub(super) fn repeated(packet: ControlPacket) -> ControlPacket {
    match packet {
        ControlPacket::Publish(publish) => ControlPacket::Publish(Publish {
            dup: true,
            ..publish
        }),
        other => other,
    }
}
