//! Data folder: where everything of ours lies, and who may use it at one time.
//!
//! ```text
//! pki/                      the authority (broker only) and trust/bundle.pem
//! server/                   the broker's certificate generations
//! identities/NAME/          a client identity's certificate generations
//! broker/ publisher/ subscriber/    what each role keeps; `lock` while it runs
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The paths below one data folder.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder at `path`, which need not exist yet.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// The roots that this machine trusts.
    pub(crate) fn trust_bundle(&self) -> PathBuf {
        self.pki().join("trust").join("bundle.pem")
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.0.join("server")
    }

    pub(crate) fn identity(&self, name: &str) -> PathBuf {
        self.0.join("identities").join(name)
    }

    /// The folder of `broker`, `publisher` or `subscriber`.
    pub(crate) fn role(&self, role: &str) -> PathBuf {
        self.0.join(role)
    }

    /// Makes the folder of `role` and holds it for as long as the claim lives.
    ///
    /// # Errors
    /// If the folder cannot be written (ENV-F115), others can write it (ENV-F116) or another
    /// process holds it (ENV-F114).
    pub(crate) fn claim(&self, role: &str) -> Result<Claim, Failure> {
        let folder = self.role(role);
        pki::create_private_dir(&folder).map_err(|error| self.not_writable(error))?;
        for path in [&self.0, &self.pki(), &folder] {
            self.judge(path)?;
        }
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| self.not_writable(error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(self.in_use(&path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(self.not_writable(error)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| self.not_writable(error))?;
        Ok(Claim { _file: file })
    }

    /// Refuses a folder that was there before us and in which others could swap our keys.
    fn judge(&self, path: &Path) -> Result<(), Failure> {
        let about = match std::fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.not_writable(error)),
        };
        if about.mode() & 0o022 != 0 {
            return Err(Failure::new("ENV-F116")
                .with("folder", path.display())
                .with("mode", format!("{:o}", about.mode() & 0o7777))
                .mend(format!("chmod go-w {}", path.display())));
        }
        let us = rustix::process::geteuid().as_raw();
        if ![us, 0].contains(&about.uid()) {
            tracing::warn!(
                folder = %path.display(),
                owner = about.uid(),
                user = us,
                "the data folder belongs to somebody else, who can replace what is in it"
            );
        }
        Ok(())
    }

    fn in_use(&self, path: &Path, file: &mut File) -> Failure {
        let mut holder = String::new();
        let process = match file.read_to_string(&mut holder) {
            Ok(_) if !holder.trim().is_empty() => holder.trim().to_owned(),
            _ => "?".to_owned(),
        };
        Failure::new("ENV-F114")
            .with("folder", self.0.display())
            .with("process", &process)
            .because(path.display())
            .mend("enviomq up --data-dir ./other-data")
    }

    fn not_writable(&self, error: impl std::fmt::Display) -> Failure {
        let user = rustix::process::geteuid().as_raw();
        Failure::new("ENV-F115")
            .with("folder", self.0.display())
            .with("user", user)
            .because(error)
            .mend(if self.0.exists() {
                format!("sudo chown -R {user} {}", self.0.display())
            } else {
                "enviomq up --data-dir ~/enviomq-data".to_owned()
            })
    }
}

/// One role's hold on the data folder; released when dropped, or when the process dies.
#[derive(Debug)]
pub(crate) struct Claim {
    _file: File,
}

/// A file that a running role leaves for the other commands: where it can be reached.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Running {
    /// Broker: `host:port` of MQTT. Pages: the address that links begin with.
    pub(crate) address: String,
    /// `host:port` where its `/healthz` answers.
    pub(crate) health: String,
    /// Pages: the `host:port` of their broker.
    pub(crate) broker: Option<String>,
}

impl Running {
    /// Writes the note of `role`.
    ///
    /// # Errors
    /// If the role's folder cannot be written.
    pub(crate) fn write(&self, data: &DataFolder, role: &str) -> Result<(), Failure> {
        let path = data.role(role).join("running.json");
        let text = serde_json::json!(self).to_string();
        pki::write_private_file(&path, text.as_bytes()).map_err(Failure::from)
    }

    /// Reads the note of `role`; `None` if it never ran here.
    pub(crate) fn read(data: &DataFolder, role: &str) -> Option<Self> {
        let text = std::fs::read_to_string(data.role(role).join("running.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Removes a file; one that is not there is as good as removed.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn one_folder_serves_one_process_per_role() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let held = data.claim("broker").unwrap();
        assert_eq!(data.claim("broker").unwrap_err().code(), "ENV-F114");
        assert!(data.claim("publisher").is_ok());
        drop(held);
        assert!(data.claim("broker").is_ok());
    }

    #[test]
    fn the_lock_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let _held = data.claim("broker").unwrap();
        let lock = std::fs::metadata(data.role("broker").join("lock")).unwrap();
        assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        let failure = DataFolder::at(&file).claim("broker").unwrap_err();
        assert_eq!(failure.code(), "ENV-F115");
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused_in_both_languages() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        pki::create_private_dir(&data.pki()).unwrap();
        pki::create_private_dir(&data.role("broker")).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for path in [folder.path().to_owned(), data.pki(), data.role("broker")] {
            for open in [0o770, 0o702] {
                mode(&path, open);
                let failure = data.claim("broker").unwrap_err();
                assert_eq!(failure.code(), "ENV-F116");
                let command = format!("chmod go-w {}", path.display());
                for language in [Language::English, Language::Spanish] {
                    let text = failure.render(language);
                    assert!(text.ends_with(&command), "{text}");
                }
            }
            mode(&path, 0o755);
            drop(data.claim("broker").unwrap());
        }
    }
}
