//! Bytes to packets and back, for one version, one side, and a Maximum Packet Size.
//!
//! A packet is refused at the first byte that shows it is wrong: type, flags and size before its
//! body has arrived. Nothing is reserved for a length that was only announced, and what is decoded
//! shares the bytes it came in.

use bytes::{Buf, BytesMut};

use crate::packet::ack::Ack;
use crate::packet::auth::Auth;
use crate::packet::connack::ConnAck;
use crate::packet::connect::{self, Connect};
use crate::packet::disconnect::Disconnect;
use crate::packet::publish::Publish;
use crate::packet::subscribe::{SubAck, Subscribe};
use crate::packet::unsubscribe::{UnsubAck, Unsubscribe};
use crate::packet::{ControlPacket, PacketType};
use crate::primitive::{Fields, Measure, Sink, VariableByteInteger};
use crate::{DecodeError, EncodeError, ProtocolVersion};

/// The two directions of one Network Connection.
///
/// It checks all that can be seen in one packet, and who sent it: a server is not sent a SUBACK,
/// and no client sends a Subscription Identifier in a PUBLISH. What depends on earlier packets
/// (aliases, identifiers, quotas, CONNACK before the rest) is left to the session.
#[derive(Debug, Clone)]
pub struct Codec {
    version: Option<ProtocolVersion>,
    receiver: Receiver,
    max_packet_size: u32,
    peer_max_packet_size: u32,
    /// How to answer a CONNECT whose version we do not speak.
    answer_version: ProtocolVersion,
}

/// Which side decodes: it decides which packets, codes and properties may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    Server,
    Client,
}

/// Type, flags and length of a packet (2.1).
#[derive(Debug, Clone, Copy)]
struct FixedHeader {
    packet_type: PacketType,
    flags: u8,
    remaining_length: VariableByteInteger,
}

impl Codec {
    /// `None`: a server that waits for CONNECT and learns the version from it.
    /// A version: a client, which speaks first and receives only what servers send.
    ///
    /// `max_packet_size` counts the whole packet, in bytes; a larger one is refused as soon as its
    /// length is known.
    #[must_use]
    pub fn new(version: Option<ProtocolVersion>, max_packet_size: u32) -> Codec {
        Codec {
            version,
            receiver: if version.is_some() {
                Receiver::Client
            } else {
                Receiver::Server
            },
            max_packet_size,
            peer_max_packet_size: u32::MAX,
            answer_version: ProtocolVersion::V3_1_1,
        }
    }

    /// The version in use; a server knows it once a CONNECT named it, even if the rest of it was refused.
    #[must_use]
    pub const fn version(&self) -> Option<ProtocolVersion> {
        self.version
    }

    /// Never write a packet above this many bytes from now on \[MQTT-3.1.2-24\], \[MQTT-3.2.2-15\].
    pub const fn set_peer_max_packet_size(&mut self, bytes: u32) {
        self.peer_max_packet_size = bytes;
    }

