//! Connection: THE driver. Moves bytes between socket, TLS, codec and session, and routes.
//!
//! One task per Network Connection. It works in turns: everything a turn does is plain
//! code, and the only await is the one between two turns ([`Connection::wait`]). Nothing is
//! ever waited for to fill a batch; batches form because work arrives while we work.
//!
//! A life: [`greeting`] (CONNECT to a session), turns, [`farewell`].

mod farewell;
mod greeting;
mod routing;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt::Codec;
use tokio::time::Sleep;
use transport::{Read, Transport, TransportError};

use crate::access::Grants;
use crate::broker::Shared;
use crate::journal::Journal;
use crate::metrics::DropReason;
use crate::outbox::{BufferId, Delivery, Notice, Touched};
use crate::registry::Lease;
use crate::router::FanOut;
use crate::router::retained::RetainedWish;
use crate::router::route_cache::RouteCache;
use crate::session::{CloseReason, PublishToken, Session};

use routing::Denials;

pub(crate) use greeting::serve;

/// A client with its session, on one Network Connection.
struct Connection {
    shared: Arc<Shared>,
    transport: Transport,
    codec: Codec,
    session: Box<Session>,
    lease: Lease,
    grants: Grants,
    cache: RouteCache,
    denials: Denials,
    /// Decrypted bytes that are not decoded yet.
    plain_in: BytesMut,
    /// Names the buffer of the last read, and how large it was: its messages are slices of it.
    buffer: BufferId,
    buffer_bytes: usize,
    /// A message whose receivers did not fit into the budget of a turn.
    fan_out: Option<(FanOut, PublishToken)>,
    touched: Touched,
    /// Room for what is taken from the outbox.
    batch: VecDeque<Delivery>,
    /// New subscriptions that did not get all retained messages yet; these go before the outbox.
    wishes: VecDeque<RetainedWish>,
    /// How far the last turn got: more bytes are read only when all are dealt with.
    routed: Routed,
    /// Nothing more will come from the peer.
    closed: Option<End>,
    last_work: Instant,
}

/// What follows a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more to do than a turn may; let the other tasks run first.
    Yield,
    /// Nothing to do until something happens.
    Wait,
}

/// Where decoding and routing stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Routed {
    /// Every whole packet is dealt with.
    All,
    /// The budget of the turn is used up.
    BudgetSpent,
    /// Too many answers wait to leave first.
    AnswersWait,
}

/// Why the turns end, and what the network said if it was its doing.
#[derive(Debug)]
struct End {
    reason: CloseReason,
    cause: Option<TransportError>,
}

