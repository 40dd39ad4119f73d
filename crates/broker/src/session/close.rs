//! How a Network Connection ends: what the peer is told, and whether the Will is published.

use mqtt::{DecodeError, Disconnect, ReasonCode};

use crate::session::Session;

/// Why the Network Connection ends. Its text is for the log of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The client said goodbye: no Will.
    #[error("the client disconnected")]
    ClientDisconnected,
    /// The client said goodbye and why; anything but 0x00 keeps the Will \[MQTT-3.1.2-10\].
    #[error("the client disconnected: {0}")]
    ClientDisconnectedWithWill(ReasonCode),
    /// Its bytes are no packet.
    #[error("{0}")]
    Undecodable(DecodeError),
    /// Its packet was not allowed there and then.
    #[error("{0}")]
    ProtocolError(ProtocolError),
    /// Silent for one and a half times the keep alive.
    #[error("the client was silent for one and a half times its keep alive")]
    KeepAliveTimeout,
    /// The socket closed or failed; nothing more can be said.
    #[error("the network connection was lost")]
    ConnectionLost,
    /// The client connected again elsewhere \[MQTT-3.1.4-3\].
    #[error("the session was taken over by a newer connection of the same client")]
    SessionTakenOver,
    /// The broker stops.
    #[error("the broker is shutting down")]
    ServerShuttingDown,
}

/// A packet that could be read but must not be said there and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// \[MQTT-3.1.0-2\]
    #[error("a second CONNECT")]
    SecondConnect,
    /// AUTH belongs to the enhanced authentication that CONNECT must have begun \[MQTT-4.12.0-6\].
    #[error("AUTH, but CONNECT named no authentication method")]
    AuthWithoutMethod,
    /// CONNACK, SUBACK, UNSUBACK and PINGRESP come from servers.
    #[error("a packet that only a server sends")]
    WrongDirection,
    /// \[MQTT-3.3.4-9\]
    #[error("more unacknowledged QoS 1 and 2 messages than Receive Maximum allows")]
    ReceiveMaximumExceeded,
    /// \[MQTT-3.3.2-9\]
    #[error("a Topic Alias above the Topic Alias Maximum")]
    TopicAliasTooLarge,
    /// 3.3.2.3.4
    #[error("a Topic Alias that was never set")]
    TopicAliasUnknown,
    /// 3.3.2.1
    #[error("PUBLISH has neither a topic nor a Topic Alias")]
    TopicMissing,
    /// PUBACK for QoS 2, PUBREC or PUBCOMP for QoS 1, PUBCOMP before PUBREC.
    #[error("an acknowledgement that does not belong to the QoS of its message")]
    WrongAcknowledgement,
    /// 3.14.2.2.2
    #[error("DISCONNECT sets a Session Expiry Interval, but CONNECT said 0")]
    SessionExpiryFromZero,
}

impl ProtocolError {
    /// The Reason Code for DISCONNECT.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasTooLarge => ReasonCode::TopicAliasInvalid,
            Self::SecondConnect
            | Self::AuthWithoutMethod
            | Self::WrongDirection
            | Self::TopicAliasUnknown
            | Self::TopicMissing
            | Self::WrongAcknowledgement
            | Self::SessionExpiryFromZero => ReasonCode::ProtocolError,
        }
    }
}

impl CloseReason {
    /// The Reason Code of our DISCONNECT; nothing if the peer left first.
    #[must_use]
    pub const fn told_to_peer(self) -> Option<ReasonCode> {
        match self {
            Self::ClientDisconnected
            | Self::ClientDisconnectedWithWill(_)
            | Self::ConnectionLost => None,
            Self::Undecodable(error) => Some(error.reason()),
            Self::ProtocolError(error) => Some(error.reason()),
            Self::KeepAliveTimeout => Some(ReasonCode::KeepAliveTimeout),
            Self::SessionTakenOver => Some(ReasonCode::SessionTakenOver),
            Self::ServerShuttingDown => Some(ReasonCode::ServerShuttingDown),
        }
    }

    /// Whether the Will is published: always, unless the client said goodbye with 0x00 \[MQTT-3.1.2-8\].
    #[must_use]
    pub const fn publishes_will(self) -> bool {
        !matches!(self, Self::ClientDisconnected)
    }
}

impl Session {
    /// The client says goodbye, and in 5.0 may change how long its session stays.
    pub(super) fn handle_disconnect(
        &mut self,
        disconnect: &Disconnect,
    ) -> Result<(), ProtocolError> {
        let asked = disconnect
            .properties
            .as_deref()
            .and_then(|properties| properties.session_expiry_interval_s);
        if let Some(asked_s) = asked {
            if self.link.expiry_asked_s == 0 && asked_s > 0 {
                return Err(ProtocolError::SessionExpiryFromZero);
            }
            self.expiry_interval_s = asked_s.min(self.limits.session_expiry_max_s);
        }
        self.close(match disconnect.reason {
            ReasonCode::Success => CloseReason::ClientDisconnected,
            reason => CloseReason::ClientDisconnectedWithWill(reason),
        });
        Ok(())
    }
}
