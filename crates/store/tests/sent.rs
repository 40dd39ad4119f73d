//! The sent log as its users see it: no row ever says more than was recorded of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use enviomq_store::sent::{CODE_RESTARTED, Change};
use enviomq_store::{Draft, Query, Retention, SentLog, SentState};

fn draft(text: &str, qos: u8) -> Draft {
    Draft {
        at_ms: 1_000,
        topic: "chat/mensaje".to_owned(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
        qos,
        retain: false,
    }
}

fn change(state: SentState) -> Change {
    Change {
        state,
        reason: None,
        code: None,
        detail: None,
    }
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("sent.db")
}

fn open(dir: &tempfile::TempDir) -> SentLog {
    let forever = Retention {
        max_age: Duration::from_secs(u64::MAX / 1000),
        max_bytes: u64::MAX,
    };
    SentLog::open(&path(dir), forever).unwrap()
}

async fn state(log: &SentLog, id: i64) -> SentState {
    log.record_by_id(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_row_starts_waiting_and_shows_each_change_with_its_explanation() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let id = log.insert(draft("hola", 1)).await.unwrap();
    assert_eq!(state(&log, id).await, SentState::Waiting);

    log.set_state(id, change(SentState::Sent)).await.unwrap();
    let refused = Change {
        state: SentState::Refused,
        reason: Some(0x87),
        code: None,
        detail: Some("publisher may not publish to x".to_owned()),
    };
    log.set_state(id, refused.clone()).await.unwrap();

    let row = log.record_by_id(id).await.unwrap().unwrap();
    assert_eq!(row.state, refused.state);
    assert_eq!(row.reason, refused.reason);
    assert_eq!(row.detail, refused.detail);
    assert_eq!(row.head, "hola");
}

#[tokio::test]
async fn a_restart_never_invents_an_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let mut ids = Vec::new();
    for (qos, last) in [
        (1, None),
        (1, Some(SentState::Sent)),
        (0, Some(SentState::Sent)),
        (1, Some(SentState::Accepted)),
        (1, Some(SentState::NotSent)),
    ] {
        let id = log.insert(draft("x", qos)).await.unwrap();
        if let Some(last) = last {
            log.set_state(id, change(last)).await.unwrap();
        }
        ids.push(id);
    }
    let before = *log.revision().borrow();
    log.close();

    let log = open(&dir);
    let expected = [
        SentState::Unconfirmed,
        SentState::Unconfirmed,
        SentState::Sent,
        SentState::Accepted,
        SentState::NotSent,
    ];
    for (id, expected) in ids.iter().zip(expected) {
        assert_eq!(state(&log, *id).await, expected, "row {id}");
    }
    let row = log.record_by_id(ids[0]).await.unwrap().unwrap();
    assert_eq!(row.code.as_deref(), Some(CODE_RESTARTED));
    // A page that was open during the restart is told of the two rows that changed.
    let changed = log.changes(before, 100).await.unwrap();
    let changed: Vec<i64> = changed.iter().map(|r| r.id).collect();
    assert_eq!(changed, ids[..2]);
}

#[tokio::test]
async fn changes_tell_each_row_once_with_its_latest_state() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let a = log.insert(draft("a", 1)).await.unwrap();
    let b = log.insert(draft("b", 1)).await.unwrap();
    log.set_state(a, change(SentState::Accepted)).await.unwrap();

    let changed = log.changes(0, 100).await.unwrap();
    let seen: Vec<_> = changed.iter().map(|r| (r.id, r.state)).collect();
    assert_eq!(seen, [(b, SentState::Waiting), (a, SentState::Accepted)]);
    let latest = *log.revision().borrow();
    assert_eq!(changed.last().unwrap().revision, latest);
    assert!(log.changes(latest, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_message_is_sent_again_once_and_others_never() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let id = log.insert(draft("hola", 2)).await.unwrap();
    assert!(log.insert_again(id, 2_000).await.unwrap().is_none());
    log.set_state(id, change(SentState::NotSent)).await.unwrap();

    let (again, copy) = log.insert_again(id, 2_000).await.unwrap().unwrap();
    assert_eq!(
        (copy.payload, copy.qos, copy.at_ms),
        ("hola".into(), 2, 2_000)
    );
    let old = log.record_by_id(id).await.unwrap().unwrap();
    assert_eq!((old.state, old.again), (SentState::NotSent, Some(again)));
    assert_eq!(state(&log, again).await, SentState::Waiting);
    // The second of two clicks.
    assert!(log.insert_again(id, 2_001).await.unwrap().is_none());

    let well = log.insert(draft("x", 1)).await.unwrap();
    log.set_state(well, change(SentState::Accepted))
        .await
        .unwrap();
    assert!(log.insert_again(well, 2_000).await.unwrap().is_none());
    assert!(log.insert_again(9_999, 2_000).await.unwrap().is_none());
    let page = log
        .page(Query {
            limit: 10,
            ..Query::default()
        })
        .await
        .unwrap();
    assert_eq!(
        page.iter().map(|r| r.id).collect::<Vec<_>>(),
        [well, again, id]
    );
}

#[tokio::test]
async fn a_history_of_received_messages_is_not_opened_as_a_sent_log() {
    let dir = tempfile::tempdir().unwrap();
    drop(enviomq_store::History::open(&path(&dir), Retention::default()).unwrap());
    let error = SentLog::open(&path(&dir), Retention::default()).unwrap_err();
    assert_eq!(error.code(), "ENV-F124");
}
