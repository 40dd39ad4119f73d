//! Leaf: what a certificate says, whoever made it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{
    ASN1Time, FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name,
};

use crate::{PkiError, dates::span, fingerprint::hex, printable::printable};

/// The parts of a certificate people ask about.
///
/// Lenient on purpose: a foreign or broken certificate must be named, not just refused. Its
/// texts may be shown anywhere: what would act on a terminal is written as `\u{..}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Subject, as `CN=pump-01`.
    pub subject: String,
    /// Issuer, in the same form.
    pub issuer: String,
    /// The common name, if there is exactly one.
    pub common_name: Option<String>,
    /// The organisation of the issuer; our authorities put their name there.
    pub issuer_organisation: Option<String>,
    /// Serial number, upper-case hexadecimal.
    pub serial: String,
    /// Its beginning.
    pub not_before: SystemTime,
    /// Its end.
    pub not_after: SystemTime,
    /// DNS names and addresses of the SAN, each once, in order.
    pub names: Vec<String>,
    /// URIs of the SAN.
    pub uris: Vec<String>,
    /// X.509 version: 1 or 3.
    pub version: u32,
    /// Whether the extended key usage allows a TLS server.
    pub server_auth: bool,
    /// Whether the extended key usage allows a TLS client.
    pub client_auth: bool,
}

impl Leaf {
    /// Parses a certificate.
    ///
    /// # Errors
    /// `Malformed` if it is not a certificate at all.
    pub fn parse(certificate: &CertificateDer<'_>) -> Result<Leaf, PkiError> {
        let parsed = parse(certificate)?;
        let tbs = &parsed.tbs_certificate;
        let mut leaf = Leaf {
            subject: printable(&tbs.subject.to_string()).into_owned(),
            issuer: printable(&tbs.issuer.to_string()).into_owned(),
            common_name: only(tbs.subject.iter_common_name()),
            issuer_organisation: only(tbs.issuer.iter_organization()),
            serial: serial(parsed.raw_serial()),
            not_before: system_time(tbs.validity.not_before),
            not_after: system_time(tbs.validity.not_after),
            names: Vec::new(),
            uris: Vec::new(),
            version: tbs.version.0 + 1,
            server_auth: true,
            client_auth: true,
        };
        for extension in tbs.iter_extensions() {
            leaf.learn(extension.parsed_extension());
        }
        Ok(leaf)
    }

    /// Whether two thirds of its life are over.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        let life = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or(Duration::ZERO);
        now >= self.not_before + life / 3 * 2
    }

    /// What it may be used for, in words.
    pub fn purpose(&self) -> &'static str {
        match (self.server_auth, self.client_auth) {
            (true, true) => "server and client",
            (true, false) => "server",
            (false, true) => "client",
            (false, false) => "neither server nor client",
        }
    }

    /// Whose certificate this is, as short as it is clear: the common name or the whole subject.
    pub fn who(&self) -> &str {
        match &self.common_name {
            Some(name) => name,
            None if self.subject.is_empty() => "(no name)",
            None => &self.subject,
        }
    }

    /// `Ok` if `now` lies within its life.
    ///
    /// # Errors
    /// `ClockBefore` or `Expired`.
    pub fn check_dates(&self, now: SystemTime) -> Result<(), PkiError> {
        let who = || self.who().to_owned();
        if now < self.not_before {
            return Err(PkiError::ClockBefore {
                who: who(),
                not_before: self.not_before,
                now,
            });
        }
        if now > self.not_after {
            return Err(PkiError::Expired {
                who: who(),
                not_after: self.not_after,
                now,
            });
        }
        Ok(())
    }

    /// Device names in SAN URIs of our own form, `urn:enviomq:<site>:device:<name>`.
    pub(crate) fn device_uris(&self) -> impl Iterator<Item = &str> {
        self.uris.iter().filter_map(|uri| {
            let (_site, name) = uri.strip_prefix("urn:enviomq:")?.split_once(":device:")?;
            Some(name)
        })
    }

    /// How long ago it ended, for texts.
    pub(crate) fn ended(&self, now: SystemTime) -> String {
        span(self.not_after, now)
    }

    fn learn(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(san) => {
                for name in &san.general_names {
                    self.learn_name(name);
                }
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.server_auth = usage.server_auth || usage.any;
                self.client_auth = usage.client_auth || usage.any;
            }
            _ => {}
        }
    }

    fn learn_name(&mut self, name: &GeneralName<'_>) {
        let name = match name {
            GeneralName::URI(uri) => return self.uris.push(printable(uri).into_owned()),
            GeneralName::DNSName(name) => printable(name).into_owned(),
            GeneralName::IPAddress(bytes) => match ip_address(bytes) {
                Some(address) => address.to_string(),
                None => return,
            },
            _ => return,
        };
        // Our own certificates name each address twice, for Mbed TLS.
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// Parses a certificate for a closer look.
pub(crate) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(malformed("bytes follow the certificate".to_owned())),
        Err(error) => Err(malformed(error.to_string())),
    }
}

/// Whether `issuer` signed `certificate`, by name and by signature.
pub(crate) fn signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate
            .verify_signature(Some(issuer.public_key()))
            .is_ok()
}

/// The common name of `name`, or the whole of it.
pub(crate) fn display_name(name: &X509Name<'_>) -> String {
    only(name.iter_common_name()).unwrap_or_else(|| printable(&name.to_string()).into_owned())
}

fn malformed(why: String) -> PkiError {
    PkiError::Malformed {
        path: "DER".into(),
        what: "certificate",
        why,
    }
}

/// The value of an attribute that occurs exactly once.
fn only<'a>(
    mut values: impl Iterator<Item = &'a x509_parser::prelude::AttributeTypeAndValue<'a>>,
) -> Option<String> {
    let first = values.next()?;
    match values.next() {
        Some(_) => None,
        None => first.as_str().ok().map(|text| printable(text).into_owned()),
    }
}

/// DER puts a zero in front of a number whose first bit is set; people never see it.
fn serial(raw: &[u8]) -> String {
    match raw {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        _ => hex(raw),
    }
}

fn system_time(time: ASN1Time) -> SystemTime {
    match u64::try_from(time.timestamp()) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => SystemTime::UNIX_EPOCH,
    }
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(sixteen).into())
}
