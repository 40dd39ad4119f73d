use super::*;
use crate::outbox::{Delivery, OutboxLimits};
use std::collections::VecDeque;

const A: SlotId = SlotId(1);
const B: SlotId = SlotId(2);

struct Fixture {
    router: Router,
    metrics: Metrics,
}

fn fixture() -> Fixture {
    let retained = RetainedLimits {
        max_count: 10,
        max_bytes: 1 << 20,
    };
    Fixture {
        router: Router::new(retained),
        metrics: Metrics::default(),
    }
}

fn outbox() -> Arc<Outbox> {
    Arc::new(Outbox::new(OutboxLimits {
        max_count: 100,
        max_bytes: 1 << 20,
    }))
}

fn qos(maximum_qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        maximum_qos,
        ..SubscriptionOptions::default()
    }
}

fn message(topic: &str, qos: QoS) -> Message {
    Message {
        qos,
        ..Message::new(TopicName::try_from(topic).unwrap(), "hola")
    }
}

fn waiting(outbox: &Outbox) -> VecDeque<Delivery> {
    let mut batch = VecDeque::new();
    outbox.take(&mut batch, usize::MAX);
    batch
}

impl Fixture {
    fn subscribe(
        &self,
        slot: SlotId,
        filter: &str,
        outbox: &Arc<Outbox>,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> bool {
        let subscription = Subscription {
            outbox: Arc::clone(outbox),
            options,
            identifier,
        };
        self.router
            .subscribe(slot, &TopicFilter::try_from(filter).unwrap(), subscription)
    }

    fn publish(&self, message: Message, origin: SlotId) -> usize {
        self.router
            .publish(message, origin, Instant::now(), &self.metrics)
    }
}

/// Shows [MQTT-3.3.4-2], [MQTT-3.3.4-4], [MQTT-3.8.4-8].
#[test]
fn overlapping_subscriptions_deliver_once_with_the_highest_qos_and_all_identifiers() {
    let broker = fixture();
    let inbox = outbox();
    broker.subscribe(A, "a/#", &inbox, qos(QoS::AtMostOnce), Some(7));
    broker.subscribe(A, "a/+", &inbox, qos(QoS::ExactlyOnce), Some(8));
    broker.subscribe(A, "a/b", &inbox, qos(QoS::AtLeastOnce), None);
    assert_eq!(broker.publish(message("a/b", QoS::ExactlyOnce), B), 1);
    let batch = waiting(&inbox);
    assert_eq!(batch.len(), 1);
    assert_eq!(batch[0].qos, QoS::ExactlyOnce);
    let mut identifiers = batch[0].subscription_identifiers.clone();
    identifiers.sort_unstable();
    assert_eq!(identifiers[..], [7, 8]);
}

/// Shows [MQTT-3.8.4-8].
#[test]
fn the_published_qos_is_never_raised() {
    let broker = fixture();
    let inbox = outbox();
    broker.subscribe(A, "a", &inbox, qos(QoS::ExactlyOnce), None);
    broker.publish(message("a", QoS::AtMostOnce), B);
    assert_eq!(waiting(&inbox)[0].qos, QoS::AtMostOnce);
}

#[test]
fn mqtt_3_8_3_3_no_local_keeps_a_message_from_its_publisher_only() {
    let broker = fixture();
    let (own, other) = (outbox(), outbox());
    let no_local = SubscriptionOptions {
        no_local: true,
        ..qos(QoS::AtLeastOnce)
    };
    broker.subscribe(A, "chat/#", &own, no_local, None);
    broker.subscribe(B, "chat/#", &other, no_local, None);
    assert_eq!(broker.publish(message("chat/x", QoS::AtMostOnce), A), 1);
    assert_eq!((own.depth(), other.depth()), (0, 1));
    // A second, ordinary subscription of the publisher does bring it back.
    broker.subscribe(A, "chat/x", &own, qos(QoS::AtMostOnce), Some(3));
    broker.publish(message("chat/x", QoS::AtLeastOnce), A);
    let batch = waiting(&own);
    assert_eq!(
        (
            batch.len(),
            batch[0].qos,
            batch[0].subscription_identifiers.as_slice()
        ),
        (1, QoS::AtMostOnce, &[3][..])
    );
}

/// Also [MQTT-3.3.1-13].
#[test]
fn mqtt_3_3_1_12_retain_is_cleared_unless_the_subscription_asked_for_the_original() {
    let broker = fixture();
    let (plain, original) = (outbox(), outbox());
    broker.subscribe(A, "a", &plain, qos(QoS::AtMostOnce), None);
    broker.subscribe(
        B,
        "a",
        &original,
        SubscriptionOptions {
            retain_as_published: true,
            ..qos(QoS::AtMostOnce)
        },
        None,
    );
    broker.publish(
        Message {
            retain: true,
            ..message("a", QoS::AtMostOnce)
        },
        A,
    );
    assert!(!waiting(&plain)[0].retain);
    assert!(waiting(&original)[0].retain);
    assert_eq!(broker.router.retained_size().0, 1);
}

#[test]
fn every_change_of_subscriptions_changes_the_generation() {
    let broker = fixture();
    let inbox = outbox();
    let before = broker.router.generation();
    assert!(broker.subscribe(A, "a", &inbox, qos(QoS::AtMostOnce), None));
    assert!(!broker.subscribe(A, "a", &inbox, qos(QoS::AtLeastOnce), None));
    let subscribed = broker.router.generation();
    assert_ne!(before, subscribed);
    assert!(
        broker
            .router
            .unsubscribe(A, &TopicFilter::try_from("a").unwrap())
    );
    assert_ne!(subscribed, broker.router.generation());
    assert_eq!(broker.publish(message("a", QoS::AtMostOnce), B), 0);
}

#[test]
fn a_wide_fan_out_continues_where_its_budget_ended() {
    let broker = fixture();
    let inboxes: Vec<_> = (0..10).map(|_| outbox()).collect();
    for (slot, inbox) in (0..).map(SlotId).zip(&inboxes) {
        broker.subscribe(slot, "a", inbox, qos(QoS::AtMostOnce), None);
    }
    let message = Arc::new(message("a", QoS::AtMostOnce));
    let route = Arc::new(broker.router.resolve(&message.topic, SlotId(99)));
    let mut fan_out = FanOut::new(Outgoing::new(message), route);
    let mut touched = Touched::default();
    assert_eq!(fan_out.advance(4, &mut touched, &broker.metrics), 4);
    assert!(!fan_out.is_done());
    assert_eq!(inboxes.iter().map(|inbox| inbox.depth()).sum::<usize>(), 4);
    assert_eq!(fan_out.advance(100, &mut touched, &broker.metrics), 6);
    assert!(fan_out.is_done());
    assert!(inboxes.iter().all(|inbox| inbox.depth() == 1));
    assert_eq!(broker.metrics.snapshot().messages_routed, 10);
}

#[test]
fn the_ended_outbox_of_a_stale_route_takes_nothing_and_is_counted() {
    let broker = fixture();
    let inbox = outbox();
    broker.subscribe(A, "a", &inbox, qos(QoS::AtMostOnce), None);
    inbox.end();
    broker.publish(message("a", QoS::AtMostOnce), B);
    assert_eq!(inbox.depth(), 0);
    assert_eq!(
        broker
            .metrics
            .snapshot()
            .dropped_for(DropReason::SessionEnded),
        1
    );
}
