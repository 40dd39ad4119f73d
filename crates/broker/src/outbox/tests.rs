//! The queue, its limits and its wake-ups, without a runtime.

use super::*;
use bytes::Bytes;
use mqtt::{Message, TopicName};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const ROOMY: OutboxLimits = OutboxLimits {
    max_count: 100,
    max_bytes: 1 << 20,
};

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn push(outbox: &Outbox, qos: QoS, payload: &[u8]) -> Result<Pushed, DropReason> {
    let payload = Bytes::copy_from_slice(payload);
    let message = Arc::new(Message::new(TopicName::try_from("a").unwrap(), payload));
    let terms = Terms {
        qos,
        retain: false,
        subscription_identifiers: SmallVec::new(),
    };
    outbox.push(&mut Outgoing::new(message), terms)
}

fn payloads(outbox: &Outbox, max_count: usize) -> Vec<Vec<u8>> {
    let mut batch = VecDeque::new();
    outbox.take(&mut batch, max_count);
    batch
        .iter()
        .map(|delivery| delivery.message.payload.to_vec())
        .collect()
}

#[test]
fn an_idle_outbox_is_woken_once_for_a_burst() {
    let (outbox, bell) = (Arc::new(Outbox::new(ROOMY)), Arc::new(Bell::default()));
    let waker = Waker::from(Arc::clone(&bell));
    assert!(
        outbox
            .poll_woken(&Context::from_waker(&waker), true)
            .is_pending()
    );
    let mut touched = Touched::default();
    for _ in 0..10 {
        if push(&outbox, QoS::AtMostOnce, b"x") == Ok(Pushed::First) {
            touched.add(&outbox);
        }
    }
    assert_eq!(bell.0.load(Ordering::SeqCst), 0);
    touched.wake_all();
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert!(
        outbox
            .poll_woken(&Context::from_waker(&waker), true)
            .is_ready()
    );
}

#[test]
fn a_reader_that_does_not_want_messages_is_still_told_a_notice() {
    let (outbox, bell) = (Outbox::new(ROOMY), Arc::new(Bell::default()));
    let waker = Waker::from(Arc::clone(&bell));
    push(&outbox, QoS::AtLeastOnce, b"x").unwrap();
    assert!(
        outbox
            .poll_woken(&Context::from_waker(&waker), false)
            .is_pending()
    );
    outbox.notify(Notice::TakenOver);
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert!(
        outbox
            .poll_woken(&Context::from_waker(&waker), false)
            .is_ready()
    );
    assert_eq!(outbox.notice(), Some(Notice::TakenOver));
}

#[test]
fn a_shutdown_is_not_replaced_by_a_takeover() {
    let outbox = Outbox::new(ROOMY);
    outbox.notify(Notice::ShuttingDown);
    outbox.notify(Notice::TakenOver);
    assert_eq!(outbox.notice(), Some(Notice::ShuttingDown));
}

#[test]
fn messages_leave_in_the_order_they_came_in_pieces_or_at_once() {
    let outbox = Outbox::new(ROOMY);
    for payload in [b"1", b"2", b"3", b"4", b"5"] {
        push(&outbox, QoS::AtMostOnce, payload).unwrap();
    }
    assert_eq!(payloads(&outbox, 2), [b"1", b"2"]);
    assert_eq!(payloads(&outbox, 9), [b"3", b"4", b"5"]);
    assert_eq!(outbox.state.lock().bytes, 0);
    assert_eq!(push(&outbox, QoS::AtMostOnce, b"6"), Ok(Pushed::First));
}

#[test]
fn beyond_its_count_or_its_bytes_the_newest_is_dropped_with_a_reason() {
    let outbox = Outbox::new(OutboxLimits {
        max_count: 2,
        max_bytes: 1 << 20,
    });
    push(&outbox, QoS::AtLeastOnce, b"1").unwrap();
    push(&outbox, QoS::AtLeastOnce, b"2").unwrap();
    assert_eq!(
        push(&outbox, QoS::AtMostOnce, b"3"),
        Err(DropReason::OutboxFullQos0)
    );
    assert_eq!(
        push(&outbox, QoS::ExactlyOnce, b"3"),
        Err(DropReason::OutboxFull)
    );
    assert_eq!(payloads(&outbox, 9), [b"1", b"2"]);

    let outbox = Outbox::new(OutboxLimits {
        max_count: 99,
        max_bytes: 1500,
    });
    push(&outbox, QoS::AtLeastOnce, &[0; 1000]).unwrap();
    assert_eq!(
        push(&outbox, QoS::AtLeastOnce, &[0; 1000]),
        Err(DropReason::OutboxFull)
    );
    push(&outbox, QoS::AtLeastOnce, b"small").unwrap();
}

#[test]
fn one_message_enters_an_empty_outbox_whatever_its_size() {
    let outbox = Outbox::new(OutboxLimits {
        max_count: 9,
        max_bytes: 10,
    });
    assert!(push(&outbox, QoS::AtMostOnce, &[0; 1000]).is_ok());
    assert!(push(&outbox, QoS::AtMostOnce, b"x").is_err());
}

