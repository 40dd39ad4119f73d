//! One broken packet per rule, and the Reason Code the specification names for it.
//!
//! The statement ids are those of 5.0; 3.1.1 says the same in other words unless a name tells so.

use enviomq_mqtt::{DecodeError, ReasonCode};

use crate::support::{self, From, V3_1_1, V5};

macro_rules! refused {
    ($($name:ident: $from:ident, $version:ident, $text:literal => $error:ident, $reason:ident $(, $alone:ident)?;)*) => {
        $(#[test]
        fn $name() {
            check(From::$from, $version, $text, DecodeError::$error, ReasonCode::$reason);
            let is_ours_alone = [$(stringify!($alone),)? ""][0] == "alone";
            let opinion = support::second_opinion($version, &support::bytes($text));
            assert_eq!(opinion.is_ok(), is_ours_alone, "flowsdk: {opinion:?}");
        })*
    };
}

fn check(
    from: From,
    version: enviomq_mqtt::ProtocolVersion,
    text: &str,
    error: DecodeError,
    reason: ReasonCode,
) {
    let bytes = support::bytes(text);
    let codec = || support::codec_for(from, version, &bytes);
    assert_eq!(support::decode_one(&mut codec(), &bytes), Err(error));
    assert_eq!(support::decode_in_pieces(&mut codec(), &bytes), Err(error));
    assert_eq!(error.reason(), reason);
}

