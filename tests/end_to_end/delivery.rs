//! Payloads arrive as they were sent, pages show them safely, and `pub` never lies.

use support::{Events, ForeignAuthority, Mosquitto, Ports, Program, Up, enviomq, finish};

/// Every payload the issue names, and one of every byte.
fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()[0]
    };
    vec![
        ("empty", Vec::new()),
        ("text", "Hola desde el publicador ✓".into()),
        ("every byte", (0..=255).collect()),
        ("invalid UTF-8", vec![0xc3, 0x28, 0xff, 0xfe, b'a']),
        (
            "script",
            b"<script>document.title='broken'</script>".to_vec(),
        ),
        ("1 MiB", (0..1 << 20).map(|_| byte()).collect()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn payloads_are_carried_unchanged_in_both_versions_and_every_qos() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let trust = up.trust();
    for version in ["mqttv311", "mqttv5"] {
        let mosquitto = |name: &str| Mosquitto {
            port: up.ports.broker,
            trust: &trust,
            pair: Some(up.identity(name)),
            version,
        };
        let mut command = mosquitto("subscriber").command("mosquitto_sub");
        command.args(["-d", "-t", "chat/payload", "-q", "2", "-F", "payload %l %x"]);
        let receiver = Program::start(command);
        receiver.wait_for("Subscribed (");
        for (index, (name, payload)) in payloads().iter().enumerate() {
            let file = folder.path().join("payload");
            std::fs::write(&file, payload).unwrap();
            let mut command = mosquitto("publisher").command("mosquitto_pub");
            command.args(["-t", "chat/payload", "-q", &(index % 3).to_string()]);
            match payload.len() {
                0 => command.arg("-n"),
                _ => command.arg("-f").arg(&file),
            };
            let ended = finish(command);
            assert_eq!(ended.code(), 0, "{name}: {}", ended.text());
            let expected = format!("payload {} {}", payload.len(), hex(payload));
            receiver.wait_for_line(name, |line| line.trim_end() == expected.trim_end());
        }
    }
}

#[test]
fn the_page_keeps_every_payload_and_shows_none_as_html() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let page = up.subscriber();
    let mut events = page.events(Some("0"));
    for (name, payload) in payloads() {
        let file = folder.path().join("payload");
        std::fs::write(&file, &payload).unwrap();
        let topic = format!("chat/{}", name.replace(' ', "-"));
        let mut command = enviomq(&["--lang", "en", "pub", &topic, "--file"]);
        command.arg(&file).env("ENVIOMQ_DATA_DIR", &up.data);
        command.args(["--port", &up.ports.broker.to_string()]);
        let ended = finish(command);
        assert_eq!(ended.code(), 0, "{name}: {}", ended.text());
        wait_for_topic(&mut events, &topic);
    }
    let html = page.get("/").text;
    assert!(!html.contains("<script>document"), "{html}");
    assert!(
        html.contains("&lt;script&gt;") || html.contains("&#60;script&#62;"),
        "{html}"
    );
}

fn wait_for_topic(events: &mut Events, topic: &str) {
    events.wait_for(&format!("\"{topic}\""));
}

#[test]
fn pub_succeeds_when_the_broker_accepted_and_sub_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    for version in ["3.1.1", "5"] {
        for qos in ["0", "1", "2"] {
            let topic = format!("chat/{version}/{qos}");
            let ended = publish(
                &up,
                &[
                    &topic,
                    "hello",
                    "--retain",
                    "--qos",
                    qos,
                    "--protocol",
                    version,
                ],
            );
            assert_eq!(ended.code(), 0, "{}", ended.text());
            let mut command =
                enviomq(&["sub", &topic, "--count", "1", "--timeout", "20", "--json"]);
            command.args([
                "--protocol",
                version,
                "--port",
                &up.ports.broker.to_string(),
            ]);
            command.env("ENVIOMQ_DATA_DIR", &up.data);
            let ended = finish(command);
            assert_eq!(ended.code(), 0, "{}", ended.text());
            assert!(
                ended.text().contains("hello") && ended.text().contains(&topic),
                "{}",
                ended.text()
            );
        }
    }
}

#[test]
fn pub_says_denied_when_the_access_rules_deny() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let ended = publish(&up, &["secret/plans", "hello"]);
    assert_eq!(ended.code(), 6, "{}", ended.text());
    assert!(ended.text().contains("secret/plans"), "{}", ended.text());
}

#[test]
fn pub_says_why_when_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let mut up = Up::start(&folder.path().join("data"), ports);
    up.ports.broker = Ports::free().broker;
    let ended = publish(&up, &["chat/mensaje", "hello"]);
    assert_eq!(ended.code(), 1, "{}", ended.text());
    assert!(ended.text().contains("ENV-N305"), "{}", ended.text());
}

#[test]
fn pub_names_a_host_it_cannot_find_and_how_to_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let ended = publish(&up, &["chat/mensaje", "hello", "--host", "nowhere.invalid"]);
    assert_eq!(ended.code(), 1, "{}", ended.text());
    let text = ended.text();
    assert!(
        text.contains("ENV-N304") && text.contains("getent hosts nowhere.invalid"),
        "{text}"
    );
}

#[test]
fn pub_says_why_when_the_broker_does_not_know_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let pair = ForeignAuthority::create().client("publisher");
    let (cert, key) = (
        pair.cert.display().to_string(),
        pair.key.display().to_string(),
    );
    let ended = publish(
        &up,
        &["chat/mensaje", "hello", "--cert", &cert, "--key", &key],
    );
    assert_ne!(ended.code(), 0, "{}", ended.text());
    assert!(ended.text().contains("ENV-"), "{}", ended.text());
}

fn publish(up: &Up, arguments: &[&str]) -> support::Ended {
    let mut command = enviomq(&["--lang", "en", "pub"]);
    command
        .args(arguments)
        .args(["--port", &up.ports.broker.to_string()]);
    command.env("ENVIOMQ_DATA_DIR", &up.data);
    finish(command)
}
