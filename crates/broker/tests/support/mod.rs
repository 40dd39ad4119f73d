//! A broker and clients that speak MQTT packet by packet, over links in memory.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    unreachable_pub,
    reason = "a module of tests has nobody to be public for"
)]

use std::sync::Arc;

use bytes::BytesMut;
use enviomq_broker::{AccessPolicy, Broker, BrokerConfig, BrokerHandle, MetricsSnapshot, Parts};
use mqtt::{
    Ack, Codec, ConnAck, Connect, ControlPacket, Disconnect, PacketId, ProtocolVersion, Publish,
    QoS, ReasonCode, Subscribe, SubscriptionOptions, TopicFilter, Unsubscribe, Will,
};
use transport::{Read, Transport};

/// A broker without listeners, in the classroom profile.
pub fn broker() -> BrokerHandle {
    broker_with(BrokerConfig::default())
}

/// The same with other bounds.
pub fn broker_with(config: BrokerConfig) -> BrokerHandle {
    let access = Arc::new(AccessPolicy::classroom());
    let parts = Parts {
        tls: None,
        access,
        listeners: Vec::new(),
    };
    Broker::start(config, parts).unwrap()
}

/// Waits until the broker has counted this.
pub async fn until(broker: &BrokerHandle, counted: impl Fn(&MetricsSnapshot) -> bool) {
    let waiting = async {
        while !counted(&broker.metrics()) {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(10);
    let done = tokio::time::timeout(patience, waiting).await;
    assert!(done.is_ok(), "{:?}", broker.metrics());
}

/// One client.
pub struct Peer {
    pub transport: Transport,
    codec: Codec,
    plain: BytesMut,
}

impl Peer {
    /// A link to the broker as this identity, before CONNECT.
    pub fn link(broker: &BrokerHandle, identity: &str, version: ProtocolVersion) -> Peer {
        let (ours, theirs) = Transport::memory_pair(1 << 20);
        broker.attach(theirs, identity);
        Peer::over(ours, version)
    }

    pub fn over(transport: Transport, version: ProtocolVersion) -> Peer {
        Peer {
            transport,
            codec: Codec::new(Some(version), 16 << 20),
            plain: BytesMut::new(),
        }
    }

    /// A client that connected and was accepted.
    pub async fn connect(broker: &BrokerHandle, identity: &str, connect: Connect) -> Peer {
        Peer::connect_with(broker, identity, connect).await.0
    }

    pub async fn connect_with(
        broker: &BrokerHandle,
        identity: &str,
        connect: Connect,
    ) -> (Peer, ConnAck) {
        let mut peer = Peer::link(broker, identity, connect.version);
        let connack = peer.say_connect(connect).await;
        assert_eq!(connack.reason, ReasonCode::Success);
        (peer, connack)
    }

    pub async fn say_connect(&mut self, connect: Connect) -> ConnAck {
        self.send(ControlPacket::Connect(Box::new(connect))).await;
        match self.receive().await {
            Some(ControlPacket::ConnAck(connack)) => *connack,
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    pub async fn send(&mut self, packet: ControlPacket) {
        let mut out = BytesMut::new();
        self.codec.encode(&packet, &mut out).unwrap();
        self.send_bytes(&out).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        if self.transport.write(&mut BytesMut::from(bytes)).is_err() {
            return; // the broker closed; what it said before is there to be received
        }
        while self.transport.pending_write() > 0 {
            self.transport.writable().await.unwrap();
            self.transport.try_flush().unwrap();
        }
    }

    /// The next packet; nothing when the broker closed.
    pub async fn receive(&mut self) -> Option<ControlPacket> {
        loop {
            if let Some(packet) = self.codec.decode(&mut self.plain).unwrap() {
                return Some(packet);
            }
            match self.transport.try_read(&mut self.plain) {
                Ok(Read::Bytes(_)) => {}
                Ok(Read::WouldBlock) => self.transport.readable().await.unwrap(),
                Ok(Read::Closed { .. }) | Err(_) => return None,
            }
        }
    }

    pub async fn receive_publish(&mut self) -> Publish {
        match self.receive().await {
            Some(ControlPacket::Publish(publish)) => publish,
            other => panic!("expected PUBLISH, got {other:?}"),
        }
    }

    pub async fn receive_disconnect(&mut self) -> ReasonCode {
        match self.receive().await {
            Some(ControlPacket::Disconnect(disconnect)) => {
                assert!(self.receive().await.is_none(), "nothing follows DISCONNECT");
                disconnect.reason
            }
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
    }

    /// Nothing waits for this client. The first answer may overtake a message that is
    /// already in the outbox, the second one cannot.
    pub async fn gets_nothing(&mut self) {
        for _ in 0..2 {
            self.send(ControlPacket::PingReq).await;
            assert_eq!(self.receive().await, Some(ControlPacket::PingResp));
        }
    }

    pub async fn subscribe(&mut self, filter: &str, options: impl Into<SubscriptionOptions>) {
        let reason = self.try_subscribe(filter, options).await;
        assert!(!reason.is_error(), "{reason}");
    }

    pub async fn try_subscribe(
        &mut self,
        filter: &str,
        options: impl Into<SubscriptionOptions>,
    ) -> ReasonCode {
        let filter = TopicFilter::try_from(filter).unwrap();
        self.send(ControlPacket::Subscribe(Subscribe {
            packet_id: id(1),
            filters: vec![(filter, options.into())],
            subscription_identifier: None,
            user_properties: Vec::new(),
        }))
        .await;
        match self.receive().await {
            Some(ControlPacket::SubAck(suback)) => suback.reasons[0],
            other => panic!("expected SUBACK, got {other:?}"),
        }
    }

    pub async fn unsubscribe(&mut self, filter: &str) -> ReasonCode {
        let unsubscribe = Unsubscribe {
            packet_id: id(2),
            filters: vec![TopicFilter::try_from(filter).unwrap()],
            user_properties: Vec::new(),
        };
        self.send(ControlPacket::Unsubscribe(unsubscribe)).await;
        match self.receive().await {
            Some(ControlPacket::UnsubAck(unsuback)) => unsuback.reasons[0],
            other => panic!("expected UNSUBACK, got {other:?}"),
        }
    }

    /// Publishes and waits for PUBACK or PUBREC; with QoS 2 finishes the exchange.
    pub async fn publish(&mut self, publish: Publish) -> ReasonCode {
        let qos = publish.qos;
        self.send(ControlPacket::Publish(publish)).await;
        match (qos, qos > QoS::AtMostOnce) {
            (_, false) => ReasonCode::Success,
            (QoS::ExactlyOnce, _) => {
                let Some(ControlPacket::PubRec(ack)) = self.receive().await else {
                    panic!("expected PUBREC");
                };
                if !ack.reason.is_error() {
                    self.send(ControlPacket::PubRel(Ack::new(
                        ack.packet_id,
                        ReasonCode::Success,
                    )))
                    .await;
                    assert!(matches!(
                        self.receive().await,
                        Some(ControlPacket::PubComp(_))
                    ));
                }
                ack.reason
            }
            _ => match self.receive().await {
                Some(ControlPacket::PubAck(ack)) => ack.reason,
                other => panic!("expected PUBACK, got {other:?}"),
            },
        }
    }

    pub async fn puback(&mut self, publish: &Publish) {
        let ack = Ack::new(publish.packet_id.unwrap(), ReasonCode::Success);
        self.send(ControlPacket::PubAck(ack)).await;
    }

    pub async fn disconnect(mut self) {
        self.send(ControlPacket::Disconnect(Disconnect::new(
            ReasonCode::Success,
        )))
        .await;
        assert!(self.receive().await.is_none());
    }
}

pub fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub fn v5(client_id: &str) -> Connect {
    Connect::new(ProtocolVersion::V5, client_id.to_owned())
}

pub fn v3(client_id: &str) -> Connect {
    Connect::new(ProtocolVersion::V3_1_1, client_id.to_owned())
}

/// A 5.0 client whose session stays for this long.
pub fn staying(client_id: &str, expiry_s: u32) -> Connect {
    let mut connect = v5(client_id);
    connect.clean_start = false;
    connect.properties.session_expiry_interval_s = Some(expiry_s);
    connect
}

pub fn will(topic: &str, delay_interval_s: u32) -> Will {
    Will {
        topic: topic.parse().unwrap(),
        payload: "lost".into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        delay_interval_s,
        properties: None,
    }
}

pub fn publish(topic: &str, payload: impl Into<bytes::Bytes>, qos: QoS) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: topic.to_owned().into(),
        packet_id: (qos > QoS::AtMostOnce).then(|| id(7)),
        payload: payload.into(),
        properties: None,
    }
}
