//! The properties of 5.0, one table: identifier, type, and the packets that may carry it (2.2.2.2).

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::primitive::{Fields, Measure, Sink};
use crate::{DecodeError, QoS, UserProperties};

macro_rules! properties {
    ($($name:ident = $id:literal, $type:ty, [$($carrier:ident)*];)*) => {
        /// The number that announces a property.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum PropertyId {
            $($name = $id,)*
        }

        /// A property as it was received.
        #[expect(clippy::enum_variant_names, reason = "the specification calls one of them User Property")]
        #[derive(Debug)]
        pub(crate) enum Property {
            $($name($type),)*
        }

        impl PropertyId {
            const fn from_u8(id: u8) -> Option<PropertyId> {
                match id { $($id => Some(PropertyId::$name),)* _ => None }
            }

            const fn may_be_in(self, carrier: Carrier) -> bool {
                match self {
                    $(PropertyId::$name => matches!(carrier, $(Carrier::$carrier)|*),)*
                }
            }
        }

        impl Property {
            fn take(id: PropertyId, fields: &mut Fields) -> Result<Property, DecodeError> {
                match id {
                    $(PropertyId::$name => <$type as PropertyType>::take(fields).map(Property::$name),)*
                }
            }
        }
    };
}

properties! {
    PayloadFormatIndicator          = 0x01, bool,        [Publish Will];
    MessageExpiryInterval           = 0x02, u32,         [Publish Will];
    ContentType                     = 0x03, ByteString,  [Publish Will];
    ResponseTopic                   = 0x08, ByteString,  [Publish Will];
    CorrelationData                 = 0x09, Bytes,       [Publish Will];
    SubscriptionIdentifier          = 0x0B, Identifier,  [Publish Subscribe];
    SessionExpiryInterval           = 0x11, u32,         [Connect ConnAck Disconnect];
    AssignedClientIdentifier        = 0x12, ByteString,  [ConnAck];
    ServerKeepAlive                 = 0x13, u16,         [ConnAck];
    AuthenticationMethod            = 0x15, ByteString,  [Connect ConnAck Auth];
    AuthenticationData              = 0x16, Bytes,       [Connect ConnAck Auth];
    RequestProblemInformation       = 0x17, bool,        [Connect];
    WillDelayInterval               = 0x18, u32,         [Will];
    RequestResponseInformation      = 0x19, bool,        [Connect];
    ResponseInformation             = 0x1A, ByteString,  [ConnAck];
    ServerReference                 = 0x1C, ByteString,  [ConnAck Disconnect];
    ReasonString                    = 0x1F, ByteString,  [ConnAck Ack SubAck UnsubAck Disconnect Auth];
    ReceiveMaximum                  = 0x21, NonZeroU16,  [Connect ConnAck];
    TopicAliasMaximum               = 0x22, u16,         [Connect ConnAck];
    TopicAlias                      = 0x23, u16,         [Publish];
    MaximumQoS                      = 0x24, MaximumQoS,  [ConnAck];
    RetainAvailable                 = 0x25, bool,        [ConnAck];
    UserProperty                    = 0x26, (ByteString, ByteString), [Connect Will ConnAck Publish Ack Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth];
    MaximumPacketSize               = 0x27, NonZeroU32,  [Connect ConnAck];
    WildcardSubscriptionAvailable   = 0x28, bool,        [ConnAck];
    SubscriptionIdentifierAvailable = 0x29, bool,        [ConnAck];
    SharedSubscriptionAvailable     = 0x2A, bool,        [ConnAck];
}

/// What a list of properties belongs to: a packet, or the Will inside CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Connect,
    Will,
    ConnAck,
    Publish,
    /// PUBACK, PUBREC, PUBREL and PUBCOMP carry the same ones.
    Ack,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
}

/// The properties of one packet that are not read yet.
///
/// What comes out is known, allowed in its carrier, not a duplicate, and of a legal value.
#[derive(Debug)]
pub(crate) struct Properties {
    fields: Fields,
    carrier: Carrier,
    /// One bit per identifier; they end at 42.
    seen: u64,
}

