//! The composition, as `docker-compose up` starts it: three containers, one small image.
//!
//! The image is made from the executable that the other tests drive; nothing is fetched.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Once;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Mosquitto, Page, Pair, Program, executable, finish, root, until};
use tempfile::TempDir;

const PROJECT: &str = "enviomq-tests";
const IMAGE: &str = "enviomq:tests";
const SERVICES: [&str; 3] = ["broker", "publisher", "subscriber"];

/// Runs a program that must succeed, and returns its standard output.
fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}\n{errors}");
    text
}

fn docker(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(arguments);
    run(command)
}

fn build_image() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        // Of the repository only what the stage takes; a context of its own keeps it small.
        let context = tempfile::tempdir().unwrap();
        for name in ["Dockerfile", "LICENSE"] {
            std::fs::copy(root().join(name), context.path().join(name)).unwrap();
        }
        std::fs::create_dir(context.path().join("dist")).unwrap();
        std::fs::copy(executable(), context.path().join("dist/enviomq")).unwrap();
        let mut command = Command::new("docker");
        command
            .args(["build", "--target", "prebuilt", "--tag", IMAGE])
            .arg(context.path());
        run(command);
    });
}

/// The running composition; taken down, volumes included, when dropped.
struct Composition;

impl Composition {
    fn up() -> Self {
        build_image();
        let composition = Self;
        // What a run that was killed may have left.
        composition.compose(&["down", "--volumes"]);
        composition.compose(&["up", "--detach", "--no-build"]);
        for service in SERVICES {
            composition.wait_until_healthy(service);
        }
        composition
    }

    fn compose(&self, arguments: &[&str]) -> String {
        run(Self::command(arguments))
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new("docker-compose");
        command
            .args(["--project-name", PROJECT, "--file"])
            .arg(root().join("compose.yaml"))
            .args(arguments)
            .env("ENVIOMQ_IMAGE", IMAGE);
        command
    }

    fn id(&self, service: &str) -> String {
        self.compose(&["ps", "--quiet", service]).trim().to_owned()
    }

    fn inspect(&self, service: &str) -> Value {
        let text = docker(&["inspect", &self.id(service)]);
        let mut found: Vec<Value> = serde_json::from_str(&text).unwrap();
        found.remove(0)
    }

    fn pid(&self, service: &str) -> i32 {
        let pid = self.inspect(service)["State"]["Pid"].as_i64().unwrap();
        i32::try_from(pid).unwrap()
    }

    fn wait_until_healthy(&self, service: &str) {
        until(&format!("{service} is healthy"), || {
            let is = self.inspect(service)["State"]["Health"]["Status"] == "healthy";
            if !is {
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            is
        });
    }

    /// Logs in with the newest link in the logs.
    fn page(&self, service: &str) -> Page {
        let logs = self.compose(&["logs", "--no-color", service]);
        let start = logs
            .rfind("http://localhost:")
            .unwrap_or_else(|| panic!("no link in:\n{logs}"));
        let is_end = |c: char| c.is_whitespace() || c == '"';
        let end = logs[start..]
            .find(is_end)
            .map_or(logs.len(), |length| start + length);
        Page::login(&logs[start..end])
    }

    /// A copy of what is at `path` in a container, links followed.
    fn copy(&self, service: &str, path: &str, to: &Path) {
        let from = format!("{}:{path}", self.id(service));
        docker(&["cp", "--follow-link", &from, &to.display().to_string()]);
    }

    /// Every file below `path` in a container.
    fn files(&self, service: &str, path: &str) -> Vec<String> {
        let mut command = Command::new("bash");
        command.args(["-c", "set -o pipefail; docker cp \"$1\" - | tar -t", "bash"]);
        command.arg(format!("{}:{path}", self.id(service)));
        run(command).lines().map(str::to_owned).collect()
    }
}

impl Drop for Composition {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Captured by the test runner and shown with the failure.
            if let Ok(logs) = Self::command(&["logs", "--no-color"]).output() {
                println!("{}", String::from_utf8_lossy(&logs.stdout));
            }
        }
        let _ = Self::command(&["down", "--volumes", "--timeout", "10"]).output();
    }
}

/// What a client outside needs, copied out of the containers.
struct Outside {
    folder: TempDir,
}

impl Outside {
    fn new(composition: &Composition) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        composition.copy(
            "broker",
            "/data/pki/trust/bundle.pem",
            &path.join("trust.pem"),
        );
        for name in ["publisher", "subscriber"] {
            for file in ["cert.pem", "key.pem"] {
                let from = format!("/data/identities/{name}/current/{file}");
                // The folder `current` is a link, which docker cp follows only at the end of a path.
                let generation = composition.files(name, "/data/identities");
                let suffix = format!("/{file}");
                let inside = generation
                    .iter()
                    .find(|one| one.contains(name) && one.ends_with(&suffix));
                let from = inside.map_or(from, |one| format!("/data/{one}"));
                composition.copy(name, &from, &path.join(format!("{name}-{file}")));
            }
        }
        Self { folder }
    }

    fn mosquitto(&self, program: &str, name: &str, version: &str) -> Command {
        let path = self.folder.path();
        let trust = path.join("trust.pem");
        let pair = Pair {
            cert: path.join(format!("{name}-cert.pem")),
            key: path.join(format!("{name}-key.pem")),
        };
        Mosquitto {
            port: 8883,
            trust: &trust,
            pair: Some(pair),
            version,
        }
        .command(program)
    }
}

/// Sends on one page and waits for it on the other.
fn a_message_passes(publisher: &Page, subscriber: &Page, text: &str) {
    until("both pages are connected", || {
        [publisher, subscriber].iter().all(|page| {
            page.try_get("/readyz")
                .is_ok_and(|reply| reply.status == 200)
        })
    });
    publisher.send("chat/mensaje", text, 1, false);
    until(text, || subscriber.get("/").text.contains(text));
}

