//! What the crate makes, judged from outside: by openssl, by rustls, by the file system.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where by panicking"
)]

extern crate enviomq_pki as pki;

mod authority;
mod files;
mod generations;
mod handshake;
mod hostile;
mod openssl;
mod support;
