//! What goes wrong with keys, certificates and authorities, each with its stable code.
//!
//! Texts here are English and state the evidence; whoever speaks to people
//! translates by [`PkiError::code`] and fills in [`PkiError::fields`].

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::dates::{date, span};

/// Why a key, a certificate, an authority or a join token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// Something in the data folder could not be written (or listed).
    #[error("cannot write {path}: {why}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        why: std::io::Error,
    },
    /// The file exists and belongs to somebody else.
    #[error(
        "cannot read {path}: it belongs to {owner} with mode {mode}; this process runs as {user}"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Its owner, by name where the system knows one.
        owner: String,
        /// Its permission bits, four octal digits.
        mode: String,
        /// Who we are.
        user: String,
    },
    /// Any account of this machine could copy the key.
    #[error("private key {path} can be read by everyone (mode {mode}); it will not be used")]
    WorldReadable {
        /// The key.
        path: PathBuf,
        /// Its permission bits, four octal digits.
        mode: String,
    },
    /// No such file.
    #[error("{path} does not exist")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A folder where a file should be: what Docker leaves when the source of a mount is missing.
    #[error(
        "{path} is a folder, not a file (Docker creates an empty folder when the source of a mount is missing)"
    )]
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// BEGIN without END, or nothing at all.
    #[error("{path} is cut short: {why}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// Binary where PEM is expected.
    #[error("{path} is binary (DER); PEM is expected")]
    Der {
        /// The file.
        path: PathBuf,
    },
    /// A PKCS#12 bundle where PEM is expected.
    #[error("{path} is binary (PKCS#12); PEM is expected")]
    Pkcs12 {
        /// The file.
        path: PathBuf,
    },
    /// The key needs a passphrase.
    #[error("the key {path} is protected by a passphrase and none was given")]
    Encrypted {
        /// The key.
        path: PathBuf,
    },
    /// Certificate and key were given the wrong way round.
    #[error("certificate and key look swapped: {path} contains {found}")]
    Swapped {
        /// The file that was read.
        path: PathBuf,
        /// What is in it instead: "a private key" or "a certificate".
        found: &'static str,
    },
    /// The key is not the one the certificate was issued for.
    #[error(
        "{key} does not belong to {certificate} (key {key_fingerprint}, certificate expects {certificate_fingerprint})"
    )]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// First bytes of the SHA-256 of the key's public half.
        key_fingerprint: String,
        /// The same of the public key inside the certificate.
        certificate_fingerprint: String,
    },
    /// Well-formed PEM around something that is not what it says.
    #[error("{path} does not hold a usable {what}: {why}")]
    Malformed {
        /// The file, or a word for what came over the network.
        path: PathBuf,
        /// "certificate", "private key", ...
        what: &'static str,
        /// What the parser said.
        why: String,
    },
    /// An authority is already there; it is never overwritten.
    #[error("there is already a certificate authority in {path}")]
    AuthorityExists {
        /// Its folder.
        path: PathBuf,
    },
    /// No authority, or only half of one.
    #[error("there is no complete certificate authority in {path}: {missing} is missing")]
    NoAuthority {
        /// Its folder.
        path: PathBuf,
        /// The first part that is not there.
        missing: String,
    },
    /// The certificate has ended.
    #[error("the certificate of {who} expired {} ago ({})", span(*.not_after, *.now), date(*.not_after))]
    Expired {
        /// Subject of the certificate.
        who: String,
        /// Its end.
        not_after: SystemTime,
        /// Our clock.
        now: SystemTime,
    },
    /// Our clock stands before the certificate begins: nearly always the clock is wrong.
    #[error("your clock says {}, but the certificate of {who} is valid from {} ({} later)", date(*.now), date(*.not_before), span(*.now, *.not_before))]
    ClockBefore {
        /// Subject of the certificate.
        who: String,
        /// Its beginning.
        not_before: SystemTime,
        /// Our clock.
        now: SystemTime,
    },
    /// The certificates of a chain do not sign one another.
    #[error(
        "the chain of {who} stops at \"{issuer}\": the next certificate in {path} did not sign it"
    )]
    BrokenChain {
        /// The file.
        path: PathBuf,
        /// Subject of the certificate whose signature does not hold.
        who: String,
        /// Who should have signed it.
        issuer: String,
    },
    /// Server certificate for a client or the reverse, or both at once.
    #[error("the certificate of {who} is for {found}, not for {wanted}")]
    Purpose {
        /// Subject of the certificate.
        who: String,
        /// What its extended key usage allows.
        found: String,
        /// What it was meant for.
        wanted: &'static str,
    },
    /// `openssl x509 -req` without extensions makes these.
    #[error("the certificate of {who} is an old X.509 v1 certificate")]
    Version1 {
        /// Subject of the certificate.
        who: String,
    },
    /// A key our own devices or peers could not work with.
    #[error(
        "a key of type {what} is not usable here; use ECDSA P-256, P-384 or RSA of 2048 to 8192 bits"
    )]
    Algorithm {
        /// The key type found.
        what: String,
    },
    /// A certificate signing request that cannot be honoured.
    #[error("the certificate request is not usable: {why}")]
    Request {
        /// What is wrong with it.
        why: String,
    },
    /// A name no identity may have.
    #[error("\"{name}\" cannot be the name of an identity: {why}")]
    Name {
        /// The name.
        name: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A name or address no server certificate can carry.
    #[error("\"{name}\" is neither a host name nor an IP address")]
    ServerName {
        /// What was asked for.
        name: String,
    },
    /// A join token that was not accepted.
    #[error(transparent)]
    Token(#[from] crate::token::TokenError),
    /// The cryptographic library refused; not the fault of any file.
    #[error("the cryptographic library could not {what}")]
    Crypto {
        /// The operation.
        what: &'static str,
    },
    /// rustls refused a configuration.
    #[error("the TLS configuration is not usable: {0}")]
    Tls(#[from] rustls::Error),
}

impl PkiError {
    /// The stable code of the catalogue, never translated.
    pub fn code(&self) -> &'static str {
        match self {
            PkiError::Write { .. } => "ENV-F100",
            PkiError::Unreadable { .. } => "ENV-F101",
            PkiError::WorldReadable { .. } => "ENV-F102",
            PkiError::Missing { .. } | PkiError::Directory { .. } => "ENV-F103",
            PkiError::Truncated { .. } => "ENV-F104",
            PkiError::Der { .. } => "ENV-F105",
            PkiError::Pkcs12 { .. } => "ENV-F106",
            PkiError::Encrypted { .. } => "ENV-F108",
            PkiError::Swapped { .. } => "ENV-F109",
            PkiError::Mismatch { .. } => "ENV-F110",
            PkiError::Malformed { .. } => "ENV-F111",
            PkiError::AuthorityExists { .. } => "ENV-F112",
            PkiError::NoAuthority { .. } => "ENV-F113",
            PkiError::Expired { .. } => "ENV-C201",
            PkiError::ClockBefore { .. } => "ENV-C202",
            PkiError::BrokenChain { .. } => "ENV-C204",
            PkiError::Purpose { .. } => "ENV-C206",
            PkiError::Version1 { .. } => "ENV-C207",
            PkiError::Algorithm { .. } => "ENV-C211",
            PkiError::Request { .. } => "ENV-C212",
            PkiError::Name { .. } => "ENV-I502",
            PkiError::ServerName { .. } => "ENV-N324",
            PkiError::Token(error) => error.code(),
            PkiError::Crypto { .. } => "ENV-P801",
            PkiError::Tls(_) => "ENV-P802",
        }
    }

    /// The evidence, named as in the catalogue's placeholders (`{file}`, `{owner}`, ...).
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let file = |path: &Path| ("file", path.display().to_string());
        match self {
            PkiError::Write { path, why } => vec![file(path), ("why", why.to_string())],
            PkiError::Unreadable {
                path,
                owner,
                mode,
                user,
            } => vec![
                file(path),
                ("owner", owner.clone()),
                ("mode", mode.clone()),
                ("user", user.clone()),
            ],
            PkiError::WorldReadable { path, mode } => vec![file(path), ("mode", mode.clone())],
            PkiError::Missing { path }
            | PkiError::Directory { path }
            | PkiError::Der { path }
            | PkiError::Pkcs12 { path }
            | PkiError::Encrypted { path }
            | PkiError::AuthorityExists { path } => vec![file(path)],
            PkiError::Truncated { path, why } => vec![file(path), ("why", (*why).to_owned())],
            PkiError::Swapped { path, found } => vec![file(path), ("found", (*found).to_owned())],
            PkiError::Mismatch {
                certificate,
                key,
                key_fingerprint,
                certificate_fingerprint,
            } => {
                vec![
                    ("cert", certificate.display().to_string()),
                    ("key", key.display().to_string()),
                    ("fpA", key_fingerprint.clone()),
                    ("fpB", certificate_fingerprint.clone()),
                ]
            }
            PkiError::Malformed { path, what, why } => {
                vec![
                    file(path),
                    ("what", (*what).to_owned()),
                    ("why", why.clone()),
                ]
            }
            PkiError::NoAuthority { path, missing } => {
                vec![file(path), ("missing", missing.clone())]
            }
            PkiError::Expired {
                who,
                not_after,
                now,
            } => vec![
                ("who", who.clone()),
                ("n", span(*not_after, *now)),
                ("date", date(*not_after)),
                ("now", date(*now)),
            ],
            PkiError::ClockBefore {
                who,
                not_before,
                now,
            } => vec![
                ("who", who.clone()),
                ("skew", span(*now, *not_before)),
                ("date", date(*not_before)),
                ("now", date(*now)),
            ],
            PkiError::BrokenChain { path, who, issuer } => {
                vec![file(path), ("who", who.clone()), ("issuer", issuer.clone())]
            }
            PkiError::Purpose { who, found, wanted } => vec![
                ("who", who.clone()),
                ("found", found.clone()),
                ("wanted", (*wanted).to_owned()),
            ],
            PkiError::Version1 { who } => vec![("who", who.clone())],
            PkiError::Algorithm { what } => vec![("what", what.clone())],
            PkiError::Request { why } => vec![("why", why.clone())],
            PkiError::Name { name, why } => {
                vec![("name", name.clone()), ("why", (*why).to_owned())]
            }
            PkiError::ServerName { name } => vec![("name", name.clone())],
            PkiError::Token(error) => error.fields(),
            PkiError::Crypto { what } => vec![("what", (*what).to_owned())],
            PkiError::Tls(error) => vec![("why", error.to_string())],
        }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> PkiError + '_ {
        move |why| PkiError::Write {
            path: path.to_owned(),
            why,
        }
    }
}