#[test]
fn the_links_in_the_logs_open_both_pages_and_a_message_passes() {
    let composition = Composition::up();
    let publisher = composition.page("publisher");
    let subscriber = composition.page("subscriber");
    a_message_passes(&publisher, &subscriber, "from one container to another");
}

#[test]
fn mosquitto_talks_through_the_published_port_in_both_versions() {
    let composition = Composition::up();
    let outside = Outside::new(&composition);
    for version in ["mqttv311", "mqttv5"] {
        let mut command = outside.mosquitto("mosquitto_sub", "subscriber", version);
        command.args(["-d", "-t", "chat/#", "-q", "2", "-F", "got %q %p"]);
        let receiver = Program::start(command);
        receiver.wait_for("Subscribed (");
        for qos in ["0", "1", "2"] {
            let text = format!("{version} with QoS {qos}");
            let mut command = outside.mosquitto("mosquitto_pub", "publisher", version);
            command.args(["-t", "chat/mensaje", "-q", qos, "-m", &text]);
            let ended = finish(command);
            assert_eq!(ended.code(), 0, "{}", ended.text());
            receiver.wait_for(&format!("got {qos} {text}"));
        }
    }
}

#[test]
fn each_container_killed_comes_back_by_itself_and_remembers() {
    let composition = Composition::up();
    let publisher = composition.page("publisher");
    let subscriber = composition.page("subscriber");
    a_message_passes(&publisher, &subscriber, "before any kill");
    for service in SERVICES {
        let before = composition.pid(service);
        // As a crash would: the engine itself killing it would count as a wish to stop it.
        kill_process(Pid::from_raw(before).unwrap(), Signal::KILL).unwrap();
        until(&format!("{service} runs again"), || {
            let pid = composition.pid(service);
            pid != 0 && pid != before
        });
        composition.wait_until_healthy(service);
        // The logins of before are still good, and so is everything that was received.
        a_message_passes(
            &publisher,
            &subscriber,
            &format!("after {service} was killed"),
        );
        assert!(subscriber.get("/").text.contains("before any kill"));
    }
}

#[test]
fn stopped_and_started_again_everything_is_still_there() {
    let composition = Composition::up();
    let publisher = composition.page("publisher");
    let subscriber = composition.page("subscriber");
    a_message_passes(&publisher, &subscriber, "before the stop");
    composition.compose(&["stop", "--timeout", "15"]);
    for service in SERVICES {
        let code = composition.inspect(service)["State"]["ExitCode"]
            .as_i64()
            .unwrap();
        assert_eq!(code, 0, "{service} stops cleanly");
    }
    composition.compose(&["start"]);
    for service in SERVICES {
        composition.wait_until_healthy(service);
    }
    a_message_passes(&publisher, &subscriber, "after the stop");
    assert!(subscriber.get("/").text.contains("before the stop"));
}

#[test]
fn no_container_runs_as_root_or_with_any_privilege() {
    let composition = Composition::up();
    for service in SERVICES {
        let about = composition.inspect(service);
        assert_eq!(about["HostConfig"]["ReadonlyRootfs"], true, "{service}");
        assert_eq!(about["HostConfig"]["Privileged"], false, "{service}");
        // What the kernel says, not what was asked for.
        let path = format!("/proc/{}/status", composition.pid(service));
        let status = std::fs::read_to_string(path).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(field("Uid:"), "10001 10001 10001 10001", "{service}");
        assert_eq!(field("Gid:"), "10001 10001 10001 10001", "{service}");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{service} {set}");
        }
        assert_eq!(field("NoNewPrivs:"), "1", "{service}");
    }
}

#[test]
fn no_container_can_read_the_key_of_another() {
    let composition = Composition::up();
    // Every volume that a container sees, and where.
    let mut holders: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for service in SERVICES {
        let about = composition.inspect(service);
        for mount in about["Mounts"].as_array().unwrap() {
            assert_eq!(mount["Type"], "volume", "{service} {mount}");
            let is_token = mount["Destination"] == "/join";
            assert_eq!(mount["RW"], !is_token, "{service} {mount}");
            let name = mount["Name"].as_str().unwrap().to_owned();
            holders.entry(name).or_default().insert(service);
        }
    }
    let shared: Vec<&String> = holders
        .iter()
        .filter(|(_, by)| by.len() > 1)
        .map(|(name, _)| name)
        .collect();
    // Each role shares one with the broker and none with the other role.
    for role in ["publisher", "subscriber"] {
        let by = &holders[&format!("{PROJECT}_join-{role}")];
        assert_eq!(*by, BTreeSet::from(["broker", role]), "{holders:?}");
    }
    assert_eq!(shared.len(), 2, "{holders:?}");
    assert_eq!(holders.len(), 5, "{holders:?}");

    // They hold no key, and after the enrolment no token either.
    for role in ["publisher", "subscriber"] {
        assert_eq!(composition.files(role, "/join"), ["join/"]);
        let inside = composition.files("broker", &format!("/join/{role}"));
        assert_eq!(inside, [format!("{role}/")]);
    }

    // Each key was made where it is used, and is nowhere else.
    for service in SERVICES {
        let files = composition.files(service, "/data");
        let keys: Vec<&String> = files
            .iter()
            .filter(|file| file.ends_with("key.pem") || file.ends_with(".key"))
            .collect();
        assert!(!keys.is_empty(), "{service} has a key: {files:?}");
        for key in keys {
            let is_its_own = match service {
                "broker" => !key.contains("identities/"),
                _ => key.contains(&format!("identities/{service}/")),
            };
            assert!(is_its_own, "{service} holds {key}");
        }
    }
}
