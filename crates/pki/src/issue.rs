//! Issue: what goes into each kind of certificate.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand;
use der::{
    Any, Decode, Encode,
    asn1::{Ia5String, ObjectIdentifier, SetOfVec, Utf8StringRef},
};
use rustls_pki_types::CertificateDer;
use spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::{
    Certificate, TbsCertificate,
    attr::AttributeTypeAndValue,
    builder::{self, Builder, CertificateBuilder, profile::BuilderProfile},
    ext::{
        Extension, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
            SubjectAltName, SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    time::{Time, Validity},
};

use crate::{KeyPair, PkiError, dates::days, keypair::EcdsaSignature};

/// Life of a root: 10 years.
pub(crate) const ROOT_LIFE: Duration = days(3_650);
/// Life of an issuing authority: 5 years.
pub(crate) const ISSUING_LIFE: Duration = days(1_825);
/// Life of a server certificate: 90 days.
pub const SERVER_LIFE: Duration = days(90);
/// Life of the certificate of a service of ours, which renews by itself: 30 days.
pub const SERVICE_LIFE: Duration = days(30);
/// Life of the certificate of a device that renews by itself: 90 days.
pub const DEVICE_LIFE: Duration = days(90);

/// Certificates begin this much before they are made, for peers whose clock is behind.
pub(crate) const BACK_DATED: Duration = Duration::from_secs(3_600);

/// A certificate with its chain and the key it was issued for.
#[derive(Debug)]
pub struct Issued {
    /// Leaf first, then the issuing authority; the root is not part of it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: KeyPair,
}

/// What a certificate is for; decides its extensions.
pub(crate) enum Purpose {
    Root,
    Issuing,
    Server { names: Vec<String> },
    Client { uri: String },
}

/// The certificate to be made.
pub(crate) struct Template {
    pub(crate) subject: Name,
    pub(crate) purpose: Purpose,
    pub(crate) public_key: SubjectPublicKeyInfoOwned,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Template {
    /// Signs itself with `signer`, whose subject is `issuer`.
    ///
    /// # Errors
    /// `Crypto` if encoding or signing fails, `ServerName` for a name no SAN can carry.
    pub(crate) fn sign(
        self,
        issuer: &Name,
        signer: &KeyPair,
    ) -> Result<CertificateDer<'static>, PkiError> {
        let validity = Validity::new(asn1_time(self.not_before)?, asn1_time(self.not_after)?);
        let profile = Profile {
            issuer: issuer.clone(),
            subject: self.subject,
            alternative_names: alternative_names(&self.purpose)?,
            purpose: self.purpose,
        };
        let failed = |_| PkiError::Crypto {
            what: "sign a certificate",
        };
        let certificate: Certificate =
            CertificateBuilder::new(profile, random_serial()?, validity, self.public_key)
                .and_then(|builder| builder.build::<_, EcdsaSignature>(signer))
                .map_err(failed)?;
        let der = certificate.to_der().map_err(encoding)?;
        Ok(CertificateDer::from(der))
    }
}

/// `CN=<name>`.
pub(crate) fn common_name(name: &str) -> Result<Name, PkiError> {
    distinguished_name(&[(COMMON_NAME, name)])
}

/// `O=<organisation>, CN=<name>`.
pub(crate) fn authority_name(organisation: &str, name: &str) -> Result<Name, PkiError> {
    distinguished_name(&[(ORGANISATION, organisation), (COMMON_NAME, name)])
}

/// Built attribute by attribute: the text form would need escaping, and read `=` and `,` in a name.
fn distinguished_name(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, PkiError> {
    let mut sequence: Vec<SetOfVec<AttributeTypeAndValue>> = Vec::new();
    for (oid, value) in attributes {
        let value = Any::from(Utf8StringRef::new(value).map_err(encoding)?);
        let mut set = SetOfVec::new();
        set.insert(AttributeTypeAndValue { oid: *oid, value })
            .map_err(encoding)?;
        sequence.push(set);
    }
    let der = sequence.to_der().map_err(encoding)?;
    Name::from_der(&der).map_err(encoding)
}

struct Profile {
    issuer: Name,
    subject: Name,
    alternative_names: Vec<GeneralName>,
    purpose: Purpose,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        public_key: SubjectPublicKeyInfoRef<'_>,
        issuer_public_key: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut list = Extensions {
            subject: &self.subject,
            list: Vec::new(),
        };
        list.add(&self.basic_constraints())?;
        list.add(&KeyUsage(self.key_usages()))?;
        list.add(&SubjectKeyIdentifier::try_from(public_key)?)?;
        list.add(&AuthorityKeyIdentifier::try_from(issuer_public_key)?)?;
        if let Some(usage) = self.extended_key_usage() {
            list.add(&ExtendedKeyUsage(vec![usage]))?;
        }
        if !self.alternative_names.is_empty() {
            list.add(&SubjectAltName(self.alternative_names.clone()))?;
        }
        Ok(list.list)
    }
}

impl Profile {
    fn basic_constraints(&self) -> BasicConstraints {
        match self.purpose {
            Purpose::Root => BasicConstraints {
                ca: true,
                path_len_constraint: None,
            },
            Purpose::Issuing => BasicConstraints {
                ca: true,
                path_len_constraint: Some(0),
            },
            Purpose::Server { .. } | Purpose::Client { .. } => BasicConstraints {
                ca: false,
                path_len_constraint: None,
            },
        }
    }

    fn key_usages(&self) -> der::flagset::FlagSet<KeyUsages> {
        match self.purpose {
            Purpose::Root | Purpose::Issuing => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Purpose::Server { .. } | Purpose::Client { .. } => KeyUsages::DigitalSignature.into(),
        }
    }

    /// Never both: a stolen client key must not be able to pose as the broker.
    fn extended_key_usage(&self) -> Option<ObjectIdentifier> {
        match self.purpose {
            Purpose::Root | Purpose::Issuing => None,
            Purpose::Server { .. } => Some(SERVER_AUTH),
            Purpose::Client { .. } => Some(CLIENT_AUTH),
        }
    }
}

struct Extensions<'a> {
    subject: &'a Name,
    list: Vec<Extension>,
}

