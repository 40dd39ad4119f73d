//! Messages and connection of the subscriber, by the real client.

use client::{Client, ClientError, ConnectionState, Messages, Options};
use futures_util::stream::{self, BoxStream, StreamExt};
use mqtt::{QoS, ReasonCode, RetainHandling, SubscriptionOptions, TopicFilter};
use store::NewMessage;
use tokio::sync::watch;

use super::recorder::Arrival;
use crate::link::{CODE_FILTER, CODE_NOT_STORED, LinkState, Why};
use crate::web::{ServiceError, now_ms};

/// The connection of the subscriber.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
}

/// What became of asking for the filters.
#[derive(Debug, Clone)]
enum Granted {
    /// No answer yet.
    Asked,
    All,
    /// Some were refused: which, in the broker's words.
    NotAll(String),
}

impl Link {
    /// Starts the client and subscribes. The state tells of connection, filters and storing.
    pub(crate) fn start(
        options: Options,
        filters: &[String],
        storing_problem: watch::Receiver<Option<String>>,
    ) -> Result<
        (
            Link,
            watch::Receiver<LinkState>,
            BoxStream<'static, Arrival>,
        ),
        ServiceError,
    > {
        let filters = parse(filters)?;
        let (client, messages) = Client::start(options);
        let (shown, state) = watch::channel(LinkState::Connecting);
        tokio::spawn(watch_over(client.clone(), filters, storing_problem, shown));
        Ok((Link { client }, state, arrivals(messages).boxed()))
    }

    /// Says goodbye to the broker.
    pub(crate) async fn close(&self) {
        self.client.close().await;
    }
}

fn parse(filters: &[String]) -> Result<Vec<(TopicFilter, SubscriptionOptions)>, ServiceError> {
    let parse = |filter: &String| match TopicFilter::try_from(filter.as_str()) {
        Ok(parsed) => Ok((parsed, OPTIONS)),
        Err(error) => Err(ServiceError::Config(format!(
            "subscriber filter {filter:?}: {error}"
        ))),
    };
    filters.iter().map(parse).collect()
}

fn arrivals(messages: Messages) -> impl futures_util::Stream<Item = Arrival> {
    stream::unfold(messages, |mut messages| async {
        let mut incoming = messages.next().await?;
        let receipt = incoming.take_receipt();
        let arrival = Arrival {
            message: NewMessage {
                at_ms: now_ms(),
                topic: incoming.topic.to_string(),
                payload: incoming.payload,
                qos: incoming.qos as u8,
                retain: incoming.retain,
            },
            acknowledge: Box::new(|| receipt.give()),
        };
        Some((arrival, messages))
    })
}

/// Subscribes, and puts together what the page shows, until the client ends.
async fn watch_over(
    client: Client,
    filters: Vec<(TopicFilter, SubscriptionOptions)>,
    mut storing_problem: watch::Receiver<Option<String>>,
    shown: watch::Sender<LinkState>,
) {
    let mut connection = client.state();
    let mut granted = Granted::Asked;
    let mut subscribing = std::pin::pin!(async {
        let reasons = client.subscribe(filters.clone()).await?;
        Ok::<_, ClientError>(judge(&filters, &reasons))
    });
    loop {
        let now = connection.borrow_and_update().clone();
        let problem = storing_problem.borrow_and_update().clone();
        shown.send_if_modified(|shown| shown.follow(state(&now, &granted, problem)));
        tokio::select! {
            changed = connection.changed() => if changed.is_err() { return },
            // Once the recorder has ended there is nothing more to be told of it.
            Ok(()) = storing_problem.changed() => {}
            answer = &mut subscribing, if matches!(granted, Granted::Asked) => match answer {
                Ok(judged) => granted = judged,
                Err(_) => return,
            },
        }
    }
}

/// The worst of what is known.
fn state(now: &ConnectionState, granted: &Granted, storing_problem: Option<String>) -> LinkState {
    if !now.is_connected() {
        return LinkState::from(now);
    }
    if let Some(detail) = storing_problem {
        return limited(CODE_NOT_STORED, detail);
    }
    match granted {
        Granted::Asked => LinkState::Connecting,
        Granted::All => LinkState::Connected,
        Granted::NotAll(detail) => limited(CODE_FILTER, detail.clone()),
    }
}

fn limited(code: &str, detail: String) -> LinkState {
    LinkState::Limited(Why {
        code: code.to_owned(),
        detail,
    })
}

fn judge(filters: &[(TopicFilter, SubscriptionOptions)], reasons: &[ReasonCode]) -> Granted {
    let refused: Vec<_> = filters
        .iter()
        .zip(reasons)
        .filter(|(_, reason)| reason.is_error())
        .map(|((filter, _), reason)| format!("{}: {reason}", &**filter))
        .collect();
    if refused.is_empty() {
        return Granted::All;
    }
    let refused = refused.join(", ");
    tracing::warn!(
        filters = refused,
        "the broker did not grant all subscriptions"
    );
    Granted::NotAll(refused)
}

/// QoS 2: each message reaches the history exactly as its publisher sent it, once.
const OPTIONS: SubscriptionOptions = SubscriptionOptions {
    maximum_qos: QoS::ExactlyOnce,
    no_local: false,
    retain_as_published: false,
    // A restart would otherwise write every retained message into the history again.
    retain_handling: RetainHandling::SendIfNew,
};
