//! Form: what a viewer filled in, as a message or as a problem explained at its field.

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use store::Draft;

use crate::web::guard::text;
use crate::web::now_ms;

/// The fields as they came.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Form {
    pub(crate) topic: String,
    pub(crate) message: String,
    pub(crate) qos: String,
    pub(crate) retain: Option<String>,
    /// `text`, `hex` or `file`.
    pub(crate) format: String,
    #[serde(skip)]
    pub(crate) file: Bytes,
    #[serde(skip)]
    pub(crate) file_was_chosen: bool,
}

/// Why a form could not even be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Longer than any message we would take.
    TooLong,
    /// Not a form.
    Malformed,
}

/// What is wrong with a form, and at which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    TopicEmpty,
    TopicWildcard,
    TopicTooLong,
    TopicNull,
    Qos,
    Hex,
    NoFile,
    TooLong,
    Busy,
    NotStored,
}

impl Problem {
    /// The field it belongs to; `form` if to none.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Problem::TopicEmpty
            | Problem::TopicWildcard
            | Problem::TopicTooLong
            | Problem::TopicNull => "topic",
            Problem::Hex | Problem::TooLong => "message",
            Problem::NoFile => "file",
            Problem::Qos | Problem::Busy | Problem::NotStored => "form",
        }
    }

    /// The catalogue key of its sentence.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Problem::TopicEmpty => "problem.topic_empty",
            Problem::TopicWildcard => "problem.topic_wildcard",
            Problem::TopicTooLong => "problem.topic_too_long",
            Problem::TopicNull => "problem.topic_null",
            Problem::Qos => "problem.qos",
            Problem::Hex => "problem.hex",
            Problem::NoFile => "problem.no_file",
            Problem::TooLong => "problem.too_long",
            Problem::Busy => "problem.busy",
            Problem::NotStored => "problem.not_stored",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Problem::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Problem::NotStored => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl Form {
    /// Reads a form with or without a file in it.
    pub(crate) async fn read(request: Request) -> Result<Form, Unreadable> {
        let kind = text(request.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if kind.starts_with("multipart/form-data") {
            return read_multipart(request).await;
        }
        let form: Result<axum::Form<Form>, _> = request.extract().await;
        match form {
            Ok(axum::Form(form)) => Ok(form),
            Err(refused) => Err(unreadable(refused.into_response().status())),
        }
    }

    /// The message, if everything is in order.
    pub(crate) fn draft(&self, max_message_bytes: usize) -> Result<Draft, Problem> {
        check_topic(&self.topic)?;
        let payload = match self.format.as_str() {
            "hex" => parse_hex(&self.message).ok_or(Problem::Hex)?,
            "file" if self.file_was_chosen => self.file.clone(),
            "file" => return Err(Problem::NoFile),
            // Browsers write every line end of a text field as CR LF; the writer typed LF.
            _ => Bytes::from(self.message.replace("\r\n", "\n")),
        };
        if payload.len() > max_message_bytes {
            return Err(Problem::TooLong);
        }
        Ok(Draft {
            at_ms: now_ms(),
            topic: self.topic.clone(),
            payload,
            qos: self.qos_number().ok_or(Problem::Qos)?,
            retain: self.retain.is_some(),
        })
    }

    /// QoS 1 unless chosen otherwise: the first that is answered.
    pub(crate) fn qos_number(&self) -> Option<u8> {
        match self.qos.as_str() {
            "" | "1" => Some(1),
            "0" => Some(0),
            "2" => Some(2),
            _ => None,
        }
    }
}

async fn read_multipart(request: Request) -> Result<Form, Unreadable> {
    let multipart = Multipart::from_request(request, &()).await;
    let mut multipart = multipart.map_err(|_| Unreadable::Malformed)?;
    let mut form = Form::default();
    while let Some(field) = multipart.next_field().await.map_err(multipart_error)? {
        let name = field.name().unwrap_or_default().to_owned();
        // A file field that was left empty comes with an empty file name.
        let has_file = field.file_name().is_some_and(|name| !name.is_empty());
        let bytes = field.bytes().await.map_err(multipart_error)?;
        if name == "file" {
            form.file = bytes;
            form.file_was_chosen = has_file;
            continue;
        }
        let value = String::from_utf8(bytes.into()).map_err(|_| Unreadable::Malformed)?;
        match name.as_str() {
            "topic" => form.topic = value,
            "message" => form.message = value,
            "qos" => form.qos = value,
            "retain" => form.retain = Some(value),
            "format" => form.format = value,
            _ => {}
        }
    }
    Ok(form)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn multipart_error(error: axum::extract::multipart::MultipartError) -> Unreadable {
    unreadable(error.status())
}

fn unreadable(status: StatusCode) -> Unreadable {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Unreadable::TooLong
    } else {
        Unreadable::Malformed
    }
}

/// The rules of a Topic Name (MQTT 4.7), one by one, so that each gets its own sentence.
fn check_topic(topic: &str) -> Result<(), Problem> {
    if topic.is_empty() {
        Err(Problem::TopicEmpty)
    } else if topic.contains(['+', '#']) {
        Err(Problem::TopicWildcard)
    } else if topic.len() > usize::from(u16::MAX) {
        Err(Problem::TopicTooLong)
    } else if topic.contains('\0') {
        Err(Problem::TopicNull)
    } else {
        Ok(())
    }
}

/// Pairs of hexadecimal digits; spaces, line ends, commas, colons and `0x` between them are welcome.
fn parse_hex(text: &str) -> Option<Bytes> {
    let is_gap = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | ':' | '-');
    let mut bytes = Vec::new();
    for word in text.split(is_gap) {
        let digits = word.strip_prefix("0x").unwrap_or(word).as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        for [high, low] in pairs {
            let value = |digit: &u8| char::from(*digit).to_digit(16);
            let byte = value(high)? * 16 + value(low)?;
            bytes.push(u8::try_from(byte).ok()?);
        }
    }
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_topic_gets_its_own_sentence() {
        assert_eq!(check_topic(""), Err(Problem::TopicEmpty));
        assert_eq!(check_topic("chat/+"), Err(Problem::TopicWildcard));
        assert_eq!(check_topic("#"), Err(Problem::TopicWildcard));
        assert_eq!(check_topic("a\0b"), Err(Problem::TopicNull));
        assert_eq!(check_topic(&"x".repeat(65_536)), Err(Problem::TopicTooLong));
        assert_eq!(check_topic(&"x".repeat(65_535)), Ok(()));
        assert_eq!(check_topic("/ chat//ñ "), Ok(()));
    }

    #[test]
    fn hexadecimal_is_read_as_people_write_it() {
        let bytes = |text| parse_hex(text).map(|b| b.to_vec());
        assert_eq!(bytes("00ff10"), Some(vec![0, 255, 16]));
        assert_eq!(bytes("0x00, 0xFF\n10"), Some(vec![0, 255, 16]));
        assert_eq!(bytes(" de:ad "), Some(vec![0xde, 0xad]));
        assert_eq!(bytes(""), Some(vec![]));
        assert_eq!(bytes("0"), None);
        assert_eq!(bytes("zz"), None);
        assert_eq!(bytes("+1"), None);
    }

    #[test]
    fn a_typed_line_end_is_one_byte_again() {
        let form = Form {
            topic: "t".to_owned(),
            message: "uno\r\ndos".to_owned(),
            ..Form::default()
        };
        assert_eq!(form.draft(100).unwrap().payload, "uno\ndos");
        assert_eq!(form.draft(6).unwrap_err(), Problem::TooLong);
    }
}
