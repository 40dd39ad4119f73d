//! Login: the link that opens the page, the cookie it leaves, the choices of the header.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Form;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Shell;
use super::cookie::{self, SameSite};
use super::guard::{FORM_REFERRER, SEC_FETCH_SITE, text};
use super::identity::{LOGIN_LIFE, LinkRefused};
use super::layout::{
    LANGUAGE_COOKIE, LoginPage, LoginReason, THEME_COOKIE, Theme, Ui, failed, render,
};

/// When the login of a request ends. A stream must not outlive it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoginEnds(pub(crate) SystemTime);

/// Lets a request through to the pages if its cookie is good.
pub(crate) async fn require(
    State(shell): State<Arc<Shell>>,
    mut request: Request,
    next: Next,
) -> Response {
    match login_ends(&shell, request.headers()) {
        Some(ends) => {
            request.extensions_mut().insert(LoginEnds(ends));
            next.run(request).await
        }
        None => refuse(&shell, request.headers(), LoginReason::Missing),
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct LinkQuery {
    t: Option<String>,
}

/// `GET /login?t=`: exchanges the link for a cookie, once.
///
/// One click is all it asks, so the link is redeemed by GET. What only looks ahead (HEAD,
/// prefetching, an image in a chat) is answered without spending it.
pub(crate) async fn open_link(
    State(shell): State<Arc<Shell>>,
    method: Method,
    headers: HeaderMap,
    Query(query): Query<LinkQuery>,
) -> Response {
    let Some(secret) = query.t.filter(|_| is_visit(&method, &headers)) else {
        return refuse(&shell, &headers, LoginReason::Missing);
    };
    let redeemed = match shell.links.redeem(&secret, SystemTime::now()) {
        Ok(redeemed) => redeemed,
        Err(error) => return failed(Ui::new(&shell, &headers), &error),
    };
    let cookie = match redeemed {
        Ok(cookie) => cookie,
        // A second click on the link of a page that is open already.
        Err(_) if login_ends(&shell, &headers).is_some() => {
            return Redirect::to("/").into_response();
        }
        Err(LinkRefused::Used) => return refuse(&shell, &headers, LoginReason::Used),
        Err(LinkRefused::Expired) => return refuse(&shell, &headers, LoginReason::Expired),
        Err(LinkRefused::Unknown) => return refuse(&shell, &headers, LoginReason::Unknown),
    };
    tracing::info!(
        role = shell.role.name(),
        "somebody logged in with a one-time link"
    );
    let cookie = AppendHeaders(cookie::set(
        &shell.cookie,
        &cookie,
        LOGIN_LIFE,
        SameSite::Strict,
    ));
    if is_from_elsewhere(&headers) {
        // Followed from a page of another origin, a redirect would belong to that visit and
        // not carry a strict cookie. A page of ours that leads on is a visit of its own.
        let page = LoginPage::new(Ui::new(&shell, &headers), &shell, LoginReason::Welcome);
        return (cookie, render(&page, StatusCode::OK)).into_response();
    }
    (cookie, Redirect::to("/")).into_response()
}

fn login_ends(shell: &Shell, headers: &HeaderMap) -> Option<SystemTime> {
    let cookie = cookie::read(headers, &shell.cookie)?;
    shell.links.login_ends(cookie, SystemTime::now())
}

fn refuse(shell: &Shell, headers: &HeaderMap, reason: LoginReason) -> Response {
    let page = LoginPage::new(Ui::new(shell, headers), shell, reason);
    (FORM_REFERRER, render(&page, StatusCode::UNAUTHORIZED)).into_response()
}

/// True if a person opened the link; browsers that say more are believed.
fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &'static str| text(headers, &HeaderName::from_static(name));
    let ahead = |value: &str| value.contains("prefetch") || value.contains("preview");
    method == Method::GET
        && says("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && says("sec-fetch-dest").is_none_or(|dest| dest == "document")
        && !says("sec-purpose").is_some_and(ahead)
        && !says("purpose").is_some_and(ahead)
}

fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    text(headers, &SEC_FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site")
}

#[derive(Debug, Deserialize)]
pub(crate) struct Preferences {
    language: Option<String>,
    theme: Option<String>,
    back: Option<String>,
}

/// `POST /preferences`: language and theme, kept in cookies both pages read.
pub(crate) async fn set_preferences(headers: HeaderMap, Form(form): Form<Preferences>) -> Response {
    let theme = form.theme.as_deref().and_then(Theme::from_name);
    let language = form.language.as_deref().and_then(crate::Language::from_tag);
    let chosen = [
        theme.map(|theme| (THEME_COOKIE, theme.name())),
        language.map(|language| (LANGUAGE_COOKIE, language.tag())),
    ];
    let cookies = chosen.into_iter().flatten();
    let cookies = AppendHeaders(
        cookies
            .filter_map(|(name, value)| cookie::set(name, value, YEAR, SameSite::Lax))
            .collect::<Vec<_>>(),
    );
    if text(&headers, &header::ACCEPT).is_some_and(|accept| accept == "application/json") {
        return (StatusCode::NO_CONTENT, cookies).into_response();
    }
    // Only ever back into our own pages.
    let back = form.back.filter(|back| is_local_path(back));
    (cookies, Redirect::to(back.as_deref().unwrap_or("/"))).into_response()
}

fn is_local_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.bytes().all(|b| b.is_ascii_graphic())
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leaves_our_pages() {
        for ours in ["/", "/?before=12", "/?topic=a%2Fb"] {
            assert!(is_local_path(ours), "{ours}");
        }
        for foreign in [
            "",
            "//evil",
            "/\\evil",
            "https://evil",
            "evil",
            "/a\r\nb",
            "/ñ",
        ] {
            assert!(!is_local_path(foreign), "{foreign}");
        }
    }
}
