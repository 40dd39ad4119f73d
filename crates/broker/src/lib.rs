//! The MQTT broker: sessions, routing, retained messages, listeners.
//!
//! | a PUBLISH on its way | module |
//! |---|---|
//! | accepted, authenticated | `listener` |
//! | read, decoded, later written | `connection`, the only async code on the path |
//! | judged by the rules of MQTT | [`session`], a pure state machine |
//! | may it be published? | [`access`] |
//! | who gets it? | [`router`] |
//! | made durable | [`journal`] |
//! | waits for its receiver | [`outbox`] |
//! | whose outbox, online or not | [`registry`] |
//!
//! Everything that consumes messages is an [`Outbox`](outbox::Outbox). A message crosses two
//! tasks and one queue; in steady state it takes one lock, the receiver's.

pub mod access;
mod broker;
pub mod config;
mod connection;
pub mod journal;
mod listener;
pub mod metrics;
pub mod outbox;
mod refusals;
pub mod registry;
pub mod router;
pub mod session;

pub use access::AccessPolicy;
pub use broker::{BENCH_IDENTITY, Broker, BrokerHandle, ListenerKind, Parts, StartError};
pub use config::BrokerConfig;
pub use metrics::{DropReason, MetricsSnapshot};
