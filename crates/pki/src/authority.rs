//! Authority: create, open and guard the certificate authority.
//!
//! ```text
//! <data>/pki/                     0700
//!   root/root.crt    0644         root/root.key    0400
//!   issuing/2026a/ca.crt 0644     issuing/2026a/ca.key 0400
//!   trust/bundle.pem 0644         what clients trust: the root
//!   tokens/                       join tokens, hashed
//! ```
//!
//! Each pair appears by the rename of a whole folder, the root first. A crash
//! in between leaves a root that the next [`Authority::create`] takes up.
//! Opening reads the issuing key alone, so that the root key may be elsewhere.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustls_pki_types::CertificateDer;
use x509_cert::name::Name;

use crate::{
    Fingerprint, Issued, KeyPair, Leaf, PkiError, certificates_to_pem, check_name,
    issue::{
        BACK_DATED, ISSUING_LIFE, Purpose, ROOT_LIFE, SERVER_LIFE, Template, authority_name,
        common_name,
    },
    private_files::{create_private_dir, is_temporary, write_public_file},
    request, server_names,
    signer::{Signer, read_one, write_signer},
    token::Tokens,
};

/// A root that is kept aside and an issuing authority that signs leaves.
pub struct Authority {
    dir: PathBuf,
    name: String,
    root: CertificateDer<'static>,
    issuing: Signer,
}

impl Authority {
    /// Whether a complete authority stands in `dir` (`<data>/pki`).
    pub fn exists(dir: &Path) -> bool {
        root_dir(dir).join(ROOT_CERTIFICATE).is_file() && newest_issuing(dir).is_some()
    }

    /// Makes root and issuing authority in `dir`, or finishes what a crash left half made.
    ///
    /// `name` is what people will read in every certificate; a root that is
    /// already there keeps its own.
    ///
    /// # Errors
    /// `AuthorityExists` if a complete one is there; `Name` if the name is
    /// empty, longer than 40 characters or holds control characters.
    pub fn create(dir: &Path, name: &str, now: SystemTime) -> Result<Authority, PkiError> {
        if Authority::exists(dir) {
            return Err(PkiError::AuthorityExists {
                path: dir.to_owned(),
            });
        }
        check_authority_name(name)?;
        create_private_dir(dir)?;
        create_private_dir(&dir.join(ISSUING))?;
        sweep(dir)?;
        sweep(&dir.join(ISSUING))?;
        if !root_dir(dir).is_dir() {
            make_root(dir, name, now)?;
        }
        make_issuing(dir, now)?;
        Authority::open(dir, now)
    }

