//! `enviomq sub`: messages to stdout as they arrive, each line whole.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Client, Incoming, Messages};
use mqtt::{RetainHandling, SubscriptionOptions, TopicFilter};
use serde_json::json;
use tokio::time::Instant;

use super::Outcome;
use super::connection::Connection;
use super::publish::quality;
use crate::cli::{Format, Page, SubArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::{output, shutdown};

/// Long enough for a first connection over a slow network.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: &Context, arguments: &SubArgs) -> Outcome {
    let filters = filters(arguments)?;
    let deadline = arguments
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let connection = Connection::prepare(
        context,
        &arguments.connect,
        Page::Subscriber,
        CONNECT_TIMEOUT,
    )?;
    let stop = shutdown::on_signal().map_err(|error| Failure::new("ENV-P803").because(error))?;

    let (client, messages) = Client::start(connection.options.clone());
    client
        .connected()
        .await
        .map_err(|error| connection.explain(&error))?;
    let reasons = client
        .subscribe(filters)
        .await
        .map_err(|error| connection.explain(&error))?;
    check_granted(&connection, arguments, &reasons)?;

    let mut printer = Printer::new(context, arguments);
    let printing = printer.print_all(messages, arguments.count);
    let reached = tokio::select! {
        printed = printing => printed?,
        () = stop.cancelled() => Reached::Enough,
        () = until(deadline) => Reached::Deadline,
    };
    let seen = printer.seen;
    let trouble = client.state().borrow().trouble().cloned();
    client.close().await;
    match (reached, arguments.count) {
        (Reached::ConnectionLost, _) => Err(match trouble {
            Some(error) => connection.explain(&error),
            None => Failure::new("ENV-N307"),
        }),
        (Reached::Deadline, Some(count)) if seen < count => Err(Failure::new("ENV-S702")
            .with("seen", seen)
            .with("count", count)
            .with("seconds", arguments.timeout.unwrap_or_default())
            .exit(Exit::NoReceiptInTime)),
        _ => Ok(Exit::Ok),
    }
}

enum Reached {
    Enough,
    Deadline,
    ConnectionLost,
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn filters(arguments: &SubArgs) -> Result<Vec<(TopicFilter, SubscriptionOptions)>, Failure> {
    let options = SubscriptionOptions {
        maximum_qos: quality(arguments.qos),
        no_local: false,
        retain_as_published: true,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    arguments
        .filters
        .iter()
        .map(|text| match TopicFilter::try_from(text.as_str()) {
            Ok(filter) => Ok((filter, options)),
            Err(error) => Err(Failure::new("ENV-S705")
                .with("topic", text)
                .because(error)
                .exit(Exit::Usage)),
        })
        .collect()
}

fn check_granted(
    connection: &Connection,
    arguments: &SubArgs,
    reasons: &[mqtt::ReasonCode],
) -> Result<(), Failure> {
    let denied = arguments
        .filters
        .iter()
        .zip(reasons)
        .find(|(_, reason)| reason.is_error());
    match denied {
        None => Ok(()),
        Some((filter, reason)) => {
            let rule = format!("{} subscribe {filter}", connection.identity);
            Err(Failure::new("ENV-A602")
                .with("name", &connection.identity)
                .with("topic", filter)
                .because(reason.name())
                .mend(format!("enviomq up --set 'access.allow={rule}'"))
                .exit(Exit::DeniedByAccessRules))
        }
    }
}

struct Printer {
    format: Format,
    for_terminal: bool,
    seen: u64,
}

impl Printer {
    fn new(context: &Context, arguments: &SubArgs) -> Self {
        let default = if context.json {
            Format::Json
        } else {
            Format::Text
        };
        Self {
            format: arguments.format.unwrap_or(default),
            for_terminal: std::io::stdout().is_terminal(),
            seen: 0,
        }
    }

    async fn print_all(
        &mut self,
        mut messages: Messages,
        count: Option<u64>,
    ) -> Result<Reached, Failure> {
        while count.is_none_or(|count| self.seen < count) {
            let Some(message) = messages.next().await else {
                return Ok(Reached::ConnectionLost);
            };
            output::bytes(&self.render(&message))?;
            self.seen += 1;
            message.ack();
        }
        Ok(Reached::Enough)
    }

    /// One message with the end of its line. Text keeps the payload as it is, except
    /// on a terminal, which must not obey what a stranger has written.
    fn render(&self, message: &Incoming) -> Vec<u8> {
        match self.format {
            Format::Text if self.for_terminal => {
                let payload = String::from_utf8_lossy(&message.payload);
                format!("{} {}\n", harmless(&message.topic), harmless(&payload)).into_bytes()
            }
            Format::Text => {
                let mut line = format!("{} ", &*message.topic).into_bytes();
                line.extend_from_slice(&message.payload);
                line.push(b'\n');
                line
            }
            Format::Hex => {
                let mut line = format!("{} ", harmless(&message.topic));
                for byte in &message.payload {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "{byte:02x}");
                }
                line.push('\n');
                line.into_bytes()
            }
            Format::Json => format!("{}\n", as_json(message)).into_bytes(),
        }
    }
}

/// The message as one JSON object; a payload that is not UTF-8 goes as base64.
fn as_json(message: &Incoming) -> serde_json::Value {
    let mut object = json!({
        "topic": &*message.topic,
        "qos": message.qos as u8,
        "retain": message.retain,
        "dup": message.dup,
        "bytes": message.payload.len(),
    });
    match std::str::from_utf8(&message.payload) {
        Ok(text) => object["payload"] = json!(text),
        Err(_) => object["payload_base64"] = json!(STANDARD.encode(&message.payload)),
    }
    object
}

/// Text without anything a terminal would obey: control characters become `�`,
/// except the tab and the end of a line.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() || is_bidirectional(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Characters that make text appear in another order than it is.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_never_sees_an_escape_sequence() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c\r\nd\te"), "a�[2Jb�c�\nd\te");
        assert_eq!(harmless("\u{202e}txt.exe"), "�txt.exe");
        assert_eq!(harmless("¡Hola, 世界!"), "¡Hola, 世界!");
    }
}
