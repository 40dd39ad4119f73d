//! The publisher's page, with a broker that answers as each test wants.

use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use store::sent::Change;
use store::{Draft, SentLog, SentState};
use tokio::sync::mpsc;

use super::{Browser, Stage, keep_all};
use crate::link::{LinkState, Why};
use crate::publisher::testing::{Outgoing, router};
use crate::web::Role;

/// A message it was given, and where to tell what becomes of it.
type Sent = (Draft, mpsc::UnboundedSender<Change>);

/// What the fake broker was given, and a way to tell what becomes of each message.
#[derive(Clone, Default)]
pub(crate) struct Broker {
    sent: Arc<Mutex<Vec<Sent>>>,
    /// Told of every message at once; empty to answer by hand.
    story: Arc<Mutex<Vec<Change>>>,
}

impl Outgoing for Broker {
    fn send(&self, draft: &Draft) -> BoxStream<'static, Change> {
        let (tell, told) = mpsc::unbounded_channel();
        self.sent.lock().push((draft.clone(), tell));
        let told = stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
        stream::iter(self.story.lock().clone()).chain(told).boxed()
    }
}

impl Broker {
    pub(crate) fn always(&self, story: &[Change]) {
        *self.story.lock() = story.to_vec();
    }

    fn tell(&self, message: usize, change: Change) {
        self.sent.lock()[message].1.send(change).unwrap();
    }

    fn payloads(&self) -> Vec<Bytes> {
        self.sent
            .lock()
            .iter()
            .map(|(draft, _)| draft.payload.clone())
            .collect()
    }
}

pub(crate) fn change(state: SentState) -> Change {
    Change {
        state,
        reason: None,
        code: None,
        detail: None,
    }
}

pub(crate) struct Publisher {
    pub(crate) stage: Stage,
    pub(crate) broker: Broker,
    pub(crate) log: SentLog,
    pub(crate) browser: Browser,
}

impl Publisher {
    pub(crate) fn new() -> Publisher {
        let stage = Stage::new(Role::Publisher);
        let log = SentLog::open(&stage.dir.path().join("sent.db"), keep_all()).unwrap();
        let broker = Broker::default();
        let router = router(stage.shell.clone(), log.clone(), Arc::new(broker.clone()));
        let browser = stage.signed_in(router);
        Publisher {
            stage,
            broker,
            log,
            browser,
        }
    }

    async fn send_json(&self, fields: &[(&str, &str)]) -> super::Answer {
        self.browser
            .with("accept", "application/json")
            .post("/messages", fields)
            .await
    }
}

const HELLO: [(&str, &str); 3] = [("topic", "chat/mensaje"), ("message", "hola"), ("qos", "1")];

#[tokio::test]
async fn a_row_says_exactly_what_is_known_of_its_message_as_it_becomes_known() {
    let publisher = Publisher::new();
    let mut events = publisher.browser.events("/events?after=0").await;
    publisher.send_json(&HELLO).await;
    let told = events.next_of("sent").await;
    assert_eq!(told.json()["state"], "waiting");
    publisher.broker.tell(0, change(SentState::Sent));
    assert_eq!(events.next_of("sent").await.json()["state"], "confirming");
    publisher.broker.tell(0, change(SentState::Accepted));
    let told = events.next_of("sent").await;
    assert_eq!(told.json()["state"], "accepted");
    assert_eq!(told.json()["topic"], "chat/mensaje");
    assert_eq!(told.json()["payload"]["preview"], "hola");
}

