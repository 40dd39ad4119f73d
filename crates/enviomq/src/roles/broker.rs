//! The broker's role: its listeners, its certificate, its renewals, its health.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::SystemTime;

use broker::access::{Rule, Who};
use broker::{AccessPolicy, Broker, BrokerConfig, BrokerHandle, ListenerKind, Parts};
use pki::tls::ServerTls;
use pki::{Authority, LoadedPair};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificates::{self, Change};
use crate::config::{Access, AccessRule, Config, Endpoint, Listen};
use crate::context::Context;
use crate::data_folder::{DataFolder, Running};
use crate::enrolment::{self, JoinTokens, Registrar};
use crate::failure::Failure;
use crate::health::{self, Condition};
use crate::network::{Binder, Takes};

/// Where publisher and subscriber prove at each start that a message passes.
///
/// Topics that begin with `$` are matched by no wildcard, so no history shows it.
pub(crate) const SELF_TEST_TOPIC: &str = "$ENVIO/selftest";

/// Everything the broker listens on, bound.
pub(crate) struct Listeners {
    mqtt: TcpListener,
    health: TcpListener,
    enrol: Option<TcpListener>,
}

impl Listeners {
    /// Binds all of them; `flag` is what would move the MQTT listener.
    ///
    /// `None` if one could not be bound, as the binder will explain.
    pub(crate) fn bind(
        config: &Config,
        binder: &mut Binder,
        flag: &str,
        takes: Takes,
    ) -> Option<Self> {
        let broker = &config.broker;
        let mqtt = binder.bind(broker.listen, flag, takes);
        let health = Listen::At(broker.health_listen);
        let health = binder.bind(health, "--set broker.health_listen=", Takes::Address);
        let enrol = broker
            .enroll_listen
            .map(|listen| binder.bind(listen, "--set broker.enroll_listen=", Takes::Address));
        Some(Self {
            mqtt: mqtt?,
            health: health?,
            enrol: match enrol {
                Some(bound) => Some(bound?),
                None => None,
            },
        })
    }
}

/// A broker that serves.
pub(crate) struct RunningBroker {
    handle: BrokerHandle,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Where clients of this machine reach it.
    pub(crate) endpoint: Endpoint,
}

/// Starts serving `listeners` with `pair`.
///
/// # Errors
/// If TLS or the broker refuse what they are given, or the data folder cannot be written.
pub(crate) fn start(
    context: &Context,
    listeners: Listeners,
    authority: Arc<Authority>,
    pair: &LoadedPair,
) -> Result<RunningBroker, Failure> {
    let config = &context.config;
    let data = DataFolder::at(&context.data_dir);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let tls = Arc::new(ServerTls::new(pair, authority.trust_roots())?);
    let condition = Condition::new(pair.leaf().not_after, stop.clone());

    let mqtt = asynchronous(listeners.mqtt)?;
    let health = asynchronous(listeners.health)?;
    let endpoint = reachable(config.broker.listen, &mqtt)?;
    let health_address = health.local_addr().map_err(unusable)?;
    let parts = Parts {
        tls: Some(tls.clone()),
        access: Arc::new(policy(&config.access)?),
        listeners: vec![(mqtt, ListenerKind::MutualTls)],
    };
    let handle = Broker::start(limits(config), parts).map_err(unusable)?;
    tasks.spawn(health::serve(health, condition.clone(), stop.clone()));

    let tokens = config
        .broker
        .join_dir
        .as_ref()
        .map(|folder| JoinTokens::new(folder, &data));
    if let Some(tokens) = &tokens {
        tokens.leave(&authority, SystemTime::now())?;
    }
    if let Some(listener) = listeners.enrol {
        let registrar = Arc::new(Registrar::new(authority.clone(), tls.clone(), tokens));
        tasks.spawn(enrolment::serve(
            asynchronous(listener)?,
            registrar,
            stop.clone(),
        ));
    }
    let names = config.broker.names.clone();
    let renewed = data.clone();
    tasks.spawn(certificates::every_hour(
        "server",
        stop.clone(),
        move || {
            let ready = certificates::server(&renewed, &authority, &names)?;
            if ready.change != Change::Kept {
                tls.reload(&ready.pair)?;
                condition.renewed(ready.pair.leaf().not_after);
            }
            Ok(ready.change)
        },
    ));
    let running = Running {
        address: endpoint.to_string(),
        health: health_address.to_string(),
        broker: None,
    };
    running.write(&data, "broker")?;
    tracing::info!(listen = %config.broker.listen, "broker is listening");
    Ok(RunningBroker {
        handle,
        tasks,
        stop,
        endpoint,
    })
}

