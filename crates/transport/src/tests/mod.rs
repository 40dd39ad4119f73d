//! Two ends talk to each other, over memory and over the loopback, with TLS and without.

mod foreign;
mod plain;
mod refusals;
mod support;
mod tls;
