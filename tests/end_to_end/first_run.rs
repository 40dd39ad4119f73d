//! `enviomq up` in an empty folder, and every reason why it may not start.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Page, Ports, Up, executable, finish};

#[test]
fn the_first_run_is_ready_within_three_seconds_and_both_links_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");

    for page in [up.publisher(), up.subscriber()] {
        let reply = page.get("/");
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(
            reply
                .header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
}

#[test]
fn the_first_run_proves_that_a_message_passes_and_that_strangers_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    for step in 1..=5 {
        let line = up.program.wait_for(&format!("{step}/5"));
        assert!(line.contains('✓'), "{line}");
    }
    // The negative half is no empty claim: the broker's log has both refusals.
    up.program.wait_for("ENV-C2");
}

#[test]
fn the_first_run_speaks_both_languages() {
    for (language, publisher, subscriber) in [
        ("en", "Publisher", "Subscriber"),
        ("es", "Publicador", "Suscriptor"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let up = Up::start_with(
            &folder.path().join("data"),
            Ports::free(),
            &["--lang", language],
        );
        let lines = up.program.lines();
        for word in [publisher, subscriber] {
            let is_there = lines
                .iter()
                .any(|line| line.contains(word) && line.contains("login?t="));
            assert!(is_there, "{word} in {language}:\n{}", lines.join("\n"));
        }
    }
}

#[test]
fn the_second_run_is_ready_within_a_second_and_keeps_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ports = Ports::free();
    let up = Up::start(&data, ports);
    let trust = std::fs::read(up.trust()).unwrap();
    assert_eq!(up.program.terminate().code(), 0);

    let started = Instant::now();
    let up = Up::start(&data, ports);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(std::fs::read(up.trust()).unwrap(), trust);
}

#[test]
fn a_login_link_works_once_and_a_stranger_sees_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let link = up.subscriber_link();
    Page::login(&link);
    let stranger = Page::stranger(up.ports.subscriber);
    let path = link.split_once("/login").unwrap().1;
    assert_eq!(stranger.get(&format!("/login{path}")).status, 401);
    for path in ["/", "/events", "/messages"] {
        let reply = stranger.get(path);
        assert!(
            (300..500).contains(&reply.status),
            "{path}: {}",
            reply.status
        );
        assert!(!reply.text.contains("chat/mensaje"), "{path}");
    }
}

#[test]
fn private_keys_are_readable_by_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"), Ports::free());
    let mut keys = Vec::new();
    collect(&up.data, &mut keys);
    // Root, issuing, server, publisher, subscriber.
    assert!(keys.len() >= 5, "{keys:?}");
    for (path, mode) in keys {
        assert_eq!(mode & 0o077, 0, "{path} {mode:o}");
    }
}

/// Every file that a key or a database may be, with its mode.
fn collect(folder: &Path, found: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            collect(&path, found);
        } else if path
            .extension()
            .is_some_and(|end| ["key", "db"].iter().any(|one| end == *one))
            || path.file_name().is_some_and(|name| name == "key.pem")
        {
            let mode = entry.metadata().unwrap().permissions().mode();
            found.push((path.display().to_string(), mode));
        }
    }
}

/// Runs `up` where it cannot start, in both languages, and checks the form of what it says.
fn refused(code: &str, evidence: &str, command: impl Fn(&str) -> Command) {
    let mut texts = Vec::new();
    for language in ["en", "es"] {
        let ended = finish(command(language));
        let text = ended.text();
        assert_eq!(ended.code(), 1, "{text}");
        assert_eq!(
            text.matches("✗ ").count(),
            1,
            "one message, not several:\n{text}"
        );
        assert!(text.contains(code), "{code} in:\n{text}");
        assert!(text.contains(evidence), "{evidence} in:\n{text}");
        assert!(text.contains("→ "), "a way out in:\n{text}");
        assert!(!text.contains("panicked"), "{text}");
        texts.push(text);
    }
    assert_ne!(texts[0], texts[1], "the same words in both languages");
}

#[test]
fn each_taken_port_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ports = Ports::free();
    for taken in [ports.broker, ports.publisher, ports.subscriber] {
        let _holder = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        refused("ENV-N320", &taken.to_string(), |language| {
            Up::command(&data, ports, &["--lang", language])
        });
    }
}

#[test]
fn a_file_in_place_of_the_data_folder_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::write(&data, "no folder").unwrap();
    refused("ENV-F1", &data.display().to_string(), |language| {
        Up::command(&data, Ports::free(), &["--lang", language])
    });
}

#[test]
fn a_data_folder_that_is_not_writable_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let mode = if is_root { 0o755 } else { 0o555 };
    std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
    let data = folder.path().join("data");
    // Root may write anywhere, so root hands the test to somebody else, who may not be
    // allowed to reach the executable where it was built.
    let copy = tempfile::tempdir().unwrap();
    std::fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).unwrap();
    let program = copy.path().join("enviomq");
    std::fs::copy(executable(), &program).unwrap();
    refused("ENV-F1", &data.display().to_string(), |language| {
        let model = Up::command(&data, Ports::free(), &["--lang", language]);
        let mut command = Command::new(&program);
        command.args(model.get_args()).current_dir("/");
        for (name, value) in model.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        command
    });
}

#[test]
fn a_clock_before_the_certificate_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ports = Ports::free();
    let up = Up::start(&data, ports);
    assert_eq!(up.program.terminate().code(), 0);
    // Setting the machine's clock back would hit everybody on it; a server certificate
    // from the future, of the same authority and with the same key, is the same to us.
    certificate_of_tomorrow(&data);
    refused("ENV-C202", "localhost", |language| {
        Up::command(&data, ports, &["--lang", language])
    });
}

/// Re-issues the server certificate in place, valid from the day after tomorrow.
fn certificate_of_tomorrow(data: &Path) {
    let script = r#"
        set -e
        cd "$1"
        issuing=$(dirname "$(find pki/issuing -name ca.key)")
        server=$(readlink -f server/current)
        work=$(mktemp -d)
        openssl req -new -key "$server/key.pem" -subj /CN=localhost -out "$work/csr"
        echo 'subjectAltName=DNS:localhost' > "$work/extensions"
        echo 'extendedKeyUsage=serverAuth' >> "$work/extensions"
        touch "$work/index"
        printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\npolicy=p\n' "$work" "$work" > "$work/conf"
        printf 'default_md=sha256\nrand_serial=yes\n[p]\ncommonName=supplied\n' >> "$work/conf"
        start=$(date -u -d '+2 days' +%Y%m%d%H%M%SZ)
        end=$(date -u -d '+30 days' +%Y%m%d%H%M%SZ)
        openssl ca -batch -notext -config "$work/conf" -cert "$issuing/ca.crt" -keyfile "$issuing/ca.key" \
            -in "$work/csr" -extfile "$work/extensions" -startdate "$start" -enddate "$end" -out "$work/leaf"
        chmod u+w "$server/cert.pem"
        cat "$work/leaf" "$issuing/ca.crt" > "$server/cert.pem"
        rm -r "$work"
    "#;
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).arg(data);
    let ended = finish(command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
}