impl Connection {
    /// Turns until the end.
    async fn run(&mut self) -> End {
        let mut timer = pin!(Timer::idle());
        let mut turns = 0_u32;
        loop {
            let now = now();
            let turn = self.turn(now);
            // Also after a failure: what was pushed is somebody's to read.
            self.touched.wake_all();
            match turn {
                Err(end) => return end,
                Ok(Next::Yield) => tokio::task::yield_now().await,
                Ok(Next::Wait) => {
                    timer.as_mut().arm(self.deadline());
                    self.wait(timer.as_mut()).await;
                    turns += 1;
                    // A wait that is always over at once would keep the worker for ever.
                    if turns.is_multiple_of(TURNS_BEFORE_YIELD) {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    /// Everything there is to do now, within the budgets of one turn.
    fn turn(&mut self, now: Instant) -> Result<Next, End> {
        match self.lease.outbox().notice() {
            Some(Notice::TakenOver) => {
                return Err(self.last_words(CloseReason::SessionTakenOver, now));
            }
            Some(Notice::ShuttingDown) => {
                return Err(self.last_words(CloseReason::ServerShuttingDown, now));
            }
            None => {}
        }
        let heard = self.read(now);
        // What lies in the socket, or waits here, was said in time: then it is we who are late.
        if !heard && self.routed != Routed::BudgetSpent {
            self.session.handle_timeout(now);
        }
        self.routed = self.route(now)?;
        self.session
            .handle_committed(self.shared.journal.committed());
        let sent = match self.send(now) {
            Ok(sent) => sent,
            Err(error) => return Err(self.last_words(error, now)),
        };
        self.release_when_quiet(now);

        let may_decode = self.routed == Routed::AnswersWait && self.session.wants_packets();
        let may_deliver = self.wants_deliveries() && self.has_retained();
        if self.routed == Routed::BudgetSpent || sent >= WRITE_BUDGET || may_decode || may_deliver {
            return Ok(Next::Yield);
        }
        match self.closed.take() {
            Some(end) => Err(end),
            None => Ok(Next::Wait),
        }
    }

    /// The end is decided, but a DISCONNECT may lie in the socket: then this was a clean end.
    fn last_words(&mut self, end: impl Into<End>, now: Instant) -> End {
        self.read(now);
        self.route(now).err().unwrap_or_else(|| end.into())
    }

    /// One read of the socket; says whether it brought anything. Without bytes waiting there it
    /// costs no system call.
    fn read(&mut self, now: Instant) -> bool {
        if !self.wants_bytes() {
            return false;
        }
        let before = self.plain_in.len();
        match self.transport.try_read(&mut self.plain_in) {
            Ok(Read::Bytes(_) | Read::WouldBlock) => {}
            // Packets that came before the end are dealt with before the end is.
            Ok(Read::Closed { .. }) => self.closed = Some(CloseReason::ConnectionLost.into()),
            Err(error) => self.closed = Some(error.into()),
        }
        let count = self.plain_in.len() - before;
        if count > 0 {
            self.last_work = now;
            self.buffer = BufferId::next();
            self.buffer_bytes = self.plain_in.capacity();
            self.shared.metrics.bytes_received(count as u64);
        }
        count > 0
    }

    /// While packets wait for their turn, more bytes would only pile up.
    fn wants_bytes(&self) -> bool {
        self.closed.is_none() && self.routed == Routed::All && self.session.wants_packets()
    }

    fn wants_deliveries(&self) -> bool {
        self.transport.pending_write() == 0 && self.session.wants_deliveries()
    }

    /// Decodes and carries out, packet by packet, until the bytes or the budget end.
    fn route(&mut self, now: Instant) -> Result<Routed, End> {
        let mut budget = ROUTE_BUDGET;
        loop {
            self.go_on_fanning_out(&mut budget);
            if self.fan_out.is_some() {
                return Ok(Routed::BudgetSpent);
            }
            if let Some(action) = self.session.poll_action() {
                self.carry_out(action, &mut budget, now)?;
            } else if budget == 0 {
                return Ok(Routed::BudgetSpent);
            } else if !self.session.wants_packets() {
                return Ok(Routed::AnswersWait);
            } else {
                match self
                    .codec
                    .decode(&mut self.plain_in)
                    .map_err(CloseReason::Undecodable)?
                {
                    Some(packet) => {
                        budget -= 1;
                        self.session
                            .handle_packet(packet, now)
                            .map_err(CloseReason::ProtocolError)?;
                    }
                    None => break,
                }
            }
        }
        if self.plain_in.is_empty() {
            // An idle connection holds no buffer, and does not keep alive what its packets shared.
            self.plain_in = BytesMut::new();
        }
        Ok(Routed::All)
    }

    /// One write: what waits for this client, as far as the socket took what was written before.
    fn send(&mut self, now: Instant) -> Result<usize, TransportError> {
        if self.transport.pending_write() > 0 {
            self.transport.try_flush()?;
            if self.transport.pending_write() > 0 {
                return Ok(0);
            }
        }
        self.take_deliveries(now);
        let sent = self.write(WRITE_BUDGET, now)?;
        if sent > 0 {
            self.last_work = now;
        }
        self.count_dropped();
        Ok(sent)
    }

    fn take_deliveries(&mut self, now: Instant) {
        if !self.wants_deliveries() {
            return;
        }
        if self.has_retained() {
            self.take_retained(now);
        } else {
            self.lease.outbox().take(&mut self.batch, TAKE_MAX);
        }
        if !self.batch.is_empty() {
            self.session.handle_deliveries(&mut self.batch);
        }
    }

    /// Encodes and sends up to `budget` bytes; returns how many.
    fn write(&mut self, budget: usize, now: Instant) -> Result<usize, TransportError> {
        // The worker's buffer: `Transport::write` leaves nothing in it.
        let mut plain_out = PLAIN_OUT.take();
        self.session.poll_write(&mut plain_out, budget, now);
        let count = plain_out.len();
        let written = if count > 0 {
            self.transport.write(&mut plain_out)
        } else {
            Ok(())
        };
        plain_out.clear();
        if plain_out.capacity() <= 2 * WRITE_BUDGET {
            PLAIN_OUT.set(plain_out);
        }
        self.shared.metrics.bytes_sent(count as u64);
        written.map(|()| count)
    }

    fn count_dropped(&mut self) {
        let dropped = self.session.take_dropped();
        let counts = [
            (DropReason::Expired, dropped.expired),
            (DropReason::TooLarge, dropped.too_large),
            (DropReason::OfflineQos0, dropped.offline_qos0),
        ];
        for (reason, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.shared.metrics.dropped(reason, count.into());
        }
    }

    /// Until something happens that a turn can use. Cancel safe: nothing is taken out here.
    async fn wait(&self, timer: Pin<&mut Timer>) {
        let outbox = self.lease.outbox();
        let wanted = self.wants_deliveries();
        // Errors of the waiting itself come back from the next read or write.
        tokio::select! {
            biased;
            () = poll_fn(|context| outbox.poll_woken(context, wanted)) => {}
            _ = self.transport.readable(), if self.wants_bytes() => {}
            _ = self.transport.writable(), if self.transport.pending_write() > 0 => {}
            () = timer => {}
        }
    }

    /// When a turn must run even if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let quiet_at = self.holds_spare_memory().then(|| self.last_work + QUIET);
        self.session
            .poll_timeout()
            .into_iter()
            .chain(quiet_at)
            .min()
    }

    fn holds_spare_memory(&self) -> bool {
        self.batch.capacity() > 0 || !self.cache.is_empty()
    }

    /// A connection that did nothing for a while keeps only its state.
    fn release_when_quiet(&mut self, now: Instant) {
        if self.holds_spare_memory() && now >= self.last_work + QUIET {
            self.batch = VecDeque::new();
            self.cache.release();
            self.lease.outbox().release();
        }
    }
}

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            cause: None,
        }
    }
}

impl From<TransportError> for End {
    fn from(cause: TransportError) -> Self {
        Self {
            reason: CloseReason::ConnectionLost,
            cause: Some(cause),
        }
    }
}

/// A timer that is re-armed only for an earlier deadline.
///
/// The keep alive deadline moves with every packet; the timer then fires too early once per
/// period, which is far cheaper than moving it with them.
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
}

