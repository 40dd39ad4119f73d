//! PEM files, sniffed before they are parsed, so that each fault gets its own name.
//!
//! A parser alone says "no items found" for an encrypted key, a DER file, a
//! PKCS#12 bundle and a swapped file alike, and silently skips the first block
//! of a file with a byte order mark.

use std::{
    borrow::Cow,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use zeroize::Zeroizing;

use crate::PkiError;

/// Reads every certificate of a PEM file, in order; at least one.
///
/// # Errors
/// Each thing that can be wrong with such a file has its own variant.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let bytes = read(path, |_| Ok(()))?;
    let text = text_of(path, &bytes)?;
    match certificates_in(path, &text)? {
        list if !list.is_empty() => Ok(list),
        _ if text.contains("PRIVATE KEY-----") => Err(PkiError::Swapped {
            path: path.to_owned(),
            found: "a private key",
        }),
        _ => Err(nothing_in(path)),
    }
}

/// Reads every certificate of a PEM text, such as one received over the network; at least one.
///
/// # Errors
/// `Truncated` or `Malformed`.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let received = Path::new("PEM");
    let list = certificates_in(received, pem)?;
    if list.is_empty() {
        Err(nothing_in(received))
    } else {
        Ok(list)
    }
}

/// Writes certificates as PEM, one after the other.
pub fn certificates_to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let encode = |certificate: &CertificateDer<'_>| {
        der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, certificate)
            .expect("invariant: a certificate in memory fits into PEM")
    };
    certificates.iter().map(encode).collect()
}

/// Reads the private key of a PEM file: PKCS#8, PKCS#1 or SEC1, not encrypted.
///
/// # Errors
/// `WorldReadable` if "others" may touch it in any way; group access is left to
/// hosts that need it. The rest as for certificates.
pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<PrivateKeyDer<'static>>, PkiError> {
    let bytes = Zeroizing::new(read(path, |metadata| refuse_wide_key(path, metadata))?);
    let text = text_of(path, &bytes)?;
    if text.contains("ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PkiError::Encrypted {
            path: path.to_owned(),
        });
    }
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(pem::Error::NoItemsFound) if text.contains("BEGIN CERTIFICATE-----") => {
            Err(PkiError::Swapped {
                path: path.to_owned(),
                found: "a certificate",
            })
        }
        Err(pem::Error::NoItemsFound) => Err(nothing_in(path)),
        Err(error) => Err(parse_error(path, "private key", &error)),
    }
}

fn certificates_in(path: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| parse_error(path, "certificate", &error))
}

fn parse_error(path: &Path, what: &'static str, error: &pem::Error) -> PkiError {
    let path = path.to_owned();
    match error {
        pem::Error::MissingSectionEnd { .. } => PkiError::Truncated {
            path,
            why: "BEGIN without END",
        },
        other => PkiError::Malformed {
            path,
            what,
            why: other.to_string(),
        },
    }
}

fn nothing_in(path: &Path) -> PkiError {
    PkiError::Truncated {
        path: path.to_owned(),
        why: "there is no BEGIN line in it",
    }
}

/// Opens once, judges what was opened, then reads that same file.
fn read(
    path: &Path,
    judge: impl FnOnce(&Metadata) -> Result<(), PkiError>,
) -> Result<Vec<u8>, PkiError> {
    let cannot = |error| read_error(path, &error);
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.is_dir() {
        return Err(PkiError::Directory {
            path: path.to_owned(),
        });
    }
    judge(&metadata)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    Ok(bytes)
}

fn refuse_wide_key(path: &Path, metadata: &Metadata) -> Result<(), PkiError> {
    if metadata.mode() & 0o007 == 0 {
        return Ok(());
    }
    Err(PkiError::WorldReadable {
        path: path.to_owned(),
        mode: mode_of(metadata),
    })
}

fn read_error(path: &Path, error: &io::Error) -> PkiError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PkiError::Missing {
            path: path.to_owned(),
        },
        io::ErrorKind::PermissionDenied => unreadable(path),
        _ => PkiError::Malformed {
            path: path.to_owned(),
            what: "file",
            why: error.to_string(),
        },
    }
}

/// Names the owner and mode of whatever stands in the way: the file, or a folder above it.
fn unreadable(path: &Path) -> PkiError {
    let user = user_name(rustix::process::geteuid().as_raw());
    let visible = path
        .ancestors()
        .find_map(|path| Some((path, path.metadata().ok()?)));
    let (path, owner, mode) = match visible {
        Some((path, metadata)) => (path, user_name(metadata.uid()), mode_of(&metadata)),
        None => (path, "somebody else".to_owned(), "unknown".to_owned()),
    };
    PkiError::Unreadable {
        path: path.to_owned(),
        owner,
        mode,
        user,
    }
}

fn mode_of(metadata: &Metadata) -> String {
    format!("{:04o}", metadata.mode() & 0o7777)
}

/// The name /etc/passwd gives a user; an image without one leaves the number.
fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?;
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    entry.unwrap_or_else(|| format!("uid {uid}"))
}

/// Undoes what editors and shells do to PEM, and names what is not PEM at all.
fn text_of<'a>(path: &Path, bytes: &'a [u8]) -> Result<Zeroizing<Text<'a>>, PkiError> {
    let path = || path.to_owned();
    let text = match bytes {
        [] => {
            return Err(PkiError::Truncated {
                path: path(),
                why: "it is empty",
            });
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if der_sequence(bytes).is_some_and(|content| content.starts_with(&PKCS12_BEGINS)) => {
            return Err(PkiError::Pkcs12 { path: path() });
        }
        _ if der_sequence(bytes).is_some() => return Err(PkiError::Der { path: path() }),
        _ => String::from_utf8_lossy(bytes),
    };
    // One line with literal "\n": what an environment variable makes of a file.
    let text = if text.contains("-----\\n") {
        text.replace("\\n", "\n").into()
    } else {
        text
    };
    if text.contains("-----BEGIN ") && !text.contains("-----END ") {
        return Err(PkiError::Truncated {
            path: path(),
            why: "BEGIN without END",
        });
    }
    Ok(Zeroizing::new(Text(text)))
}

/// Text of a file; a copy is erased when dropped, since it may hold a key.
struct Text<'a>(Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl zeroize::Zeroize for Text<'_> {
    fn zeroize(&mut self) {
        if let Cow::Owned(copy) = &mut self.0 {
            copy.zeroize();
        }
    }
}

fn utf16(bytes: &[u8], decode: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let (pairs, _odd) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| decode(*pair));
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// The content of a DER SEQUENCE that fills the whole file; no PEM text begins like one.
fn der_sequence(bytes: &[u8]) -> Option<&[u8]> {
    let (length, content) = match bytes {
        // BER of unknown length: old PKCS#12 files.
        [0x30, 0x80, content @ ..] => (content.len(), content),
        [0x30, length @ 0x00..=0x7F, content @ ..] => (usize::from(*length), content),
        [0x30, 0x81, length, content @ ..] => (usize::from(*length), content),
        [0x30, 0x82, high, low, content @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), content)
        }
        [0x30, 0x83, a, b, c, content @ ..] => {
            (u32::from_be_bytes([0, *a, *b, *c]) as usize, content)
        }
        _ => return None,
    };
    (content.len() == length).then_some(content)
}

/// PFX ::= SEQUENCE { version INTEGER (3), authSafe SEQUENCE ... }
const PKCS12_BEGINS: [u8; 4] = [0x02, 0x01, 0x03, 0x30];

/// A chain with a key is some kilobytes; anything beyond this is the wrong file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
