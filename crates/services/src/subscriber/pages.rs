//! The subscriber's handlers, and what their templates show.

use askama::Template;
use axum::Router;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use store::Record;

use super::App;
use crate::web;
use crate::web::guard::FORM_REFERRER;
use crate::web::layout::{Ui, failed, render};
use crate::web::live::{self, Viewer};
use crate::web::login::LoginEnds;
use crate::web::payload::{PayloadView, download, time};

/// Every route of the subscriber, guarded.
pub(super) fn router(app: App) -> Router {
    let shell = app.shell.clone();
    let pages = Router::new()
        .route("/", get(page))
        .route("/messages/{id}/payload", get(payload))
        .route("/events", get(events))
        .with_state(app);
    web::router(shell, pages)
}

#[derive(Debug, Template)]
#[template(path = "subscriber.html")]
struct SubscriberPage {
    ui: Ui,
    rows: Vec<MessageView>,
    /// What the script copies to make a new row.
    blank: MessageView,
    /// The live stream goes on after this row.
    last: i64,
    /// False on older pages: they do not grow.
    is_newest: bool,
    older: Option<i64>,
    newer: Option<i64>,
    other_page: Option<String>,
}

/// A received message as the page and the live stream show it.
#[derive(Debug, Default, Serialize)]
struct MessageView {
    id: i64,
    time: String,
    time_text: String,
    topic: String,
    qos: u8,
    retain: bool,
    payload: PayloadView,
}

impl MessageView {
    fn new(ui: &Ui, record: Record) -> MessageView {
        let (time, time_text) = time(record.at_ms);
        MessageView {
            id: record.id,
            time,
            time_text,
            topic: record.topic,
            qos: record.qos,
            retain: record.retain,
            payload: PayloadView::new(ui, &record.head, record.size, record.is_text),
        }
    }
}

#[derive(Debug, Deserialize)]
struct PageQuery {
    before: Option<i64>,
    after: Option<i64>,
}

/// `GET /`, `GET /?before={id}`, `GET /?after={id}`
async fn page(
    State(app): State<App>,
    headers: HeaderMap,
    Query(asked): Query<PageQuery>,
) -> Response {
    let mut ui = Ui::signed_in(&app.shell, &headers);
    // Before the rows: what arrives in between is told by the stream.
    let newest = *app.history.newest().borrow();
    let query = store::Query {
        before: asked.before,
        after: asked.after.filter(|_| asked.before.is_none()),
        limit: PAGE_ROWS + 1,
    };
    let mut records = match app.history.page(query).await {
        Ok(records) => records,
        Err(error) => return failed(ui, &error),
    };
    let is_forward = query.after.is_some();
    let is_more = records.len() > PAGE_ROWS;
    if is_more && is_forward {
        records.remove(0);
    }
    records.truncate(PAGE_ROWS);
    // Walking forward, the page that reaches the end is the newest page.
    if is_forward && !is_more {
        return axum::response::Redirect::to("/").into_response();
    }
    let is_newest = query.before.is_none() && !is_forward;
    let (first, last) = (records.first().map(|r| r.id), records.last().map(|r| r.id));
    if let Some(before) = query.before {
        ui.back = format!("/?before={before}");
    } else if let Some(after) = query.after {
        ui.back = format!("/?after={after}");
    }
    let page = SubscriberPage {
        last: first.unwrap_or(0).max(newest),
        is_newest,
        older: last.filter(|_| is_more || is_forward),
        newer: first.filter(|_| !is_newest),
        rows: records
            .into_iter()
            .map(|record| MessageView::new(&ui, record))
            .collect(),
        blank: MessageView::default(),
        other_page: app.shell.other_page.clone(),
        ui,
    };
    (FORM_REFERRER, render(&page, StatusCode::OK)).into_response()
}

/// `GET /messages/{id}/payload`
async fn payload(State(app): State<App>, headers: HeaderMap, Path(id): Path<i64>) -> Response {
    match app.history.payload(id).await {
        Ok(Some(payload)) => download(&format!("message-{id}.bin"), payload),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(Ui::signed_in(&app.shell, &headers), &error),
    }
}

/// `GET /events`: every message, and every change of the connection.
async fn events(
    State(app): State<App>,
    Extension(login): Extension<LoginEnds>,
    Query(from): Query<live::From>,
    headers: HeaderMap,
) -> Response {
    let ui = Ui::new(&app.shell, &headers);
    let viewer = Viewer {
        shell: app.shell.clone(),
        language: ui.language,
        login,
        from,
        headers,
    };
    let history = app.history;
    live::follow(viewer, "message", history.newest(), move |after| {
        let (history, ui) = (history.clone(), ui.clone());
        async move {
            let query = store::Query {
                before: None,
                after: Some(after),
                limit: live::ROWS_MAX,
            };
            let records = history.page(query).await?;
            let row = |record: Record| {
                let place = record.id;
                let view = MessageView::new(&ui, record);
                (place, serde_json::to_string(&view).unwrap_or_default())
            };
            Ok(records.into_iter().rev().map(row).collect())
        }
    })
}

const PAGE_ROWS: usize = 50;
