//! Ctrl-C and SIGTERM stop cleanly and lose nothing.

use support::{Ended, Ports, Program, Up};

fn nothing_is_lost(stop: impl Fn(Program) -> Ended) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ports = Ports::free();
    let up = Up::start(&data, ports);
    let publisher = up.publisher();
    let subscriber = up.subscriber();
    let mut events = subscriber.events(None);
    for number in 1..=20 {
        publisher.send(
            "chat/mensaje",
            &format!("before the stop {number}"),
            1,
            false,
        );
    }
    events.wait_for("before the stop 20");
    let ended = stop(up.program);
    assert_eq!(ended.code(), 0, "{}", ended.text());

    // The logins of before are still good, and so is everything that was shown.
    let _up = Up::start(&data, ports);
    let received = subscriber.get("/");
    assert_eq!(received.status, 200);
    let sent = publisher.get("/");
    assert_eq!(sent.status, 200);
    for number in 1..=20 {
        let text = format!("before the stop {number}");
        assert!(received.text.contains(&text), "{text}");
        assert!(sent.text.contains(&text), "{text}");
    }
}

#[test]
fn sigterm_stops_cleanly_and_loses_nothing() {
    nothing_is_lost(Program::terminate);
}

#[test]
fn ctrl_c_stops_cleanly_and_loses_nothing() {
    nothing_is_lost(Program::interrupt);
}
