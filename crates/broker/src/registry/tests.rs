use std::time::Duration;

use mqtt::{Connect, ProtocolVersion, QoS, SubscriptionOptions, Will};

use super::*;
use crate::outbox::{Outgoing, Terms};
use crate::router::retained::RetainedLimits;
use crate::session::{CloseReason, SessionLimits, admit};

struct Fixture {
    registry: Arc<Registry>,
    router: Arc<Router>,
    metrics: Arc<Metrics>,
    now: Instant,
}

fn fixture() -> Fixture {
    let retained = RetainedLimits {
        max_count: 10,
        max_bytes: 1 << 20,
    };
    let outbox = OutboxLimits {
        max_count: 10,
        max_bytes: 1 << 20,
    };
    let limits = RegistryLimits {
        sessions_max: 3,
        outbox,
    };
    let router = Arc::new(Router::new(retained));
    let metrics = Arc::new(Metrics::default());
    let access = Arc::new(AccessPolicy::classroom());
    let registry = Registry::new(limits, Arc::clone(&router), access, Arc::clone(&metrics));
    Fixture {
        registry: Arc::new(registry),
        router,
        metrics,
        now: Instant::now(),
    }
}

fn key(identity: &str, client_id: &'static str) -> SessionKey {
    SessionKey {
        identity: identity.into(),
        client_id: client_id.into(),
    }
}

fn session(will: Option<Will>) -> Box<Session> {
    let mut connect = Connect::new(ProtocolVersion::V5, "a");
    connect.properties.session_expiry_interval_s = Some(3600);
    connect.will = will;
    let limits = Arc::new(SessionLimits::default());
    let admission = admit(connect, &limits, || "fresh".into()).unwrap();
    Box::new(Session::new(admission, limits, Instant::now()))
}

fn will(delay_interval_s: u32) -> Will {
    Will {
        topic: "chat/will".parse().unwrap(),
        payload: "lost".into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        delay_interval_s,
        properties: None,
    }
}

fn subscribe(lease: &Lease, filter: &str) {
    let subscription = Subscription {
        outbox: Arc::clone(lease.outbox()),
        options: SubscriptionOptions::from(QoS::AtLeastOnce),
        identifier: None,
    };
    lease.subscribe(filter.parse().unwrap(), subscription);
}

impl Fixture {
    async fn claim(&self, key: &SessionKey) -> Claim {
        self.try_claim(key, false).await.unwrap()
    }

    async fn try_claim(&self, key: &SessionKey, clean_start: bool) -> Result<Claim, ClaimError> {
        self.registry.claim(key, clean_start, self.now).await
    }

    fn park(&self, claim: Claim, life_s: u64, will: Option<Will>) {
        let mut session = session(will);
        let due = session.take_will(CloseReason::ConnectionLost);
        session.park();
        let expires_at = self.now + Duration::from_secs(life_s);
        claim.lease.park(session, Some(expires_at), due, self.now);
    }

    fn listeners(&self, topic: &str) -> usize {
        let topic = topic.parse().unwrap();
        self.router.resolve(&topic, SlotId(0)).len()
    }

