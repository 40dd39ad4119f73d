//! EnvioMQ as a whole: one process (`up`), or the three roles apart.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::executable;
use crate::foreign::Pair;
use crate::page::Page;
use crate::program::Program;

/// The executable, free of the settings of whoever runs the tests.
pub fn enviomq(arguments: &[&str]) -> Command {
    let mut command = Command::new(executable());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ENVIOMQ_") {
            command.env_remove(name);
        }
    }
    command
        .env("LC_ALL", "C.UTF-8")
        .env_remove("NO_COLOR")
        .args(arguments);
    command
}

/// The addresses of one system, all its own, so that tests can run side by side.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// MQTT over TLS.
    pub broker: u16,
    /// The publisher's page.
    pub publisher: u16,
    /// The subscriber's page.
    pub subscriber: u16,
    /// The broker's health endpoint.
    pub health: u16,
    /// Enrolment.
    pub enroll: u16,
}

impl Ports {
    /// Five ports that nobody listens on.
    pub fn free() -> Self {
        Self {
            broker: free_port(),
            publisher: free_port(),
            subscriber: free_port(),
            health: free_port(),
            enroll: free_port(),
        }
    }

    fn set(&self, command: &mut Command) {
        command
            .env("ENVIOMQ_BROKER_LISTEN", format!("*:{}", self.broker))
            .env(
                "ENVIOMQ_BROKER_HEALTH_LISTEN",
                format!("127.0.0.1:{}", self.health),
            )
            .env(
                "ENVIOMQ_PUBLISHER_LISTEN",
                format!("127.0.0.1:{}", self.publisher),
            )
            .env(
                "ENVIOMQ_PUBLISHER_BROKER",
                format!("localhost:{}", self.broker),
            )
            .env(
                "ENVIOMQ_SUBSCRIBER_LISTEN",
                format!("127.0.0.1:{}", self.subscriber),
            )
            .env(
                "ENVIOMQ_SUBSCRIBER_BROKER",
                format!("localhost:{}", self.broker),
            );
    }
}

/// Below the range from which the kernel takes ports for outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (start + step) % 12_000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// `enviomq up`, running.
pub struct Up {
    /// The data folder.
    pub data: PathBuf,
    /// Where it listens.
    pub ports: Ports,
    /// The process.
    pub program: Program,
}

impl Up {
    /// The command in `data` on `ports`, for tests that change or expect something else.
    pub fn command(data: &Path, ports: Ports, arguments: &[&str]) -> Command {
        let mut command = enviomq(arguments);
        command.arg("up").env("ENVIOMQ_DATA_DIR", data);
        ports.set(&mut command);
        command
    }

    /// Starts it in `data` and waits until both links are printed.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn start(data: &Path, ports: Ports) -> Self {
        Self::start_with(data, ports, &["--lang", "en"])
    }

    /// The same with other global arguments.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn start_with(data: &Path, ports: Ports, arguments: &[&str]) -> Self {
        let program = Program::start(Self::command(data, ports, arguments));
        let up = Self {
            data: data.to_owned(),
            ports,
            program,
        };
        up.publisher_link();
        up.subscriber_link();
        up
    }

    /// The link that logs in at the publisher's page.
    pub fn publisher_link(&self) -> String {
        link(&self.program, self.ports.publisher)
    }

    /// The link that logs in at the subscriber's page.
    pub fn subscriber_link(&self) -> String {
        link(&self.program, self.ports.subscriber)
    }

    /// The publisher's page, logged in.
    pub fn publisher(&self) -> Page {
        Page::login(&self.publisher_link())
    }

    /// The subscriber's page, logged in.
    pub fn subscriber(&self) -> Page {
        Page::login(&self.subscriber_link())
    }

    /// What a client of this system needs to know the broker.
    pub fn trust(&self) -> PathBuf {
        self.data.join("pki/trust/bundle.pem")
    }

    /// Certificate and key of the publisher or the subscriber.
    pub fn identity(&self, name: &str) -> Pair {
        let folder = self.data.join("identities").join(name).join("current");
        Pair {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        }
    }
}

/// Waits for the login link of the page at `port`.
fn link(program: &Program, port: u16) -> String {
    let begin = format!("http://localhost:{port}/login?t=");
    let line = program.wait_for(&begin);
    let start = line.find(&begin).unwrap();
    let is_end = |c: char| c.is_whitespace() || c == '"' || c == '\\';
    let end = line[start..]
        .find(is_end)
        .map_or(line.len(), |length| start + length);
    line[start..end].to_owned()
}

/// Broker, publisher and subscriber as three processes with three data folders,
/// as in the composition: two of them enrol with a token.
pub struct Apart {
    /// Holds the three data folders and the one for tokens.
    pub folder: TempDir,
    /// Where they listen.
    pub ports: Ports,
}

impl Apart {
    /// Nothing is started yet.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("join")).unwrap();
        Self {
            folder,
            ports: Ports::free(),
        }
    }

    /// Starts the broker and waits until it is ready for clients.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn broker(&self) -> Program {
        let mut command = self.role("broker");
        command
            .env(
                "ENVIOMQ_BROKER_ENROLL_LISTEN",
                format!("127.0.0.1:{}", self.ports.enroll),
            )
            .env("ENVIOMQ_BROKER_JOIN_DIR", self.folder.path().join("join"));
        let program = Program::start(command);
        Page::wait_until_ready(self.ports.health, &program);
        program
    }

    /// Starts the publisher or the subscriber, and waits for its link.
    ///
    /// # Panics
    /// If the page does not answer in time.
    pub fn service(&self, name: &str) -> (Program, Page) {
        let mut command = self.role(name);
        let variable = format!("ENVIOMQ_{}_ENROLL", name.to_uppercase());
        command.env(variable, format!("localhost:{}", self.ports.enroll));
        command
            .arg("--join")
            .arg(self.folder.path().join("join").join(name).join("token"));
        let program = Program::start(command);
        let port = if name == "publisher" {
            self.ports.publisher
        } else {
            self.ports.subscriber
        };
        let page = Page::login(&link(&program, port));
        (program, page)
    }

    /// The data folder of a role.
    pub fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn role(&self, name: &str) -> Command {
        let mut command = enviomq(&["--lang", "en", name]);
        command.env("ENVIOMQ_DATA_DIR", self.data(name));
        self.ports.set(&mut command);
        command
    }
}

impl Default for Apart {
    fn default() -> Self {
        Self::new()
    }
}
