//! The MQTT broker: sessions, routing, retained messages, listeners.

pub mod access;
pub mod journal;
pub mod metrics;
pub mod outbox;
pub mod router;
pub mod session;
