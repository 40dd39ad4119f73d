//! The names and addresses a server certificate carries.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rustls_pki_types::DnsName;

use crate::PkiError;

/// Every name and address this machine can be reached by, then `extra`; each once.
///
/// A name the machine gives itself but no certificate can carry is left out.
/// Addresses come from /proc; where there is none, they must come with `extra`.
pub fn default_server_names(extra: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_lowercase();
    if is_host_name(&host) {
        names.push(host.clone());
        if !host.contains('.') {
            names.push(format!("{host}.local"));
        }
    }
    // The names of the broker's service in our compositions.
    names.extend(["broker", "enviomq"].map(str::to_owned));
    names.extend(interface_addresses().iter().map(ToString::to_string));
    names.extend(extra.iter().map(|name| name.trim().to_lowercase()));
    unique(names)
}

/// The names in the form certificates carry them: lower case, addresses canonical, each once.
///
/// # Errors
/// `ServerName` for the first that is neither a host name nor an address, or if there is none.
pub(crate) fn checked(names: &[String]) -> Result<Vec<String>, PkiError> {
    let mut checked = Vec::new();
    for name in names {
        let name = name.trim().to_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) => checked.push(address.to_string()),
            Err(_) if is_host_name(&name) => checked.push(name),
            Err(_) => return Err(PkiError::ServerName { name }),
        }
    }
    if checked.is_empty() {
        return Err(PkiError::ServerName {
            name: String::new(),
        });
    }
    Ok(unique(checked))
}

fn is_host_name(name: &str) -> bool {
    DnsName::try_from(name).is_ok()
}

fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names
        .into_iter()
        .filter(|name| seen.insert(name.clone()))
        .collect()
}

/// Addresses of this machine other than loopback and link-local (those need a scope no SAN has).
fn interface_addresses() -> Vec<IpAddr> {
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut addresses: Vec<IpAddr> = local_v4(&v4).into_iter().map(IpAddr::from).collect();
    addresses.extend(local_v6(&v6).into_iter().map(IpAddr::from));
    addresses
}

/// An address line `|-- 192.0.2.7` is ours if the next one says `/32 host LOCAL`.
fn local_v4(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(last.filter(|ip| !ip.is_loopback() && !ip.is_link_local()));
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Each line begins with the address as 32 hexadecimal digits.
fn local_v6(if_inet6: &str) -> Vec<Ipv6Addr> {
    let parse = |line: &str| {
        let digits = line.split_whitespace().next()?;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(Ipv6Addr::from_bits(bits))
    };
    let mut addresses: Vec<Ipv6Addr> = if_inet6
        .lines()
        .filter_map(parse)
        .filter(|ip| !ip.is_loopback() && !ip.is_unicast_link_local())
        .collect();
    addresses.sort_unstable();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_loopback_the_composition_and_the_extras_once_each() {
        let names = default_server_names(&["Pump.Example".to_owned(), "localhost".to_owned()]);
        for name in [
            "localhost",
            "127.0.0.1",
            "::1",
            "broker",
            "enviomq",
            "pump.example",
        ] {
            assert_eq!(
                names.iter().filter(|n| *n == name).count(),
                1,
                "{name} in {names:?}"
            );
        }
        assert!(checked(&names).is_ok());
    }

    #[test]
    fn addresses_of_interfaces_are_read_from_the_kernels_tables() {
        let trie = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.1
        /32 host LOCAL
     +-- 192.168.1.0/24 2 0 2
        |-- 192.168.1.20
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
        |-- 169.254.3.4
           /32 host LOCAL
Local:
        |-- 192.168.1.20
           /32 host LOCAL";
        assert_eq!(local_v4(trie), [Ipv4Addr::new(192, 168, 1, 20)]);
        let inet6 = "\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000007 02 40 00 80     eth0
fe800000000000000242acfffe110002 02 40 20 80     eth0";
        assert_eq!(
            local_v6(inet6),
            ["2001:db8::7".parse::<Ipv6Addr>().unwrap()]
        );
    }

    #[test]
    fn what_is_no_name_at_all_is_refused() {
        for name in ["", "a b", "a/b", "-x-", "ñandú", "*.x", "999.1.1.1.1:8883"] {
            assert_eq!(
                checked(&[name.to_owned()]).unwrap_err().code(),
                "ENV-N324",
                "{name}"
            );
        }
        assert!(checked(&[]).is_err());
    }
}
