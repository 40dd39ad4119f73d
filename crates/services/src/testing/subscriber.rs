//! The subscriber's page: what arrives is shown once, in order, as text.

use std::collections::HashSet;

use axum::http::StatusCode;
use bytes::Bytes;
use store::{History, NewMessage};

use super::{Browser, Stage, keep_all};
use crate::subscriber::testing::router;
use crate::web::live::STREAMS_MAX;
use crate::web::{Role, now_ms};

pub(crate) struct Subscriber {
    pub(crate) stage: Stage,
    pub(crate) history: History,

    pub(crate) browser: Browser,
}

impl Subscriber {
    pub(crate) fn new() -> Subscriber {
        let stage = Stage::new(Role::Subscriber);
        let history = History::open(&stage.dir.path().join("received.db"), keep_all()).unwrap();
        let router = router(stage.shell.clone(), history.clone());
        let browser = stage.signed_in(router.clone());
        Subscriber {
            stage,
            history,

            browser,
        }
    }

    pub(crate) async fn receive(&self, topic: &str, payload: impl Into<Bytes>) -> i64 {
        let message = NewMessage {
            at_ms: now_ms(),
            topic: topic.to_owned(),
            payload: payload.into(),
            qos: 1,
            retain: false,
        };
        self.history.record(vec![message]).await.unwrap()[0]
    }
}

#[tokio::test]
async fn a_message_appears_live_with_its_row_as_event_id() {
    let subscriber = Subscriber::new();
    let mut events = subscriber.browser.events("/events").await;
    assert_eq!(events.next().await.unwrap().event, "link");
    let id = subscriber.receive("chat/mensaje", "hola").await;
    let told = events.next().await.unwrap();
    assert_eq!((told.event.as_str(), told.id), ("message", id.to_string()));
    let view: serde_json::Value = serde_json::from_str(&told.data).unwrap();
    assert_eq!(view["topic"], "chat/mensaje");
    assert_eq!(view["payload"]["preview"], "hola");
}

#[tokio::test]
async fn streams_are_bounded_and_a_place_becomes_free_when_one_ends() {
    let subscriber = Subscriber::new();
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(subscriber.browser.events("/events").await);
    }
    let refused = subscriber.browser.get("/events").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(open.pop());
    let mut events = subscriber.browser.events("/events").await;
    assert_eq!(events.next().await.unwrap().event, "link");
}

#[tokio::test]
async fn a_stream_that_was_cut_resumes_without_gap_and_without_repetition() {
    let subscriber = Subscriber::new();
    let mut seen = Vec::new();
    let mut last = "0".to_owned();
    for round in 0..6u32 {
        // Some arrive while nobody is connected, some while somebody is.
        for n in 0..70 {
            subscriber.receive("t", format!("{round}/{n}")).await;
        }
        let browser = subscriber.browser.with("last-event-id", &last);
        // The address still says where the page began; the header knows better.
        let mut events = browser.events("/events?after=0").await;
        subscriber.receive("t", format!("{round}/live")).await;
        for _ in 0..50 + round {
            let told = events.next_of("message").await;
            last = told.id;
            seen.push(last.parse::<i64>().unwrap());
        }
    }
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
}

#[tokio::test]
async fn a_page_of_a_history_that_is_gone_is_told_to_start_anew() {
    let subscriber = Subscriber::new();
    let browser = subscriber.browser.with("last-event-id", "4711");
    let mut events = browser.events("/events").await;
    assert_eq!(events.next().await.unwrap().event, "reset");
    subscriber.receive("t", "x").await;
    assert_eq!(events.next_of("message").await.id, "1");
}

