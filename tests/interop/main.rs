//! Other people's MQTT clients talk through the broker, every one with all checks on.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

use std::process::Command;

use support::{Ports, Program, Up, finish, node_modules, python, root};

/// The command of `program` that `up` printed.
fn line(up: &Up, program: &str) -> String {
    let line = up.program.wait_for(&format!("{program} "));
    let line = line[line.find(program).unwrap()..].to_owned();
    assert!(!line.contains("--insecure"), "{line}");
    line
}

/// Runs `line` as a person would, after pasting it and typing `more`.
///
/// Under stdbuf, because into a pipe mosquitto would print its `-d` lines at the very end.
fn pasted(line: &str, more: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("exec stdbuf -oL {line} {more}")]);
    command
}

/// The printed publishing command without its message, as mosquitto takes only one.
fn without_message(line: &str) -> String {
    let (before, rest) = line.split_once(" -m ").unwrap();
    let quote = rest.chars().next().unwrap();
    let after = match quote {
        '\'' | '"' => rest[1..].split_once(quote).unwrap().1,
        _ => rest.split_once(' ').map_or("", |(_, after)| after),
    };
    format!("{before} {after}")
}

#[test]
fn the_mosquitto_commands_that_up_prints_work_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let receiver = Program::start(pasted(&line(&up, "mosquitto_sub"), "-d"));
    receiver.wait_for("Subscribed (");
    let ended = finish(pasted(&line(&up, "mosquitto_pub"), ""));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    receiver.wait_for("received PUBLISH");
}

#[test]
fn mosquitto_speaks_both_versions_with_every_qos() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let receiving = line(&up, "mosquitto_sub");
    let sending = without_message(&line(&up, "mosquitto_pub"));
    for version in ["mqttv311", "mqttv5"] {
        for qos in 0..=2 {
            let topic = format!("chat/{version}/{qos}");
            let text = format!("{version} with QoS {qos}");
            let receive = format!("-d -V {version} -q {qos} -F 'got %q %t %p'");
            let receiver = Program::start(pasted(&receiving, &receive));
            receiver.wait_for("Subscribed (");
            let send = format!("-V {version} -q {qos} -t {topic} -m '{text}'");
            let ended = finish(pasted(&sending, &send));
            assert_eq!(ended.code(), 0, "{}", ended.text());
            receiver.wait_for(&format!("got {qos} {topic} {text}"));
        }
    }
}

/// Runs a client script; it prints one `ok` per version and QoS, six in all.
fn script(mut command: Command, file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let publisher = up.identity("publisher");
    let subscriber = up.identity("subscriber");
    command
        .arg(root().join("tests/interop").join(file))
        .arg(up.ports.broker.to_string())
        .arg(up.trust())
        .args([
            publisher.cert,
            publisher.key,
            subscriber.cert,
            subscriber.key,
        ]);
    let ended = finish(command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let ok = ended
        .lines
        .iter()
        .filter(|line| line.starts_with("ok "))
        .count();
    assert_eq!(ok, 6, "{}", ended.text());
}

#[test]
fn paho_for_python_speaks_both_versions_with_every_qos() {
    script(Command::new(python()), "paho_client.py");
}

#[test]
fn mqtt_js_speaks_both_versions_with_every_qos() {
    let mut command = Command::new("node");
    command.env("NODE_PATH", node_modules());
    script(command, "mqtt_js_client.cjs");
}

#[test]
fn a_message_from_mosquitto_stands_on_the_subscribers_page() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let mut events = up.subscriber().events(None);
    let sending = without_message(&line(&up, "mosquitto_pub"));
    let ended = finish(pasted(&sending, "-m 'for the page'"));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    events.wait_for("for the page");
}
