//! Network: bind every port before anything is announced, and name who is in the way.

mod holder;
mod http;
mod listen;

pub(crate) use http::{Answer, request};
pub(crate) use listen::{Binder, Takes};