#[tokio::test]
async fn stopping_the_service_ends_the_stream() {
    let subscriber = Subscriber::new();
    let mut events = subscriber.browser.events("/events").await;
    subscriber.stage.stop.cancel();
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn payloads_of_every_kind_are_shown_safely_and_downloaded_unchanged() {
    let subscriber = Subscriber::new();
    let long = "línea <b>\n".repeat(100_000);
    for (payload, shown) in [
        (Bytes::new(), "(empty)"),
        (Bytes::from_static(&[0xff, 0xfe, b'A', 0]), "ff fe 41 00"),
        (
            Bytes::from_static(b"<script>alert(1)</script>"),
            "&#60;script&#62;alert(1)&#60;/script&#62;",
        ),
        (Bytes::from_static(b"a\x1b[2Jb"), "a␛[2Jb"),
        (Bytes::from(long), "Only the first 4.0 KiB are shown"),
        (Bytes::from(vec![0x80; 1 << 20]), "1.0 MiB"),
    ] {
        let id = subscriber.receive("t/<i>", payload.clone()).await;
        let page = subscriber.browser.get("/").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text().contains(shown), "{shown}");
        assert!(!page.text().contains("<script>alert") && !page.text().contains("<i>"));
        let raw = subscriber
            .browser
            .get(&format!("/messages/{id}/payload"))
            .await;
        assert_eq!(raw.body, payload);
        assert_eq!(raw.header("content-type"), "application/octet-stream");
        assert!(raw.header("content-disposition").starts_with("attachment"));
        assert_eq!(raw.header("x-content-type-options"), "nosniff");
    }
    let page = subscriber.browser.get("/").await;
    assert!(
        page.body.len() < 200_000,
        "a page of {} bytes",
        page.body.len()
    );
    let gone = subscriber.browser.get("/messages/999/payload").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn history_is_walked_in_both_directions_without_a_script() {
    let subscriber = Subscriber::new();
    for n in 1..=120 {
        subscriber.receive("t", format!("message {n}!")).await;
    }
    let newest = subscriber.browser.get("/").await;
    assert!(newest.text().contains("message 120!") && newest.text().contains("message 71!"));
    assert!(newest.text().contains("data-after=\"120\""));
    assert!(newest.text().contains("href=\"/?before=71\""));
    let middle = subscriber.browser.get("/?before=71").await;
    assert!(middle.text().contains("message 70!") && middle.text().contains("message 21!"));
    assert!(middle.text().contains("href=\"/?after=70\""));
    let oldest = subscriber.browser.get("/?before=21").await;
    assert!(oldest.text().contains("message 1!"));
    assert!(oldest.text().contains("href=\"/?after=20\""));
    let back = subscriber.browser.get("/?after=20").await;
    assert!(back.text().contains("message 70!") && back.text().contains("message 21!"));
    assert!(!back.text().contains("message 71!"));
    let end = subscriber.browser.get("/?after=70").await;
    assert_eq!(end.header("location"), "/");
}

#[tokio::test]
async fn an_empty_history_teaches_how_to_fill_it_in_both_languages() {
    let subscriber = Subscriber::new();
    for (language, words) in [("en", "No messages yet"), ("es", "Todavía no hay mensajes")] {
        let page = subscriber
            .browser
            .with("accept-language", language)
            .get("/")
            .await;
        assert!(page.text().contains(words));
        assert!(page.text().contains("enviomq pub chat/mensaje"));
        assert!(page.text().contains("http://localhost:9/"));
        assert!(page.text().contains(&format!("<html lang=\"{language}\"")));
    }
}

#[tokio::test]
async fn pages_carry_no_inline_script_or_style_and_nothing_from_outside() {
    let subscriber = Subscriber::new();
    subscriber.receive("t", "x").await;
    for path in ["/", "/nothing"] {
        let page = subscriber.browser.get(path).await;
        let text = page.text().replace("http://localhost:9/", "");
        assert!(
            !text.contains("http://") && !text.contains("https://") && !text.contains("src=\"//")
        );
        assert!(
            !text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick=")
        );
        assert!(
            text.split("<script ")
                .skip(1)
                .all(|tag| tag.starts_with("src=\"/assets/"))
        );
    }
}