    fn after(&self, seconds: u64) {
        self.registry
            .fire_due(self.now + Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_parked_session_comes_back_with_its_subscriptions_and_its_outbox() {
    let fixture = fixture();
    let claim = fixture.claim(&key("alumno", "a")).await;
    assert!(claim.parked.is_none());
    subscribe(&claim.lease, "chat/#");
    let id = claim.lease.id();
    fixture.park(claim, 60, None);
    let claim = fixture.claim(&key("alumno", "a")).await;
    assert!(claim.parked.is_some());
    assert_eq!(claim.lease.id(), id);
    assert!(claim.lease.is_subscribed(&"chat/#".parse().unwrap()));
    assert_eq!(fixture.listeners("chat/x"), 1);
}

#[tokio::test]
async fn a_dropped_lease_ends_the_session_and_its_subscriptions() {
    let fixture = fixture();
    let claim = fixture.claim(&key("alumno", "a")).await;
    subscribe(&claim.lease, "chat/#");
    subscribe(&claim.lease, "demo/+");
    drop(claim);
    assert!(fixture.registry.is_empty());
    assert_eq!(fixture.listeners("chat/x") + fixture.listeners("demo/x"), 0);
    assert!(fixture.claim(&key("alumno", "a")).await.parked.is_none());
}

#[tokio::test]
async fn a_takeover_waits_until_the_other_connection_lets_go() {
    let fixture = fixture();
    let alumno = key("alumno", "a");
    let first = fixture.claim(&alumno).await;
    let second = fixture.claim(&alumno);
    let first_lets_go = async {
        while first.lease.outbox().notice() != Some(Notice::TakenOver) {
            tokio::task::yield_now().await;
        }
        fixture.park(first, 60, None);
    };
    let (second, ()) = tokio::join!(second, first_lets_go);
    assert!(second.parked.is_some());
    assert_eq!(second.lease.outbox().notice(), None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_lets_go_costs_the_newcomer_its_patience_only() {
    let fixture = fixture();
    let alumno = key("alumno", "a");
    let _stuck = fixture.claim(&alumno).await;
    let refused = fixture.registry.claim(&alumno, false, fixture.now).await;
    assert_eq!(refused.unwrap_err(), ClaimError::Occupied);
    assert_eq!(fixture.registry.len(), 1);
}

#[tokio::test]
async fn the_number_of_sessions_is_bounded_and_the_same_key_needs_no_new_place() {
    let fixture = fixture();
    for client_id in ["a", "b", "c"] {
        let claim = fixture.claim(&key("alumno", client_id)).await;
        fixture.park(claim, 60, None);
    }
    let refused = fixture.try_claim(&key("otro", "a"), false).await;
    assert_eq!(refused.unwrap_err(), ClaimError::TooManySessions);
    let clean = fixture.try_claim(&key("alumno", "a"), true).await;
    assert!(clean.unwrap().parked.is_none());
    assert_eq!(fixture.registry.len(), 2);
}

#[tokio::test]
async fn an_expired_session_is_removed_with_everything_it_had() {
    let fixture = fixture();
    let claim = fixture.claim(&key("alumno", "a")).await;
    subscribe(&claim.lease, "chat/#");
    let outbox = Arc::clone(claim.lease.outbox());
    fixture.park(claim, 60, None);
    let message = mqtt::Message::new("chat/x".parse().unwrap(), "hola");
    let terms = Terms {
        qos: QoS::AtLeastOnce,
        retain: false,
        subscription_identifiers: Default::default(),
    };
    outbox
        .push(&mut Outgoing::new(Arc::new(message)), terms)
        .unwrap();
    fixture.after(59);
    assert_eq!(fixture.registry.len(), 1);
    fixture.after(60);
    assert!(fixture.registry.is_empty());
    assert_eq!(fixture.listeners("chat/x"), 0);
    let snapshot = fixture.metrics.snapshot();
    assert_eq!(snapshot.sessions_expired, 1);
    assert_eq!(snapshot.dropped_for(DropReason::SessionEnded), 1);
}

#[tokio::test]
async fn a_delayed_will_comes_once_and_the_session_stays_until_its_own_end() {
    let fixture = fixture();
    let claim = fixture.claim(&key("alumno", "a")).await;
    fixture.park(claim, 60, Some(will(30)));
    fixture.after(29);
    assert_eq!(fixture.metrics.snapshot().wills_published, 0);
    fixture.after(30);
    fixture.after(31);
    assert_eq!(fixture.metrics.snapshot().wills_published, 1);
    assert_eq!(fixture.registry.len(), 1);
    fixture.after(60);
    assert_eq!(fixture.metrics.snapshot().wills_published, 1);
    assert!(fixture.registry.is_empty());
}

#[tokio::test]
async fn the_end_of_the_session_is_also_the_end_of_the_delay_of_its_will() {
    let fixture = fixture();
    let claim = fixture.claim(&key("alumno", "a")).await;
    fixture.park(claim, 600, Some(will(300)));
    let clean = fixture.try_claim(&key("alumno", "a"), true).await;
    drop(clean.unwrap());
    assert_eq!(fixture.metrics.snapshot().wills_published, 1);
}

#[tokio::test]
async fn coming_and_going_leaves_one_timer_per_parked_session() {
    let fixture = fixture();
    for life_s in 60..160 {
        let claim = fixture.claim(&key("alumno", "a")).await;
        assert_eq!(fixture.registry.timers.len(), 0);
        fixture.park(claim, life_s, Some(will(30)));
        assert_eq!(fixture.registry.timers.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_claim_is_forgotten_when_many_race_for_one_session() {
    const ROUNDS: usize = 3_000;
    let fixture = Arc::new(fixture());
    let busy = Arc::new(AtomicUsize::new(4));
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (fixture, busy) = (Arc::clone(&fixture), Arc::clone(&busy));
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let claim = fixture.claim(&key("alumno", "a")).await;
                    // Like a connection: it stays until it is told, as long as somebody may tell it.
                    while claim.lease.outbox().notice().is_none()
                        && busy.load(Ordering::Relaxed) == 4
                    {
                        tokio::task::yield_now().await;
                    }
                    fixture.park(claim, 60, None);
                }
                busy.fetch_sub(1, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
