//! The container engine: the one that runs, or one started for these tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Job, is_installed, say};

/// An engine that answers. One we started is stopped when this is dropped.
pub(crate) struct Engine {
    /// The value for `DOCKER_HOST`, where it is not the usual socket.
    pub(crate) host: Option<String>,
    ours: Option<(Child, PathBuf)>,
}

/// Ways to start it, the ordinary one first: a machine inside a container may
/// have no overlay file system, or may not touch the packet filter.
const ATTEMPTS: [&[&str]; 3] = [
    &[],
    &["--storage-driver=vfs"],
    &[
        "--storage-driver=vfs",
        "--iptables=false",
        "--ip6tables=false",
    ],
];

impl Engine {
    /// Finds or starts one; says in one line why there is none.
    pub(crate) fn start(target: &Path) -> Result<Self, String> {
        if answers(None) {
            return Ok(Self {
                host: None,
                ours: None,
            });
        }
        let is_root = Job::new("id")
            .args(["-u"])
            .quiet()
            .is_some_and(|id| id.trim() == "0");
        if !is_root {
            return Err("no container engine answers, and starting one needs root".to_owned());
        }
        if !is_installed("dockerd") && !Path::new("/usr/sbin/dockerd").exists() {
            return Err("there is no dockerd on this machine".to_owned());
        }
        let mut last_words = String::new();
        for options in ATTEMPTS {
            match Self::attempt(target, options) {
                Ok(engine) => return Ok(engine),
                Err(why) => last_words = why,
            }
        }
        Err(format!("dockerd does not start here: {last_words}"))
    }

    fn attempt(target: &Path, options: &[&str]) -> Result<Self, String> {
        // The socket's path must fit in 107 bytes, so it cannot lie below a deep target folder.
        let run = PathBuf::from(format!("/run/enviomq-tests-{}", std::process::id()));
        let data = target.join("engine");
        let log_path = target.join("engine.log");
        fs::create_dir_all(&run).map_err(|why| format!("{}: {why}", run.display()))?;
        fs::create_dir_all(target).map_err(|why| format!("{}: {why}", target.display()))?;
        let log = fs::File::create(&log_path).map_err(|why| why.to_string())?;
        let log_too = log.try_clone().map_err(|why| why.to_string())?;
        let host = format!("unix://{}/docker.sock", run.display());
        let job = Job::new("dockerd")
            .args(["--host", &host])
            .args(["--data-root".to_owned(), data.display().to_string()])
            .args([
                "--exec-root".to_owned(),
                run.join("exec").display().to_string(),
            ])
            .args([
                "--pidfile".to_owned(),
                run.join("pid").display().to_string(),
            ])
            .args(options)
            .env("PATH", path_with_sbin());
        say(&format!("$ {job} &"));
        let child = job
            .command()
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(log_too))
            .spawn()
            .map_err(|why| why.to_string())?;
        let mut engine = Self {
            host: Some(host),
            ours: Some((child, run)),
        };
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline {
            if answers(engine.host.as_deref()) {
                return Ok(engine);
            }
            let ended = engine
                .ours
                .as_mut()
                .is_some_and(|(child, _)| matches!(child.try_wait(), Ok(Some(_))));
            if ended {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        Err(log.lines().last().unwrap_or("it said nothing").to_owned())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some((child, run)) = &mut self.ours else {
            return;
        };
        // SIGTERM, not kill: dockerd stops its containers and its containerd.
        let _ = Job::new("kill").args([child.id()]).quiet();
        let _ = child.wait();
        let _ = fs::remove_dir_all(run);
    }
}

fn answers(host: Option<&str>) -> bool {
    let mut job = Job::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
    if let Some(host) = host {
        job = job.env("DOCKER_HOST", host);
    }
    job.quiet()
        .is_some_and(|version| !version.trim().is_empty())
}

/// dockerd looks for iptables and its helpers in sbin.
fn path_with_sbin() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")
}
