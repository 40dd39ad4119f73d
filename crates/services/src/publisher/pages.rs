//! The publisher's handlers, and what their templates show.

use askama::Template;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use store::sent::CODE_RESTARTED;
use store::{SentRecord, SentState};

use super::App;
use super::form::{Form, Problem, Unreadable};
use super::sender::NotTried;
use crate::link::explain;
use crate::web::guard::{FORM_REFERRER, text};
use crate::web::layout::{Ui, failed, notice, render};
use crate::web::live::{self, Viewer};
use crate::web::login::LoginEnds;
use crate::web::payload::{PayloadView, download, time};
use crate::web::{self, now_ms};

/// Every route of the publisher, guarded.
pub(super) fn router(app: App) -> Router {
    let shell = app.shell.clone();
    // The same bytes take three places for each in a form (%FF, or "ff "), and some room
    // for the other fields, whose topic may be 64 KiB long.
    let body_max = 3 * (app.max_message_bytes + (64 << 10)) + (16 << 10);
    let pages = Router::new()
        .route("/", get(page))
        .route("/messages", post(send))
        .route("/messages/{id}/again", post(send_again))
        .route("/messages/{id}/payload", get(payload))
        .route("/events", get(events))
        .layer(DefaultBodyLimit::max(body_max))
        .with_state(app);
    web::router(shell, pages)
}

#[derive(Debug, Template)]
#[template(path = "publisher.html")]
struct PublisherPage {
    ui: Ui,
    form: FormView,
    rows: Vec<SentView>,
    /// What the script copies to make a new row.
    blank: SentView,
    /// The live stream goes on after this revision.
    revision: i64,
    /// False on older pages: they do not grow.
    is_newest: bool,
    older: Option<i64>,
    other_page: Option<String>,
}

/// The form as it is shown: as it was filled in, with what is wrong with it.
#[derive(Debug)]
struct FormView {
    topic: String,
    message: String,
    format: String,
    qos: u8,
    retain: bool,
    field: &'static str,
    error: String,
}

/// A sent message as the page and the live stream show it.
#[derive(Debug, Default, Serialize)]
struct SentView {
    id: i64,
    time: String,
    time_text: String,
    topic: String,
    qos: u8,
    retain: bool,
    payload: PayloadView,
    /// Name of the state for style and tests: `waiting`, `sent`, `confirming`, `accepted`,
    /// `unheard`, `refused`, `not_sent` or `unconfirmed`.
    state: &'static str,
    /// The state in words.
    state_text: String,
    /// What is known of the reason; empty if nothing.
    why: String,
    /// The broker's own words, or the system's; empty if none.
    detail: String,
    can_repeat: bool,
    was_repeated: bool,
}

impl SentView {
    fn new(ui: &Ui, broker: &str, record: SentRecord) -> SentView {
        let (state, key) = state_words(&record);
        let (time, time_text) = time(record.at_ms);
        let why = why(ui, broker, &record);
        SentView {
            id: record.id,
            time,
            time_text,
            topic: record.topic,
            qos: record.qos,
            retain: record.retain,
            payload: PayloadView::new(ui, &record.head, record.size, record.is_text),
            state,
            state_text: ui.t(key).into_owned(),
            why,
            detail: record.detail.unwrap_or_default(),
            can_repeat: record.state.is_repeatable() && record.again.is_none(),
            was_repeated: record.again.is_some(),
        }
    }
}

fn state_words(record: &SentRecord) -> (&'static str, &'static str) {
    match record.state {
        SentState::Waiting => ("waiting", "state.waiting"),
        SentState::Sent if record.qos == 0 => ("sent", "state.sent"),
        SentState::Sent => ("confirming", "state.confirming"),
        SentState::Accepted if record.reason == Some(NO_MATCHING_SUBSCRIBERS) => {
            ("unheard", "state.unheard")
        }
        SentState::Accepted => ("accepted", "state.accepted"),
        SentState::Refused => ("refused", "state.refused"),
        SentState::NotSent => ("not_sent", "state.not_sent"),
        SentState::Unconfirmed => ("unconfirmed", "state.unconfirmed"),
    }
}