#[tokio::test]
async fn each_end_of_a_message_is_shown_as_what_it_is() {
    let refused = Change {
        reason: Some(0x87),
        detail: Some("publisher may not publish to <b>x</b>".to_owned()),
        ..change(SentState::Refused)
    };
    let unheard = Change {
        reason: Some(0x10),
        ..change(SentState::Accepted)
    };
    let not_sent = Change {
        code: Some("ENV-N305".to_owned()),
        ..change(SentState::NotSent)
    };
    for (story, qos, english, spanish, again) in [
        (
            change(SentState::Accepted),
            "1",
            "Accepted",
            "Aceptado",
            false,
        ),
        (
            unheard,
            "2",
            "nobody was listening",
            "nadie escuchaba",
            false,
        ),
        (
            refused,
            "1",
            "may not publish to this topic (0x87)",
            "no puede publicar en este tema (0x87)",
            true,
        ),
        (
            not_sent,
            "0",
            "Nobody is listening at localhost:8883",
            "Nadie escucha en localhost:8883",
            true,
        ),
        (
            change(SentState::Unconfirmed),
            "1",
            "Not confirmed",
            "Sin confirmar",
            true,
        ),
        (change(SentState::Sent), "0", "Sent", "Enviado", false),
    ] {
        let publisher = Publisher::new();
        publisher.broker.always(std::slice::from_ref(&story));
        let fields = [("topic", "chat/mensaje"), ("message", "hola"), ("qos", qos)];
        let answer = publisher.browser.post("/messages", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        for (language, words) in [("en", english), ("es", spanish)] {
            let page = publisher
                .browser
                .with("accept-language", language)
                .get("/")
                .await;
            let rows = page.text().split("<template").next().unwrap();
            assert!(rows.contains(words), "{story:?} in {language}");
            assert!(!rows.contains("<b>x</b>"));
            let button = rows.contains("/messages/1/again\">");
            assert_eq!(button, again, "{story:?}");
            if story.state != SentState::Accepted {
                assert!(!rows.contains("data-state=\"accepted\""), "{story:?}");
            }
        }
    }
}

#[tokio::test]
async fn with_the_broker_down_the_text_is_kept_and_sending_again_works_once() {
    let publisher = Publisher::new();
    publisher.broker.always(&[change(SentState::NotSent)]);
    publisher.browser.post("/messages", &HELLO).await;
    let page = publisher.browser.get("/").await;
    assert!(page.text().contains("Not sent") && page.text().contains("hola"));

    publisher
        .broker
        .always(&[change(SentState::Sent), change(SentState::Accepted)]);
    for _ in 0..2 {
        let answer = publisher.browser.post("/messages/1/again", &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(publisher.broker.payloads(), ["hola", "hola"]);
    let query = store::Query {
        limit: 9,
        ..Default::default()
    };
    let rows = publisher.log.page(query).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [SentState::Accepted, SentState::NotSent]);
}

#[tokio::test]
async fn a_wrong_topic_is_explained_at_its_field_and_the_text_is_kept() {
    let publisher = Publisher::new();
    let long = "x".repeat(65_536);
    for (topic, english, spanish) in [
        (
            "",
            "A message needs a topic.",
            "Un mensaje necesita un tema.",
        ),
        (
            "chat/#",
            "+ and # are for subscribing",
            "+ y # sirven para suscribirse",
        ),
        (&long, "longer than 65,535 bytes", "más de 65.535 bytes"),
    ] {
        let fields = [
            ("topic", topic),
            ("message", "my <text>"),
            ("qos", "2"),
            ("retain", "1"),
        ];
        let page = publisher.browser.post("/messages", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text().contains(english));
        assert!(page.text().contains("my &#60;text&#62;"));
        assert!(page.text().contains("value=\"2\" checked"));
        assert!(page.text().contains("aria-invalid"));
        let browser = publisher.browser.with("accept-language", "es");
        let answer = browser
            .with("accept", "application/json")
            .post("/messages", &fields)
            .await;
        assert_eq!(answer.json()["field"], "topic");
        assert!(answer.json()["error"].as_str().unwrap().contains(spanish));
    }
    assert!(publisher.broker.payloads().is_empty());
}

#[tokio::test]
async fn any_bytes_are_sent_unchanged_as_text_as_hexadecimal_and_as_a_file() {
    let publisher = Publisher::new();
    publisher.broker.always(&[change(SentState::Accepted)]);
    let mebibyte: Vec<u8> = (0..1u32 << 20).map(|i| i.to_le_bytes()[0] ^ 0x5a).collect();
    for payload in [&b"\xff\xfe\x00\r\n\x80"[..], b"", &mebibyte] {
        let fields = [("topic", "a/b"), ("format", "file"), ("message", "ignored")];
        let answer = publisher
            .browser
            .upload("/messages", &fields, payload)
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(*publisher.broker.payloads().last().unwrap(), payload);
        let id = publisher.broker.payloads().len();
        let raw = publisher
            .browser
            .get(&format!("/messages/{id}/payload"))
            .await;
        assert_eq!(raw.body, payload);
        assert_eq!(raw.header("content-type"), "application/octet-stream");
        assert!(raw.header("content-disposition").starts_with("attachment"));
    }
    let fields = [
        ("topic", "a/b"),
        ("format", "hex"),
        ("message", "de ad 00 0xff"),
    ];
    publisher.browser.post("/messages", &fields).await;
    assert_eq!(
        publisher.broker.payloads().last().unwrap(),
        &b"\xde\xad\0\xff"[..]
    );
    let text = "á\r\n<script>".repeat(1000);
    let fields = [("topic", "a/b"), ("message", text.as_str())];
    publisher.browser.post("/messages", &fields).await;
    assert_eq!(
        *publisher.broker.payloads().last().unwrap(),
        text.replace("\r\n", "\n")
    );
    // A mebibyte of text, where each byte takes three in the form.
    let text = "ÿ".repeat(1 << 19);
    let fields = [("topic", "a/b"), ("message", text.as_str())];
    let answer = publisher.browser.post("/messages", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_is_too_long_or_no_form_is_refused_with_words() {
    let publisher = Publisher::new();
    let text = "x".repeat((1 << 20) + 1);
    let fields = [("topic", "a/b"), ("message", text.as_str())];
    let answer = publisher.browser.post("/messages", &fields).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text().contains("1.0 MiB"));
    let huge = vec![0; 8 << 20];
    let answer = publisher
        .browser
        .upload("/messages", &[("topic", "t"), ("format", "file")], &huge)
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = publisher
        .send_json(&[("topic", "t"), ("format", "hex"), ("message", "xyz")])
        .await;
    assert_eq!(answer.json()["field"], "message");
    let answer = publisher
        .send_json(&[("topic", "t"), ("format", "file")])
        .await;
    assert_eq!(answer.json()["field"], "file");
    assert!(publisher.broker.payloads().is_empty());
}

#[tokio::test]
async fn a_hostile_payload_and_topic_stay_text() {
    let publisher = Publisher::new();
    publisher.broker.always(&[change(SentState::Accepted)]);
    let hostile = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>";
    let fields = [("topic", hostile), ("message", hostile)];
    publisher.browser.post("/messages", &fields).await;
    let page = publisher.browser.get("/").await;
    assert!(!page.text().contains("<script>alert"));
    assert!(!page.text().contains("<img src=x"));
    assert!(page.text().contains("&#60;script&#62;alert(1)"));
}

#[tokio::test]
async fn a_stranger_sends_nothing() {
    let publisher = Publisher::new();
    let stranger = publisher.browser.with("cookie", "").clone();
    let mut anonymous = stranger;
    anonymous.headers.retain(|(name, _)| *name != "cookie");
    let answer = anonymous.post("/messages", &HELLO).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(publisher.broker.payloads().is_empty());
}

#[tokio::test]
async fn the_page_shows_the_connection_and_follows_it() {
    let publisher = Publisher::new();
    let page = publisher.browser.get("/").await;
    assert!(page.text().contains("Connected as publisher"));
    let mut events = publisher
        .browser
        .with("accept-language", "es")
        .events("/events")
        .await;
    assert_eq!(events.next_of("link").await.json()["kind"], "connected");
    publisher.stage.link.send_replace(LinkState::Down(Why {
        code: "ENV-N305".to_owned(),
        detail: "connection refused".to_owned(),
    }));
    let told = events.next_of("link").await.json();
    assert_eq!(told["kind"], "down");
    assert_eq!(
        told["why"],
        "Nadie escucha en localhost:8883. ¿Está en marcha el broker? (ENV-N305)"
    );
    assert_eq!(told["detail"], "connection refused");
}

#[tokio::test]
async fn the_list_has_pages() {
    let publisher = Publisher::new();
    publisher.broker.always(&[change(SentState::Accepted)]);
    for n in 0..30 {
        let text = format!("message {n}!");
        publisher
            .send_json(&[("topic", "t"), ("message", &text)])
            .await;
    }
    let page = publisher.browser.get("/").await;
    assert!(page.text().contains("message 29!") && !page.text().contains("message 4!"));
    assert!(page.text().contains("href=\"/?before=6\""));
    let older = publisher.browser.get("/?before=6").await;
    assert!(older.text().contains("message 4!") && older.text().contains("message 0!"));
    assert!(!older.text().contains("message 5!") && !older.text().contains("rel=\"next\""));
}
