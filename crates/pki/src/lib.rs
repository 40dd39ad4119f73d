//! The certificate authority, identities and TLS configurations.
//!
//! | to | use |
//! |---|---|
//! | make or open the authority | [`Authority`] |
//! | make a key and a request for it | [`KeyPair`] |
//! | keep key and certificate on disk, together or not at all | [`Generations`] |
//! | serve TLS and ask for client certificates | [`tls::ServerTls`] |
//! | connect with a client certificate | [`tls::ClientTls`] |
//! | let a service enrol that holds nothing yet | [`token`], [`tls::PinnedRoot`] |
//! | know who connected | [`Identity`] |
//! | say why a handshake failed | [`Refusal`] |
//!
//! The crate does no network I/O, never reads the clock on its own except where
//! rustls does, and knows nothing about MQTT or HTTP.

mod authority;
mod dates;
mod error;
mod fingerprint;
mod generations;
mod identity;
mod inspect;
mod issue;
mod keypair;
mod pair;
mod pem;
mod printable;
mod private_files;
mod refusal;
mod request;
mod server_names;
mod signer;
pub mod tls;
pub mod token;

pub use authority::Authority;
pub use error::PkiError;
pub use fingerprint::Fingerprint;
pub use generations::Generations;
pub use identity::{Identity, check_name};
pub use inspect::Leaf;
pub use issue::{DEVICE_LIFE, Issued, SERVER_LIFE, SERVICE_LIFE};
pub use keypair::KeyPair;
pub use pair::LoadedPair;
pub use pem::{certificates_from_pem, certificates_to_pem, read_certificates};
pub use printable::printable;
pub use private_files::{create_private_dir, write_private_file, write_public_file};
pub use refusal::{Refusal, RefusalSlot};
pub use request::check_request;
pub use server_names::default_server_names;