/// What is known of the reason, as a sentence with its code; empty if nothing.
fn why(ui: &Ui, broker: &str, record: &SentRecord) -> String {
    match (record.state, record.reason, record.code.as_deref()) {
        (SentState::Refused, Some(reason), _) => reason_words(ui, reason),
        // Whatever ended the connection, for the message it means the same.
        (SentState::Unconfirmed, _, Some(code)) if code != CODE_RESTARTED => {
            format!("{} ({code})", ui.t("why.cut"))
        }
        (_, _, Some(code)) => explain(ui.language, code, broker),
        _ => String::new(),
    }
}

/// The Reason Codes with which a broker may refuse a message.
fn reason_words(ui: &Ui, reason: u8) -> String {
    let key = match reason {
        0x83 => "reason.implementation",
        0x87 => "reason.not_authorized",
        0x90 => "reason.topic_invalid",
        0x91 => "reason.packet_id_in_use",
        0x95 => "reason.too_large",
        0x97 => "reason.quota",
        0x99 => "reason.payload_format",
        0x9a => "reason.retain",
        0x9b => "reason.qos",
        _ => "reason.unspecified",
    };
    format!("{} (0x{reason:02X})", ui.t(key))
}

#[derive(Debug, Deserialize)]
struct PageQuery {
    before: Option<i64>,
    topic: Option<String>,
    qos: Option<String>,
}

/// `GET /`
async fn page(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<PageQuery>,
) -> Response {
    let ui = Ui::signed_in(&app.shell, &headers);
    let chosen = Form {
        qos: query.qos.unwrap_or_default(),
        ..Form::default()
    };
    let form = FormView {
        topic: query.topic.unwrap_or_else(|| app.default_topic.clone()),
        message: String::new(),
        format: "text".to_owned(),
        qos: chosen.qos_number().unwrap_or(1),
        retain: false,
        field: "",
        error: String::new(),
    };
    show(&app, ui, form, query.before, StatusCode::OK).await
}

async fn show(
    app: &App,
    mut ui: Ui,
    form: FormView,
    before: Option<i64>,
    status: StatusCode,
) -> Response {
    // Before the rows: what changes in between is told once more by the stream.
    let revision = *app.log.revision().borrow();
    let query = store::Query {
        before,
        after: None,
        limit: PAGE_ROWS + 1,
    };
    let mut records = match app.log.page(query).await {
        Ok(records) => records,
        Err(error) => return failed(ui, &error),
    };
    let has_older = records.len() > PAGE_ROWS;
    records.truncate(PAGE_ROWS);
    if let Some(before) = before {
        ui.back = format!("/?before={before}");
    }
    let broker = &app.shell.broker;
    let page = PublisherPage {
        form,
        revision,
        is_newest: before.is_none(),
        older: records.last().filter(|_| has_older).map(|last| last.id),
        rows: records
            .into_iter()
            .map(|record| SentView::new(&ui, broker, record))
            .collect(),
        blank: SentView::default(),
        other_page: app.shell.other_page.clone(),
        ui,
    };
    (FORM_REFERRER, render(&page, status)).into_response()
}

