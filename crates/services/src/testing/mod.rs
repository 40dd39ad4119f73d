//! A page without sockets and without a broker, for the tests of the handlers.

mod catalogue;
mod guard;
mod login;
mod publisher;
mod run;
mod subscriber;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use store::Retention;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::link::LinkState;
use crate::web::{Connection, Role, Shell, WebConfig};
use crate::{Language, LoginLinks};

/// The parts both roles are tested with.
pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) shell: Arc<Shell>,
    pub(crate) link: watch::Sender<LinkState>,
    pub(crate) stop: CancellationToken,
}

impl Stage {
    pub(crate) fn new(role: Role) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let link = watch::Sender::new(LinkState::Connected);
        let stop = CancellationToken::new();
        let web = WebConfig {
            listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            links: LoginLinks::open(&dir.path().join("login")).unwrap(),
            language: Language::English,
            allowed_hosts: vec!["mini-pc.local".to_owned()],
            link_command: format!("enviomq link {}", role.name()),
            other_page: Some("http://localhost:9/".to_owned()),
            ready: None,
        };
        let connection = Connection {
            identity: role.name().to_owned(),
            broker: "localhost:8883".to_owned(),
            state: link.subscribe(),
        };
        let shell = Arc::new(Shell::new(role, &web, connection, stop.clone()).unwrap());
        Stage {
            dir,
            shell,
            link,
            stop,
        }
    }

    /// A browser that has opened a link.
    pub(crate) fn signed_in(&self, router: Router) -> Browser {
        let now = SystemTime::now();
        let secret = self.shell.links.mint(now).unwrap();
        let cookie = self.shell.links.redeem(&secret, now).unwrap().unwrap();
        let mut browser = Browser::new(router);
        browser.headers.push((
            header::COOKIE.as_str(),
            format!("{}={cookie}", self.shell.cookie),
        ));
        browser
    }
}

/// Keeps everything, so that tests may use any time.
pub(crate) fn keep_all() -> Retention {
    Retention {
        max_age: std::time::Duration::from_secs(u32::MAX.into()),
        max_bytes: u64::MAX,
    }
}

/// Sends requests as a browser would.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Browser {
    pub(crate) fn new(router: Router) -> Browser {
        Browser {
            router,
            headers: vec![("host", "localhost:8000".to_owned())],
        }
    }

    /// The same browser, saying one thing more or something else.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Browser {
        let mut browser = self.clone();
        browser
            .headers
            .retain(|(known, _)| *known != name || name == "cookie");
        browser.headers.push((name, value.to_owned()));
        browser
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", Body::empty()).await
    }

    /// Posts a form from one of our own pages.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = crate::web::address("", fields);
        let body = Body::from(body.trim_start_matches('?').to_owned());
        let own = self.with("sec-fetch-site", "same-origin");
        own.send(
            Method::POST,
            path,
            "application/x-www-form-urlencoded",
            body,
        )
        .await
    }

    /// Posts a form with a file from one of our own pages.
    pub(crate) async fn upload(&self, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!(
                "--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend(part.as_bytes());
        }
        body.extend(b"--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n");
        body.extend(file);
        body.extend(b"\r\n--b0undary--\r\n");
        let own = self.with("sec-fetch-site", "same-origin");
        own.send(
            Method::POST,
            path,
            "multipart/form-data; boundary=b0undary",
            body.into(),
        )
        .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, kind: &str, body: Body) -> Answer {
        let response = self.open(method, path, kind, body).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// The live stream of a page.
    pub(crate) async fn events(&self, path: &str) -> Events {
        let response = self.open(Method::GET, path, "", Body::empty()).await;
        assert_eq!(response.status(), StatusCode::OK);
        Events {
            body: response.into_body(),
            buffer: String::new(),
        }
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Body,
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A live stream, read event by event.
pub(crate) struct Events {
    body: Body,
    buffer: String,
}

/// One event of a live stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Told {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

impl Events {
    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let mut told = Told::default();
                for line in event.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => id.clone_into(&mut told.id),
                        Some(("event", event)) => event.clone_into(&mut told.event),
                        Some(("data", data)) => data.clone_into(&mut told.data),
                        _ => {}
                    }
                }
                self.buffer = rest.to_owned();
                if told != Told::default() {
                    return Some(told);
                }
                continue;
            }
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next event of a kind; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Told {
        loop {
            let told = self.next().await.unwrap();
            if told.event == kind {
                return told;
            }
        }
    }
}
