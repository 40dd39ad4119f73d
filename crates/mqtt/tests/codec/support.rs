//! Packets written as text, and the two sides of a connection.

use bytes::BytesMut;
use enviomq_mqtt::{Codec, ControlPacket, DecodeError, ProtocolVersion};

pub(crate) use enviomq_mqtt::ProtocolVersion::{V3_1_1, V5};

/// Who sends a packet; the codec under test is the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

/// The bytes of `"30 05 0003 'a/b'"`: hexadecimal, and text between quotes.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        assert!(digits.len().is_multiple_of(2), "half a byte in {part:?}");
        for at in (0..digits.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
        }
    }
    bytes
}

/// The codec that receives what `from` sends, past the CONNECT.
pub(crate) fn receiver_of(from: From, version: ProtocolVersion) -> Codec {
    match from {
        From::Server => Codec::new(Some(version), MAX_PACKET_SIZE),
        From::Client => {
            let mut server = Codec::new(None, MAX_PACKET_SIZE);
            let connect = match version {
                V3_1_1 => "10 0c 0004 'MQTT' 04 02 0000 0000",
                V5 => "10 0d 0004 'MQTT' 05 02 0000 00 0000",
            };
            decode_one(&mut server, &bytes(connect)).unwrap();
            server
        }
    }
}

/// The codec for this packet: a fresh one if it is a CONNECT, which nothing precedes.
pub(crate) fn codec_for(from: From, version: ProtocolVersion, packet: &[u8]) -> Codec {
    match (from, packet.first()) {
        (From::Client, Some(0x10..=0x1F)) => Codec::new(None, MAX_PACKET_SIZE),
        _ => receiver_of(from, version),
    }
}

/// Decodes exactly one packet that is there as a whole.
pub(crate) fn decode_one(codec: &mut Codec, packet: &[u8]) -> Result<ControlPacket, DecodeError> {
    let mut input = BytesMut::from(packet);
    let decoded = codec.decode(&mut input)?;
    assert!(input.is_empty(), "the packet is shorter than its bytes");
    Ok(decoded.expect("the packet is whole"))
}

/// Decodes byte by byte; the packet comes with its last byte, not before.
pub(crate) fn decode_in_pieces(
    codec: &mut Codec,
    packet: &[u8],
) -> Result<ControlPacket, DecodeError> {
    let mut input = BytesMut::new();
    for (index, byte) in packet.iter().enumerate() {
        input.extend_from_slice(&[*byte]);
        if let Some(decoded) = codec.decode(&mut input)? {
            assert_eq!(index + 1, packet.len(), "the packet came early");
            return Ok(decoded);
        }
    }
    panic!("the packet never came");
}

/// What flowsdk, an implementation we had no hand in, says of these bytes.
pub(crate) fn second_opinion(
    version: ProtocolVersion,
    packet: &[u8],
) -> Result<flowsdk::mqtt_serde::control_packet::MqttPacket, String> {
    use flowsdk::mqtt_serde::control_packet::MqttPacket;
    use flowsdk::mqtt_serde::parser::ParseOk;
    let level = match version {
        V3_1_1 => 4,
        V5 => 5,
    };
    match MqttPacket::from_bytes_with_version(packet, level) {
        Ok(ParseOk::Packet(decoded, len)) if len == packet.len() => Ok(decoded),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(format!("{error:?}")),
    }
}

const MAX_PACKET_SIZE: u32 = 1024 * 1024;
