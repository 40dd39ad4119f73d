//! The codec seen from outside: what it reads, what it refuses, what it writes.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod accepted;
mod arbitrary;
mod conversation;
mod golden;
mod message;
mod refused;
mod round_trip;
mod support;
mod too_large;
