//! Reason String and User Properties are left out where they make an answer too large for the peer.

use bytes::BytesMut;
use enviomq_mqtt::{
    Ack, ByteString, Codec, ConnAck, ControlPacket, Disconnect, DisconnectProperties, EncodeError,
    PacketId, ReasonCode, ReasonProperties, SubAck, UnsubAck, UserProperties,
};

use crate::support::V5;

macro_rules! left_out {
    ($($name:ident: $packet:expr;)*) => {
        $(#[test]
        fn $name() {
            is_left_out($packet);
        })*
    };
}

/// What explains an answer, and may have to stay behind.
type Explanation = (Option<ByteString>, UserProperties);

left_out! {
    // Also [MQTT-3.2.2-20].
    mqtt_3_2_2_19_of_connack: |(reason_string, user_properties)| {
        let mut connack = ConnAck::new(ReasonCode::NotAuthorized);
        connack.properties.server_keep_alive_s = Some(60);
        connack.properties.reason_string = reason_string;
        connack.properties.user_properties = user_properties;
        ControlPacket::ConnAck(Box::new(connack))
    };
    // Also [MQTT-3.4.2-3].
    mqtt_3_4_2_2_of_puback: |why| ControlPacket::PubAck(ack(ReasonCode::NotAuthorized, why));
    // Also [MQTT-3.5.2-3].
    mqtt_3_5_2_2_of_pubrec: |why| ControlPacket::PubRec(ack(ReasonCode::NotAuthorized, why));
    // Also [MQTT-3.6.2-3].
    mqtt_3_6_2_2_of_pubrel: |why| ControlPacket::PubRel(ack(ReasonCode::PacketIdentifierNotFound, why));
    // Also [MQTT-3.7.2-3].
    mqtt_3_7_2_2_of_pubcomp: |why| ControlPacket::PubComp(ack(ReasonCode::PacketIdentifierNotFound, why));
    // Also [MQTT-3.9.2-2].
    mqtt_3_9_2_1_of_suback: |why| ControlPacket::SubAck(SubAck {
        packet_id: PacketId::MIN,
        reasons: vec![ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized],
        properties: properties(why),
    });
    // Also [MQTT-3.11.2-2].
    mqtt_3_11_2_1_of_unsuback: |why| ControlPacket::UnsubAck(UnsubAck {
        packet_id: PacketId::MIN,
        reasons: vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted],
        properties: properties(why),
    });
    // Also [MQTT-3.14.2-4].
    mqtt_3_14_2_3_of_disconnect: |(reason_string, user_properties)| ControlPacket::Disconnect(Disconnect {
        reason: ReasonCode::ServerMoved,
        properties: Some(Box::new(DisconnectProperties {
            reason_string,
            user_properties,
            server_reference: Some("other".into()),
            ..DisconnectProperties::default()
        })),
    });
}

/// Each explanation is written if it just fits, left out one byte below, and nothing else is lost.
fn is_left_out(packet: impl Fn(Explanation) -> ControlPacket) {
    let bare = written(&packet((None, Vec::new())), u32::MAX).unwrap();
    let bare_len = u32::try_from(bare.len()).unwrap();
    let words = || Some(ByteString::from_static("not on a Sunday"));
    let pairs = || vec![("k".into(), "v".into()), ("k".into(), "w".into())];
    for explanation in [(words(), Vec::new()), (None, pairs()), (words(), pairs())] {
        let packet = packet(explanation);
        let whole = written(&packet, u32::MAX).unwrap();
        let whole_len = u32::try_from(whole.len()).unwrap();
        assert!(whole_len > bare_len);
        assert_eq!(written(&packet, whole_len).unwrap(), whole);
        assert_eq!(read(&written(&packet, whole_len - 1).unwrap()), read(&bare));
        assert_eq!(read(&written(&packet, bare_len).unwrap()), read(&bare));
        assert_eq!(
            written(&packet, bare_len - 3),
            Err(EncodeError::PacketTooLarge)
        );
    }
}

fn written(packet: &ControlPacket, peer_max_bytes: u32) -> Result<BytesMut, EncodeError> {
    let mut codec = Codec::new(Some(V5), u32::MAX);
    codec.set_peer_max_packet_size(peer_max_bytes);
    let mut out = BytesMut::new();
    codec.encode(packet, &mut out).map(|()| out)
}

fn read(bytes: &[u8]) -> ControlPacket {
    let mut codec = Codec::new(Some(V5), u32::MAX);
    crate::support::decode_one(&mut codec, bytes).unwrap()
}

fn ack(reason: ReasonCode, why: Explanation) -> Ack {
    Ack {
        properties: properties(why),
        ..Ack::new(PacketId::MIN, reason)
    }
}

fn properties((reason_string, user_properties): Explanation) -> Option<Box<ReasonProperties>> {
    let has_some = reason_string.is_some() || !user_properties.is_empty();
    has_some.then(|| {
        Box::new(ReasonProperties {
            reason_string,
            user_properties,
        })
    })
}
