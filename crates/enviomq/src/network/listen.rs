//! Listen: a bound socket, or a failure that names the port, its holder and the flag.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::holder::holder_of;
use crate::config::Listen;
use crate::failure::{Exit, Failure};

/// Binds one listener after the other and remembers every one that could not be bound,
/// so that a person is told of all of them at once.
pub(crate) struct Binder {
    command: String,
    conflicts: Vec<Conflict>,
}

/// What the flag that would move a listener wants to hear.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Port,
    Address,
}

struct Conflict {
    failure: Failure,
    /// Address and holder, in one line.
    evidence: String,
    /// The flag with a free place behind it.
    way_out: String,
    /// The port of that place.
    suggested: u16,
}

impl Binder {
    /// A binder for `command`, to which flags can be added.
    pub(crate) fn new(command: String) -> Self {
        Self {
            command,
            conflicts: Vec::new(),
        }
    }

    /// Binds `listen`; `flag` would change it. `None` is explained by [`Binder::finish`].
    pub(crate) fn bind(&mut self, listen: Listen, flag: &str, takes: Takes) -> Option<TcpListener> {
        match try_bind(listen) {
            Ok(listener) => Some(listener),
            Err(error) => {
                let taken: Vec<u16> = self.conflicts.iter().map(|other| other.suggested).collect();
                self.conflicts
                    .push(Conflict::new(listen, flag, takes, &error, &taken));
                None
            }
        }
    }

    /// Binds the address of a page; others than loopback need `allow_remote`.
    ///
    /// # Errors
    /// ENV-U705 for an address that was not allowed.
    pub(crate) fn bind_page(
        &mut self,
        address: SocketAddr,
        allow_remote: bool,
        section: &str,
        flag: &str,
    ) -> Result<Option<TcpListener>, Failure> {
        if !address.ip().is_loopback() {
            if !allow_remote {
                return Err(Failure::new("ENV-U705")
                    .with("address", address)
                    .with("key", format!("{section}.allow_remote"))
                    .mend(format!(
                        "{} --set {section}.allow_remote=true",
                        self.command
                    ))
                    .exit(Exit::Usage));
            }
            tracing::warn!(%address, "the page is reachable from other machines, without encryption");
        }
        Ok(self.bind(Listen::At(address), flag, Takes::Address))
    }

    /// Nothing, if everything was bound.
    ///
    /// # Errors
    /// ENV-N320 if an address is taken, ENV-N321 if it is not of this machine, ENV-N322 if
    /// the port needs a right we do not have; the evidence names the other conflicts too.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let flags: Vec<&str> = self
            .conflicts
            .iter()
            .map(|conflict| conflict.way_out.as_str())
            .collect();
        let command = format!("{} {}", self.command, flags.join(" "));
        let evidence: Vec<String> = self
            .conflicts
            .iter()
            .map(|conflict| conflict.evidence.clone())
            .collect();
        match self.conflicts.into_iter().next() {
            None => Ok(()),
            Some(first) => Err(first.failure.because_lines(evidence).mend(command)),
        }
    }
}

impl Conflict {
    fn new(listen: Listen, flag: &str, takes: Takes, error: &io::Error, taken: &[u16]) -> Self {
        let code = match error.kind() {
            io::ErrorKind::AddrInUse => "ENV-N320",
            io::ErrorKind::AddrNotAvailable => "ENV-N321",
            io::ErrorKind::PermissionDenied => "ENV-N322",
            _ => "ENV-N323",
        };
        let evidence = match holder_of(listen.port()).filter(|_| code == "ENV-N320") {
            Some(holder) => format!("{listen}: {holder}"),
            None => format!("{listen}: {error}"),
        };
        let free = match listen {
            Listen::At(address) if code == "ENV-N321" => {
                Listen::At(SocketAddr::new(loopback(address), address.port()))
            }
            other => free_neighbour(other, taken),
        };
        let value = match takes {
            Takes::Port => free.port().to_string(),
            Takes::Address => free.to_string(),
        };
        let separator = if flag.ends_with('=') { "" } else { " " };
        Self {
            failure: Failure::new(code).with("address", listen),
            evidence,
            way_out: format!("{flag}{separator}{value}"),
            suggested: free.port(),
        }
    }
}

fn loopback(like: SocketAddr) -> IpAddr {
    match like.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

fn try_bind(listen: Listen) -> io::Result<TcpListener> {
    match listen {
        Listen::At(address) => open(address),
        Listen::Everywhere(port) => {
            // One socket for both families; a machine without IPv6 has only the other.
            match open(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)) {
                Err(error) if no_ipv6(&error) => {
                    open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
                }
                other => other,
            }
        }
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// The nearest higher port that could be bound just now and is not in `taken`.
fn free_neighbour(listen: Listen, taken: &[u16]) -> Listen {
    let first = listen.port().max(1023);
    (first..=u16::MAX)
        .skip(1)
        .take(50)
        .filter(|port| !taken.contains(port))
        .map(|port| listen.with_port(port))
        .find(|candidate| try_bind(*candidate).is_ok())
        .unwrap_or_else(|| listen.with_port(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn conflict(listen: Listen) -> Failure {
        let mut binder = Binder::new("enviomq up".to_owned());
        assert!(binder.bind(listen, "--port", Takes::Port).is_none());
        binder.finish().unwrap_err()
    }

    #[test]
    fn a_taken_port_names_its_holder_and_the_flag() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let failure = conflict(Listen::At(held.local_addr().unwrap()));
        assert_eq!(failure.code(), "ENV-N320");
        let text = failure.render(Language::English);
        assert!(
            text.contains(&format!("pid {}", std::process::id())),
            "{text}"
        );
        assert!(text.contains("enviomq up --port "), "{text}");
    }

    #[test]
    fn every_conflict_is_told_at_once() {
        let held = [
            TcpListener::bind("127.0.0.1:0"),
            TcpListener::bind("127.0.0.1:0"),
        ];
        let addresses = held.map(|listener| {
            let listener = listener.unwrap();
            (listener.local_addr().unwrap(), listener)
        });
        let mut binder = Binder::new("enviomq up".to_owned());
        binder.bind(Listen::At(addresses[0].0), "--port", Takes::Port);
        binder.bind(
            Listen::At(addresses[1].0),
            "--set broker.health_listen=",
            Takes::Address,
        );
        let text = binder.finish().unwrap_err().render(Language::Spanish);
        assert!(text.contains(&addresses[1].0.to_string()), "{text}");
        assert!(
            text.contains(" --set broker.health_listen=127.0.0.1:"),
            "{text}"
        );
    }

    #[test]
    fn an_address_of_another_machine_is_said_so() {
        let foreign = Listen::At("203.0.113.9:9999".parse().unwrap());
        assert_eq!(conflict(foreign).code(), "ENV-N321");
    }

    #[test]
    fn a_page_on_every_address_needs_a_word_of_consent() {
        let everywhere = "0.0.0.0:0".parse().unwrap();
        let mut binder = Binder::new("enviomq publisher".to_owned());
        let refused = binder
            .bind_page(everywhere, false, "publisher", "--listen")
            .unwrap_err();
        assert_eq!(refused.code(), "ENV-U705");
        let bound = binder
            .bind_page(everywhere, true, "publisher", "--listen")
            .unwrap();
        assert!(bound.is_some());
    }

    #[test]
    fn everywhere_is_reached_by_the_loopback_of_ipv4() {
        let mut binder = Binder::new("enviomq up".to_owned());
        let listener = binder
            .bind(Listen::Everywhere(0), "--port", Takes::Port)
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }
}