// "alone" marks what flowsdk accepts: mostly because it does not know which side is speaking.
refused! {
    // 2.1 Fixed header
    packet_type_0_is_reserved: Client, V5, "00 00" => ReservedPacketType, MalformedPacket;
    packet_type_15_is_reserved_in_3_1_1: Client, V3_1_1, "f0 00" => ReservedPacketType, MalformedPacket;
    mqtt_2_1_3_1_flags_of_connect: Client, V5, "11 0d 0004 'MQTT' 05 02 0000 00 0000" => FixedHeaderFlags, MalformedPacket;
    mqtt_2_1_3_1_flags_of_puback: Client, V5, "41 02 0001" => FixedHeaderFlags, MalformedPacket;
    // Also [MQTT311-2.2.2-2].
    mqtt_2_1_3_1_flags_of_pingreq: Client, V3_1_1, "c8 00" => FixedHeaderFlags, MalformedPacket;
    mqtt_3_6_1_1_flags_of_pubrel: Client, V5, "60 02 0001" => FixedHeaderFlags, MalformedPacket;
    mqtt_3_8_1_1_flags_of_subscribe: Client, V3_1_1, "80 06 0001 0001 'a' 00" => FixedHeaderFlags, MalformedPacket;
    mqtt_3_10_1_1_flags_of_unsubscribe: Client, V5, "a0 06 0001 00 0001 'a'" => FixedHeaderFlags, MalformedPacket;
    mqtt_3_14_1_1_flags_of_disconnect: Client, V5, "e1 00" => FixedHeaderFlags, MalformedPacket;
    mqtt_3_15_1_1_flags_of_auth: Client, V5, "f1 06 18 04 15 0001 'M'" => FixedHeaderFlags, MalformedPacket;
    mqtt_1_5_5_1_a_remaining_length_longer_than_needed: Client, V5, "c0 8000" => VariableByteInteger, MalformedPacket;
    a_remaining_length_of_five_bytes: Client, V3_1_1, "30 ffffffff7f" => VariableByteInteger, MalformedPacket;
    mqtt_1_5_5_1_a_connect_5_with_a_length_longer_than_needed: Client, V5,
        "10 8d00 0004 'MQTT' 05 02 0000 00 0000" => VariableByteInteger, MalformedPacket;

    // 2.2 Identifiers and properties
    mqtt_2_2_1_3_publish_with_packet_identifier_0: Client, V5, "32 06 0001 'a' 0000 00" => PacketIdZero, ProtocolError;
    mqtt_2_2_1_3_subscribe_with_packet_identifier_0: Client, V3_1_1, "82 06 0000 0001 'a' 00" => PacketIdZero, ProtocolError;
    mqtt_2_2_1_3_unsubscribe_with_packet_identifier_0: Client, V5, "a2 06 0000 00 0001 'a'" => PacketIdZero, ProtocolError;
    mqtt_2_2_1_3_puback_with_packet_identifier_0: Client, V5, "40 02 0000" => PacketIdZero, ProtocolError;
    an_unknown_property: Client, V5, "30 06 0001 'a' 02 7f 00" => PropertyNotAllowed, MalformedPacket;
    a_property_of_connect_in_publish: Client, V5, "30 07 0001 'a' 03 21 0001" => PropertyNotAllowed, MalformedPacket;
    a_property_of_publish_in_connect: Client, V5, "10 10 0004 'MQTT' 05 02 0000 03 23 0001 0000" => PropertyNotAllowed, MalformedPacket;
    a_will_delay_outside_of_the_will: Client, V5, "10 12 0004 'MQTT' 05 02 0000 05 18 00000001 0000" => PropertyNotAllowed, MalformedPacket;
    a_topic_alias_in_the_will: Client, V5, "10 16 0004 'MQTT' 05 06 0000 00 0000 03 23 0001 0001 'w' 0000" => PropertyNotAllowed, MalformedPacket;
    a_reason_string_in_subscribe: Client, V5, "82 0b 0001 04 1f 0001 'x' 0001 'a' 00" => PropertyNotAllowed, MalformedPacket;
    a_subscription_identifier_in_unsubscribe: Client, V5, "a2 08 0001 02 0b 01 0001 'a'" => PropertyNotAllowed, MalformedPacket;
    a_server_reference_in_puback: Server, V5, "40 08 0001 00 04 1c 0001 'x'" => PropertyNotAllowed, MalformedPacket;
    properties_longer_than_the_packet: Client, V5, "30 06 0001 'a' 05 01 00" => Truncated, MalformedPacket;
    a_property_longer_than_its_section: Client, V5, "30 09 0001 'a' 03 02 0000 0000" => Truncated, MalformedPacket;
    mqtt_1_5_5_1_a_property_length_longer_than_needed: Client, V5, "30 05 0001 'a' 8000" => VariableByteInteger, MalformedPacket;

    // 1.5.4 Strings
    // Also [MQTT-3.3.2-1].
    mqtt_1_5_4_1_a_topic_that_is_not_utf_8: Client, V5, "30 05 0002 c328 00" => InvalidUtf8, MalformedPacket;
    mqtt_1_5_4_1_a_topic_with_a_surrogate: Client, V3_1_1, "30 05 0003 eda080" => InvalidUtf8, MalformedPacket;
    mqtt_1_5_4_2_a_topic_with_a_null_character: Client, V5, "30 06 0003 610062 00" => NullCharacter, MalformedPacket;
    // Also [MQTT-3.1.3-4].
    mqtt_1_5_4_2_a_client_identifier_with_a_null_character: Client, V3_1_1, "10 0d 0004 'MQTT' 04 02 0000 0001 00" => NullCharacter, MalformedPacket;
    // Also [MQTT-1.5.7-1].
    mqtt_1_5_4_2_a_user_property_with_a_null_character: Client, V5, "30 0b 0001 'a' 07 26 0001 00 0001 'v'" => NullCharacter, MalformedPacket;
    mqtt_3_1_3_11_a_will_topic_that_is_not_utf_8: Client, V5, "10 14 0004 'MQTT' 05 06 0000 00 0000 00 0002 c328 0000" => InvalidUtf8, MalformedPacket;
    mqtt_3_1_3_11_a_will_topic_that_is_not_utf_8_in_3_1_1: Client, V3_1_1, "10 13 0004 'MQTT' 04 06 0000 0001 'c' 0002 c328 0000" => InvalidUtf8, MalformedPacket;
    mqtt_3_1_3_12_a_user_name_that_is_not_utf_8: Client, V5, "10 11 0004 'MQTT' 05 82 0000 00 0000 0002 c328" => InvalidUtf8, MalformedPacket;
    mqtt_3_1_3_12_a_user_name_that_is_not_utf_8_in_3_1_1: Client, V3_1_1, "10 11 0004 'MQTT' 04 82 0000 0001 'c' 0002 c328" => InvalidUtf8, MalformedPacket;
    mqtt_3_3_2_13_a_response_topic_that_is_not_utf_8: Client, V5, "30 09 0001 'a' 05 08 0002 c328" => InvalidUtf8, MalformedPacket;
    mqtt_3_3_2_19_a_content_type_that_is_not_utf_8: Client, V5, "30 09 0001 'a' 05 03 0002 c328" => InvalidUtf8, MalformedPacket;
    mqtt_3_8_3_1_a_filter_to_subscribe_that_is_not_utf_8: Client, V5, "82 08 0001 00 0002 c328 00" => InvalidUtf8, MalformedPacket;
    mqtt_3_8_3_1_a_filter_to_subscribe_that_is_not_utf_8_in_3_1_1: Client, V3_1_1, "82 07 0001 0002 c328 00" => InvalidUtf8, MalformedPacket;
    mqtt_3_10_3_1_a_filter_to_unsubscribe_that_is_not_utf_8: Client, V5, "a2 07 0001 00 0002 c328" => InvalidUtf8, MalformedPacket;
    mqtt_3_10_3_1_a_filter_to_unsubscribe_that_is_not_utf_8_in_3_1_1: Client, V3_1_1, "a2 06 0001 0002 c328" => InvalidUtf8, MalformedPacket;

    // 3.1 CONNECT

    mqtt_3_1_2_1_another_protocol_name: Client, V5, "10 0d 0004 'MQTX' 05 02 0000 00 0000" => UnsupportedProtocolVersion, UnsupportedProtocolVersion;
    // Also [MQTT311-3.1.2-1].
    mqtt_3_1_2_1_the_protocol_name_is_case_sensitive: Client, V3_1_1, "10 0c 0004 'mqtt' 04 02 0000 0000" => UnsupportedProtocolVersion, UnsupportedProtocolVersion;
    mqtt_3_1_2_2_protocol_level_6: Client, V5, "10 0d 0004 'MQTT' 06 02 0000 00 0000" => UnsupportedProtocolVersion, UnsupportedProtocolVersion, alone;
    mqtt_3_1_2_2_protocol_3_1: Client, V3_1_1, "10 0e 0006 'MQIsdp' 03 02 0000 0000" => UnsupportedProtocolVersion, UnsupportedProtocolVersion, alone;
    mqtt_3_1_2_3_the_reserved_connect_flag: Client, V5, "10 0d 0004 'MQTT' 05 03 0000 00 0000" => ReservedBits, MalformedPacket;
    mqtt_3_1_2_3_the_reserved_connect_flag_in_3_1_1: Client, V3_1_1, "10 0c 0004 'MQTT' 04 03 0000 0000" => ReservedBits, MalformedPacket;
    mqtt_3_1_2_11_will_qos_without_a_will: Client, V5, "10 0d 0004 'MQTT' 05 0a 0000 00 0000" => WillFlags, MalformedPacket;
    mqtt_3_1_2_12_will_qos_3: Client, V5, "10 13 0004 'MQTT' 05 1e 0000 00 0000 00 0001 'w' 0000" => QoS3, MalformedPacket;
    mqtt_3_1_2_13_will_retain_without_a_will: Client, V3_1_1, "10 0c 0004 'MQTT' 04 22 0000 0000" => WillFlags, MalformedPacket;
    mqtt311_3_1_2_22_a_password_without_a_user_name: Client, V3_1_1, "10 10 0004 'MQTT' 04 42 0000 0001 'c' 0001 'p'" => PasswordWithoutUserName, MalformedPacket;
    mqtt_3_1_2_17_a_user_name_announced_but_absent: Client, V5, "10 0e 0004 'MQTT' 05 82 0000 00 0001 'c'" => Truncated, MalformedPacket;
    mqtt_3_1_2_16_a_user_name_that_was_not_announced: Client, V5, "10 14 0004 'MQTT' 05 02 0000 00 0001 'c' 0004 'user'" => TrailingBytes, MalformedPacket;
    mqtt_3_1_2_18_a_password_that_was_not_announced: Client, V5, "10 17 0004 'MQTT' 05 82 0000 00 0001 'c' 0001 'u' 0004 'pass'" => TrailingBytes, MalformedPacket;
    mqtt_3_1_2_18_a_password_that_was_not_announced_in_3_1_1: Client, V3_1_1, "10 16 0004 'MQTT' 04 82 0000 0001 'c' 0001 'u' 0004 'pass'" => TrailingBytes, MalformedPacket;
    mqtt_3_1_2_19_a_password_announced_but_absent: Client, V5, "10 11 0004 'MQTT' 05 c2 0000 00 0001 'c' 0001 'u'" => Truncated, MalformedPacket;
    mqtt_3_1_2_19_a_password_announced_but_absent_in_3_1_1: Client, V3_1_1, "10 10 0004 'MQTT' 04 c2 0000 0001 'c' 0001 'u'" => Truncated, MalformedPacket;
    mqtt_3_1_3_3_a_connect_without_a_client_identifier: Client, V5, "10 0b 0004 'MQTT' 05 02 0000 00" => Truncated, MalformedPacket;
    mqtt_3_1_3_3_a_connect_without_a_client_identifier_in_3_1_1: Client, V3_1_1, "10 0a 0004 'MQTT' 04 02 0000" => Truncated, MalformedPacket;
    mqtt311_3_1_2_11_will_qos_without_a_will: Client, V3_1_1, "10 0d 0004 'MQTT' 04 0a 0000 0001 'c'" => WillFlags, MalformedPacket;
    mqtt311_3_1_2_11_a_will_that_was_not_announced: Client, V3_1_1, "10 13 0004 'MQTT' 04 02 0000 0001 'c' 0001 'w' 0001 'x'" => TrailingBytes, MalformedPacket;
    mqtt_3_1_2_9_a_will_announced_but_absent: Client, V3_1_1, "10 0d 0004 'MQTT' 04 06 0000 0001 'c'" => Truncated, MalformedPacket;
    a_connect_that_ends_in_the_protocol_name: Client, V5, "10 04 0004 'MQ'" => Truncated, MalformedPacket;
    receive_maximum_0: Client, V5, "10 10 0004 'MQTT' 05 02 0000 03 21 0000 0000" => PropertyValue, ProtocolError;
    maximum_packet_size_0: Client, V5, "10 12 0004 'MQTT' 05 02 0000 05 27 00000000 0000" => PropertyValue, ProtocolError;
    request_problem_information_2: Client, V5, "10 0f 0004 'MQTT' 05 02 0000 02 17 02 0000" => PropertyValue, ProtocolError;
    request_response_information_2: Client, V5, "10 0f 0004 'MQTT' 05 02 0000 02 19 02 0000" => PropertyValue, ProtocolError;
    session_expiry_interval_twice: Client, V5, "10 17 0004 'MQTT' 05 02 0000 0a 11 00000001 11 00000001 0000" => DuplicateProperty, ProtocolError;
    receive_maximum_twice: Client, V5, "10 13 0004 'MQTT' 05 02 0000 06 21 0001 21 0001 0000" => DuplicateProperty, ProtocolError;
    will_delay_twice: Client, V5, "10 1d 0004 'MQTT' 05 06 0000 00 0000 0a 18 00000001 18 00000001 0001 'w' 0000" => DuplicateProperty, ProtocolError;
    authentication_data_without_a_method: Client, V5, "10 11 0004 'MQTT' 05 02 0000 04 16 0001 'd' 0000" => AuthenticationMethodMissing, ProtocolError;
    mqtt_4_7_0_1_a_wildcard_in_the_will_topic: Client, V5, "10 15 0004 'MQTT' 05 06 0000 00 0000 00 0003 'w/#' 0000" => TopicName, TopicNameInvalid;
    mqtt_4_7_3_1_an_empty_will_topic: Client, V3_1_1, "10 11 0004 'MQTT' 04 06 0000 0001 'c' 0000 0000" => TopicName, TopicNameInvalid;

    // 3.2 CONNACK
    mqtt_3_2_2_1_a_reserved_connack_flag: Server, V5, "20 03 02 00 00" => ReservedBits, MalformedPacket;
    mqtt_3_2_2_6_a_refusal_with_a_session: Server, V5, "20 03 01 87 00" => SessionPresentOnRefusal, ProtocolError;
    mqtt_3_2_2_8_a_reason_code_that_connack_does_not_have: Server, V5, "20 03 00 01 00" => ReasonCodeNotAllowed, ProtocolError;
    a_reserved_connect_return_code: Server, V3_1_1, "20 02 00 06" => ReasonCodeNotAllowed, ProtocolError;
    maximum_qos_2: Server, V5, "20 05 00 00 02 24 02" => PropertyValue, ProtocolError;
    a_connack_3_1_1_with_properties: Server, V3_1_1, "20 03 00 00 00" => TrailingBytes, MalformedPacket;
    a_connack_5_without_properties: Server, V5, "20 02 00 00" => Truncated, MalformedPacket;

    // 3.3 PUBLISH
    mqtt_3_3_1_2_dup_on_qos_0: Client, V5, "38 04 0001 'a' 00" => DupWithQoS0, MalformedPacket;
    mqtt_3_3_1_4_publish_with_both_qos_bits_set: Client, V5, "36 06 0001 'a' 0001 00" => QoS3, MalformedPacket;
    mqtt_3_3_1_4_publish_with_both_qos_bits_set_in_3_1_1: Client, V3_1_1, "36 05 0001 'a' 0001" => QoS3, MalformedPacket;
    mqtt_3_3_2_2_a_plus_in_the_topic: Client, V5, "30 06 0003 'a/+' 00" => TopicName, TopicNameInvalid;
    mqtt_3_3_2_2_a_hash_in_the_topic: Client, V3_1_1, "30 05 0003 'a/#'" => TopicName, TopicNameInvalid;
    mqtt_4_7_3_1_an_empty_topic_in_3_1_1: Client, V3_1_1, "30 03 0000 'x'" => TopicName, TopicNameInvalid;
    neither_topic_nor_alias: Client, V5, "30 04 0000 00 'x'" => TopicMissing, ProtocolError;
    mqtt_3_3_2_8_topic_alias_0: Client, V5, "30 07 0001 'a' 03 23 0000" => TopicAliasZero, TopicAliasInvalid;
    topic_alias_twice: Client, V5, "30 0a 0001 'a' 06 23 0001 23 0001" => DuplicateProperty, ProtocolError;
    payload_format_indicator_2: Client, V5, "30 06 0001 'a' 02 01 02" => PropertyValue, ProtocolError;
    message_expiry_twice: Client, V5, "30 0e 0001 'a' 0a 02 00000001 02 00000001" => DuplicateProperty, ProtocolError;
    content_type_twice: Client, V5, "30 0c 0001 'a' 08 03 0001 'a' 03 0001 'a'" => DuplicateProperty, ProtocolError;
    mqtt_3_3_2_14_a_wildcard_in_the_response_topic: Client, V5, "30 0a 0001 'a' 06 08 0003 'r/+'" => TopicName, TopicNameInvalid;
    mqtt_3_3_4_6_a_subscription_identifier_from_a_client: Client, V5, "30 06 0001 'a' 02 0b 01" => PropertyFromWrongSide, ProtocolError, alone;
    subscription_identifier_0_in_publish: Server, V5, "30 06 0001 'a' 02 0b 00" => PropertyValue, ProtocolError;
    a_publish_that_ends_in_its_topic: Client, V3_1_1, "30 04 0005 'ab'" => Truncated, MalformedPacket;
    a_publish_without_anything: Client, V5, "30 00" => Truncated, MalformedPacket;

    // 3.4 to 3.7 PUBACK, PUBREC, PUBREL, PUBCOMP
    mqtt_3_4_2_1_a_reason_code_that_puback_does_not_have: Client, V5, "40 03 0001 92" => ReasonCodeNotAllowed, ProtocolError;
    mqtt_3_5_2_1_a_reason_code_that_pubrec_does_not_have: Client, V5, "50 03 0001 01" => ReasonCodeNotAllowed, ProtocolError;
    mqtt_3_6_2_1_a_reason_code_that_pubrel_does_not_have: Client, V5, "62 03 0001 10" => ReasonCodeNotAllowed, ProtocolError;
    mqtt_3_7_2_1_a_reason_code_that_pubcomp_does_not_have: Client, V5, "70 03 0001 80" => ReasonCodeNotAllowed, ProtocolError;
    a_puback_3_1_1_with_a_reason_code: Client, V3_1_1, "40 03 0001 00" => TrailingBytes, MalformedPacket;
    a_puback_with_trailing_bytes: Client, V5, "40 05 0001 00 00 ff" => TrailingBytes, MalformedPacket;
    a_puback_of_one_byte: Client, V5, "40 01 00" => Truncated, MalformedPacket;
    reason_string_twice: Client, V5, "40 0c 0001 80 08 1f 0001 'a' 1f 0001 'b'" => DuplicateProperty, ProtocolError;

    // 3.8, 3.9 SUBSCRIBE, SUBACK
    mqtt_3_8_3_2_a_subscribe_without_filters: Client, V5, "82 03 0001 00" => NothingAsked, ProtocolError;
    mqtt_3_8_3_2_a_subscribe_without_filters_in_3_1_1: Client, V3_1_1, "82 02 0001" => NothingAsked, ProtocolError;
    mqtt_3_8_3_4_no_local_on_a_shared_subscription: Client, V5, "82 10 0001 00 000a '$share/g/a' 04" => NoLocalOnShared, ProtocolError;
    mqtt_3_8_3_5_reserved_bits_of_the_options: Client, V5, "82 07 0001 00 0001 'a' 40" => ReservedBits, MalformedPacket;
    mqtt311_3_8_3_4_options_of_5: Client, V3_1_1, "82 06 0001 0001 'a' 04" => ReservedBits, MalformedPacket;
    maximum_qos_3_of_a_subscription: Client, V5, "82 07 0001 00 0001 'a' 03" => SubscriptionOption, ProtocolError;
    mqtt311_3_8_3_4_requested_qos_3: Client, V3_1_1, "82 06 0001 0001 'a' 03" => SubscriptionOption, ProtocolError;
    retain_handling_3: Client, V5, "82 07 0001 00 0001 'a' 30" => SubscriptionOption, ProtocolError;
    subscription_identifier_0: Client, V5, "82 09 0001 02 0b 00 0001 'a' 00" => PropertyValue, ProtocolError;
    subscription_identifier_twice: Client, V5, "82 0b 0001 04 0b 01 0b 02 0001 'a' 00" => DuplicateProperty, ProtocolError;
    a_filter_without_options: Client, V5, "82 06 0001 00 0001 'a'" => Truncated, MalformedPacket;
    mqtt_4_7_1_1_a_hash_before_the_last_level: Client, V5, "82 0b 0001 00 0005 'a/#/b' 00" => TopicFilter, TopicFilterInvalid;
    mqtt_4_7_1_1_a_hash_that_does_not_fill_its_level: Client, V3_1_1, "82 07 0001 0002 'a#' 00" => TopicFilter, TopicFilterInvalid;
    mqtt_4_7_1_2_a_plus_that_does_not_fill_its_level: Client, V5, "82 0a 0001 00 0004 'a/b+' 00" => TopicFilter, TopicFilterInvalid;
    mqtt_4_7_3_1_an_empty_filter: Client, V5, "82 06 0001 00 0000 00" => TopicFilter, TopicFilterInvalid;
    mqtt_4_8_2_1_a_share_without_a_name: Client, V5, "82 0f 0001 00 0009 '$share//a' 00" => TopicFilter, TopicFilterInvalid;
    mqtt_4_8_2_2_a_share_name_with_a_wildcard: Client, V5, "82 11 0001 00 000b '$share/g+/a' 00" => TopicFilter, TopicFilterInvalid;
    mqtt_4_8_2_2_a_share_without_a_filter: Client, V5, "82 0e 0001 00 0008 '$share/g' 00" => TopicFilter, TopicFilterInvalid;
    mqtt_3_9_3_2_a_reason_code_that_suback_does_not_have: Server, V5, "90 04 0001 00 10" => ReasonCodeNotAllowed, ProtocolError;
    a_suback_3_1_1_with_a_reason_code_of_5: Server, V3_1_1, "90 03 0001 87" => ReasonCodeNotAllowed, ProtocolError;
    a_suback_that_answers_nothing: Server, V5, "90 03 0001 00" => Truncated, MalformedPacket;

    // 3.10, 3.11 UNSUBSCRIBE, UNSUBACK
    mqtt_3_10_3_2_an_unsubscribe_without_filters: Client, V5, "a2 03 0001 00" => NothingAsked, ProtocolError;
    mqtt_3_10_3_2_an_unsubscribe_without_filters_in_3_1_1: Client, V3_1_1, "a2 02 0001" => NothingAsked, ProtocolError;
    an_unsubscribe_from_a_misplaced_wildcard: Client, V3_1_1, "a2 06 0001 0002 '+a'" => TopicFilter, TopicFilterInvalid;
    mqtt_3_11_3_2_a_reason_code_that_unsuback_does_not_have: Server, V5, "b0 04 0001 00 01" => ReasonCodeNotAllowed, ProtocolError;
    an_unsuback_3_1_1_with_reason_codes: Server, V3_1_1, "b0 03 0001 00" => TrailingBytes, MalformedPacket;

    // 3.12, 3.13 PINGREQ, PINGRESP
    a_pingreq_with_a_body: Client, V5, "c0 01 00" => TrailingBytes, MalformedPacket;
    a_pingresp_with_a_body: Server, V3_1_1, "d0 01 00" => TrailingBytes, MalformedPacket;

    // 3.14 DISCONNECT
    mqtt_3_14_2_1_a_reason_code_that_disconnect_does_not_have: Client, V5, "e0 01 01" => ReasonCodeNotAllowed, ProtocolError;
    mqtt_3_14_2_1_a_reason_code_of_servers_from_a_client: Client, V5, "e0 01 8b" => ReasonCodeNotAllowed, ProtocolError, alone;
    mqtt_3_14_2_1_disconnect_with_will_from_a_server: Server, V5, "e0 01 04" => ReasonCodeNotAllowed, ProtocolError, alone;
    mqtt_3_14_2_2_a_session_expiry_from_a_server: Server, V5, "e0 07 00 05 11 00000001" => PropertyFromWrongSide, ProtocolError, alone;
    a_server_reference_from_a_client: Client, V5, "e0 06 00 04 1c 0001 'x'" => PropertyFromWrongSide, ProtocolError, alone;
    a_disconnect_3_1_1_with_a_body: Client, V3_1_1, "e0 01 00" => TrailingBytes, MalformedPacket;

    // 3.15 AUTH
    mqtt_3_15_2_1_a_reason_code_that_auth_does_not_have: Client, V5, "f0 06 87 04 15 0001 'M'" => ReasonCodeNotAllowed, ProtocolError;
    mqtt_3_15_2_1_success_from_a_client: Client, V5, "f0 06 00 04 15 0001 'M'" => ReasonCodeNotAllowed, ProtocolError, alone;
    mqtt_3_15_2_1_re_authenticate_from_a_server: Server, V5, "f0 06 19 04 15 0001 'M'" => ReasonCodeNotAllowed, ProtocolError, alone;
    an_auth_without_a_method: Client, V5, "f0 02 18 00" => AuthenticationMethodMissing, ProtocolError, alone;

    // Who may send what
    a_connack_to_a_server: Client, V5, "20 03 00 00 00" => WrongDirection, ProtocolError, alone;
    a_suback_to_a_server: Client, V3_1_1, "90 03 0001 00" => WrongDirection, ProtocolError, alone;
    an_unsuback_to_a_server: Client, V3_1_1, "b0 02 0001" => WrongDirection, ProtocolError, alone;
    a_pingresp_to_a_server: Client, V5, "d0 00" => WrongDirection, ProtocolError, alone;
    a_connect_to_a_client: Server, V5, "10 0d 0004 'MQTT' 05 02 0000 00 0000" => WrongDirection, ProtocolError, alone;
    a_subscribe_to_a_client: Server, V5, "82 07 0001 00 0001 'a' 00" => WrongDirection, ProtocolError, alone;
    an_unsubscribe_to_a_client: Server, V5, "a2 06 0001 00 0001 'a'" => WrongDirection, ProtocolError, alone;
    a_pingreq_to_a_client: Server, V5, "c0 00" => WrongDirection, ProtocolError, alone;
    a_disconnect_from_a_3_1_1_server: Server, V3_1_1, "e0 00" => WrongDirection, ProtocolError, alone;
}
