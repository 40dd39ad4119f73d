//! Cookies: read one, set one. Our values are plain tokens, so nothing needs escaping.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Which visits from other sites a browser sends the cookie with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SameSite {
    /// None at all.
    Strict,
    /// Only plain links that are followed.
    Lax,
}

/// The value of the cookie `name`.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The header that sets a cookie no script can read.
pub(crate) fn set(
    name: &str,
    value: &str,
    life: Duration,
    same_site: SameSite,
) -> Option<(HeaderName, HeaderValue)> {
    let text = format!(
        "{name}={value}; Path=/; HttpOnly; SameSite={same_site:?}; Max-Age={}",
        life.as_secs()
    );
    Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_across_lines() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; bb=2;c=x=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("d=4"));
        for (name, value) in [("a", "1"), ("bb", "2"), ("c", "x=y"), ("d", "4")] {
            assert_eq!(read(&headers, name), Some(value));
        }
        assert_eq!(read(&headers, "b"), None);
    }
}