    /// Opens the authority in `dir`.
    ///
    /// # Errors
    /// `NoAuthority` if a part is missing, `ClockBefore` when our clock stands
    /// before the authority was made, `Expired` after its end, and whatever can
    /// be wrong with a key file.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Authority, PkiError> {
        let missing = |part: &str| PkiError::NoAuthority {
            path: dir.to_owned(),
            missing: part.to_owned(),
        };
        let root_path = root_dir(dir).join(ROOT_CERTIFICATE);
        if !root_path.exists() {
            return Err(missing("root/root.crt"));
        }
        let issuing_dir = newest_issuing(dir).ok_or_else(|| missing("issuing/<year>a/ca.crt"))?;
        let root = read_one(&root_path)?;
        let root_leaf = Leaf::parse(&root)?;
        root_leaf.check_dates(now)?;
        let issuing = Signer::load(&issuing_dir.join(CA_CERTIFICATE), &issuing_dir.join(CA_KEY))?;
        issuing.leaf.check_dates(now)?;
        issuing.check_signed_by(&root, &issuing_dir.join(CA_CERTIFICATE))?;
        let authority = Authority {
            dir: dir.to_owned(),
            name: root_leaf.issuer_organisation.unwrap_or(root_leaf.subject),
            root,
            issuing,
        };
        authority.publish_trust()?;
        Ok(authority)
    }

    /// The name people gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name in a form fit for URIs: `aula-enviomq`.
    pub fn site(&self) -> String {
        let words: Vec<String> = self
            .name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        if words.is_empty() {
            "site".to_owned()
        } else {
            words.join("-")
        }
    }

    /// SHA-256 of the root certificate.
    pub fn root_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.root)
    }

    /// The root certificate.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The issuing certificate.
    pub fn issuing(&self) -> &CertificateDer<'static> {
        &self.issuing.certificate
    }

    /// What clients and the broker trust: the root alone.
    pub fn trust_roots(&self) -> &[CertificateDer<'static>] {
        std::slice::from_ref(&self.root)
    }

    /// The same as a PEM file, for other programs.
    pub fn trust_bundle_path(&self) -> PathBuf {
        self.dir.join(TRUST).join(BUNDLE)
    }

    /// Join tokens of this authority.
    pub fn tokens(&self) -> Tokens {
        Tokens::at(self.dir.join(TOKENS), self.root_fingerprint())
    }

    /// A server certificate for `names`: host names and IP addresses.
    ///
    /// # Errors
    /// `ServerName` for a name no certificate can carry, `ClockBefore` or
    /// `Expired` if the authority is not valid at `now`.
    pub fn issue_server(
        &self,
        names: &[String],
        key: KeyPair,
        now: SystemTime,
    ) -> Result<Issued, PkiError> {
        let names = server_names::checked(names)?;
        // X.520 allows 64 characters for a common name; nobody matches against it.
        let first: String = names[0].chars().take(64).collect();
        let chain = self.sign(
            common_name(&first)?,
            Purpose::Server { names },
            key.public_key()?,
            Life {
                now,
                life: SERVER_LIFE,
            },
        )?;
        Ok(Issued { chain, key })
    }

    /// A client certificate for the identity `name`.
    ///
    /// # Errors
    /// `Name` if no identity may be called that, `ClockBefore` or `Expired` if
    /// the authority is not valid at `now`.
    pub fn issue_client(
        &self,
        name: &str,
        key: KeyPair,
        now: SystemTime,
        life: Duration,
    ) -> Result<Issued, PkiError> {
        let chain = self.client_chain(name, key.public_key()?, Life { now, life })?;
        Ok(Issued { chain, key })
    }

    /// Signs the key of a request (PEM or DER) for the identity `name`: leaf, issuing.
    ///
    /// Only the key is taken from the request. Names, life and extensions it
    /// asks for are ignored: whoever asks for `CA:TRUE` gets a client certificate.
    ///
    /// # Errors
    /// `Request` if it is not a request, or not signed by its own key;
    /// `Algorithm` for a key type our devices cannot use; else as
    /// [`Authority::issue_client`].
    pub fn sign_client_csr(
        &self,
        csr: &[u8],
        name: &str,
        now: SystemTime,
        life: Duration,
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        self.client_chain(name, request::public_key_of(csr)?, Life { now, life })
    }

    fn client_chain(
        &self,
        name: &str,
        public_key: spki::SubjectPublicKeyInfoOwned,
        life: Life,
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        check_name(name)?;
        let uri = format!("urn:enviomq:{}:device:{name}", self.site());
        self.sign(
            common_name(name)?,
            Purpose::Client { uri },
            public_key,
            life,
        )
    }

    /// A leaf never outlives its issuer, nor begins before it.
    fn sign(
        &self,
        subject: Name,
        purpose: Purpose,
        public_key: spki::SubjectPublicKeyInfoOwned,
        Life { now, life }: Life,
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        self.issuing.leaf.check_dates(now)?;
        let template = Template {
            subject,
            purpose,
            public_key,
            not_before: (now - BACK_DATED).max(self.issuing.leaf.not_before),
            not_after: (now + life).min(self.issuing.leaf.not_after),
        };
        let leaf = template.sign(&self.issuing.subject, &self.issuing.key)?;
        Ok(vec![leaf, self.issuing.certificate.clone()])
    }

    /// Writes `trust/bundle.pem` if a crash or a person left it missing or different.
    fn publish_trust(&self) -> Result<(), PkiError> {
        let path = self.trust_bundle_path();
        let bundle = certificates_to_pem(self.trust_roots());
        if fs::read_to_string(&path).is_ok_and(|found| found == bundle) {
            return Ok(());
        }
        create_private_dir(&self.dir.join(TRUST))?;
        write_public_file(&path, bundle.as_bytes())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Authority({:?}, root {})",
            self.name,
            self.root_fingerprint().short()
        )
    }
}

