//! DISCONNECT: the last packet of a Network Connection (3.14).

use bytestring::ByteString;

use crate::{ReasonCode, UserProperties};

/// Says goodbye, in 5.0 also why. In 3.1.1 only a client sends it, without a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// [`ReasonCode::Success`] is a normal disconnection: the Will is forgotten.
    pub reason: ReasonCode,
    /// 5.0 only.
    pub properties: Option<Box<DisconnectProperties>>,
}

/// Properties of DISCONNECT (3.14.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DisconnectProperties {
    /// A client changes its mind; never sent by a server.
    pub session_expiry_interval_s: Option<u32>,
    /// For people and logs.
    pub reason_string: Option<ByteString>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Another server to use; never sent by a client.
    pub server_reference: Option<ByteString>,
}

impl Disconnect {
    /// A DISCONNECT without properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Disconnect {
        Disconnect {
            reason,
            properties: None,
        }
    }
}