impl Extensions<'_> {
    fn add<E>(&mut self, extension: E) -> builder::Result<()>
    where
        E: ToExtension<Error = der::Error>,
    {
        let extension = extension.to_extension(self.subject, &self.list)?;
        self.list.push(extension);
        Ok(())
    }
}

fn alternative_names(purpose: &Purpose) -> Result<Vec<GeneralName>, PkiError> {
    match purpose {
        Purpose::Root | Purpose::Issuing => Ok(Vec::new()),
        Purpose::Client { uri } => {
            let uri = Ia5String::new(uri).map_err(encoding)?;
            Ok(vec![GeneralName::UniformResourceIdentifier(uri)])
        }
        Purpose::Server { names } => {
            let mut list = Vec::new();
            for name in names {
                let unusable = |_| PkiError::ServerName { name: name.clone() };
                if let Ok(address) = name.parse::<IpAddr>() {
                    list.push(GeneralName::from(address));
                }
                // Addresses go in as DNS names too: Mbed TLS 2.28 (ESP32) looks only there.
                list.push(GeneralName::DnsName(
                    Ia5String::new(name).map_err(unusable)?,
                ));
            }
            Ok(list)
        }
    }
}

/// 128 random bits: no two certificates of any authority share one, and nobody can foretell it.
fn random_serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| PkiError::Crypto {
        what: "draw a serial number",
    })?;
    SerialNumber::new(&bytes).map_err(encoding)
}

fn asn1_time(time: SystemTime) -> Result<Time, PkiError> {
    // Certificates know whole seconds only.
    let since_epoch = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs());
    Time::try_from(whole).map_err(encoding)
}

fn encoding(_: der::Error) -> PkiError {
    PkiError::Crypto {
        what: "encode a certificate",
    }
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
