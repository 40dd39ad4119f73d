//! Guard: what every request must satisfy before anything looks at it, and what every
//! answer tells the browser not to do.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

use super::Shell;
use super::layout::{Ui, notice};

/// Refuses foreign host names and foreign origins; adds the security headers to every answer.
pub(crate) async fn guard(
    State(shell): State<Arc<Shell>>,
    request: Request,
    next: Next,
) -> Response {
    let ui = Ui::new(&shell, request.headers());
    let mut response = if !is_our_host(&shell, &request) {
        // DNS rebinding: a foreign page that makes its own name point at this address
        // would otherwise be "same origin" with us.
        let host = host(&request).unwrap_or_default().to_owned();
        let text = ui.language.text_with("guard.host", "host", &host);
        notice(ui, StatusCode::MISDIRECTED_REQUEST, "guard.title", text)
    } else if !is_safe(request.method()) && !is_same_origin(&request) {
        let text = ui.language.text("guard.origin").into_owned();
        notice(ui, StatusCode::FORBIDDEN, "guard.title", text)
    } else {
        next.run(request).await
    };
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn is_our_host(shell: &Shell, request: &Request) -> bool {
    let Some(host) = host(request) else {
        return false;
    };
    let name = without_port(host);
    let ours = ["localhost", "127.0.0.1", "[::1]"].into_iter();
    let mut allowed = ours.chain(shell.allowed_hosts.iter().map(String::as_str));
    allowed.any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// The name the browser believes to talk to: `:authority` in HTTP/2, `Host` in HTTP/1.1.
fn host(request: &Request) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => text(request.headers(), &header::HOST),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// True if the browser says that one of our own pages asked for this.
///
/// The cookie alone does not prove it: a page on another port of the same host counts as
/// "same site". Whoever sends neither header is not a browser of this decade.
fn is_same_origin(request: &Request) -> bool {
    let headers = request.headers();
    if let Some(site) = text(headers, &SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text(headers, &header::ORIGIN), host(request)) else {
        return false;
    };
    let origin = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

/// The text of a header, if it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Tells where a request comes from; every browser sends it to loopback and HTTPS addresses.
pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The policy of a page with a form. With `no-referrer` browsers send `Origin: null` along
/// with a form, and those without `Sec-Fetch-Site` could then not be told from strangers.
/// Nothing goes to other origins either way.
pub(crate) const FORM_REFERRER: [(HeaderName, &str); 1] =
    [(header::REFERRER_POLICY, "same-origin")];

const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_no_part_of_the_name() {
        assert_eq!(without_port("localhost:8000"), "localhost");
        assert_eq!(without_port("[::1]:8000"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("example.org"), "example.org");
    }
}
