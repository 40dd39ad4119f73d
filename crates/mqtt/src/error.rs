//! What can be wrong with a packet, and the Reason Code for it: one table.

use crate::ReasonCode;

macro_rules! decode_errors {
    ($($(#[$doc:meta])* $name:ident => $reason:ident, $text:literal;)*) => {
        /// Why bytes were refused. The text is for the log of the operator; the peer gets [`reason`].
        ///
        /// [`reason`]: DecodeError::reason
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum DecodeError {
            $($(#[$doc])* #[doc = $text] #[error($text)] $name,)*
        }

        impl DecodeError {
            /// The Reason Code for CONNACK (before a client is accepted) or DISCONNECT (after).
            #[must_use]
            pub const fn reason(self) -> ReasonCode {
                match self { $(DecodeError::$name => ReasonCode::$reason,)* }
            }
        }
    };
}

// Malformed Packet: cannot be read by the rules (1.2). Protocol Error: can be read, but must not be said.
// Where the specification names the Reason Code at the rule itself, that one stands here.
decode_errors! {
    ReservedPacketType => MalformedPacket, "packet type 0, or 15 in 3.1.1, is reserved";
    /// [MQTT-2.1.3-1]
    FixedHeaderFlags => MalformedPacket, "the flags of the fixed header are not the ones of this packet type";
    /// [MQTT-1.5.5-1] and 2.1.4
    VariableByteInteger => MalformedPacket, "a length takes more bytes than it may";
    Truncated => MalformedPacket, "a field reaches beyond the end of the packet";
    TrailingBytes => MalformedPacket, "bytes follow the last field of the packet";
    /// [MQTT-1.5.4-1]
    InvalidUtf8 => MalformedPacket, "a string is not UTF-8";
    /// [MQTT-1.5.4-2]
    NullCharacter => MalformedPacket, "a string contains U+0000";
    /// [MQTT-3.3.1-4], [MQTT-3.1.2-12]
    QoS3 => MalformedPacket, "both QoS bits are set";
    /// [MQTT-3.3.1-2]
    DupWithQoS0 => MalformedPacket, "DUP is set on a QoS 0 PUBLISH";
    /// [MQTT-3.1.2-3], [MQTT-3.2.2-1], [MQTT-3.8.3-5]
    ReservedBits => MalformedPacket, "a reserved bit is set";
    /// [MQTT-3.1.2-11], [MQTT-3.1.2-13]
    WillFlags => MalformedPacket, "Will QoS or Will Retain is set without a Will";
    /// [MQTT-3.1.2-22] of 3.1.1
    PasswordWithoutUserName => MalformedPacket, "3.1.1 allows no password without a user name";
    /// 2.2.2.2
    PropertyNotAllowed => MalformedPacket, "a property is unknown or may not be in this packet";
    ReasonCodeNotAllowed => ProtocolError, "a Reason Code is unknown or may not be in this packet from this side";
    /// 2.2.2.2
    DuplicateProperty => ProtocolError, "a property that may appear once appears twice";
    PropertyValue => ProtocolError, "a property has a value it must not have";
    /// [MQTT-2.2.1-3]
    PacketIdZero => ProtocolError, "the Packet Identifier is 0";
    /// [MQTT-3.8.3-2], [MQTT-3.10.3-2]
    NothingAsked => ProtocolError, "SUBSCRIBE or UNSUBSCRIBE without a Topic Filter";
    /// [MQTT-3.8.3-4]
    NoLocalOnShared => ProtocolError, "No Local on a shared subscription";
    SubscriptionOption => ProtocolError, "Maximum QoS or Retain Handling of a subscription is 3";
    /// [MQTT-3.3.4-6], [MQTT-3.14.2-2]
    PropertyFromWrongSide => ProtocolError, "a property is never sent in this packet by this side";
    TopicMissing => ProtocolError, "PUBLISH has neither a topic nor a Topic Alias";
    /// [MQTT-3.2.2-6]
    SessionPresentOnRefusal => ProtocolError, "CONNACK refuses and claims a session";
    AuthenticationMethodMissing => ProtocolError, "authentication data without a method";
    /// [MQTT-3.1.0-1]
    ConnectExpected => ProtocolError, "the first packet is not CONNECT";
    /// [MQTT-3.1.0-2]
    SecondConnect => ProtocolError, "a second CONNECT";
    WrongDirection => ProtocolError, "this packet is never sent by this side";
    /// [MQTT-3.1.2-2]
    UnsupportedProtocolVersion => UnsupportedProtocolVersion, "the protocol is neither MQTT 3.1.1 nor MQTT 5.0";
    /// [MQTT-3.3.2-8]
    TopicAliasZero => TopicAliasInvalid, "the Topic Alias is 0";
    /// [MQTT-3.3.2-2], [MQTT-4.7.3-1]
    TopicName => TopicNameInvalid, "a Topic Name is empty or contains a wildcard";
    /// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1], [MQTT-4.8.2-2]
    TopicFilter => TopicFilterInvalid, "a Topic Filter is empty, or misplaces a wildcard or a share name";
    /// [MQTT-3.1.2-24]
    PacketTooLarge => PacketTooLarge, "the packet is larger than the Maximum Packet Size";
}

/// Why a packet was not written. Nothing of it is in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EncodeError {
    /// Larger than the peer takes, or than MQTT can say (268,435,455 bytes of Remaining Length).
    #[error("the packet is larger than the peer accepts")]
    PacketTooLarge,
    /// A string or binary field above 65,535 bytes.
    #[error("a field is longer than 65,535 bytes")]
    FieldTooLong,
}
