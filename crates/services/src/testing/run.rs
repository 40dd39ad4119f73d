//! Both services as they really run: sockets, the real client, and a broker that is not there.

use std::net::{SocketAddr, TcpListener};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::keep_all;
use crate::{
    Language, LoginLinks, PublisherConfig, ServiceError, SubscriberConfig, WebConfig, publisher,
    subscriber,
};

struct Running {
    dir: TempDir,
    address: SocketAddr,
    links: LoginLinks,
    stop: CancellationToken,
    service: JoinHandle<Result<(), ServiceError>>,
}

/// A port nobody listens on.
fn no_broker() -> client::Options {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    client::Options::new("127.0.0.1", port, "test")
}

fn web(links: &LoginLinks) -> (WebConfig, SocketAddr, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ready, told) = oneshot::channel();
    let web = WebConfig {
        listener,
        links: links.clone(),
        language: Language::Spanish,
        allowed_hosts: Vec::new(),
        link_command: "enviomq link publisher".to_owned(),
        other_page: None,
        ready: Some(ready),
    };
    (web, address, told)
}

async fn publisher() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let links = LoginLinks::open(&dir.path().join("login")).unwrap();
    let (web, address, ready) = web(&links);
    let config = PublisherConfig {
        web,
        client: no_broker(),
        identity: "publisher".to_owned(),
        database: dir.path().join("publisher.db"),
        retention: keep_all(),
        default_topic: "chat/mensaje".to_owned(),
        max_message_bytes: 1 << 20,
    };
    let stop = CancellationToken::new();
    let service = tokio::spawn(publisher::run(config, stop.clone()));
    ready.await.unwrap();
    Running {
        dir,
        address,
        links,
        stop,
        service,
    }
}

async fn subscriber() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let links = LoginLinks::open(&dir.path().join("login")).unwrap();
    let (web, address, ready) = web(&links);
    let config = SubscriberConfig {
        web,
        client: no_broker(),
        identity: "subscriber".to_owned(),
        database: dir.path().join("subscriber.db"),
        retention: keep_all(),
        filters: vec!["#".to_owned()],
    };
    let stop = CancellationToken::new();
    let service = tokio::spawn(subscriber::run(config, stop.clone()));
    ready.await.unwrap();
    Running {
        dir,
        address,
        links,
        stop,
        service,
    }
}

impl Running {
    /// Sends one request and leaves the answer to be read.
    async fn ask(&self, head: &str, more: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {}\r\n{more}Content-Length: {length}\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(&self, head: &str, more: &str, body: &str) -> String {
        let more = format!("Connection: close\r\n{more}");
        let mut stream = self.ask(head, &more, body).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Opens a link; the header that shows it.
    async fn sign_in(&self) -> String {
        let secret = self.links.mint(SystemTime::now()).unwrap();
        let answer = self.answer(&format!("GET /login?t={secret}"), "", "").await;
        let cookie = answer.lines().find_map(|l| l.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap().split(';').next().unwrap();
        format!("Cookie: {cookie}\r\n")
    }

    async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        self.dir
    }
}

#[tokio::test]
async fn without_a_broker_the_page_answers_and_says_not_sent() {
    let running = publisher().await;
    let cookie = running.sign_in().await;
    let more = format!(
        "{cookie}Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let answer = running
        .answer("POST /messages", &more, "topic=chat%2Fmensaje&message=hola")
        .await;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let page = running.answer("GET /", &cookie, "").await;
    assert!(page.contains("No enviado") && page.contains(">hola<"));
    assert!(page.contains("Enviar de nuevo"));
    assert!(!page.contains("Conectado como"));
    let ready = running.answer("GET /readyz", "", "").await;
    assert!(ready.starts_with("HTTP/1.1 503"));

    let dir = running.stop().await;
    let log = store::SentLog::open(&dir.path().join("publisher.db"), keep_all()).unwrap();
    let row = log.record_by_id(1).await.unwrap().unwrap();
    assert_eq!(row.state, store::SentState::NotSent);
}

#[tokio::test]
async fn stopping_ends_open_streams_and_the_service() {
    let running = subscriber().await;
    let cookie = running.sign_in().await;
    let mut stream = running.ask("GET /events", &cookie, "").await;
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("event: link") {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    running.stop().await;
    while stream.read(&mut buffer).await.unwrap() > 0 {}
}

#[tokio::test]
async fn a_wrong_filter_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let links = LoginLinks::open(&dir.path().join("login")).unwrap();
    let (web, ..) = web(&links);
    let config = SubscriberConfig {
        web,
        client: no_broker(),
        identity: "subscriber".to_owned(),
        database: dir.path().join("subscriber.db"),
        retention: keep_all(),
        filters: vec!["a/#/b".to_owned()],
    };
    let error = subscriber::run(config, CancellationToken::new()).await;
    assert_eq!(error.unwrap_err().code(), "ENV-P706");
}
