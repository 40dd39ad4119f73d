//! Live: rows as server-sent events, each with its place in the log.
//!
//! The log says how far it has grown; the stream reads what follows the last place it has
//! shown. Nothing is kept per viewer but that number, so a viewer who was cut off resumes
//! without gap or repetition, and a slow one slows nobody.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::Shell;
use super::login::LoginEnds;
use crate::Language;

/// Where a stream starts: after this place, or with what is new.
#[derive(Debug, Deserialize)]
pub(crate) struct From {
    after: Option<i64>,
}

impl From {
    /// The place after which to start. What the browser itself remembers of a cut stream is
    /// newer than the address it was opened with.
    fn place(&self, headers: &HeaderMap) -> Option<i64> {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        last.and_then(|id| id.parse().ok()).or(self.after)
    }
}

/// What a stream needs to know of its viewer and its shell.
pub(crate) struct Viewer {
    pub(crate) shell: Arc<Shell>,
    pub(crate) language: Language,
    pub(crate) login: LoginEnds,
    pub(crate) from: From,
    pub(crate) headers: HeaderMap,
}

/// A row on its way to the browser: its place in the log, and its content as JSON.
pub(crate) type Row = (i64, String);

/// Streams the rows that `fetch` finds after a place, whenever `newest` has moved.
pub(crate) fn follow<F, Fut>(
    viewer: Viewer,
    event: &'static str,
    newest: watch::Receiver<i64>,
    fetch: F,
) -> Response
where
    F: Fn(i64) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Vec<Row>, StoreError>> + Send + 'static,
{
    let Ok(place_taken) = viewer.shell.streams.clone().try_acquire_owned() else {
        // The page asks again by itself after some seconds.
        return (StatusCode::SERVICE_UNAVAILABLE, "too many live pages\n").into_response();
    };
    let latest = *newest.borrow();
    let asked = viewer.from.place(&viewer.headers).unwrap_or(latest);
    let mut waiting = VecDeque::new();
    // A place that does not exist yet: the log was started anew. What the page shows is gone.
    if asked > latest {
        waiting.push_back(Event::default().event("reset").data(""));
    }
    let mut link = viewer.shell.link.clone();
    // The page was made a moment ago; the state may have changed since.
    link.mark_changed();
    let ends = viewer.login.0.duration_since(SystemTime::now());
    let stop = viewer.shell.stop.clone();
    let follower = Follower {
        shell: viewer.shell,
        language: viewer.language,
        event,
        place: asked.min(latest),
        newest,
        link,
        waiting,
        next_look: Instant::now(),
        fetch,
        _place_taken: place_taken,
    };
    let rows = stream::unfold(follower, Follower::step)
        .take_until(stop.cancelled_owned())
        .take_until(tokio::time::sleep(ends.unwrap_or_default()));
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let rows: std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> =
        Box::pin(rows);
    Sse::new(rows).keep_alive(keep_alive).into_response()
}

struct Follower<F> {
    shell: Arc<Shell>,
    language: Language,
    event: &'static str,
    /// The last row that was sent.
    place: i64,
    newest: watch::Receiver<i64>,
    link: watch::Receiver<crate::link::LinkState>,
    waiting: VecDeque<Event>,
    next_look: Instant,
    fetch: F,
    /// Given back when the stream is dropped.
    _place_taken: OwnedSemaphorePermit,
}

impl<F, Fut> Follower<F>
where
    F: Fn(i64) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Vec<Row>, StoreError>> + Send + 'static,
{
    /// The next event; `None` ends the stream and the browser opens another.
    async fn step(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            if self.link.has_changed().ok()? {
                let event = self.link_event();
                return Some((Ok(event), self));
            }
            if *self.newest.borrow_and_update() > self.place {
                sleep_until(self.next_look).await;
                self.look().await?;
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                changed = self.link.changed() => {
                    changed.ok()?;
                    self.link.mark_changed();
                }
            }
        }
    }

    async fn look(&mut self) -> Option<()> {
        let rows = match (self.fetch)(self.place).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "a live page could not read the database");
                return None;
            }
        };
        self.next_look = Instant::now() + LOOK_EVERY;
        // Rows up to the mark may have left through retention meanwhile.
        let reached = rows
            .last()
            .map_or(*self.newest.borrow(), |(place, _)| *place);
        self.place = reached;
        let event = |(place, json): Row| {
            Event::default()
                .id(place.to_string())
                .event(self.event)
                .data(json)
        };
        self.waiting.extend(rows.into_iter().map(event));
        Some(())
    }

    fn link_event(&mut self) -> Event {
        let state = self.link.borrow_and_update().clone();
        let view = state.view(self.language, &self.shell.identity, &self.shell.broker);
        let json = serde_json::to_string(&view).unwrap_or_default();
        Event::default().event("link").data(json)
    }
}

/// The first row is shown at once; under load rows travel in groups, twenty a second.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Live pages at once. Each costs a connection and a look at the database per change.
pub(crate) const STREAMS_MAX: usize = 64;
/// Rows read at once.
pub(crate) const ROWS_MAX: usize = 100;