#[test]
fn for_an_absent_reader_only_acknowledged_messages_wait_and_they_own_their_bytes() {
    let outbox = Outbox::new(ROOMY);
    let buffer = Bytes::from(vec![b'x'; 64 * 1024]);
    let slice = || {
        Arc::new(Message::new(
            TopicName::try_from("a").unwrap(),
            buffer.slice(..3),
        ))
    };
    let terms = |qos| Terms {
        qos,
        retain: false,
        subscription_identifiers: SmallVec::new(),
    };
    outbox
        .push(&mut Outgoing::new(slice()), terms(QoS::AtMostOnce))
        .unwrap();
    outbox
        .push(&mut Outgoing::new(slice()), terms(QoS::AtLeastOnce))
        .unwrap();
    assert_eq!(outbox.park(), 1);
    let mut outgoing = Outgoing::new(slice());
    outbox.push(&mut outgoing, terms(QoS::AtLeastOnce)).unwrap();
    assert_eq!(
        outbox.push(&mut outgoing, terms(QoS::AtMostOnce)),
        Err(DropReason::OfflineQos0)
    );
    drop(outgoing);
    let buffer = buffer
        .try_into_mut()
        .expect("nobody else holds the receive buffer");
    assert_eq!(buffer.len(), 64 * 1024);
    outbox.resume();
    assert_eq!(payloads(&outbox, 9), [b"xxx", b"xxx"]);
    assert!(push(&outbox, QoS::AtMostOnce, b"x").is_ok());
}

#[test]
fn a_slow_reader_pins_a_bounded_number_of_receive_buffers() {
    let outbox = Outbox::new(OutboxLimits {
        max_count: 10_000,
        max_bytes: 16 << 20,
    });
    let mut buffers: Vec<Bytes> = (0..1_000).map(|_| vec![b'x'; 65_536].into()).collect();
    for buffer in &buffers {
        let id = BufferId::next();
        for place in 0..3 {
            let message = Message::new(
                TopicName::try_from("a").unwrap(),
                buffer.slice(place..place + 9),
            );
            let mut outgoing = Outgoing::within(Arc::new(message), id, buffer.len());
            outbox.push(&mut outgoing, at_least_once()).unwrap();
        }
    }
    assert_eq!(outbox.depth(), 3_000);
    buffers.retain(|buffer| !buffer.is_unique());
    assert_eq!(buffers.len() * 65_536, PINNED_MAX);
    assert_eq!(payloads(&outbox, 3_000).len(), 3_000);
    assert!(buffers.iter().all(Bytes::is_unique));
}

fn at_least_once() -> Terms {
    Terms {
        qos: QoS::AtLeastOnce,
        retain: false,
        subscription_identifiers: SmallVec::new(),
    }
}

#[test]
fn a_message_that_fills_its_buffer_is_not_copied_for_a_slow_reader() {
    let outbox = Outbox::new(OutboxLimits {
        max_count: 100,
        max_bytes: 16 << 20,
    });
    for _ in 0..7 {
        let payload = Bytes::from(vec![b'x'; 2_000_000]);
        let message = Arc::new(Message::new(TopicName::try_from("a").unwrap(), payload));
        let mut outgoing = Outgoing::within(message, BufferId::next(), 2_100_000);
        outbox.push(&mut outgoing, at_least_once()).unwrap();
        assert!(outgoing.kept.is_none());
    }
}

#[test]
fn readers_that_leave_together_do_not_multiply_what_waits_for_all_of_them() {
    let outboxes: Vec<_> = (0..100).map(|_| Outbox::new(ROOMY)).collect();
    let message = Arc::new(Message::new(TopicName::try_from("a").unwrap(), "x"));
    let mut outgoing = Outgoing::new(message);
    for outbox in &outboxes {
        outbox.push(&mut outgoing, at_least_once()).unwrap();
    }
    drop(outgoing);
    let messages: std::collections::HashSet<_> = outboxes
        .iter()
        .map(|outbox| {
            outbox.park();
            Arc::as_ptr(&outbox.state.lock().queue[0].message)
        })
        .collect();
    assert_eq!(messages.len(), 1);
}

#[test]
fn absent_readers_share_one_copy() {
    let mut outgoing = Outgoing::new(Arc::new(Message::new(
        TopicName::try_from("a").unwrap(),
        "x",
    )));
    assert!(Arc::ptr_eq(&outgoing.to_kept(), &outgoing.to_kept()));
    let mut kept = Outgoing::detached(Arc::clone(outgoing.message()));
    assert!(Arc::ptr_eq(&kept.to_kept(), outgoing.message()));
}

#[test]
fn an_ended_outbox_takes_nothing() {
    let outbox = Outbox::new(ROOMY);
    push(&outbox, QoS::AtLeastOnce, b"x").unwrap();
    assert_eq!(outbox.end(), 1);
    assert_eq!(
        push(&outbox, QoS::AtLeastOnce, b"x"),
        Err(DropReason::SessionEnded)
    );
    assert_eq!(outbox.depth(), 0);
}