impl Timer {
    fn idle() -> Self {
        Self {
            sleep: None,
            armed: None,
        }
    }

    fn arm(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return;
        };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        self.armed = Some(deadline);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline.into()),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(deadline.into()))),
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        let this = &mut *self;
        match &mut this.sleep {
            Some(sleep) if this.armed.is_some() => {
                std::task::ready!(sleep.as_mut().poll(context));
                this.armed = None;
                std::task::Poll::Ready(())
            }
            _ => std::task::Poll::Pending,
        }
    }
}

/// The time of a turn; follows the paused clock of tests.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

thread_local! {
    /// Where one turn encodes. The worker's, because an idle connection should hold no buffer.
    static PLAIN_OUT: RefCell<BytesMut> = RefCell::default();
}

/// Packets decoded and deliveries routed in one turn.
const ROUTE_BUDGET: usize = 1024;

/// Bytes written in one turn.
const WRITE_BUDGET: usize = 256 * 1024;

/// Deliveries taken from the outbox in one turn: the rest stays there, where it is counted.
const TAKE_MAX: usize = 1024;

/// Turns without a budget reached before the other tasks of the worker get a chance.
const TURNS_BEFORE_YIELD: u32 = 16;

/// How long a connection keeps memory it does not use at the moment.
const QUIET: Duration = Duration::from_secs(10);
