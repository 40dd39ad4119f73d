//! One of the two pages, as a browser without scripts sees it, and its live events.

use std::io::{BufRead as _, BufReader};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ureq::{Agent, Body};

use crate::PATIENCE;
use crate::program::Program;

/// A logged-in visitor.
pub struct Page {
    agent: Agent,
    base: String,
    cookie: String,
}

/// An answer, whatever its status.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
    headers: Vec<(String, String)>,
}

impl Reply {
    /// A header by its lower-case name; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }
}

impl Page {
    /// Follows a login link and keeps its cookie.
    ///
    /// # Panics
    /// If the link does not log in.
    pub fn login(link: &str) -> Self {
        let (base, _) = link.split_once("/login").unwrap();
        let mut page = Self {
            agent: agent(),
            base: base.to_owned(),
            cookie: String::new(),
        };
        let reply = page.get(&link[base.len()..]);
        let cookie = reply
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap_or_default();
        assert!(
            cookie.contains('='),
            "{link} gave no cookie: {} {}",
            reply.status,
            reply.text
        );
        page.cookie = cookie.to_owned();
        page
    }

    /// Somebody who never logged in.
    pub fn stranger(port: u16) -> Self {
        let base = format!("http://localhost:{port}");
        Self {
            agent: agent(),
            base,
            cookie: String::new(),
        }
    }

    /// Waits until the health endpoint at `port` says ready.
    ///
    /// # Panics
    /// If `program` ends before or never becomes ready.
    pub fn wait_until_ready(port: u16, program: &Program) {
        let stranger = Self::stranger(port);
        let deadline = Instant::now() + PATIENCE;
        while !stranger
            .try_get("/readyz")
            .is_ok_and(|reply| reply.status == 200)
        {
            let is_late = Instant::now() > deadline;
            assert!(
                !is_late,
                "port {port} never got ready:\n{}",
                program.lines().join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// GET, redirects not followed.
    ///
    /// # Panics
    /// If nobody answers.
    pub fn get(&self, path: &str) -> Reply {
        match self.try_get(path) {
            Ok(reply) => reply,
            Err(why) => panic!("GET {}{path}: {why}", self.base),
        }
    }

    /// GET, for when nobody may answer.
    ///
    /// # Errors
    /// If nobody does.
    pub fn try_get(&self, path: &str) -> Result<Reply, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.base));
        Ok(reply(request.header("cookie", &self.cookie).call()?))
    }

    /// Sends a message with the form, as a browser without scripts does.
    ///
    /// # Panics
    /// If nobody answers.
    pub fn send(&self, topic: &str, message: &str, qos: u8, retain: bool) -> Reply {
        let qos = qos.to_string();
        let mut fields = vec![("topic", topic), ("message", message), ("qos", &qos)];
        if retain {
            fields.push(("retain", "1"));
        }
        self.post_to("/messages", &fields)
    }

    /// Sends an unsuccessful message once more.
    ///
    /// # Panics
    /// If nobody answers.
    pub fn send_again(&self, id: u64) -> Reply {
        self.post_to(&format!("/messages/{id}/again"), &[])
    }

    /// The rows of the publisher's page: id and state, newest first.
    ///
    /// # Panics
    /// If the page does not answer, or a row has no state.
    pub fn sent(&self) -> Vec<(u64, String)> {
        let html = self.get("/").text;
        // What follows belongs to the row that the script copies.
        let rows = html.split("<template").next().unwrap_or_default();
        let attribute = |row: &str, name: &str| {
            let value = row.split_once(&format!("{name}=\"")).unwrap().1;
            value.split('"').next().unwrap().to_owned()
        };
        rows.split("<li class=\"row sent\"")
            .skip(1)
            .map(|row| {
                (
                    attribute(row, "data-id").parse().unwrap(),
                    attribute(row, "data-state"),
                )
            })
            .collect()
    }

    /// POST of a form from the page itself.
    ///
    /// # Panics
    /// If nobody answers.
    pub fn post_to(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .header("origin", &self.base)
            .header("sec-fetch-site", "same-origin");
        match request.send_form(fields.iter().copied()) {
            Ok(answer) => reply(answer),
            Err(why) => panic!("POST {}{path}: {why}", self.base),
        }
    }

    /// Opens the stream of live events, from the one after `last`.
    ///
    /// # Panics
    /// If the stream does not open.
    pub fn events(&self, last: Option<&str>) -> Events {
        let mut request = self
            .agent
            .get(format!("{}/events", self.base))
            .header("cookie", &self.cookie)
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = match request.call() {
            Ok(answer) => answer,
            Err(why) => panic!("GET {}/events: {why}", self.base),
        };
        assert_eq!(answer.status(), 200, "GET {}/events", self.base);
        let (sender, receiver) = channel();
        let mut lines = BufReader::new(answer.into_body().into_reader()).lines();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Events {
            lines: receiver,
            seen: Vec::new(),
        }
    }
}

/// The live events of a page.
pub struct Events {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Events {
    /// Waits for the line that contains `text`.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => panic!(
                    "no event with {text:?} ({why}); seen:\n{}",
                    self.seen.join("\n")
                ),
            }
        }
    }

    /// The id of the last event seen so far.
    pub fn last_id(&self) -> Option<&str> {
        let mut seen = self.seen.iter().rev();
        seen.find_map(|line| line.strip_prefix("id:"))
            .map(str::trim)
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .build()
        .into()
}

fn reply(answer: ureq::http::Response<Body>) -> Reply {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let text = answer
        .into_body()
        .into_with_config()
        .limit(64 << 20)
        .lossy_utf8(true)
        .read_to_string()
        .unwrap();
    Reply {
        status,
        text,
        headers,
    }
}
