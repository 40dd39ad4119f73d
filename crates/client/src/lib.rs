//! An MQTT client that says what happened: written, acknowledged, refused, or not known.
//!
//! [`Client::start`] spawns one task that connects, reconnects with back-off, keeps the
//! connection alive and notices a silent broker. [`Client`] is a handle to it, [`Messages`] the
//! stream of what arrives.
//!
//! ```no_run
//! # use enviomq_client as client;
//! # async fn example() -> Result<(), client::ClientError> {
//! use client::{Client, Options, Outcome, PublishRequest};
//! use mqtt::{QoS, TopicName};
//!
//! let (client, _messages) = Client::start(Options::new("localhost", 8883, "example"));
//! client.connected().await?;
//! let request = PublishRequest::new(TopicName::try_from("chat/mensaje").unwrap(), "hola")
//!     .qos(QoS::AtLeastOnce);
//! if let Outcome::Accepted { .. } = client.publish(request).done().await {
//!     // The broker has acknowledged it.
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Two promises hold everywhere. A publication never waits for a connection: without one it is
//! [`Outcome::NotSent`] at once. An arrived QoS 1 or 2 message is acknowledged only when
//! [`Incoming::ack`] is called, so that the acknowledgement can mean "stored".

mod backoff;
mod connect;
mod conversation;
mod driver;
mod error;
mod handle;
mod inbox;
mod incoming;
mod offline;
mod opening;
mod options;
mod publication;
mod session;

pub use backoff::Backoff;
pub use connect::{Connect, Connecting, TcpConnect};
pub use error::ClientError;
pub use handle::{Client, ConnectionState};
pub use incoming::{Acknowledge, Incoming, Messages};
pub use options::Options;
pub use publication::{Outcome, Progress, Publication, PublishRequest};

#[cfg(test)]
mod tests;
