//! Why a service could not start or go on.

use std::io;

use crate::LoginError;

/// A service could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The folder of the login links could not be used.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The listening socket could not be used.
    #[error("the page cannot be served: {0}")]
    Serve(io::Error),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
}

impl ServiceError {
    /// The stable code of this error, the same in every language.
    pub fn code(&self) -> &'static str {
        match self {
            ServiceError::Store(error) => error.code(),
            ServiceError::Login(_) => "ENV-P704",
            ServiceError::Serve(_) => "ENV-P705",
            ServiceError::Config(_) => "ENV-P706",
        }
    }
}
