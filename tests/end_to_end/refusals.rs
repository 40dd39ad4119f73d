//! Who may not come in, and the one line of the broker's log that says who and why.

use support::{ForeignAuthority, Mosquitto, Pair, Ports, Up, finish};

/// Lets mosquitto_pub try, and returns the broker's line about it.
///
/// The self-test of the first run has left refusals in the log, so this is a second run.
fn refused(pair: impl Fn(&Up) -> Option<Pair>, code: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ports = Ports::free();
    assert_eq!(Up::start(&data, ports).program.terminate().code(), 0);
    let up = Up::start(&data, ports);

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

    let line = up
        .program
        .wait_for_line(code, |line| line.starts_with('{') && line.contains(code));
    let about = up
        .program
        .lines()
        .iter()
        .filter(|line| line.contains(code))
        .count();
    assert_eq!(
        about,
        1,
        "one refusal, one line:\n{}",
        up.program.lines().join("\n")
    );
    let received = up.subscriber().get("/").text;
    assert!(!received.contains("let me in"), "{received}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = line.to_string();
    assert!(
        text.contains("127.0.0.1:") || text.contains("[::1]:"),
        "from where: {text}"
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
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let mut command = std::process::Command::new("mosquitto_pub");
    command.args(["-h", "localhost", "-p", &up.ports.broker.to_string()]);
    command.args(["-t", "chat/mensaje", "-m", "in the clear", "-q", "1"]);
    let ended = finish(command);
    assert_ne!(ended.code(), 0, "{}", ended.text());
    up.program.wait_for_line("a word about plain MQTT", |line| {
        line.starts_with('{') && line.to_lowercase().contains("plain")
    });
}
