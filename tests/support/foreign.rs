//! What is not ours: mosquitto's clients, and an authority that nobody here trusts.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::program::finish;

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM, the leaf first.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// Builds `mosquitto_pub` and `mosquitto_sub` commands; never with `--insecure`.
pub struct Mosquitto<'a> {
    /// The broker's port on localhost.
    pub port: u16,
    /// The roots to trust.
    pub trust: &'a Path,
    /// Whom to be; `None` to come without a certificate.
    pub pair: Option<Pair>,
    /// `mqttv311` or `mqttv5`.
    pub version: &'a str,
}

impl Mosquitto<'_> {
    /// `mosquitto_pub` or `mosquitto_sub` with the connection's options.
    ///
    /// Under stdbuf, because into a pipe they would print their `-d` lines at the very end.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", program])
            .args(["-h", "localhost", "-V", self.version, "-p"])
            .arg(self.port.to_string())
            .arg("--cafile")
            .arg(self.trust);
        if let Some(pair) = &self.pair {
            command
                .arg("--cert")
                .arg(&pair.cert)
                .arg("--key")
                .arg(&pair.key);
        }
        command
    }
}

/// A certificate authority of somebody else, made with openssl.
pub struct ForeignAuthority {
    folder: TempDir,
}

impl ForeignAuthority {
    /// Makes one.
    ///
    /// # Panics
    /// If openssl does not.
    pub fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Self { folder };
        authority.openssl(&format!(
            "req -x509 {NEW_KEY} -keyout ca.key -out ca.crt -days 2 -subj /CN=Somebody-Else"
        ));
        authority
    }

    /// Issues a client certificate for `name`.
    ///
    /// # Panics
    /// If openssl does not.
    pub fn client(&self, name: &str) -> Pair {
        self.openssl(&format!(
            "req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name} \
             -addext extendedKeyUsage=clientAuth"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
             -copy_extensions copy -days 2 -out {name}.crt"
        ));
        let path = self.folder.path();
        Pair {
            cert: path.join(format!("{name}.crt")),
            key: path.join(format!("{name}.key")),
        }
    }

    fn openssl(&self, line: &str) {
        let mut command = Command::new("openssl");
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path());
        let ended = finish(command);
        assert!(ended.status.success(), "openssl {line}\n{}", ended.text());
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
