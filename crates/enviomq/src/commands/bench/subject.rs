//! Subject: a broker in a process of its own, ours or a peer's, with the same certificates.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use pki::tls::ClientTls;
use pki::{Authority, Generations, KeyPair, SERVICE_LIFE};
use serde::Serialize;
use tokio::net::TcpStream;

use crate::failure::Failure;

/// What lies under MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Link {
    /// Plain TCP, on the loopback, in this command only.
    Tcp,
    /// Mutual TLS.
    Mtls,
}

impl Link {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Mtls => "mtls",
        }
    }
}

/// A broker of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    Mosquitto,
}

/// Who is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    EnvioMq,
    Peer(Peer),
}

/// A broker that accepts connections; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) link: Link,
    process: Child,
}

/// An authority for one run of the bench, in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Materials {
    folder: PathBuf,
    client: Arc<rustls::ClientConfig>,
}

impl Subject {
    /// Starts the broker and waits until it accepts a connection.
    pub(crate) async fn start(self, materials: &Materials, link: Link) -> Result<Running, Failure> {
        match self {
            Self::EnvioMq => start_ours(materials, link),
            Self::Peer(Peer::Mosquitto) => start_mosquitto(materials, link).await,
        }
    }
}

impl Running {
    /// User and system time its process has used.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // The name in parentheses may hold spaces; what follows it does not.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let per_second = rustix::param::clock_ticks_per_second();
        Some(Duration::from_secs_f64(
            (ticks(11)? + ticks(12)?) as f64 / per_second as f64,
        ))
    }
}

impl Materials {
    /// Makes root, issuing authority, a server certificate and a client's.
    pub(crate) fn create() -> Result<Self, Failure> {
        let now = SystemTime::now();
        let folder = std::env::temp_dir().join(format!("enviomq-bench-{}", std::process::id()));
        pki::create_private_dir(&folder)?;
        let authority = Authority::create(&folder.join("pki"), "Bench", now)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = authority.issue_server(&names, KeyPair::generate()?, now)?;
        Generations::at(folder.join("server")).install(&server, now)?;
        let client = authority.issue_client("bench", KeyPair::generate()?, now, SERVICE_LIFE)?;
        let pair = Generations::at(folder.join("client")).install(&client, now)?;
        let tls = ClientTls::new(Some(&pair), authority.trust_roots())?;
        Ok(Self {
            folder,
            client: tls.config(),
        })
    }

    pub(crate) fn client_config(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.client)
    }

    pub(crate) fn server(folder: &Path) -> Generations {
        Generations::at(folder.join("server"))
    }

    pub(crate) fn bundle(folder: &Path) -> PathBuf {
        folder.join("pki").join("trust").join("bundle.pem")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Best effort: it may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Materials {
    fn drop(&mut self) {
        // A folder that stays in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn start_ours(materials: &Materials, link: Link) -> Result<Running, Failure> {
    let program = std::env::current_exe().map_err(not_started)?;
    let mut command = Command::new(program);
    command.arg("bench-broker");
    if link == Link::Mtls {
        command.arg("--materials").arg(&materials.folder);
    }
    let process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    let mut running = Running {
        name: concat!("enviomq ", env!("CARGO_PKG_VERSION")).to_owned(),
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        link,
        process,
    };
    running.address = first_line(&mut running.process)
        .and_then(|line| line.trim().parse().ok())
        .ok_or_else(|| not_started("it did not say where it listens"))?;
    Ok(running)
}

/// Blocks, which harms nobody: nothing else runs before the broker does.
fn first_line(process: &mut Child) -> Option<String> {
    let mut line = String::new();
    BufReader::new(process.stdout.take()?)
        .read_line(&mut line)
        .ok()?;
    Some(line)
}

async fn start_mosquitto(materials: &Materials, link: Link) -> Result<Running, Failure> {
    let program = find_mosquitto()?;
    let address = free_address().map_err(not_started)?;
    let config = materials
        .folder
        .join(format!("mosquitto-{}.conf", address.port()));
    fs::write(&config, mosquitto_config(materials, link, address)).map_err(not_started)?;
    let process = Command::new(&program)
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(not_started)?;
    let running = Running {
        name: mosquitto_name(&program),
        address,
        link,
        process,
    };
    accepts(address).await?;
    Ok(running)
}

fn mosquitto_config(materials: &Materials, link: Link, address: SocketAddr) -> String {
    // Without the queue limit's default it drops what a burst exceeds, and the load, which waits
    // for every delivery, would stand still.
    let mut config = format!(
        "listener {} {}\nallow_anonymous true\nset_tcp_nodelay true\nlog_type none\nuser root\n\
         max_queued_messages 0\n",
        address.port(),
        address.ip(),
    );
    if link == Link::Mtls {
        let server = Materials::server(&materials.folder);
        config.push_str(&format!(
            "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
            Materials::bundle(&materials.folder).display(),
            server.certificate_path().display(),
            server.key_path().display(),
        ));
    }
    config
}

/// Debian keeps it where only root's path looks.
fn find_mosquitto() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
        .ok_or_else(|| Failure::new("ENV-B902").mend("sudo apt-get install mosquitto"))
}

fn mosquitto_name(program: &Path) -> String {
    let help = Command::new(program).arg("-h").output();
    help.ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| Some(text.lines().next()?.replace(" version", "")))
        .unwrap_or_else(|| "mosquitto".to_owned())
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A foreign broker does not tell when it is ready; it can only be tried.
async fn accepts(address: SocketAddr) -> Result<(), Failure> {
    for _ in 0..250 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(not_started(format!(
        "nothing accepts connections on {address}"
    )))
}

pub(super) fn not_started(evidence: impl std::fmt::Display) -> Failure {
    Failure::new("ENV-B901")
        .because(evidence)
        .mend("enviomq bench --link tcp --scenario pairs")
}
