//! Flows: the bookkeeping between two peers, without packets, sockets or a clock.
//!
//! The same five pieces serve the broker's session and the client.

pub mod inflight;
pub mod keep_alive;
pub mod packet_ids;
pub mod received;
pub mod topic_alias;
