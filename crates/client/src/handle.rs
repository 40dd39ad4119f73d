//! The handle: what others hold of a running client.

use std::time::{Duration, Instant};

use mqtt::{ReasonCode, SubscriptionOptions, TopicFilter};
use tokio::sync::{mpsc, oneshot, watch};

use crate::connect::{Connect, TcpConnect};
use crate::driver::Driver;
use crate::inbox::Inbox;
use crate::publication::{Outcome, Publication, PublishRequest, Watcher};
use crate::session::{Command, Request};
use crate::{ClientError, Messages, Options};

/// Where the connection stands.
#[derive(Debug, Clone)]
pub enum ConnectionState {
    /// An attempt is under way; the first is number 1.
    Connecting {
        /// Counts up until a connection holds.
        attempt: u32,
    },
    /// The broker has accepted us.
    Connected {
        /// Since when.
        since: Instant,
        /// The broker has resumed a session of ours.
        session_present: bool,
    },
    /// The last attempt or connection failed; the next attempt is set.
    Waiting {
        /// When.
        until: Instant,
        /// How the last one failed.
        why: ClientError,
    },
    /// Somebody said no: the broker to us, or we to its certificate. The next attempt is far
    /// off, because nothing changes until somebody mends it.
    Refused {
        /// When.
        until: Instant,
        /// How.
        why: ClientError,
    },
    /// The client has ended: it was closed, or failed and was told not to reconnect.
    Closed {
        /// The failure, if it was one.
        why: Option<ClientError>,
    },
}

impl ConnectionState {
    /// Whether publications are sent at the moment.
    pub fn is_connected(&self) -> bool {
        matches!(self, ConnectionState::Connected { .. })
    }

    /// What is wrong at the moment, if something is.
    pub fn trouble(&self) -> Option<&ClientError> {
        match self {
            ConnectionState::Waiting { why, .. } | ConnectionState::Refused { why, .. } => {
                Some(why)
            }
            ConnectionState::Closed { why } => why.as_ref(),
            _ => None,
        }
    }

    /// How long until the next attempt.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        match self {
            ConnectionState::Waiting { until, .. } | ConnectionState::Refused { until, .. } => {
                Some(until.saturating_duration_since(now))
            }
            _ => None,
        }
    }
}

/// A handle to a running client. Clones share it; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<ConnectionState>,
    closing: watch::Sender<bool>,
}

impl Client {
    /// Starts a client in a task of its own.
    pub fn start(options: Options) -> (Client, Messages) {
        Client::start_over(options, TcpConnect)
    }

    /// Starts a client over connections made by `connect`.
    pub fn start_over(options: Options, connect: impl Connect) -> (Client, Messages) {
        let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
        let (inbox, messages) = Inbox::new(options.receive_maximum, options.waiting_maximum_bytes);
        let (state, observed) = watch::channel(ConnectionState::Connecting { attempt: 1 });
        let (closing, asked) = watch::channel(false);
        let driver = Driver::new(options, connect, command_queue, inbox, state, asked);
        tokio::spawn(driver.run());
        let client = Client {
            commands,
            state: observed,
            closing,
        };
        (client, messages)
    }

    /// Where the connection stands, to read or to follow.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the broker has accepted us.
    ///
    /// # Errors
    /// The client has ended, and why.
    pub async fn connected(&self) -> Result<(), ClientError> {
        let mut state = self.state.clone();
        let reached = state
            .wait_for(|state| {
                matches!(
                    state,
                    ConnectionState::Connected { .. } | ConnectionState::Closed { .. }
                )
            })
            .await;
        match reached.as_deref() {
            Ok(ConnectionState::Connected { .. }) => Ok(()),
            Ok(ConnectionState::Closed { why: Some(why) }) => Err(why.clone()),
            _ => Err(ClientError::Closed),
        }
    }

    /// Publishes, or says at once that it is not sent. Never waits.
    pub fn publish(&self, request: PublishRequest) -> Publication {
        let (watcher, publication) = Watcher::new();
        if !self.state.borrow().is_connected() {
            watcher.done(Outcome::NotSent {
                why: ClientError::NotConnected,
            });
            return publication;
        }
        let command = Command::Publish {
            publish: request.into_publish(),
            watcher: watcher.clone(),
        };
        if let Err(error) = self.commands.try_send(command) {
            watcher.done(Outcome::NotSent {
                why: match error {
                    mpsc::error::TrySendError::Full(_) => ClientError::QueueFull,
                    mpsc::error::TrySendError::Closed(_) => ClientError::Closed,
                },
            });
        }
        publication
    }

    /// Subscribes; waits for a connection if there is none. One Reason Code per filter.
    ///
    /// What the broker granted is asked for again by itself whenever a session is lost.
    ///
    /// # Errors
    /// The client has ended.
    pub async fn subscribe(
        &self,
        filters: Vec<(TopicFilter, SubscriptionOptions)>,
    ) -> Result<Vec<ReasonCode>, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Subscribe { filters, reply }, answer)
            .await
    }

    /// Unsubscribes; waits for a connection if there is none. One Reason Code per filter in
    /// 5.0, none in 3.1.1.
    ///
    /// # Errors
    /// The client has ended.
    pub async fn unsubscribe(
        &self,
        filters: Vec<TopicFilter>,
    ) -> Result<Vec<ReasonCode>, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Unsubscribe { filters, reply }, answer)
            .await
    }

    async fn ask(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<Vec<ReasonCode>, ClientError>>,
    ) -> Result<Vec<ReasonCode>, ClientError> {
        let command = Command::Ask(request);
        if self.commands.send(command).await.is_err() {
            return Err(ClientError::Closed);
        }
        answer.await.unwrap_or(Err(ClientError::Closed))
    }

    /// Sends what is waiting, says DISCONNECT, and ends. Returns when the connection is closed.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let mut state = self.state.clone();
        // An error means that the task is gone, which is what is waited for.
        let _ = state
            .wait_for(|state| matches!(state, ConnectionState::Closed { .. }))
            .await;
    }
}

/// Publications and requests that may wait for the task.
const COMMANDS_MAX: usize = 1024;
