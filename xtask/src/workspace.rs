//! Where things are: the repository, its target folder, the executable.

use std::path::{Path, PathBuf};

use crate::process::{Failed, Job};

/// The repository this task runs in.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, Failed> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or_else(|| Failed::because("xtask is not inside the repository"))?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(folder)
                .map_err(|why| Failed::because(&format!("CARGO_TARGET_DIR: {why}")))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A cargo command at the root of the repository.
    pub(crate) fn cargo(&self, subcommand: &str) -> Job {
        Job::new("cargo").args([subcommand]).folder(&self.root)
    }

    /// Builds the executable that goes into the image, and says where it is.
    ///
    /// Static, so that an image `FROM scratch` can run it; a `--target` of its own,
    /// because without one the flags would reach build scripts and macros too.
    pub(crate) fn build_executable(&self) -> Result<PathBuf, Failed> {
        let triple = host_triple()?;
        self.cargo("build")
            .args(["--locked", "--package", "enviomq", "--profile", "container"])
            .args(["--target", &triple])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .run()?;
        Ok(self.target.join(triple).join("container/enviomq"))
    }
}

fn host_triple() -> Result<String, Failed> {
    let version = Job::new("rustc")
        .args(["-vV"])
        .quiet()
        .ok_or_else(|| Failed::because("rustc -vV failed: is Rust installed?"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| Failed::because("rustc -vV names no host"))
}
