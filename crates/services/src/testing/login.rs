//! How one gets in, and how not.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::routing::get;

use super::{Browser, Stage};
use crate::web::{self, Role};

fn stranger(stage: &Stage) -> Browser {
    let pages = Router::new().route("/", get(|| async { "the page" }));
    Browser::new(web::router(stage.shell.clone(), pages))
}

fn mint(stage: &Stage) -> String {
    let secret = stage.shell.links.mint(SystemTime::now()).unwrap();
    format!("/login?t={secret}")
}

#[tokio::test]
async fn one_click_on_the_link_opens_the_page() {
    let stage = Stage::new(Role::Publisher);
    let browser = stranger(&stage);
    assert_eq!(browser.get("/").await.status, StatusCode::UNAUTHORIZED);

    let answer = browser.get(&mint(&stage)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/");
    let cookie = answer.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let (name, _) = cookie.split_once('=').unwrap();
    assert!(name.starts_with("enviomq-publisher-"), "{name}");
    let cookie = cookie.split(';').next().unwrap();
    let answer = browser.with("cookie", cookie).get("/").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "the page"));
}

#[tokio::test]
async fn a_link_followed_from_another_site_leads_on_by_a_page_of_ours() {
    let stage = Stage::new(Role::Publisher);
    let browser = stranger(&stage).with("sec-fetch-site", "cross-site");
    let answer = browser.get(&mint(&stage)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("set-cookie").contains("HttpOnly"));
    assert!(answer.text().contains("http-equiv=\"refresh\""));
}

#[tokio::test]
async fn looking_ahead_does_not_spend_the_link() {
    let stage = Stage::new(Role::Publisher);
    let link = mint(&stage);
    let browser = stranger(&stage);
    let head = browser.send(Method::HEAD, &link, "", Body::empty()).await;
    assert_eq!(head.status, StatusCode::UNAUTHORIZED);
    for (name, value) in [
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "image"),
    ] {
        let answer = browser.with(name, value).get(&link).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {value}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    let navigating = browser
        .with("sec-fetch-mode", "navigate")
        .with("sec-fetch-dest", "document");
    assert_eq!(navigating.get(&link).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn whoever_is_not_let_in_reads_why_and_how_in_both_languages() {
    let stage = Stage::new(Role::Publisher);
    let browser = stranger(&stage);
    let used = mint(&stage);
    browser.get(&used).await;
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let expired = stage.shell.links.mint(long_ago).unwrap();
    let expired = format!("/login?t={expired}");
    for (path, english, spanish) in [
        (
            "/",
            "Please open the login link",
            "Abre el enlace de acceso",
        ),
        (
            "/events",
            "Please open the login link",
            "Abre el enlace de acceso",
        ),
        (
            "/login",
            "Please open the login link",
            "Abre el enlace de acceso",
        ),
        (
            "/login?t=invented",
            "This link opens nothing here",
            "Este enlace no abre nada aquí",
        ),
        (
            &used,
            "This link has been used",
            "Este enlace ya se ha usado",
        ),
        (&expired, "This link has expired", "Este enlace ha caducado"),
    ] {
        for (language, sentence) in [("en", english), ("es-ES,es;q=0.9", spanish)] {
            let answer = browser.with("accept-language", language).get(path).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            let text = answer.text();
            assert!(text.contains(sentence), "{path} in {language}");
            assert!(text.contains("enviomq link publisher"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_second_click_of_somebody_inside_leads_to_the_page() {
    let stage = Stage::new(Role::Publisher);
    let link = mint(&stage);
    let answer = stranger(&stage).get(&link).await;
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let again = stranger(&stage).with("cookie", &cookie).get(&link).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(again.header("set-cookie"), "");
}

#[tokio::test]
async fn the_cookie_of_one_role_does_not_open_the_other() {
    let publisher = Stage::new(Role::Publisher);
    let subscriber = Stage::new(Role::Subscriber);
    let answer = stranger(&publisher).get(&mint(&publisher)).await;
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let (_, value) = cookie.split_once('=').unwrap();
    let renamed = format!("{}={value}", subscriber.shell.cookie);
    for cookie in [cookie.as_str(), renamed.as_str()] {
        let answer = stranger(&subscriber).with("cookie", cookie).get("/").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn language_and_theme_are_chosen_without_a_login_and_stay() {
    let stage = Stage::new(Role::Subscriber);
    let browser = stranger(&stage);
    let fields = [
        ("language", "es"),
        ("theme", "dark"),
        ("back", "/?before=7"),
    ];
    let answer = browser.post("/preferences", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/?before=7");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 2);

    let chosen = "enviomq-language=es; enviomq-theme=dark";
    let answer = browser
        .with("cookie", chosen)
        .with("accept-language", "en")
        .get("/")
        .await;
    assert!(
        answer
            .text()
            .contains("<html lang=\"es\" data-theme=\"dark\">")
    );

    let nonsense = [
        ("language", "xx"),
        ("theme", "\"><script>"),
        ("back", "//evil.example"),
    ];
    let answer = browser.post("/preferences", &nonsense).await;
    assert_eq!(answer.header("location"), "/");
    assert_eq!(answer.header("set-cookie"), "");
}
