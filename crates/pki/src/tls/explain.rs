//! From a rustls error to a code, the evidence and a sentence.

use crate::Refusal;

/// Explains to a client why its handshake failed.
pub fn explain_server_refusal(error: &rustls::Error, host: &str) -> Refusal {
    todo!()
}