    /// Takes one packet from the front of `input`. `None`: it needs more bytes.
    ///
    /// # Errors
    /// The peer broke the protocol; [`DecodeError::reason`] says how to tell it. Decode no further.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<ControlPacket>, DecodeError> {
        let Some(header) = self.fixed_header(input)? else {
            return Ok(None);
        };
        let header_len = 1 + header.remaining_length.len;
        let packet_len = header_len + header.remaining_length.value as usize;
        if input.len() < packet_len {
            return Ok(None);
        }
        let mut packet = input.split_to(packet_len).freeze();
        packet.advance(header_len);
        self.body(header, Fields::new(packet)).map(Some)
    }

    /// Appends `packet`. A CONNECT is written in its own version; before the version is known, an
    /// answer is written in the form the client most likely reads.
    ///
    /// If the packet is too large for the peer, Reason String and User Properties are left out, as
    /// the specification demands (3.4.2.2 and others).
    ///
    /// # Errors
    /// It is too large even so, or a field of it is; `out` is unchanged.
    pub fn encode(&self, packet: &ControlPacket, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self.encode_whole(packet, out) {
            Err(EncodeError::PacketTooLarge) => match packet.without_diagnostics() {
                Some(shorter) => self.encode_whole(&shorter, out),
                None => Err(EncodeError::PacketTooLarge),
            },
            result => result,
        }
    }

    fn fixed_header(&self, input: &[u8]) -> Result<Option<FixedHeader>, DecodeError> {
        let Some((first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let packet_type =
            PacketType::from_bits(first >> 4).ok_or(DecodeError::ReservedPacketType)?;
        let flags = first & 0x0F;
        self.expect(packet_type)?;
        if packet_type
            .required_flags()
            .is_some_and(|required| flags != required)
        {
            return Err(DecodeError::FixedHeaderFlags);
        }
        let Some(remaining_length) = VariableByteInteger::read(rest)? else {
            return Ok(None);
        };
        if self.version == Some(ProtocolVersion::V5) && !remaining_length.is_minimal() {
            return Err(DecodeError::VariableByteInteger);
        }
        let packet_len = 1 + remaining_length.len + remaining_length.value as usize;
        if packet_len > self.max_packet_size as usize {
            return Err(DecodeError::PacketTooLarge);
        }
        Ok(Some(FixedHeader {
            packet_type,
            flags,
            remaining_length,
        }))
    }

    /// Whether a packet of this type may come from the other side at all.
    fn expect(&self, packet_type: PacketType) -> Result<(), DecodeError> {
        use PacketType::*;
        let is_expected = match (packet_type, self.version, self.receiver) {
            (Connect, None, _) => true,
            (_, None, _) => return Err(DecodeError::ConnectExpected),
            (Connect, _, Receiver::Server) => return Err(DecodeError::SecondConnect),
            (Auth, Some(ProtocolVersion::V3_1_1), _) => {
                return Err(DecodeError::ReservedPacketType);
            }
            (Publish | PubAck | PubRec | PubRel | PubComp | Auth, _, _) => true,
            (Subscribe | Unsubscribe | PingReq, _, receiver) => receiver == Receiver::Server,
            (Connect, _, Receiver::Client) => false,
            (ConnAck | SubAck | UnsubAck | PingResp, _, receiver) => receiver == Receiver::Client,
            // In 3.1.1 a server just closes.
            (Disconnect, Some(version), receiver) => {
                version == ProtocolVersion::V5 || receiver == Receiver::Server
            }
        };
        if is_expected {
            Ok(())
        } else {
            Err(DecodeError::WrongDirection)
        }
    }

    fn body(&mut self, header: FixedHeader, fields: Fields) -> Result<ControlPacket, DecodeError> {
        let Some(version) = self.version else {
            return self.first_connect(header, fields);
        };
        let packet = match header.packet_type {
            PacketType::Publish => ControlPacket::Publish(Publish::decode(
                header.flags,
                fields,
                version,
                self.receiver,
            )?),
            kind @ PacketType::PubAck => ControlPacket::PubAck(Ack::decode(kind, fields, version)?),
            kind @ PacketType::PubRec => ControlPacket::PubRec(Ack::decode(kind, fields, version)?),
            kind @ PacketType::PubRel => ControlPacket::PubRel(Ack::decode(kind, fields, version)?),
            kind @ PacketType::PubComp => {
                ControlPacket::PubComp(Ack::decode(kind, fields, version)?)
            }
            PacketType::Subscribe => ControlPacket::Subscribe(Subscribe::decode(fields, version)?),
            PacketType::SubAck => ControlPacket::SubAck(SubAck::decode(fields, version)?),
            PacketType::Unsubscribe => {
                ControlPacket::Unsubscribe(Unsubscribe::decode(fields, version)?)
            }
            PacketType::UnsubAck => ControlPacket::UnsubAck(UnsubAck::decode(fields, version)?),
            PacketType::ConnAck => {
                ControlPacket::ConnAck(Box::new(ConnAck::decode(fields, version)?))
            }
            PacketType::Disconnect => {
                ControlPacket::Disconnect(Disconnect::decode(fields, version, self.receiver)?)
            }
            PacketType::Auth => ControlPacket::Auth(Auth::decode(fields, self.receiver)?),
            PacketType::PingReq => fields.end().map(|()| ControlPacket::PingReq)?,
            PacketType::PingResp => fields.end().map(|()| ControlPacket::PingResp)?,
            PacketType::Connect => return Err(DecodeError::SecondConnect),
        };
        Ok(packet)
    }

    fn first_connect(
        &mut self,
        header: FixedHeader,
        mut fields: Fields,
    ) -> Result<ControlPacket, DecodeError> {
        let version = match connect::decode_protocol(&mut fields)? {
            Ok(version) => version,
            Err(level) => {
                // The upper bit marks a bridge of mosquitto, which asks again without it if the
                // answer is the one of its version.
                if level & 0x7F > 5 {
                    self.answer_version = ProtocolVersion::V5;
                }
                return Err(DecodeError::UnsupportedProtocolVersion);
            }
        };
        self.version = Some(version);
        if version == ProtocolVersion::V5 && !header.remaining_length.is_minimal() {
            return Err(DecodeError::VariableByteInteger);
        }
        Connect::decode(version, fields).map(|connect| ControlPacket::Connect(Box::new(connect)))
    }

    fn encode_whole(&self, packet: &ControlPacket, out: &mut BytesMut) -> Result<(), EncodeError> {
        let version = self.version.unwrap_or(self.answer_version);
        let mut measure = Measure::default();
        packet.encode_body(version, &mut measure);
        let remaining_length = measure.finish()?;
        let (length, length_len) = VariableByteInteger::bytes_of(remaining_length);
        let packet_len = 1 + length_len + remaining_length as usize;
        if packet_len > self.peer_max_packet_size as usize {
            return Err(EncodeError::PacketTooLarge);
        }
        out.reserve(packet_len);
        out.put_u8(packet.first_byte());
        out.put(&length[..length_len]);
        packet.encode_body(version, out);
        Ok(())
    }
}
