//! Styles, scripts and the icon: compiled in, addressed by their content.
//!
//! The address carries a hash of the content, so a browser may keep a file for ever and
//! still sees every change at once.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    /// First 16 hexadecimal digits of the SHA-256 of the content.
    hash: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |name, content_type, content: &'static str| {
        let digest = digest::digest(&digest::SHA256, content.as_bytes());
        let hash = digest.as_ref()[..8].iter().map(|b| format!("{b:02x}"));
        Asset {
            name,
            content_type,
            content,
            hash: hash.collect(),
        }
    };
    let (css, js) = ("text/css; charset=utf-8", "text/javascript; charset=utf-8");
    vec![
        asset("style.css", css, include_str!("../../assets/style.css")),
        asset("common.js", js, include_str!("../../assets/common.js")),
        asset(
            "publisher.js",
            js,
            include_str!("../../assets/publisher.js"),
        ),
        asset(
            "subscriber.js",
            js,
            include_str!("../../assets/subscriber.js"),
        ),
        asset(
            "icon.svg",
            "image/svg+xml",
            include_str!("../../assets/icon.svg"),
        ),
    ]
});

/// The address of an asset. An unknown name leads nowhere, which the page tests see.
pub(crate) fn address(name: &str) -> String {
    let hash = ASSETS.iter().find(|asset| asset.name == name);
    let hash = hash.map_or("", |asset| asset.hash.as_str());
    format!("/assets/{hash}/{name}")
}

/// `GET /assets/{hash}/{name}`
pub(crate) async fn asset(
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let Some(asset) = found.filter(|asset| asset.hash == hash) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{hash}\"");
    let cached = [
        (header::ETAG, etag.clone()),
        (
            header::CACHE_CONTROL,
            "public, max-age=31536000, immutable".to_owned(),
        ),
    ];
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == etag.as_str())
    {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, asset.content_type)];
    (cached, content_type, asset.content).into_response()
}
