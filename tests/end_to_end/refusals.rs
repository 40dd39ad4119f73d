//! Who may not come in, and the one line of the broker's log that says who and why.

use std::path::Path;

use support::{ForeignAuthority, Mosquitto, Pair, Ports, Up, finish, until};

/// The broker's lines about those it has refused.
fn refusals(up: &Up) -> Vec<serde_json::Value> {
    let lines = up.program.lines();
    let lines = lines
        .iter()
        .filter(|line| line.contains(r#""event":"refused""#));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Starts a system whose self-test has left its three refusals in the log.
fn start(folder: &Path) -> Up {
    let up = Up::start(&folder.join("data"), Ports::free());
    until("the self-test is logged", || refusals(&up).len() == 3);
    up
}

/// Lets mosquitto_pub try, and returns the one line of the broker about it.
fn refused(pair: impl Fn(&Up) -> Option<Pair>, code: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let up = start(folder.path());
    let trust = up.trust();
    let mosquitto = Mosquitto {
        port: up.ports.broker,
        trust: &trust,
        pair: pair(&up),
        version: "mqttv311",
    };
    let mut command = mosquitto.command("mosquitto_pub");
    command.args(["-t", "chat/mensaje", "-m", "let me in", "-q", "1"]);
    let ended = finish(command);
    assert_ne!(ended.code(), 0, "{}", ended.text());

    until("the refusal is logged", || refusals(&up).len() > 3);
    let received = up.subscriber().get("/").text;
    assert!(!received.contains("let me in"), "{received}");
    let mut ours = refusals(&up).split_off(3);
    assert_eq!(ours.len(), 1, "one refusal, one line: {ours:?}");
    let line = ours.remove(0);
    assert_eq!(line["code"], code, "{line}");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.contains("127.0.0.1:") || message.contains("[::1]:"),
        "from where: {line}"
    );
    line
}

#[test]
fn without_a_certificate_nobody_comes_in_and_the_log_says_so() {
    refused(|_| None, "ENV-T401");
}

#[test]
fn a_certificate_of_another_authority_is_refused_by_name_and_issuer() {
    let foreign = ForeignAuthority::create();
    let pair = foreign.client("publisher");
    let line = refused(move |_| Some(pair.clone()), "ENV-C203").to_string();
    assert!(line.contains("publisher"), "who: {line}");
    assert!(line.contains("Somebody-Else"), "issued by: {line}");
}

#[test]
fn a_server_certificate_does_not_make_a_client() {
    let server = |up: &Up| {
        let folder = up.data.join("server/current");
        Some(Pair {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        })
    };
    refused(server, "ENV-C206");
}

#[test]
fn plain_mqtt_on_the_tls_port_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let up = start(folder.path());
    let mut command = std::process::Command::new("mosquitto_pub");
    command.args(["-h", "localhost", "-p", &up.ports.broker.to_string()]);
    command.args(["-t", "chat/mensaje", "-m", "in the clear", "-q", "1"]);
    let ended = finish(command);
    assert_ne!(ended.code(), 0, "{}", ended.text());
    until("the refusal is logged", || refusals(&up).len() > 3);
    let line = &refusals(&up)[3];
    assert_eq!(line["code"], "ENV-T404", "{line}");
}
