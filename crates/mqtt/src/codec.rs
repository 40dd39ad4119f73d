//! Bytes to packets and back, for one version, one side, and a Maximum Packet Size.

use bytes::BytesMut;

use crate::packet::ControlPacket;
use crate::{DecodeError, EncodeError, ProtocolVersion};

/// The two directions of one Network Connection.
#[derive(Debug, Clone)]
pub struct Codec {
    version: Option<ProtocolVersion>,
    receiver: Receiver,
    max_packet_size: u32,
    peer_max_packet_size: u32,
}

/// Which side decodes: it decides which packets, codes and properties may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    Server,
    Client,
}

impl Codec {
    /// `None`: a server that waits for CONNECT and learns the version from it.
    /// A version: a client, which speaks first and receives only what servers send.
    ///
    /// `max_packet_size` counts the whole packet, in bytes; a larger one is refused as soon as its
    /// length is known.
    #[must_use]
    pub fn new(version: Option<ProtocolVersion>, max_packet_size: u32) -> Codec {
        let receiver = if version.is_some() {
            Receiver::Client
        } else {
            Receiver::Server
        };
        Codec {
            version,
            receiver,
            max_packet_size,
            peer_max_packet_size: u32::MAX,
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
        let _ = (input, self.receiver, self.max_packet_size);
        Ok(None)
    }

    /// Appends `packet`.
    ///
    /// # Errors
    /// It is too large for the peer or a field is; `out` is unchanged.
    pub fn encode(&self, packet: &ControlPacket, out: &mut BytesMut) -> Result<(), EncodeError> {
        let _ = (packet, out, self.peer_max_packet_size);
        Ok(())
    }
}
