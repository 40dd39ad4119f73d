//! AUTH: one step of enhanced authentication, 5.0 only (3.15).

use bytes::Bytes;
use bytestring::ByteString;

use crate::{ReasonCode, UserProperties};

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
