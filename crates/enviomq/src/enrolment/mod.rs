//! Enrolment: how a role with an empty folder becomes an identity, and stays one.
//!
//! The newcomer makes its own key, so no key ever crosses the network:
//!
//! ```text
//!   newcomer                                     broker, enrolment listener
//!   reads the join token: name, secret, root
//!   TLS, trusts exactly the root of the token  -> shows its server certificate
//!   POST /v1/enroll {token, csr}               -> takes the token out of use, signs
//!   stores chain and roots                     <- {chain, roots}
//! ```
//!
//! `POST /v1/renew {csr}` does the same for a holder of a valid certificate. The
//! client says which of the two it wants by ALPN, since the second needs mutual
//! TLS and the first cannot have it.

mod join;
mod newcomer;
mod renewal;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use join::JoinTokens;
pub(crate) use newcomer::{Enrolment, enrol};
pub(crate) use renewal::renew_over_network;
pub(crate) use server::{Registrar, serve};

use serde::{Deserialize, Serialize};

/// ALPN of a connection that authenticates with the certificate to be renewed.
const RENEW_ALPN: &[u8] = b"enviomq-renew/1";

/// Body of `POST /v1/enroll`.
#[derive(Serialize, Deserialize)]
struct EnrolRequest {
    token: String,
    csr: String,
}

/// Body of `POST /v1/renew`.
#[derive(Serialize, Deserialize)]
struct RenewRequest {
    csr: String,
}

/// What both answer: PEM, leaf first; and the roots to trust from now on.
#[derive(Clone, Serialize, Deserialize)]
struct Granted {
    chain: String,
    roots: String,
}

/// What both answer when they do not.
#[derive(Serialize, Deserialize)]
struct Denied {
    code: String,
    detail: String,
}
