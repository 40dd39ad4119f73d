//! Layout: what every page has in common, and the pages that only say something.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::guard::text;
use super::{Role, Shell, assets, cookie};
use crate::Language;
use crate::link::LinkView;

/// Who looks, in which language and light; every template has one as `ui`.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    pub(crate) language: Language,
    pub(crate) theme: Theme,
    pub(crate) role: Role,
    /// Where the choices of the header lead back to.
    pub(crate) back: String,
    /// `None` on pages that everyone may see: they tell nothing of the broker.
    pub(crate) link: Option<LinkView>,
}

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub(crate) fn from_name(name: &str) -> Option<Theme> {
        [Theme::Auto, Theme::Light, Theme::Dark]
            .into_iter()
            .find(|theme| theme.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

impl Ui {
    /// Reads the viewer's choices from a request.
    pub(crate) fn new(shell: &Shell, headers: &HeaderMap) -> Ui {
        let chosen = cookie::read(headers, LANGUAGE_COOKIE).and_then(Language::from_tag);
        let language = chosen.or_else(|| {
            text(headers, &header::ACCEPT_LANGUAGE).and_then(Language::from_accept_language)
        });
        let theme = cookie::read(headers, THEME_COOKIE).and_then(Theme::from_name);
        Ui {
            language: language.unwrap_or(shell.language),
            theme: theme.unwrap_or_default(),
            role: shell.role,
            back: "/".to_owned(),
            link: None,
        }
    }

    /// The same for a page behind the login, that shows the connection to the broker.
    pub(crate) fn signed_in(shell: &Shell, headers: &HeaderMap) -> Ui {
        let mut ui = Ui::new(shell, headers);
        let state = shell.link.borrow().clone();
        ui.link = Some(state.view(ui.language, &shell.identity, &shell.broker));
        ui
    }

    /// The text of a key; what templates call.
    pub(crate) fn t(&self, key: &str) -> Cow<'static, str> {
        self.language.text(key)
    }

    /// The text of a key with its one value in place.
    pub(crate) fn with(&self, key: &str, name: &str, value: &str) -> String {
        self.language.text_with(key, name, value)
    }

    /// The address of an asset.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// What the page calls its role.
    pub(crate) fn role_title(&self) -> Cow<'static, str> {
        self.t(match self.role {
            Role::Publisher => "publisher.title",
            Role::Subscriber => "subscriber.title",
        })
    }
}

/// Turns a template into an answer.
pub(crate) fn render(page: &impl Template, status: StatusCode) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Why somebody sees the login page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginReason {
    /// No link was opened, or its login has ended.
    Missing,
    /// The link was opened before.
    Used,
    /// The link was not opened in time.
    Expired,
    /// The link is not from here.
    Unknown,
    /// The link was good; the page leads on.
    Welcome,
}

/// How to get in.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    ui: Ui,
    reason: LoginReason,
    command: String,
}

impl LoginPage {
    pub(crate) fn new(ui: Ui, shell: &Shell, reason: LoginReason) -> LoginPage {
        LoginPage {
            ui,
            reason,
            command: shell.link_command.clone(),
        }
    }

    fn heading(&self) -> Cow<'static, str> {
        self.ui.t(match self.reason {
            LoginReason::Missing => "login.missing",
            LoginReason::Used => "login.used",
            LoginReason::Expired => "login.expired",
            LoginReason::Unknown => "login.unknown",
            LoginReason::Welcome => "login.welcome",
        })
    }
}

/// A page that says one thing.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
struct Notice {
    ui: Ui,
    heading: String,
    text: String,
}

/// A page with one sentence under the heading of `key`.
pub(crate) fn notice(ui: Ui, status: StatusCode, key: &str, text: String) -> Response {
    let heading = ui.t(key).into_owned();
    render(&Notice { ui, heading, text }, status)
}

/// Something of ours failed: logged here in full, told to the viewer in general.
pub(crate) fn failed(ui: Ui, error: &dyn std::error::Error) -> Response {
    tracing::error!(role = ui.role.name(), %error, "a request could not be answered");
    let text = ui.t("notice.failed").into_owned();
    notice(
        ui,
        StatusCode::INTERNAL_SERVER_ERROR,
        "notice.failed_title",
        text,
    )
}

/// The fallback of both roles.
pub(crate) async fn not_found(State(shell): State<Arc<Shell>>, headers: HeaderMap) -> Response {
    let ui = Ui::signed_in(&shell, &headers);
    let text = ui.t("notice.not_found").into_owned();
    notice(ui, StatusCode::NOT_FOUND, "notice.not_found_title", text)
}

pub(crate) const LANGUAGE_COOKIE: &str = "enviomq-language";
pub(crate) const THEME_COOKIE: &str = "enviomq-theme";
