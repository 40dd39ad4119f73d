//! Join tokens: let a service that holds nothing yet enrol, once.
//!
//! `enviomq1.<name>.<secret>.<root sha256>`, the last two in base64url. The
//! token says whom to trust (the root), so the very first connection is already
//! authenticated; and who its holder will be (the name), so it is good for
//! nothing else.
//!
//! On disk (`<pki>/tokens/<id>.json`) only the SHA-256 of the secret is kept.
//! A token is used up by renaming its file, which only one of two can do.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{constant_time, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Fingerprint, PkiError, check_name,
    dates::date,
    fingerprint::{hex, sha256},
    private_files::{create_private_dir, sync_dir, write_private_file},
};

/// Why a join token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not of the form `enviomq1.<name>.<secret>.<root>`.
    #[error("this is not a join token: it must look like enviomq1.<name>.<secret>.<root>")]
    Malformed,
    /// Nobody minted it here, or it is long gone.
    #[error("this join token is not known here")]
    Unknown,
    /// It was used before.
    #[error("the join token of {name} was already used; each works once")]
    Used {
        /// The identity it was bound to.
        name: String,
    },
    /// Its time is over.
    #[error("the join token of {name} expired at {}", date(*.expired))]
    Expired {
        /// The identity it was bound to.
        name: String,
        /// Its end.
        expired: SystemTime,
    },
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
            TokenError::Used { .. } => "ENV-J703",
            TokenError::Expired { .. } => "ENV-J704",
            TokenError::OtherAuthority => "ENV-J705",
        }
    }

    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            TokenError::Malformed | TokenError::Unknown | TokenError::OtherAuthority => Vec::new(),
            TokenError::Used { name } => vec![("name", name.clone())],
            TokenError::Expired { name, expired } => {
                vec![("name", name.clone()), ("date", date(*expired))]
            }
        }
    }
}

/// A join token as its holder reads it.
pub struct JoinToken {
    /// The identity it is bound to.
    pub name: String,
    /// The root to trust; see [`crate::tls::PinnedRoot`].
    pub root: Fingerprint,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl JoinToken {
    /// Reads a token; whether it is still good only the authority knows.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(token: &str) -> Result<JoinToken, TokenError> {
        // The name may hold dots, the two last parts cannot: read from the end.
        let mut parts = token.trim().rsplitn(3, '.');
        let root = decode(parts.next())?;
        let secret = Zeroizing::new(decode(parts.next())?);
        let name = parts
            .next()
            .and_then(|rest| rest.strip_prefix(PREFIX)?.strip_prefix('.'))
            .filter(|name| check_name(name).is_ok())
            .ok_or(TokenError::Malformed)?;
        Ok(JoinToken {
            name: name.to_owned(),
            root: Fingerprint(root),
            secret,
        })
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({:?}, root {})", self.name, self.root.short())
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
    ///
    /// Tokens that ended a day ago are forgotten on the way.
    ///
    /// # Errors
    /// `Name` if no identity may be called that, `Write` if the disk refuses.
    pub fn mint(&self, name: &str, life: Duration, now: SystemTime) -> Result<String, PkiError> {
        check_name(name)?;
        create_private_dir(&self.dir)?;
        self.forget_old(now);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rand::fill(&mut *secret).map_err(|_| PkiError::Crypto {
            what: "draw a join token",
        })?;
        let hash = sha256(&*secret);
        let record = Record {
            name: name.to_owned(),
            secret_sha256: URL_SAFE_NO_PAD.encode(hash),
            expires_unix_s: unix_seconds(now + life),
        };
        let json = serde_json::to_vec(&record).map_err(|error| PkiError::Write {
            path: self.dir.clone(),
            why: error.into(),
        })?;
        write_private_file(&self.dir.join(unused_name(&hash)), &json)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret));
        let root = URL_SAFE_NO_PAD.encode(self.root.0);
        Ok(format!("{PREFIX}.{name}.{}.{root}", *secret))
    }

    /// Takes a token out of use and answers the name it was bound to.
    ///
    /// Of two that come at once with the same token, one is told `Used`.
    ///
    /// # Errors
    /// [`PkiError::Token`] with the reason, `Write` if the disk refuses.
    pub fn consume(&self, token: &str, now: SystemTime) -> Result<String, PkiError> {
        let token = JoinToken::parse(token)?;
        if token.root != self.root {
            return Err(TokenError::OtherAuthority.into());
        }
        let hash = sha256(&*token.secret);
        let unused = self.dir.join(unused_name(&hash));
        let Some(record) = read_record(&unused) else {
            return Err(self.why_not_there(&token, &hash).into());
        };
        if !record.belongs_to(&token, &hash) {
            return Err(TokenError::Unknown.into());
        }
        if record.expires_unix_s <= unix_seconds(now) {
            let expired = SystemTime::UNIX_EPOCH + Duration::from_secs(record.expires_unix_s);
            return Err(TokenError::Expired {
                name: token.name,
                expired,
            }
            .into());
        }
        match fs::rename(&unused, self.dir.join(used_name(&hash))) {
            Ok(()) => {
                sync_dir(&self.dir)?;
                Ok(token.name)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(TokenError::Used { name: token.name }.into())
            }
            Err(error) => Err(PkiError::write(&unused)(error)),
        }
    }

    fn why_not_there(&self, token: &JoinToken, hash: &[u8; 32]) -> TokenError {
        match read_record(&self.dir.join(used_name(hash))) {
            Some(record) if record.belongs_to(token, hash) => TokenError::Used {
                name: token.name.clone(),
            },
            _ => TokenError::Unknown,
        }
    }

    /// Keeps the folder from growing; what cannot be removed now is tried again next time.
    fn forget_old(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let old = |record: Record| {
                record.expires_unix_s.saturating_add(REMEMBERED_S) < unix_seconds(now)
            };
            if read_record(&path).is_some_and(old) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    secret_sha256: String,
    expires_unix_s: u64,
}