impl RunningBroker {
    /// Says goodbye to every client and waits until all is written.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.handle.shutdown().await;
        self.tasks.close();
        self.tasks.wait().await;
        tracing::info!("broker stopped");
    }
}

/// What `localhost` or the configured address reaches; the port is the one really bound.
fn reachable(listen: Listen, bound: &tokio::net::TcpListener) -> Result<Endpoint, Failure> {
    let port = bound.local_addr().map_err(unusable)?.port();
    let host = match listen {
        Listen::At(address) if !address.ip().is_unspecified() && !address.ip().is_loopback() => {
            address.ip().to_string()
        }
        Listen::At(address) if address.is_ipv6() && address.ip().is_loopback() => "::1".to_owned(),
        _ => "localhost".to_owned(),
    };
    Ok(Endpoint { host, port })
}

fn asynchronous(listener: TcpListener) -> Result<tokio::net::TcpListener, Failure> {
    tokio::net::TcpListener::from_std(listener).map_err(unusable)
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::new("ENV-P805").because(error)
}

fn policy(access: &Access) -> Result<AccessPolicy, Failure> {
    let below = format!("{SELF_TEST_TOPIC}/#");
    let own = |name: &str, publish: &[&str], subscribe: &[&str]| {
        Rule::new(Who::Identity(name.to_owned()), publish, subscribe).map_err(unusable)
    };
    let base = if access.classroom {
        AccessPolicy::classroom()
    } else {
        AccessPolicy::new(Vec::new())
    };
    let mut policy = base
        .with_rule(own("publisher", &[&below], &[])?)
        .with_rule(own("subscriber", &[], &[&below])?);
    for AccessRule {
        identity,
        publish,
        filter,
    } in &access.allow
    {
        let who = match identity.as_str() {
            "*" => Who::Everyone,
            name => Who::Identity(name.to_owned()),
        };
        let filter = [filter.as_str()];
        let (publish, subscribe): (&[&str], &[&str]) = if *publish {
            (&filter, &[])
        } else {
            (&[], &filter)
        };
        policy = policy.with_rule(Rule::new(who, publish, subscribe).map_err(unusable)?);
    }
    Ok(policy)
}

fn limits(config: &Config) -> BrokerConfig {
    let broker = &config.broker;
    let mut limits = BrokerConfig {
        connections_max: broker.connections_max as usize,
        outbox_max_count: broker.outbox_max_count as usize,
        outbox_max_bytes: bytes(broker.outbox_max_bytes.0),
        retained_max_bytes: bytes(broker.retained_max_bytes.0),
        ..BrokerConfig::default()
    };
    let session = &mut limits.session;
    session.packet_max_bytes = u32::try_from(broker.packet_max_bytes.0).unwrap_or(u32::MAX);
    session.keep_alive_max_s = u16::try_from(broker.keep_alive_max.0.as_secs()).unwrap_or(u16::MAX);
    session.session_expiry_max_s =
        u32::try_from(broker.session_expiry_max.0.as_secs()).unwrap_or(u32::MAX);
    limits
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;
    use mqtt::{TopicFilter, TopicName};

    #[test]
    fn rules_of_the_configuration_add_to_the_classroom() {
        let mut values = Values::defaults();
        values
            .offer_environment(
                [(
                    "ENVIOMQ_ACCESS_ALLOW".into(),
                    "pump-01 publish plant/#".into(),
                )]
                .into_iter(),
            )
            .unwrap();
        let config = Config::from_values(&values).unwrap();
        let policy = policy(&config.access).unwrap();
        let topic = |text: &str| TopicName::try_from(text).unwrap();
        assert!(policy.grants("pump-01").may_publish(&topic("plant/x")));
        assert!(policy.grants("pump-01").may_publish(&topic("chat/x")));
        assert!(!policy.grants("pump-02").may_publish(&topic("plant/x")));
        let test = TopicFilter::try_from("$ENVIO/selftest/1").unwrap();
        assert!(policy.grants("subscriber").may_subscribe(&test));
        assert!(!policy.grants("pump-01").may_subscribe(&test));
    }
}
