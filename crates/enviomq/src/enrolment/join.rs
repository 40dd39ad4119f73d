//! Join tokens: left for a role, in a folder of its own, until that role has enrolled.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pki::Authority;

use crate::data_folder::{DataFolder, remove_if_there};
use crate::failure::Failure;

/// The folder for tokens, and the record of who has used one.
#[derive(Clone, Debug)]
pub(crate) struct JoinTokens {
    shared: PathBuf,
    enrolled: PathBuf,
}

/// A token is good for a week: until the other container is started.
const TOKEN_LIFE: Duration = Duration::from_secs(7 * 86_400);

impl JoinTokens {
    /// Tokens in `shared/ROLE/token`, so that each role can be shown its own alone; the record stays in the broker's own folder.
    pub(crate) fn new(shared: &Path, data: &DataFolder) -> Self {
        Self {
            shared: shared.to_owned(),
            enrolled: data.role("broker").join("enrolled"),
        }
    }

    /// Writes a fresh token for each role that has never enrolled.
    ///
    /// A restart replaces a token that nobody has used: the old one may be too old.
    ///
    /// # Errors
    /// If the shared folder or the token's record cannot be written.
    pub(crate) fn leave(&self, authority: &Authority, now: SystemTime) -> Result<(), Failure> {
        for role in ["publisher", "subscriber"] {
            if self.enrolled.join(role).exists() {
                continue;
            }
            let token = authority.tokens().mint(role, TOKEN_LIFE, now)?;
            pki::create_private_dir(&self.shared.join(role))?;
            pki::write_private_file(&self.file(role), token.as_bytes())?;
            tracing::info!(role, file = %self.file(role).display(), "join token written");
        }
        Ok(())
    }

    /// Notes that `role` has its certificate; its token is of no more use.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub(crate) fn used(&self, role: &str) -> Result<(), Failure> {
        pki::create_private_dir(&self.enrolled)?;
        pki::write_private_file(&self.enrolled.join(role), b"")?;
        if let Err(error) = remove_if_there(&self.file(role)) {
            tracing::warn!(role, %error, "the used join token could not be removed");
        }
        Ok(())
    }

    fn file(&self, role: &str) -> PathBuf {
        self.shared.join(role).join("token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_token_lies_there_until_its_role_has_enrolled() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let (authority, _) = crate::certificates::authority(&data, "Aula").unwrap();
        let shared = folder.path().join("join");
        std::fs::create_dir(&shared).unwrap();
        pki::create_private_dir(&data.role("broker")).unwrap();
        let tokens = JoinTokens::new(&shared, &data);

        tokens.leave(&authority, SystemTime::now()).unwrap();
        assert!(shared.join("publisher/token").exists());
        let mode = |path: &str| {
            let about = std::fs::metadata(shared.join(path)).unwrap();
            about.permissions().mode() & 0o777
        };
        assert_eq!(mode("publisher"), 0o700);
        assert_eq!(mode("publisher/token"), 0o600);
        tokens.used("publisher").unwrap();
        tokens.leave(&authority, SystemTime::now()).unwrap();
        assert!(!shared.join("publisher/token").exists());
        assert!(shared.join("subscriber/token").exists());
    }
}
