//! Join tokens: let a service enrol that holds nothing yet, once.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::{Fingerprint, PkiError};

/// Why a join token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not of the form `enviomq1.<name>.<secret>.<root>`.
    #[error("this is not a join token: it must look like enviomq1.<name>.<secret>.<root>")]
    Malformed,
    /// Nobody minted it here, or it is long gone.
    #[error("this join token is not known here")]
    Unknown,
    /// It was used before.
    #[error("this join token was already used; each works once")]
    Used,
    /// Its time is over.
    #[error("this join token has expired")]
    Expired,
    /// It belongs to another authority.
    #[error("this join token was made by another authority")]
    OtherAuthority,
}

impl TokenError {
    /// The stable code of the catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            TokenError::Malformed => "ENV-J701",
            TokenError::Unknown => "ENV-J702",
            TokenError::Used => "ENV-J703",
            TokenError::Expired => "ENV-J704",
            TokenError::OtherAuthority => "ENV-J705",
        }
    }
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A join token as its holder reads it.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// The identity it is bound to.
    pub name: String,
    /// The root to trust.
    pub root: Fingerprint,
}

impl JoinToken {
    /// Reads a token; whether it is still good only the authority knows.
    pub fn parse(token: &str) -> Result<JoinToken, TokenError> {
        todo!()
    }
}

/// The tokens an authority has handed out, in `<pki>/tokens`.
#[derive(Debug, Clone)]
pub struct Tokens {
    dir: PathBuf,
    root: Fingerprint,
}

impl Tokens {
    /// Tokens kept in `dir` for the authority with this root.
    pub fn at(dir: impl Into<PathBuf>, root: Fingerprint) -> Tokens {
        Tokens {
            dir: dir.into(),
            root,
        }
    }
    /// Makes a token that lets its holder become `name` once, within `life`.
    pub fn mint(&self, name: &str, life: Duration, now: SystemTime) -> Result<String, PkiError> {
        todo!()
    }
    /// Takes a token out of use and answers the name it was bound to.
    pub fn consume(&self, token: &str, now: SystemTime) -> Result<String, PkiError> {
        todo!()
    }
}
