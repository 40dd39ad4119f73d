//! Who is looking: one-time links that become a cookie of twelve hours.
//!
//! A link is printed where the services were started; whoever can read that terminal may
//! open the page, once. Nothing is kept in clear: the folder holds one small file per link
//! and per login, named by the SHA-256 of its secret, so that another process can make a
//! link ([`LoginLinks::mint`]) and a restart logs nobody out.
//!
//! A file changes its meaning by `rename`, which the file system does for exactly one of
//! several callers: that is what makes a link work once.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;

/// The links and logins of one page. Clones share them.
#[derive(Debug, Clone)]
pub struct LoginLinks {
    dir: Arc<Path>,
    /// Hash of the cookie -> end of the login. Only the process that serves the page logs
    /// in, so what it has in memory is all there is.
    logins: Arc<Mutex<HashMap<String, SystemTime>>>,
}

/// The folder of the links could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the login links in {dir:?} cannot be used: {error}")]
pub struct LoginError {
    dir: PathBuf,
    error: io::Error,
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkRefused {
    /// It has been opened before.
    Used,
    /// It was not opened in time.
    Expired,
    /// Nobody here has made it.
    Unknown,
}

impl LoginLinks {
    /// Opens the folder `dir`, creating it for its owner alone, and reads the logins in it.
    ///
    /// # Errors
    /// The folder cannot be created or read.
    pub fn open(dir: &Path) -> Result<LoginLinks, LoginError> {
        let links = LoginLinks {
            dir: dir.into(),
            logins: Arc::default(),
        };
        links.explain(links.read_logins())?;
        Ok(links)
    }

    /// Makes a new link secret, good for one login within ten minutes of `now`.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn mint(&self, now: SystemTime) -> Result<String, LoginError> {
        self.explain(self.forget_old(now))?;
        let secret = self.explain(secret())?;
        self.explain(self.write(LINK, &hash(&secret), now + LINK_LIFE))?;
        Ok(secret)
    }

    /// Exchanges a link secret for a cookie value.
    pub(crate) fn redeem(
        &self,
        secret_of_link: &str,
        now: SystemTime,
    ) -> Result<Result<String, LinkRefused>, LoginError> {
        let name = hash(secret_of_link);
        if let Some(refused) = self.explain(self.take(&name, now))? {
            return Ok(Err(refused));
        }
        let cookie = self.explain(secret())?;
        let (login, ends) = (hash(&cookie), now + LOGIN_LIFE);
        self.explain(self.write(LOGIN, &login, ends))?;
        let mut logins = self.logins.lock();
        logins.retain(|_, ends| *ends > now);
        logins.insert(login, ends);
        Ok(Ok(cookie))
    }

    /// When the login of this cookie ends; `None` if it has ended or never was.
    pub(crate) fn login_ends(&self, cookie: &str, now: SystemTime) -> Option<SystemTime> {
        let ends = *self.logins.lock().get(&hash(cookie))?;
        (ends > now).then_some(ends)
    }

    /// Marks a link as used; says why if it could not be used.
    fn take(&self, name: &str, now: SystemTime) -> io::Result<Option<LinkRefused>> {
        let link = self.file(LINK, name);
        let ends = match read_time(&link) {
            Ok(ends) => ends,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let used = self.file(USED, name).try_exists()?;
                return Ok(Some(if used {
                    LinkRefused::Used
                } else {
                    LinkRefused::Unknown
                }));
            }
            Err(error) => return Err(error),
        };
        if ends <= now {
            return Ok(Some(LinkRefused::Expired));
        }
        match fs::rename(&link, self.file(USED, name)) {
            Ok(()) => {
                // A power cut must not make the link good again.
                File::open(&self.dir)?.sync_all()?;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(LinkRefused::Used)),
            Err(error) => Err(error),
        }
    }

    fn read_logins(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        let mut logins = self.logins.lock();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(login) = name.to_str().and_then(|name| name.strip_prefix(LOGIN)) else {
                continue;
            };
            if let Ok(ends) = read_time(&entry.path()) {
                logins.insert(login.to_owned(), ends);
            }
        }
        Ok(())
    }

    /// Removes what has ended. Links are remembered for a day, to be able to say "used"
    /// or "expired" instead of "unknown".
    fn forget_old(&self, now: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let ended = read_time(&path).is_ok_and(|ends| ends + REMEMBERED <= now);
            if ended && let Err(error) = fs::remove_file(&path) {
                tracing::debug!(file = %path.display(), %error, "an old login file stays");
            }
        }
        Ok(())
    }

    fn write(&self, kind: &str, name: &str, ends: SystemTime) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.file(kind, name))?;
        let seconds = ends
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        file.write_all(seconds.to_string().as_bytes())?;
        file.sync_all()
    }

    fn file(&self, kind: &str, name: &str) -> PathBuf {
        self.dir.join(format!("{kind}{name}"))
    }

    fn explain<T>(&self, result: io::Result<T>) -> Result<T, LoginError> {
        result.map_err(|error| LoginError {
            dir: self.dir.to_path_buf(),
            error,
        })
    }
}

