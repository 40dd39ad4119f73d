//! The one task of a client: connect, converse, come back.

use std::time::{Duration, Instant};

use mqtt::ByteString;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::connect::Connect;
use crate::conversation::{Conversation, Ended};
use crate::handle::ConnectionState;
use crate::inbox::Inbox;
use crate::offline::Doors;
use crate::opening::open;
use crate::session::{Command, Session};
use crate::{Backoff, ClientError, Options};

/// Everything the task owns.
pub(crate) struct Driver {
    options: Options,
    connect: Box<dyn Connect>,
    /// As configured, or as the broker assigned it.
    client_id: ByteString,
    session: Session,
    doors: Doors,
    inbox: Inbox,
    state: watch::Sender<ConnectionState>,
}

impl Driver {
    pub(crate) fn new(
        options: Options,
        connect: impl Connect,
        commands: mpsc::Receiver<Command>,
        inbox: Inbox,
        state: watch::Sender<ConnectionState>,
        closing: watch::Receiver<bool>,
    ) -> Driver {
        // Unbounded in type only: there is one receipt per message, and Receive Maximum of those.
        let (receipt_sender, receipts) = mpsc::unbounded_channel();
        Driver {
            client_id: options.client_id.as_str().into(),
            session: Session::new(&options, receipt_sender, Instant::now()),
            options,
            connect: Box::new(connect),
            doors: Doors {
                commands,
                receipts,
                closing,
            },
            inbox,
            state,
        }
    }

    /// Until the client is closed, or fails for the last time.
    pub(crate) async fn run(mut self) {
        let why = self.live().await;
        let reported = why.clone().unwrap_or(ClientError::Closed);
        // What came in after the last look gets its answer too.
        self.doors.commands.close();
        while let Ok(command) = self.doors.commands.try_recv() {
            self.session.handle_command(command);
        }
        self.session.closed(&reported);
        self.state.send_replace(ConnectionState::Closed { why });
    }

    /// Attempts and connections in turn; the failure that ended them, if it was one.
    async fn live(&mut self) -> Option<ClientError> {
        let mut failures = 0;
        let mut is_first = true;
        loop {
            let why = match self.attempt(failures + 1, is_first).await? {
                Ok(held) => {
                    is_first = false;
                    if held.lasted >= STABLE {
                        failures = 0;
                    }
                    held.why?
                }
                Err(error) => error,
            };
            failures += 1;
            let Some(backoff) = self.options.reconnect else {
                return Some(why);
            };
            let wait = self.announce(&why, backoff, failures);
            self.doors
                .serve_during(&mut self.session, sleep(wait))
                .await?;
        }
    }

    /// Connects and converses until the connection ends. `None`: the client is to close.
    async fn attempt(&mut self, attempt: u32, is_first: bool) -> Option<Result<Held, ClientError>> {
        self.state
            .send_replace(ConnectionState::Connecting { attempt });
        let opening = open(&self.options, &mut *self.connect, &self.client_id, is_first);
        let opening = timeout(self.options.connect_timeout, opening);
        // Boxed: it is large and rare, and would lie beside every message otherwise.
        let opened = Box::pin(self.doors.serve_during(&mut self.session, opening)).await?;
        let opened = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Some(Err(error)),
            Err(_elapsed) => {
                return Some(Err(ClientError::TimedOut {
                    address: self.options.address(),
                    after: self.options.connect_timeout,
                }));
            }
        };
        let assigned = &opened.answer.properties.assigned_client_identifier;
        // Only who came without a name is given one.
        if self.options.client_id.is_empty()
            && let Some(assigned) = assigned
        {
            self.client_id = assigned.clone();
        }
        let since = Instant::now();
        self.session.connected(opened.codec, &opened.answer, since);
        let session_present = opened.answer.session_present;
        tracing::info!(session_present, "connected to {}", self.options.address());
        self.state.send_replace(ConnectionState::Connected {
            since,
            session_present,
        });
        let conversation = Conversation::new(
            opened.transport,
            opened.plain,
            &mut self.session,
            &mut self.doors,
            &self.inbox,
            &self.options.host,
        );
        let ended = conversation.run().await;
        let lasted = since.elapsed();
        Some(Ok(match ended {
            Ended::Asked => Held { lasted, why: None },
            Ended::Failed(why) => {
                self.session.disconnected(&why);
                Held {
                    lasted,
                    why: Some(why),
                }
            }
        }))
    }

    /// Says what failed and when the next attempt is; returns the wait.
    fn announce(&mut self, why: &ClientError, backoff: Backoff, failures: u32) -> Duration {
        let address = self.options.address();
        let code = why.code();
        let (wait, is_refusal) = match why.is_refusal() {
            true => (backoff.wait_after_refusal(), true),
            false => (backoff.wait(failures), false),
        };
        tracing::warn!(
            code,
            "no connection to {address}: {why}; trying again in {:.1} s",
            wait.as_secs_f64()
        );
        let until = Instant::now() + wait;
        let why = why.clone();
        self.state.send_replace(match is_refusal {
            true => ConnectionState::Refused { until, why },
            false => ConnectionState::Waiting { until, why },
        });
        wait
    }
}

/// A connection that was accepted and has ended.
struct Held {
    lasted: Duration,
    /// None: the client was asked to close.
    why: Option<ClientError>,
}

/// A connection that held this long makes the next wait a first one again.
const STABLE: Duration = Duration::from_secs(10);
