//! The history as its users see it: what was recorded comes back, in pages, after anything.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use enviomq_store::{HEAD_BYTES, History, NewMessage, PAGE_MAX, Query, Retention};
use proptest::prelude::*;

fn message(topic: &str, payload: impl Into<Bytes>) -> NewMessage {
    NewMessage {
        at_ms: 1_000,
        topic: topic.to_owned(),
        payload: payload.into(),
        qos: 1,
        retain: false,
    }
}

/// Keeps everything, however old the times of a test are.
fn forever() -> Retention {
    Retention {
        max_age: Duration::from_secs(u64::MAX / 1000),
        max_bytes: u64::MAX,
    }
}

fn open(dir: &tempfile::TempDir) -> History {
    History::open(&dir.path().join("received.db"), forever()).unwrap()
}

#[tokio::test]
async fn what_is_recorded_comes_back_unchanged_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let payloads: [Bytes; 5] = [
        Bytes::new(),
        Bytes::from_static(b"hola"),
        Bytes::from_static(&[0xff, 0x00, 0xfe]),
        Bytes::from_static("<script>alert('ñ')</script>".as_bytes()),
        (0..1 << 20).map(|i: u32| i.to_le_bytes()[1]).collect(),
    ];
    let batch = payloads.iter().map(|p| message("chat/mensaje", p.clone()));
    let history = open(&dir);
    let ids = history.record(batch.collect()).await.unwrap();
    history.close();

    let history = open(&dir);
    for (id, payload) in ids.iter().zip(&payloads) {
        assert_eq!(history.payload(*id).await.unwrap().as_ref(), Some(payload));
        let record = history.record_by_id(*id).await.unwrap().unwrap();
        assert_eq!(record.size, payload.len() as u64);
        assert_eq!(record.head, payload[..payload.len().min(HEAD_BYTES)]);
        assert_eq!(record.is_text, std::str::from_utf8(payload).is_ok());
    }
    assert_eq!(history.count().await.unwrap(), 5);
    assert_eq!(*history.newest().borrow(), ids[4]);
}

#[tokio::test]
async fn the_head_is_whole_on_both_sides_of_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    for length in [HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1] {
        let payload = Bytes::from(vec![7; length]);
        let ids = history.record(vec![message("t", payload.clone())]).await;
        let record = history
            .record_by_id(ids.unwrap()[0])
            .await
            .unwrap()
            .unwrap();
        assert_eq!(record.head, payload[..length.min(HEAD_BYTES)]);
    }
}

#[tokio::test]
async fn newest_announces_what_can_already_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    let mut newest = history.newest();
    let reader = tokio::spawn({
        let history = history.clone();
        async move {
            let mut seen = 0;
            while seen < 50 {
                newest.changed().await.unwrap();
                let last = *newest.borrow_and_update();
                let query = Query {
                    after: Some(seen),
                    limit: PAGE_MAX,
                    ..Query::default()
                };
                let page = history.page(query).await.unwrap();
                // An earlier page may have shown more than was announced then.
                seen = page.first().map_or(seen, |record| record.id);
                assert!(seen >= last, "{last} was announced, {seen} can be read");
            }
        }
    });
    for _ in 0..50 {
        history.record(vec![message("t", "x")]).await.unwrap();
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn ids_are_not_used_twice_even_when_retention_has_emptied_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    let first = history.record(vec![message("t", "x")]).await.unwrap()[0];
    history.close();
    let strict = Retention {
        max_age: Duration::ZERO,
        max_bytes: 1 << 30,
    };
    let path = dir.path().join("received.db");
    let history = History::open(&path, strict).unwrap();
    while history.count().await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    history.close();
    let history = History::open(&path, strict).unwrap();
    assert_eq!(*history.newest().borrow(), first);
    let second = history.record(vec![message("t", "y")]).await.unwrap()[0];
    assert!(second > first);
}

#[tokio::test]
async fn a_closed_history_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    history.close();
    let error = history.record(vec![message("t", "x")]).await.unwrap_err();
    assert_eq!(error.code(), "ENV-F127");
}

#[tokio::test]
async fn many_writers_at_once_all_get_their_own_rows() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir);
    let writers = (0..400).map(|n| {
        let history = history.clone();
        tokio::spawn(async move {
            let topic = format!("t/{n}");
            let id = history.record(vec![message(&topic, "x")]).await.unwrap()[0];
            let record = history.record_by_id(id).await.unwrap().unwrap();
            assert_eq!(record.topic, topic);
        })
    });
    for writer in writers.collect::<VecDeque<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(history.count().await.unwrap(), 400);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Walking towards the older rows and walking towards the newer ones both meet every
    /// row once, whatever the page size and wherever the batches were cut.
    #[test]
    fn pages_in_both_directions_meet_every_row_once(
        batches in proptest::collection::vec(1usize..20, 1..6),
        limit in 1usize..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let history = open(&dir);
            let mut all = Vec::new();
            for count in batches {
                let batch = (0..count).map(|n| message("t", n.to_string())).collect();
                all.extend(history.record(batch).await.unwrap());
            }

            let mut older = Vec::new();
            let mut query = Query { limit, ..Query::default() };
            loop {
                let page = history.page(query).await.unwrap();
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                query.before = Some(last.id);
                older.extend(page.iter().map(|r| r.id));
            }
            older.reverse();
            assert_eq!(older, all);

            let mut newer = Vec::new();
            let mut query = Query { after: Some(0), limit, ..Query::default() };
            loop {
                let page = history.page(query).await.unwrap();
                let Some(first) = page.first() else { break };
                query.after = Some(first.id);
                newer.extend(page.iter().rev().map(|r| r.id));
            }
            assert_eq!(newer, all);
        });
    }
}