fn read_time(path: &Path) -> io::Result<SystemTime> {
    let mut text = String::new();
    File::open(path)?.take(32).read_to_string(&mut text)?;
    let seconds = text
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a time"))?;
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a time"))
}

/// 192 random bits as text that needs no escaping in an address.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn hash(secret: &str) -> String {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

const LINK: &str = "link-";
const USED: &str = "used-";
const LOGIN: &str = "login-";
const LINK_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a login lasts.
pub(crate) const LOGIN_LIFE: Duration = Duration::from_secs(12 * 3600);
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_link_works_once() {
        let dir = tempfile::tempdir().unwrap();
        let links = LoginLinks::open(dir.path()).unwrap();
        let secret = links.mint(now()).unwrap();
        let cookie = links.redeem(&secret, now()).unwrap().unwrap();
        assert!(links.login_ends(&cookie, now()).is_some());
        let again = links.redeem(&secret, now()).unwrap();
        assert_eq!(again, Err(LinkRefused::Used));
    }

    #[test]
    fn of_many_that_open_one_link_at_once_one_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        let links = LoginLinks::open(dir.path()).unwrap();
        let secret = links.mint(now()).unwrap();
        let opened: usize = std::thread::scope(|scope| {
            let open = || usize::from(links.redeem(&secret, now()).unwrap().is_ok());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(opened, 1);
    }

    #[test]
    fn a_link_ends_after_ten_minutes_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let links = LoginLinks::open(dir.path()).unwrap();
        let secret = links.mint(now()).unwrap();
        let late = links.redeem(&secret, now() + LINK_LIFE).unwrap();
        assert_eq!(late, Err(LinkRefused::Expired));
        let invented = links.redeem("../../etc/passwd", now()).unwrap();
        assert_eq!(invented, Err(LinkRefused::Unknown));
    }

    #[test]
    fn a_link_made_by_another_process_opens_and_a_restart_logs_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let serving = LoginLinks::open(dir.path()).unwrap();
        let printing = LoginLinks::open(dir.path()).unwrap();
        let secret = printing.mint(now()).unwrap();
        let cookie = serving.redeem(&secret, now()).unwrap().unwrap();

        let restarted = LoginLinks::open(dir.path()).unwrap();
        assert!(restarted.login_ends(&cookie, now()).is_some());
        let ended = now() + LOGIN_LIFE;
        assert!(restarted.login_ends(&cookie, ended).is_none());
        assert!(restarted.login_ends("", now()).is_none());
    }

    #[test]
    fn no_file_holds_a_secret_and_none_is_readable_by_others() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("login");
        let links = LoginLinks::open(&home).unwrap();
        let opened = links.mint(now()).unwrap();
        let cookie = links.redeem(&opened, now()).unwrap().unwrap();
        let unopened = links.mint(now()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home), 0o700);
        for entry in fs::read_dir(&home).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600);
            let all = format!("{} {}", path.display(), fs::read_to_string(&path).unwrap());
            for secret in [&opened, &cookie, &unopened] {
                assert!(!all.contains(secret.as_str()));
            }
        }
    }

    #[test]
    fn old_files_leave_when_a_new_link_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let links = LoginLinks::open(dir.path()).unwrap();
        for _ in 0..5 {
            let secret = links.mint(now()).unwrap();
            links.redeem(&secret, now()).unwrap().unwrap();
        }
        links.mint(now() + LOGIN_LIFE + REMEMBERED).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
