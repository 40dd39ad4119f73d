//! Generations: key and certificate on disk, swapped together or not at all.
//!
//! ```text
//! server/current -> gen-0002
//! server/gen-0001/{cert.pem 0644, key.pem 0400, meta.json 0644}
//! server/gen-0002/...
//! ```
//!
//! A generation appears under its name only when it is whole and was loaded
//! once as a test; `current` is replaced by a rename. So whatever is killed
//! when, the pair that `current` names matches.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    Identity, Issued, LoadedPair, PkiError, certificates_to_pem,
    dates::date,
    private_files::{
        create_file, create_private_dir, is_temporary, rename, sync_dir, temporary_neighbour,
    },
};

/// The key and certificate generations of one owner: the server, or one identity.
#[derive(Debug, Clone)]
pub struct Generations {
    dir: PathBuf,
}

impl Generations {
    /// The generations in `dir` (`server` or `identities/<name>`); nothing is touched yet.
    pub fn at(dir: impl Into<PathBuf>) -> Generations {
        Generations { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a pair was ever installed; it may still be refused by [`Generations::load`].
    pub fn exists(&self) -> bool {
        self.current().is_some()
    }

    /// Where the certificate chain is found: `current/cert.pem`. For commands shown to people.
    pub fn certificate_path(&self) -> PathBuf {
        self.dir.join(CURRENT).join(CERTIFICATE)
    }

    /// Where the key is found: `current/key.pem`.
    pub fn key_path(&self) -> PathBuf {
        self.dir.join(CURRENT).join(KEY)
    }

    /// Loads and checks the current pair.
    ///
    /// # Errors
    /// `Missing` if none was ever installed; else as [`LoadedPair::load`].
    pub fn load(&self, now: SystemTime) -> Result<LoadedPair, PkiError> {
        let Some(generation) = self.current() else {
            return Err(PkiError::Missing {
                path: self.certificate_path(),
            });
        };
        load_from(&self.dir.join(generation), now)
    }

    /// Makes `issued` the current pair; the one before it is kept for one more round.
    ///
    /// # Errors
    /// `Write` if the disk refuses, or the reason why the pair itself is not
    /// good. The current pair is then untouched.
    pub fn install(&self, issued: &Issued, now: SystemTime) -> Result<LoadedPair, PkiError> {
        create_private_dir(&self.dir)?;
        self.sweep()?;
        let temporary = temporary_neighbour(&self.dir.join(CURRENT))?;
        let pair = stage(&temporary, issued, now).inspect_err(|_| {
            let _ = fs::remove_dir_all(&temporary);
        })?;
        let number = self.list()?.last().map_or(1, |last| last + 1);
        let generation = self.dir.join(generation_name(number));
        rename(&temporary, &generation)?;
        self.point_current_at(number)?;
        self.prune(number)?;
        Ok(pair.moved_to(generation.join(CERTIFICATE), generation.join(KEY)))
    }

    /// The name of the generation in use.
    ///
    /// A crash between the very first rename and the link leaves a whole
    /// generation without a link: it is as good as any.
    fn current(&self) -> Option<String> {
        let linked = fs::read_link(self.dir.join(CURRENT))
            .ok()
            .and_then(|target| {
                let name = target.to_str()?.to_owned();
                generation_number(&name).map(|_| name)
            });
        linked.or_else(|| {
            self.list()
                .ok()?
                .last()
                .map(|number| generation_name(*number))
        })
    }

    fn point_current_at(&self, number: u32) -> Result<(), PkiError> {
        let current = self.dir.join(CURRENT);
        let temporary = temporary_neighbour(&current)?;
        symlink(generation_name(number), &temporary).map_err(PkiError::write(&temporary))?;
        rename(&temporary, &current)
    }

    /// Numbers of the generations on disk, ascending.
    fn list(&self) -> Result<Vec<u32>, PkiError> {
        let mut numbers: Vec<u32> = self
            .entries()?
            .iter()
            .filter_map(|name| generation_number(name))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn entries(&self) -> Result<Vec<String>, PkiError> {
        let cannot = PkiError::write(&self.dir);
        let names = fs::read_dir(&self.dir).map_err(cannot)?;
        Ok(names
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect())
    }

    /// Removes what a crash left half made.
    fn sweep(&self) -> Result<(), PkiError> {
        for name in self.entries()?.iter().filter(|name| is_temporary(name)) {
            remove(&self.dir.join(name))?;
        }
        Ok(())
    }

    fn prune(&self, newest: u32) -> Result<(), PkiError> {
        for number in self
            .list()?
            .into_iter()
            .filter(|number| *number + 1 < newest)
        {
            remove(&self.dir.join(generation_name(number)))?;
        }
        Ok(())
    }
}

/// Writes a whole generation into `dir` and loads it as a test.
fn stage(dir: &Path, issued: &Issued, now: SystemTime) -> Result<LoadedPair, PkiError> {
    create_private_dir(dir)?;
    create_file(&dir.join(KEY), issued.key.to_pem().as_bytes(), 0o400)?;
    create_file(
        &dir.join(CERTIFICATE),
        certificates_to_pem(&issued.chain).as_bytes(),
        0o644,
    )?;
    let pair = load_from(dir, now)?;
    check_names(&pair)?;
    create_file(&dir.join(META), meta(&pair).to_string().as_bytes(), 0o644)?;
    sync_dir(dir)?;
    Ok(pair)
}

fn load_from(dir: &Path, now: SystemTime) -> Result<LoadedPair, PkiError> {
    LoadedPair::load(&dir.join(CERTIFICATE), &dir.join(KEY), now)
}

/// A server certificate must name a host, a client certificate an identity; none may be both.
fn check_names(pair: &LoadedPair) -> Result<(), PkiError> {
    let leaf = pair.leaf();
    let who = || leaf.who().to_owned();
    match (leaf.version, leaf.server_auth, leaf.client_auth) {
        (1, ..) => Err(PkiError::Version1 { who: who() }),
        (_, true, false) if leaf.names.is_empty() => Err(PkiError::ServerName { name: who() }),
        (_, true, false) => Ok(()),
        (_, false, true) => Identity::from_certificate(&pair.chain()[0]).map(drop),
        _ => Err(PkiError::Purpose {
            who: who(),
            found: leaf.purpose().to_owned(),
            wanted: "either server or client",
        }),
    }
}

/// What a person looking around on disk wants to know without openssl.
fn meta(pair: &LoadedPair) -> serde_json::Value {
    let leaf = pair.leaf();
    serde_json::json!({
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "serial": leaf.serial,
        "not_before": date(leaf.not_before),
        "not_after": date(leaf.not_after),
        "names": leaf.names,
    })
}

fn remove(path: &Path) -> Result<(), PkiError> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_dir {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(PkiError::write(path))
}

fn generation_name(number: u32) -> String {
    format!("gen-{number:04}")
}

fn generation_number(name: &str) -> Option<u32> {
    name.strip_prefix("gen-")?.parse().ok()
}

const CURRENT: &str = "current";
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
const META: &str = "meta.json";
