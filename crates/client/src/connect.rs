//! From a name to a [`Transport`]: resolve, connect, shake hands.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use transport::Transport;

use crate::{ClientError, Options};

/// A connection on its way.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Transport, ClientError>> + Send + 'a>>;

/// Makes connections to the broker. The seam for tests and simulations.
pub trait Connect: Send + 'static {
    /// One attempt. Dropped when the connect timeout of the options is over.
    fn connect<'a>(&'a mut self, options: &'a Options) -> Connecting<'a>;
}

/// Connects over TCP, with TLS if the options have a configuration for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnect;

impl Connect for TcpConnect {
    fn connect<'a>(&'a mut self, options: &'a Options) -> Connecting<'a> {
        Box::pin(connect(options))
    }
}

async fn connect(options: &Options) -> Result<Transport, ClientError> {
    let stream = reach(options).await?;
    let Some(tls) = &options.tls else {
        return Transport::plain(stream).map_err(|error| ClientError::Network(Arc::new(error)));
    };
    let host = options.server_name.as_ref().unwrap_or(&options.host);
    let name = ServerName::try_from(host.clone()).map_err(|error| ClientError::NameNotFound {
        host: host.clone(),
        detail: error.to_string(),
    })?;
    Transport::connect(stream, tls.clone(), name)
        .await
        .map_err(|error| ClientError::from_handshake(error, host, &options.address()))
}

/// Tries the addresses of the name in turn; the last failure is the one reported.
async fn reach(options: &Options) -> Result<TcpStream, ClientError> {
    let not_found = |detail: String| ClientError::NameNotFound {
        host: options.host.clone(),
        detail,
    };
    let addresses = lookup_host((options.host.as_str(), options.port))
        .await
        .map_err(|error| not_found(error.to_string()))?;
    let mut failure = not_found("the name has no address".to_owned());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = unreachable(options, error),
        }
    }
    Err(failure)
}

fn unreachable(options: &Options, error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ClientError::ConnectionRefused {
            address: options.address(),
        },
        _ => ClientError::Network(Arc::new(error)),
    }
}
