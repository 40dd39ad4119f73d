//! AUTH: one step of enhanced authentication, 5.0 only (3.15).

use bytes::Bytes;
use bytestring::ByteString;

use crate::codec::Receiver;
use crate::primitive::{Fields, Sink};
use crate::property::{self, Carrier, Properties, Property, PropertyId, PropertySet};
use crate::{DecodeError, ReasonCode, UserProperties};

/// One step of enhanced authentication, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Success (server only), Continue authentication, or Re-authenticate (client only).
    pub reason: ReasonCode,
    /// Properties of the step.
    pub properties: AuthProperties,
}

/// Properties of AUTH (3.15.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthProperties {
    /// Absent only in the shortest form, a bare Success.
    pub authentication_method: Option<ByteString>,
    /// What the method exchanges.
    pub authentication_data: Option<Bytes>,
    /// For people and logs.
    pub reason_string: Option<ByteString>,
    /// User Properties.
    pub user_properties: UserProperties,
}

impl Auth {
    pub(crate) fn decode(mut fields: Fields, receiver: Receiver) -> Result<Auth, DecodeError> {
        let mut auth = Auth {
            reason: ReasonCode::Success,
            properties: AuthProperties::default(),
        };
        let is_short = fields.is_empty();
        if !is_short {
            auth.reason =
                ReasonCode::from_u8(fields.u8()?).ok_or(DecodeError::ReasonCodeNotAllowed)?;
            auth.properties = AuthProperties::decode(&mut fields)?;
        }
        let from_the_right_side = match (auth.reason, receiver) {
            (ReasonCode::ContinueAuthentication, _) => true,
            (ReasonCode::Success, receiver) => receiver == Receiver::Client,
            (ReasonCode::ReAuthenticate, receiver) => receiver == Receiver::Server,
            _ => false,
        };
        if !from_the_right_side {
            return Err(DecodeError::ReasonCodeNotAllowed);
        }
        if !is_short && auth.properties.authentication_method.is_none() {
            return Err(DecodeError::AuthenticationMethodMissing); // 3.15.2.2.2
        }
        fields.end()?;
        Ok(auth)
    }

    pub(crate) fn encode<S: Sink>(&self, out: &mut S) {
        if self.reason != ReasonCode::Success || self.properties != AuthProperties::default() {
            out.put_u8(self.reason as u8);
            property::put_section(out, &self.properties);
        }
    }
}

impl AuthProperties {
    fn decode(fields: &mut Fields) -> Result<AuthProperties, DecodeError> {
        let mut received = Properties::open(fields, Carrier::Auth)?;
        let mut properties = AuthProperties::default();
        while let Some(property) = received.next()? {
            match property {
                Property::AuthenticationMethod(method) => {
                    properties.authentication_method = Some(method);
                }
                Property::AuthenticationData(data) => properties.authentication_data = Some(data),
                Property::ReasonString(text) => properties.reason_string = Some(text),
                Property::UserProperty(pair) => properties.user_properties.push(pair),
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        Ok(properties)
    }
}

impl PropertySet for AuthProperties {
    fn put<S: Sink>(&self, out: &mut S) {
        property::put(
            out,
            PropertyId::AuthenticationMethod,
            self.authentication_method.as_ref(),
        );
        property::put(
            out,
            PropertyId::AuthenticationData,
            self.authentication_data.as_ref(),
        );
        property::put(out, PropertyId::ReasonString, self.reason_string.as_ref());
        property::put_user_properties(out, &self.user_properties);
    }
}
