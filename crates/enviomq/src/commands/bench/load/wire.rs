//! A raw MQTT 5 client: a transport with its codec and two buffers.

use bytes::BytesMut;
use mqtt::{Ack, Codec, Connect, ControlPacket, PacketId, ProtocolVersion, ReasonCode};
use tokio::net::TcpStream;
use transport::{Read, Transport};

use super::super::subject::{Link, Materials, Running};
use super::broken;
use crate::failure::Failure;

/// Opens connections to the broker under measurement.
pub(super) struct Connector<'a> {
    broker: &'a Running,
    materials: &'a Materials,
}

impl<'a> Connector<'a> {
    pub(super) fn new(broker: &'a Running, materials: &'a Materials) -> Self {
        Self { broker, materials }
    }

    pub(super) async fn connect(&self, client_id: String) -> Result<Wire, Failure> {
        let stream = TcpStream::connect(self.broker.address)
            .await
            .map_err(broken)?;
        let transport = match self.broker.link {
            Link::Tcp => Transport::plain(stream).map_err(broken)?,
            Link::Mtls => {
                let name = "localhost".try_into().map_err(broken)?;
                let config = self.materials.client_config();
                Transport::connect(stream, config, name)
                    .await
                    .map_err(broken)?
            }
        };
        let mut wire = Wire {
            transport,
            codec: Codec::new(Some(ProtocolVersion::V5), u32::MAX),
            plain: BytesMut::new(),
            out: BytesMut::new(),
        };
        let mut connect = Connect::new(ProtocolVersion::V5, client_id);
        connect.keep_alive_s = 0;
        wire.queue(&ControlPacket::Connect(Box::new(connect)))
            .map_err(broken)?;
        wire.flush().map_err(broken)?;
        match wire.next().await.map_err(broken)? {
            ControlPacket::ConnAck(connack) if connack.reason == ReasonCode::Success => Ok(wire),
            other => Err(broken(format!("{other:?} instead of CONNACK"))),
        }
    }
}

/// A transport with its codec.
pub(super) struct Wire {
    transport: Transport,
    codec: Codec,
    plain: BytesMut,
    out: BytesMut,
}

impl Wire {
    pub(super) fn queue(&mut self, packet: &ControlPacket) -> Result<(), String> {
        self.codec
            .encode(packet, &mut self.out)
            .map_err(|error| error.to_string())
    }

    pub(super) fn flush(&mut self) -> Result<(), String> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.transport
            .write(&mut self.out)
            .map_err(|error| error.to_string())
    }

    /// Waits for bytes, or for the socket to take what it refused.
    pub(super) async fn ready(&mut self) -> Result<(), String> {
        if self.transport.pending_write() > 0 {
            tokio::select! {
                ready = self.transport.readable() => ready,
                ready = self.transport.writable() => ready,
            }
            .map_err(|error| error.to_string())?;
            return self
                .transport
                .try_flush()
                .map_err(|error| error.to_string());
        }
        self.transport
            .readable()
            .await
            .map_err(|error| error.to_string())
    }

    /// One read; `false` when there was nothing.
    pub(super) fn fill(&mut self) -> Result<bool, String> {
        match self.transport.try_read(&mut self.plain) {
            Ok(Read::Bytes(_)) => Ok(true),
            Ok(Read::WouldBlock) => Ok(false),
            Ok(Read::Closed { .. }) => Err("the broker closed the connection".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn decode(&mut self) -> Result<Option<ControlPacket>, String> {
        self.codec
            .decode(&mut self.plain)
            .map_err(|error| error.to_string())
    }

    pub(super) async fn next(&mut self) -> Result<ControlPacket, String> {
        loop {
            if let Some(packet) = self.decode()? {
                return Ok(packet);
            }
            self.ready().await?;
            self.fill()?;
        }
    }
}

pub(super) fn ack(packet_id: PacketId) -> Ack {
    Ack {
        packet_id,
        reason: ReasonCode::Success,
        properties: None,
    }
}
