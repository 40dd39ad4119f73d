//! `enviomq pub`: one message out, and the truth about what became of it.

use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Outcome, PublishRequest};
use mqtt::{QoS, ReasonCode, TopicName};

use super::Outcome as End;
use super::connection::Connection;
use crate::cli::{Page, PubArgs};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, arguments: &PubArgs) -> End {
    let topic = TopicName::try_from(arguments.topic.as_str()).map_err(|error| {
        Failure::new("ENV-S704")
            .with("topic", &arguments.topic)
            .because(error)
            .exit(Exit::Usage)
    })?;
    let timeout = Duration::from_secs(arguments.timeout);
    let connection = Connection::prepare(context, &arguments.connect, Page::Publisher, timeout)?;
    let payload = payload(arguments)?;
    let size = payload.len();

    let (client, _messages) = Client::start(connection.options.clone());
    client
        .connected()
        .await
        .map_err(|error| connection.explain(&error))?;
    let request = PublishRequest::new(topic, payload)
        .qos(quality(arguments.qos))
        .retain(arguments.retain);
    let publication = client.publish(request);
    let outcome = tokio::time::timeout(timeout, publication.done()).await;
    let verdict = match outcome {
        Ok(outcome) => judge(&connection, arguments, outcome),
        Err(_) => Err(Failure::new("ENV-S701")
            .with("seconds", arguments.timeout)
            .exit(Exit::NoReceiptInTime)),
    };
    // QoS 0 counts as sent once it is handed to the network; closing flushes it.
    client.close().await;
    let reason = verdict?;
    announce(context, arguments, size, reason)
}

fn judge(
    connection: &Connection,
    arguments: &PubArgs,
    outcome: Outcome,
) -> Result<Option<ReasonCode>, Failure> {
    match outcome {
        Outcome::Sent => Ok(None),
        Outcome::Accepted { reason } => Ok(Some(reason)),
        Outcome::Refused {
            reason: ReasonCode::NotAuthorized,
            reason_string,
        } => {
            let rule = format!("{} publish {}", connection.identity, arguments.topic);
            let failure = Failure::new("ENV-A601")
                .with("name", &connection.identity)
                .with("topic", &arguments.topic)
                .mend(format!("enviomq up --set 'access.allow={rule}'"))
                .exit(Exit::DeniedByAccessRules);
            Err(match reason_string {
                Some(words) => failure.because(words),
                None => failure,
            })
        }
        Outcome::Refused {
            reason,
            reason_string,
        } => {
            let failure = Failure::new("ENV-S501")
                .with("reason", reason.name())
                .exit(Exit::RefusedByPolicy);
            Err(match reason_string {
                Some(words) => failure.because(words),
                None => failure,
            })
        }
        Outcome::NotSent { why } => Err(connection.explain(&why)),
        Outcome::Unconfirmed { why } => Err(Failure::new("ENV-S703")
            .because(why)
            .exit(Exit::NoReceiptInTime)),
    }
}

fn announce(
    context: &Context,
    arguments: &PubArgs,
    size: usize,
    reason: Option<ReasonCode>,
) -> End {
    if context.json {
        let state = if reason.is_some() { "accepted" } else { "sent" };
        let line = serde_json::json!({
            "topic": arguments.topic,
            "bytes": size,
            "qos": arguments.qos,
            "state": state,
            "reason": reason.map(ReasonCode::name),
        });
        output::line(&line.to_string())?;
        return Ok(Exit::Ok);
    }
    let key = match reason {
        None => "pub.sent",
        Some(ReasonCode::NoMatchingSubscribers) => "pub.nobody",
        Some(_) => "pub.accepted",
    };
    output::line(&context.say(key, &[("topic", &arguments.topic), ("bytes", &size)]))?;
    Ok(Exit::Ok)
}

fn payload(arguments: &PubArgs) -> Result<Bytes, Failure> {
    if let Some(message) = &arguments.message {
        return Ok(Bytes::from(message.clone()));
    }
    let read = match arguments.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => std::fs::read(path),
        _ => {
            let mut content = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut content)
                .map(|_| content)
        }
    };
    read.map(Bytes::from).map_err(|error| {
        let file = arguments
            .file
            .as_ref()
            .map_or("-".into(), |path| path.display().to_string());
        Failure::new("ENV-F128")
            .with("file", &file)
            .because(error)
            .mend(format!("ls -l {file}"))
    })
}

/// The QoS of a number that the command line has checked.
pub(super) fn quality(number: u8) -> QoS {
    match number {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
