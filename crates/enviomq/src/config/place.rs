//! Places: where to listen, and where to connect.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::value::Word;

/// Where to listen: one address, or `*:PORT` for every address of both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Everywhere(u16),
    At(SocketAddr),
}

impl Listen {
    /// The port.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Everywhere(port) => port,
            Self::At(address) => address.port(),
        }
    }

    /// The same place with another port.
    pub(crate) fn with_port(self, port: u16) -> Self {
        match self {
            Self::Everywhere(_) => Self::Everywhere(port),
            Self::At(address) => Self::At(SocketAddr::new(address.ip(), port)),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere(port) => write!(f, "*:{port}"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl Word for Listen {
    const KIND: &'static str = "`ADDRESS:PORT`, or `*:PORT` for every address";

    fn read_word(text: &str) -> Result<Self, String> {
        match text.strip_prefix("*:").map(u16::from_str) {
            Some(Ok(port)) => Ok(Self::Everywhere(port)),
            Some(Err(_)) => Err("not a port from 0 to 65535".into()),
            None => SocketAddr::read_word(text).map(Self::At),
        }
    }
}

/// A place to connect to: host name or address, and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Word for Endpoint {
    const KIND: &'static str = "`HOST:PORT`";

    fn read_word(text: &str) -> Result<Self, String> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or("the port is missing, for example localhost:8883")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("the host is missing, for example localhost:8883".into());
        }
        let port = port.parse().map_err(|_| "not a port from 0 to 65535")?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Raw, Setting as _};

    fn one(text: &str) -> Raw {
        Raw::One(text.into())
    }

    #[test]
    fn a_place_to_listen_is_an_address_or_everywhere() {
        assert_eq!(Listen::read(&one("*:8883")), Ok(Listen::Everywhere(8883)));
        assert_eq!(
            Listen::read(&one("[::1]:1")).map(|listen| listen.to_string()),
            Ok("[::1]:1".into())
        );
        assert!(Listen::read(&one("8883")).is_err());
        assert!(Listen::read(&one("*:70000")).is_err());
    }

    #[test]
    fn an_endpoint_keeps_ipv6_brackets_out_of_the_host() {
        let endpoint = Endpoint::read(&one("[fe80::1]:8883")).unwrap();
        assert_eq!(endpoint.host, "fe80::1");
        assert_eq!(endpoint.to_string(), "[fe80::1]:8883");
        assert!(Endpoint::read(&one("localhost")).is_err());
    }
}
