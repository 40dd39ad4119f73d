//! What every request must satisfy and every answer carries.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};

use super::{Browser, Stage};
use crate::link::LinkState;
use crate::web::{self, Role};

fn router(stage: &Stage) -> Router {
    let pages = Router::new()
        .route("/", get(|| async { "the page" }))
        .route("/change", post(|| async { "changed" }))
        .route("/panic", get(|| async { panic!("a bug") as &'static str }));
    web::router(stage.shell.clone(), pages)
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_and_ours_are_not() {
    let stage = Stage::new(Role::Publisher);
    let browser = stage.signed_in(router(&stage));
    for ours in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8000",
        "[::1]:8000",
        "mini-pc.local:80",
    ] {
        let answer = browser.with("host", ours).get("/").await;
        assert_eq!(answer.status, StatusCode::OK, "{ours}");
    }
    for foreign in [
        "evil.example",
        "localhost.evil.example:8000",
        "127.0.0.1.nip.io",
        "",
    ] {
        for path in ["/", "/login?t=x", "/healthz"] {
            let answer = browser.with("host", foreign).get(path).await;
            assert_eq!(
                answer.status,
                StatusCode::MISDIRECTED_REQUEST,
                "{foreign} {path}"
            );
        }
    }
}

#[tokio::test]
async fn only_our_own_pages_may_change_anything() {
    let stage = Stage::new(Role::Publisher);
    let browser = stage.signed_in(router(&stage));
    let post = |browser: Browser| async move {
        browser
            .send(Method::POST, "/change", "", Body::empty())
            .await
            .status
    };
    let (ok, refused) = (StatusCode::OK, StatusCode::FORBIDDEN);
    assert_eq!(post(browser.clone()).await, refused);
    for (site, expected) in [
        ("same-origin", ok),
        ("same-site", refused),
        ("cross-site", refused),
        ("none", refused),
    ] {
        assert_eq!(
            post(browser.with("sec-fetch-site", site)).await,
            expected,
            "{site}"
        );
    }
    for (origin, expected) in [
        ("http://localhost:8000", ok),
        // The page of the other role: same site, other port.
        ("http://localhost:8001", refused),
        ("https://evil.example", refused),
        ("null", refused),
    ] {
        assert_eq!(
            post(browser.with("origin", origin)).await,
            expected,
            "{origin}"
        );
    }
    // A browser that says both is judged by what no page can influence.
    let both = browser
        .with("origin", "http://localhost:8000")
        .with("sec-fetch-site", "same-site");
    assert_eq!(post(both).await, refused);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let stage = Stage::new(Role::Subscriber);
    let browser = stage.signed_in(router(&stage));
    let stranger = Browser::new(router(&stage));
    let answers = [
        browser.get("/").await,
        browser.get("/nothing").await,
        browser.get("/panic").await,
        browser.with("host", "evil.example").get("/").await,
        browser.post("/change", &[]).await,
        stranger.get("/").await,
        stranger.get("/login?t=x").await,
        stranger.get("/healthz").await,
    ];
    for answer in answers {
        let csp = answer.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(csp.contains(rule), "{rule} in {csp}");
        }
        assert!(!csp.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(["no-referrer", "same-origin"].contains(&answer.header("referrer-policy")));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_bug_in_a_handler_is_an_answer_not_an_end() {
    let stage = Stage::new(Role::Subscriber);
    let browser = stage.signed_in(router(&stage));
    let answer = browser.get("/panic").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn health_is_open_and_ready_needs_the_broker() {
    let stage = Stage::new(Role::Subscriber);
    let stranger = Browser::new(router(&stage));
    assert_eq!(stranger.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(stranger.get("/readyz").await.status, StatusCode::OK);
    stage.link.send_replace(LinkState::Connecting);
    let answer = stranger.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stranger.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_the_hash_of_their_content() {
    let stage = Stage::new(Role::Publisher);
    let stranger = Browser::new(router(&stage));
    for name in [
        "style.css",
        "common.js",
        "publisher.js",
        "subscriber.js",
        "icon.svg",
    ] {
        let address = crate::web::assets::address(name);
        let answer = stranger.get(&address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        assert!(answer.header("cache-control").contains("immutable"));
        let etag = answer.header("etag").to_owned();
        let again = stranger.with("if-none-match", &etag).get(&address).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert!(again.body.is_empty());
        let text = answer.text();
        let foreign = text.contains("https://")
            || text
                .replace("http://www.w3.org/2000/svg", "")
                .contains("http://");
        assert!(!foreign, "{name} asks for something from outside");
        assert!(!text.contains("innerHTML"), "{name} makes markup from text");
    }
    let stale = stranger.get("/assets/0000000000000000/style.css").await;
    assert_eq!(stale.status, StatusCode::NOT_FOUND);
}
