//! Packets nobody wrote down: any value survives the wire, any bytes leave the decoder standing.

use bytes::BytesMut;
use enviomq_mqtt::{Codec, ControlPacket, DecodeError, ProtocolVersion};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arbitrary::sent_packet;
use crate::support::{self, From, V3_1_1, V5};

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_the_same_packet((from, version, packet) in sent_packet()) {
        let bytes = encoded(version, &packet);
        let mut codec = support::codec_for(from, version, &bytes);
        prop_assert_eq!(support::decode_one(&mut codec, &bytes), Ok(packet));
    }

    #[test]
    fn flowsdk_reads_the_same_packet((from, version, packet) in sent_packet()) {
        // It takes what is empty in CONNECT and CONNACK for absent, or for wrong.
        prop_assume!(!has_empty_field(&packet));
        let bytes = encoded(version, &packet);
        let theirs = support::second_opinion(version, &bytes);
        let rewritten = theirs.unwrap().to_bytes().unwrap();
        let mut codec = support::codec_for(from, version, &rewritten);
        prop_assert_eq!(support::decode_one(&mut codec, &rewritten), Ok(packet));
    }

    #[test]
    fn decoding_in_pieces_gives_what_decoding_at_once_gives(
        from in select(vec![From::Client, From::Server]),
        version in select(vec![V3_1_1, V5]),
        small in vec(select(SMALL), 0..8),
        (_, _, first) in sent_packet(),
        cuts in vec(1..20_usize, 1..40),
    ) {
        // A stream of small packets around one of any kind, fed in pieces of 1 to 19 bytes.
        let mut stream = small.concat();
        stream.extend_from_slice(&encoded(version, &first));
        let at_once = decode_all(support::receiver_of(from, version), &[&stream]);
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(decode_all(support::receiver_of(from, version), &pieces), at_once);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        from in select(vec![From::Client, From::Server]),
        version in select(vec![V3_1_1, V5]),
        bytes in vec(any::<u8>(), 0..200),
    ) {
        let _ = decode_all(support::receiver_of(from, version), &[&bytes]);
        let _ = decode_all(Codec::new(None, 1000), &[&bytes]);
    }

    #[test]
    fn a_damaged_packet_never_makes_the_decoder_panic_or_read_beyond_its_end(
        (from, version, packet) in sent_packet(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(version, &packet);
        let header_len = 1 + bytes[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        for (at, value) in damage {
            let len = bytes.len();
            // The length stays: a whole packet is either right or refused, and never waited for.
            match at.index(len) {
                0 => bytes[0] = value,
                at if at >= header_len => bytes[at] = value,
                _ => {}
            }
        }
        let mut input = BytesMut::from(&bytes[..]);
        let mut codec = support::codec_for(from, version, &bytes);
        match codec.decode(&mut input) {
            Ok(decoded) => {
                prop_assert!(decoded.is_some() && input.is_empty());
                // Whatever was read can be written and means the same again.
                let again = encoded(codec.version().unwrap(), decoded.as_ref().unwrap());
                let mut codec = support::codec_for(from, version, &again);
                prop_assert_eq!(support::decode_one(&mut codec, &again).ok(), decoded);
            }
            Err(error) => prop_assert!(error.reason().is_error()),
        }
    }
}

/// PUBACK, PUBLISH and PUBREL, which mean something from either side in both versions.
const SMALL: &[&[u8]] = &[
    &[0x40, 2, 0, 1],
    &[0x30, 4, 0, 1, b'a', 0],
    &[0x62, 2, 1, 0],
];

fn has_empty_field(packet: &ControlPacket) -> bool {
    match packet {
        ControlPacket::Connect(connect) => {
            connect.username.as_deref() == Some("")
                || connect.password.as_deref() == Some(b"")
                || connect
                    .will
                    .as_ref()
                    .is_some_and(|will| will.payload.is_empty())
        }
        ControlPacket::ConnAck(connack) => {
            connack.properties.assigned_client_identifier.as_deref() == Some("")
        }
        _ => false,
    }
}

fn encoded(version: ProtocolVersion, packet: &ControlPacket) -> Vec<u8> {
    let mut out = BytesMut::new();
    Codec::new(Some(version), u32::MAX)
        .encode(packet, &mut out)
        .unwrap();
    out.to_vec()
}

/// All packets up to the first error or the end, and the error.
fn decode_all(mut codec: Codec, pieces: &[&[u8]]) -> (Vec<ControlPacket>, Option<DecodeError>) {
    let mut input = BytesMut::new();
    let mut packets = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match codec.decode(&mut input) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
    }
    (packets, None)
}
