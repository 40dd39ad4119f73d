//! An authority in a temporary folder, and pairs it has issued.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use pki::{Authority, Generations, Issued, KeyPair, LoadedPair, SERVICE_LIFE};

/// An authority of the test's own; its folder goes with it.
pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) authority: Authority,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        Lab::at(now())
    }

    /// As if everything had been made at `then`.
    pub(crate) fn at(then: SystemTime) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(&dir.path().join("pki"), "Aula EnvioMQ", then).unwrap();
        Lab { dir, authority }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A server pair, installed and loaded.
    pub(crate) fn server(&self) -> LoadedPair {
        let names = pki::default_server_names(&["mqtt.example".to_owned()]);
        let issued = self.authority.issue_server(&names, key(), now()).unwrap();
        self.install("server", &issued, now())
    }

    /// A client pair, installed and loaded.
    pub(crate) fn client(&self, name: &str) -> LoadedPair {
        self.client_at(name, now())
    }

    /// A client pair made at `then`; it is loaded as of `then` too, so it may be out of date now.
    pub(crate) fn client_at(&self, name: &str, then: SystemTime) -> LoadedPair {
        let issued = self
            .authority
            .issue_client(name, key(), then, SERVICE_LIFE)
            .unwrap();
        self.install(name, &issued, then)
    }

    fn install(&self, folder: &str, issued: &Issued, then: SystemTime) -> LoadedPair {
        Generations::at(self.path().join(folder))
            .install(issued, then)
            .unwrap()
    }
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::symlink_metadata(path)
        .unwrap()
        .permissions()
        .mode()
        & 0o777
}