impl Record {
    /// The whole hash, in constant time: the file name holds only its beginning.
    fn belongs_to(&self, token: &JoinToken, hash: &[u8; 32]) -> bool {
        let known = URL_SAFE_NO_PAD
            .decode(&self.secret_sha256)
            .unwrap_or_default();
        self.name == token.name && constant_time::verify_slices_are_equal(&known, hash).is_ok()
    }
}

fn read_record(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Found by the first quarter of the hash; nothing about the secret can be learned from it.
fn unused_name(hash: &[u8; 32]) -> String {
    format!("{}.json", hex(&hash[..8]))
}

fn used_name(hash: &[u8; 32]) -> String {
    format!("{}.used", hex(&hash[..8]))
}

fn decode(part: Option<&str>) -> Result<[u8; 32], TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part.unwrap_or_default());
    bytes
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(TokenError::Malformed)
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

const PREFIX: &str = "enviomq1";
const SECRET_BYTES: usize = 32;
/// Used and expired tokens are remembered for a day, so that a second use can be named.
const REMEMBERED_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> (tempfile::TempDir, Tokens) {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::at(dir.path().join("tokens"), Fingerprint([7; 32]));
        (dir, tokens)
    }

    fn code(result: Result<String, PkiError>) -> &'static str {
        result.unwrap_err().code()
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_token_works_once_and_then_says_so() {
        let (_dir, tokens) = tokens();
        let token = tokens.mint("linea-3.pump", HOUR, NOW).unwrap();
        assert_eq!(tokens.consume(&token, NOW).unwrap(), "linea-3.pump");
        assert_eq!(code(tokens.consume(&token, NOW)), "ENV-J703");
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let (_dir, tokens) = tokens();
        let token = tokens.mint("pump", HOUR, NOW).unwrap();
        let winners = std::thread::scope(|scope| {
            let consume = || tokens.consume(&token, NOW).is_ok();
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(consume)).collect();
            tries
                .into_iter()
                .map(|t| t.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn a_token_ends_at_its_hour() {
        let (_dir, tokens) = tokens();
        let token = tokens.mint("pump", HOUR, NOW).unwrap();
        assert_eq!(code(tokens.consume(&token, NOW + HOUR)), "ENV-J704");
        assert!(
            tokens
                .consume(&token, NOW + HOUR - Duration::from_secs(1))
                .is_ok()
        );
    }

    #[test]
    fn the_holder_reads_name_and_root_from_it() {
        let (_dir, tokens) = tokens();
        let token = JoinToken::parse(&tokens.mint("a.b.c", HOUR, NOW).unwrap()).unwrap();
        assert_eq!(token.name, "a.b.c");
        assert_eq!(token.root, Fingerprint([7; 32]));
    }

    #[test]
    fn another_name_secret_or_root_is_refused() {
        let (_dir, tokens) = tokens();
        let token = tokens.mint("pump", HOUR, NOW).unwrap();
        assert_eq!(
            code(tokens.consume(&token.replace("pump", "boss"), NOW)),
            "ENV-J702"
        );
        let parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode([1; 32]);
        let secret = [parts[0], parts[1], &other, parts[3]].join(".");
        assert_eq!(code(tokens.consume(&secret, NOW)), "ENV-J702");
        let root = [parts[0], parts[1], parts[2], &other].join(".");
        assert_eq!(code(tokens.consume(&root, NOW)), "ENV-J705");
        assert!(
            tokens.consume(&token, NOW).is_ok(),
            "none of these used it up"
        );
    }

    #[test]
    fn what_is_no_token_is_named_as_such() {
        let (_dir, tokens) = tokens();
        for text in [
            "",
            "hola",
            "enviomq1.a.b.c",
            "enviomq2.pump.AAAA.AAAA",
            "....",
            "ñ.ñ.ñ",
        ] {
            assert_eq!(code(tokens.consume(text, NOW)), "ENV-J701", "{text}");
        }
    }

    #[test]
    fn the_secret_is_not_on_disk_and_the_file_is_ours_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, tokens) = tokens();
        let token = tokens.mint("pump", HOUR, NOW).unwrap();
        let secret = token.split('.').nth(2).unwrap();
        for entry in fs::read_dir(&tokens.dir).unwrap() {
            let entry = entry.unwrap();
            assert!(!fs::read_to_string(entry.path()).unwrap().contains(secret));
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn old_tokens_are_forgotten_when_a_new_one_is_made() {
        let (_dir, tokens) = tokens();
        for _ in 0..5 {
            tokens.mint("pump", HOUR, NOW).unwrap();
        }
        tokens.mint("pump", HOUR, NOW + HOUR * 26).unwrap();
        assert_eq!(fs::read_dir(&tokens.dir).unwrap().count(), 1);
    }

    #[test]
    fn a_token_without_an_end_is_no_obstacle_to_the_next() {
        let (_dir, tokens) = tokens();
        tokens.mint("pump", HOUR, NOW).unwrap();
        let entry = fs::read_dir(&tokens.dir).unwrap().next().unwrap().unwrap();
        let json = fs::read_to_string(entry.path()).unwrap();
        let endless = json.replace("3600", &u64::MAX.to_string());
        assert_ne!(json, endless);
        fs::write(entry.path(), endless).unwrap();
        tokens.mint("pump", HOUR, NOW).unwrap();
        assert_eq!(fs::read_dir(&tokens.dir).unwrap().count(), 2);
    }
}