impl Properties {
    /// Reads the Property Length and sets the properties behind it apart.
    pub(crate) fn open(fields: &mut Fields, carrier: Carrier) -> Result<Properties, DecodeError> {
        let len = fields.variable_byte_integer()?;
        let fields = fields.section(len as usize)?;
        Ok(Properties {
            fields,
            carrier,
            seen: 0,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn next(&mut self) -> Result<Option<Property>, DecodeError> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        // A Variable Byte Integer by the letter, but every identifier fits in its first byte.
        let id = PropertyId::from_u8(self.fields.u8()?)
            .filter(|id| id.may_be_in(self.carrier))
            .ok_or(DecodeError::PropertyNotAllowed)?;
        let bit = 1 << id as u8;
        if self.seen & bit != 0 && !id.may_repeat_in(self.carrier) {
            return Err(DecodeError::DuplicateProperty);
        }
        self.seen |= bit;
        Property::take(id, &mut self.fields).map(Some)
    }
}

impl PropertyId {
    const fn may_repeat_in(self, carrier: Carrier) -> bool {
        match self {
            PropertyId::UserProperty => true,
            PropertyId::SubscriptionIdentifier => matches!(carrier, Carrier::Publish),
            _ => false,
        }
    }
}

/// A struct whose fields are properties.
pub(crate) trait PropertySet {
    fn put<S: Sink>(&self, out: &mut S);
}

/// Writes the Property Length and the properties.
pub(crate) fn put_section<S: Sink>(out: &mut S, properties: &impl PropertySet) {
    let mut measure = Measure::default();
    properties.put(&mut measure);
    out.put_variable_byte_integer(measure.len() as u32);
    properties.put(out);
}

/// Writes one property, if it is there.
pub(crate) fn put<S: Sink>(out: &mut S, id: PropertyId, value: Option<&impl PropertyType>) {
    if let Some(value) = value {
        out.put_u8(id as u8);
        value.put(out);
    }
}

pub(crate) fn put_user_properties<S: Sink>(out: &mut S, properties: &UserProperties) {
    for pair in properties {
        put(out, PropertyId::UserProperty, Some(pair));
    }
}

/// A value in the form its property prescribes.
pub(crate) trait PropertyType: Sized {
    fn take(fields: &mut Fields) -> Result<Self, DecodeError>;
    fn put<S: Sink>(&self, out: &mut S);
}

/// Subscription Identifier: 1 to 268,435,455.
#[derive(Debug)]
pub(crate) struct Identifier(pub(crate) u32);

/// Maximum QoS: 0 or 1; 2 is said by leaving it out.
#[derive(Debug)]
pub(crate) struct MaximumQoS(pub(crate) QoS);

impl PropertyType for bool {
    fn take(fields: &mut Fields) -> Result<bool, DecodeError> {
        match fields.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::PropertyValue),
        }
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_u8((*self).into());
    }
}

impl PropertyType for u16 {
    fn take(fields: &mut Fields) -> Result<u16, DecodeError> {
        fields.u16()
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_u16(*self);
    }
}

impl PropertyType for u32 {
    fn take(fields: &mut Fields) -> Result<u32, DecodeError> {
        fields.u32()
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_u32(*self);
    }
}

impl PropertyType for NonZeroU16 {
    fn take(fields: &mut Fields) -> Result<NonZeroU16, DecodeError> {
        NonZeroU16::new(fields.u16()?).ok_or(DecodeError::PropertyValue)
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_u16(self.get());
    }
}

impl PropertyType for NonZeroU32 {
    fn take(fields: &mut Fields) -> Result<NonZeroU32, DecodeError> {
        NonZeroU32::new(fields.u32()?).ok_or(DecodeError::PropertyValue)
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_u32(self.get());
    }
}

impl PropertyType for Identifier {
    fn take(fields: &mut Fields) -> Result<Identifier, DecodeError> {
        match fields.variable_byte_integer()? {
            0 => Err(DecodeError::PropertyValue),
            identifier => Ok(Identifier(identifier)),
        }
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_variable_byte_integer(self.0);
    }
}

impl PropertyType for MaximumQoS {
    fn take(fields: &mut Fields) -> Result<MaximumQoS, DecodeError> {
        match QoS::from_bits(fields.u8()?) {
            Some(qos @ (QoS::AtMostOnce | QoS::AtLeastOnce)) => Ok(MaximumQoS(qos)),
            _ => Err(DecodeError::PropertyValue),
        }
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_u8(self.0 as u8);
    }
}

impl PropertyType for ByteString {
    fn take(fields: &mut Fields) -> Result<ByteString, DecodeError> {
        fields.string()
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_string(self);
    }
}

impl PropertyType for Bytes {
    fn take(fields: &mut Fields) -> Result<Bytes, DecodeError> {
        fields.binary()
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_binary(self);
    }
}

impl PropertyType for (ByteString, ByteString) {
    fn take(fields: &mut Fields) -> Result<(ByteString, ByteString), DecodeError> {
        Ok((fields.string()?, fields.string()?))
    }

    fn put<S: Sink>(&self, out: &mut S) {
        out.put_string(&self.0);
        out.put_string(&self.1);
    }
}