/// `POST /messages`: to the script as JSON, to everybody else as a page.
async fn send(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    let ui = Ui::signed_in(&app.shell, &headers);
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(Unreadable::TooLong) => {
            return refuse(&app, ui, &headers, Form::default(), Problem::TooLong).await;
        }
        Err(Unreadable::Malformed) => {
            let text = ui.t("notice.malformed").into_owned();
            return notice(ui, StatusCode::BAD_REQUEST, "notice.malformed_title", text);
        }
    };
    let draft = match form.draft(app.max_message_bytes) {
        Ok(draft) => draft,
        Err(problem) => return refuse(&app, ui, &headers, form, problem).await,
    };
    let following = match app.sender.send(draft).await {
        Ok(following) => following,
        Err(not_tried) => {
            let problem = problem_of(&not_tried);
            return refuse(&app, ui, &headers, form, problem).await;
        }
    };
    if wants_json(&headers) {
        return Json(serde_json::json!({ "id": following.id })).into_response();
    }
    let mut back = "/".to_owned();
    if form.topic != app.default_topic || form.qos_number() != Some(1) {
        // So that the next message of a conversation needs no retyping.
        let chosen = [("topic", form.topic.as_str()), ("qos", form.qos.as_str())];
        back = web::address("/", &chosen);
    }
    // Without a script the page will not change by itself: better a moment late than stale.
    following.moment().await;
    Redirect::to(&back).into_response()
}

/// `POST /messages/{id}/again`
async fn send_again(State(app): State<App>, headers: HeaderMap, Path(id): Path<i64>) -> Response {
    let ui = Ui::signed_in(&app.shell, &headers);
    match app.sender.send_again(id, now_ms()).await {
        Ok(following) if wants_json(&headers) => {
            Json(serde_json::json!({ "id": following.id })).into_response()
        }
        Ok(following) => {
            following.moment().await;
            Redirect::to("/").into_response()
        }
        // Somebody was faster: the page shows it.
        Err(NotTried::Nothing) if wants_json(&headers) => StatusCode::NO_CONTENT.into_response(),
        Err(NotTried::Nothing) => Redirect::to("/").into_response(),
        Err(not_tried) => {
            let problem = problem_of(&not_tried);
            refuse(&app, ui, &headers, Form::default(), problem).await
        }
    }
}

fn problem_of(not_tried: &NotTried) -> Problem {
    match not_tried {
        NotTried::Busy | NotTried::Nothing => Problem::Busy,
        NotTried::NotStored(error) => {
            tracing::error!(%error, code = error.code(), "a message could not be written down and was not sent");
            Problem::NotStored
        }
    }
}

/// Answers with what is wrong, and gives back what was filled in.
async fn refuse(app: &App, ui: Ui, headers: &HeaderMap, form: Form, problem: Problem) -> Response {
    let limit = ui.language.size(app.max_message_bytes as u64);
    let error = ui.with(problem.key(), "limit", &limit);
    if wants_json(headers) {
        let body = serde_json::json!({ "field": problem.field(), "error": error });
        return (problem.status(), Json(body)).into_response();
    }
    let form = FormView {
        qos: form.qos_number().unwrap_or(1),
        retain: form.retain.is_some(),
        format: form.format,
        topic: form.topic,
        message: form.message,
        field: problem.field(),
        error,
    };
    show(app, ui, form, None, problem.status()).await
}

/// `GET /messages/{id}/payload`
async fn payload(State(app): State<App>, headers: HeaderMap, Path(id): Path<i64>) -> Response {
    match app.log.payload(id).await {
        Ok(Some(payload)) => download(&format!("sent-{id}.bin"), payload),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(Ui::signed_in(&app.shell, &headers), &error),
    }
}

/// `GET /events`: every change of every row, and of the connection.
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
    let newest = app.log.revision();
    let (log, broker) = (app.log, app.shell.broker.clone());
    live::follow(viewer, "sent", newest, move |after| {
        let (log, broker, ui) = (log.clone(), broker.clone(), ui.clone());
        async move {
            let records = log.changes(after, live::ROWS_MAX).await?;
            let row = |record: SentRecord| {
                let place = record.revision;
                let view = SentView::new(&ui, &broker, record);
                (place, serde_json::to_string(&view).unwrap_or_default())
            };
            Ok(records.into_iter().map(row).collect())
        }
    })
}

fn wants_json(headers: &HeaderMap) -> bool {
    text(headers, &header::ACCEPT).is_some_and(|accept| accept == "application/json")
}

/// The broker has accepted it, but nobody had asked for its topic.
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
const PAGE_ROWS: usize = 25;
