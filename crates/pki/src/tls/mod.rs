//! ServerConfig and ClientConfig: mutual TLS always, 1.3 and 1.2 with ECDHE and AEAD only.

mod client;
mod enrol;
mod explain;
mod server;

pub use client::ClientTls;
pub use enrol::PinnedRoot;
pub use explain::explain_server_refusal;
pub use server::ServerTls;