#[derive(Clone, Copy)]
struct Life {
    now: SystemTime,
    life: Duration,
}

fn make_root(dir: &Path, name: &str, now: SystemTime) -> Result<(), PkiError> {
    let key = KeyPair::generate()?;
    let subject = authority_name(name, &format!("{name} Root"))?;
    let template = Template {
        subject: subject.clone(),
        purpose: Purpose::Root,
        public_key: key.public_key()?,
        not_before: now - BACK_DATED,
        not_after: now + ROOT_LIFE,
    };
    let certificate = template.sign(&subject, &key)?;
    write_signer(
        &root_dir(dir),
        (ROOT_CERTIFICATE, &certificate),
        (ROOT_KEY, &key),
    )
}

fn make_issuing(dir: &Path, now: SystemTime) -> Result<(), PkiError> {
    let root_dir = root_dir(dir);
    let root = Signer::load(&root_dir.join(ROOT_CERTIFICATE), &root_dir.join(ROOT_KEY))?;
    root.leaf.check_dates(now)?;
    let name = root.leaf.issuer_organisation.clone().unwrap_or_default();
    let generation = format!("{}a", year(now));
    let key = KeyPair::generate()?;
    let template = Template {
        subject: authority_name(&name, &format!("{name} Issuing {generation}"))?,
        purpose: Purpose::Issuing,
        public_key: key.public_key()?,
        not_before: (now - BACK_DATED).max(root.leaf.not_before),
        not_after: (now + ISSUING_LIFE).min(root.leaf.not_after),
    };
    let certificate = template.sign(&root.subject, &root.key)?;
    let target = dir.join(ISSUING).join(generation);
    write_signer(&target, (CA_CERTIFICATE, &certificate), (CA_KEY, &key))
}

/// Removes the folders of an earlier attempt that never got their name.
fn sweep(dir: &Path) -> Result<(), PkiError> {
    for entry in fs::read_dir(dir).map_err(PkiError::write(dir))?.flatten() {
        if entry.file_name().to_str().is_some_and(is_temporary) {
            fs::remove_dir_all(entry.path()).map_err(PkiError::write(&entry.path()))?;
        }
    }
    Ok(())
}

/// `issuing/2026a` before `issuing/2026b` before `issuing/2027a`: the last one signs.
fn newest_issuing(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir.join(ISSUING)).ok()?;
    entries
        .flatten()
        .filter(|entry| !entry.file_name().to_str().is_none_or(is_temporary))
        .map(|entry| entry.path())
        .filter(|path| path.join(CA_CERTIFICATE).is_file())
        .max()
}

fn root_dir(dir: &Path) -> PathBuf {
    dir.join("root")
}

fn year(now: SystemTime) -> i16 {
    let timestamp = jiff::Timestamp::try_from(now).unwrap_or_default();
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).year()
}

fn check_authority_name(name: &str) -> Result<(), PkiError> {
    let broken = |why| {
        Err(PkiError::Name {
            name: name.to_owned(),
            why,
        })
    };
    if name.trim().is_empty() {
        return broken("it is empty");
    }
    // X.520 allows 64 characters for a common name; " Issuing 2026a" comes behind.
    if name.chars().count() > 40 {
        return broken("it is longer than 40 characters");
    }
    if name.chars().any(char::is_control) {
        return broken("control characters are not allowed");
    }
    Ok(())
}

const ROOT_CERTIFICATE: &str = "root.crt";
const ROOT_KEY: &str = "root.key";
const ISSUING: &str = "issuing";
const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const TRUST: &str = "trust";
const BUNDLE: &str = "bundle.pem";
const TOKENS: &str = "tokens";
