//! The broker dies while somebody sends: the page claims nothing that did not happen.

use support::{Apart, Page, until};

fn count(page: &Page, states: &[&str]) -> usize {
    let rows = page.sent();
    rows.iter()
        .filter(|(_, state)| states.contains(&state.as_str()))
        .count()
}

#[test]
fn nothing_is_shown_as_accepted_that_the_broker_did_not_acknowledge() {
    let apart = Apart::new();
    let broker = apart.broker();
    let (_publisher, publisher) = apart.service("publisher");
    let (_subscriber, subscriber) = apart.service("subscriber");
    until("publisher and subscriber are connected", || {
        [&publisher, &subscriber]
            .iter()
            .all(|page| page.get("/readyz").status == 200)
    });

    for number in 1..=3 {
        publisher.send(
            "chat/mensaje",
            &format!("message {number} of ten"),
            1,
            false,
        );
    }
    until("three are accepted", || {
        count(&publisher, &["accepted"]) == 3
    });

    // Frozen, the broker takes bytes and answers none: whatever is sent now is unacknowledged
    // for certain, at whatever moment the kill comes.
    broker.freeze();
    for number in 4..=7 {
        publisher.send(
            "chat/mensaje",
            &format!("message {number} of ten"),
            1,
            false,
        );
    }
    assert_eq!(count(&publisher, &["accepted"]), 3);
    broker.kill();
    for number in 8..=10 {
        publisher.send(
            "chat/mensaje",
            &format!("message {number} of ten"),
            1,
            false,
        );
    }
    until("the last three are known to be not sent", || {
        count(&publisher, &["not_sent"]) == 3
    });
    // What was under way is still waited for: a broker that remembers would answer it.
    let open = ["waiting", "confirming", "unconfirmed", "not_sent"];
    assert_eq!(
        (count(&publisher, &["accepted"]), count(&publisher, &open)),
        (3, 7)
    );
    let html = publisher.get("/").text;
    for number in 1..=10 {
        assert!(
            html.contains(&format!("message {number} of ten")),
            "the text of {number} is kept"
        );
    }

    let _broker = apart.broker();
    until("both have come back by themselves", || {
        [&publisher, &subscriber]
            .iter()
            .all(|page| page.get("/readyz").status == 200)
    });
    // This one does not remember, and says so: nobody knows what became of those four.
    until("seven are known to be unsuccessful", || {
        count(&publisher, &["not_sent", "unconfirmed"]) == 7
    });
    assert_eq!(count(&publisher, &["accepted"]), 3);
    let unsuccessful: Vec<u64> = publisher
        .sent()
        .into_iter()
        .filter(|(_, state)| state != "accepted")
        .map(|(id, _)| id)
        .collect();
    for id in unsuccessful.into_iter().rev() {
        let reply = publisher.send_again(id);
        assert!(reply.status < 400, "{} {}", reply.status, reply.text);
    }
    until("ten are accepted", || {
        count(&publisher, &["accepted"]) == 10
    });
    until("the subscriber has all ten", || {
        let html = subscriber.get("/").text;
        (1..=10).all(|number| html.contains(&format!("message {number} of ten")))
    });
}

#[test]
fn a_service_that_starts_before_the_broker_waits_for_it() {
    let apart = Apart::new();
    // Once with a broker, to have identities.
    let broker = apart.broker();
    let (publisher, _) = apart.service("publisher");
    let (subscriber, _) = apart.service("subscriber");
    for program in [publisher, subscriber, broker] {
        assert_eq!(program.terminate().code(), 0);
    }

    let (_publisher, publisher) = apart.service("publisher");
    let (_subscriber, subscriber) = apart.service("subscriber");
    publisher.send("chat/mensaje", "too early", 1, false);
    until("it is not sent", || count(&publisher, &["not_sent"]) == 1);

    let _broker = apart.broker();
    until("both have found it by themselves", || {
        [&publisher, &subscriber]
            .iter()
            .all(|page| page.get("/readyz").status == 200)
    });
    let (id, _) = publisher.sent().remove(0);
    publisher.send_again(id);
    until("it is accepted", || count(&publisher, &["accepted"]) == 1);
    until("it arrives", || {
        subscriber.get("/").text.contains("too early")
    });
}
