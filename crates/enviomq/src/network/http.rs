//! HTTP: one small request over a stream that is already connected.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// The most that is read of an answer: a certificate chain is some 4 KiB.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// No answer of ours takes this long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request and reads the whole answer.
///
/// # Errors
/// If the connection breaks, the peer does not speak HTTP, or time runs out.
pub(crate) async fn request<S>(
    stream: S,
    host: &str,
    method: Method,
    path: &str,
    body: String,
) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES)
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        driver.abort();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(ANSWER_TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
