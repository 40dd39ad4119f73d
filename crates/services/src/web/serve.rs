//! Serving: one task per connection, few enough of them and none that waits for ever.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServiceError;

/// Serves until `stop`, then lets answers finish for a moment.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    ready: Option<oneshot::Sender<()>>,
    router: Router,
    stop: CancellationToken,
) -> Result<(), ServiceError> {
    listener
        .set_nonblocking(true)
        .map_err(ServiceError::Serve)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServiceError::Serve)?;
    if let Some(ready) = ready {
        // Nobody may be waiting for it.
        let _ = ready.send(());
    }
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    let next = || async {
        // Whoever finds no room waits in the queue of the system.
        let place = Arc::clone(&room).acquire_owned().await;
        (place, listener.accept().await)
    };
    while let Some((place, accepted)) = stop.run_until_cancelled(next()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: trying again at once would spin.
                tracing::warn!(%error, "page listener");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            if let Err(error) = serve_one(stream, router, stop).await {
                tracing::debug!(%error, "page connection");
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn serve_one(
    stream: TcpStream,
    router: Router,
    stop: CancellationToken,
) -> Result<(), hyper::Error> {
    // Events are small and must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays with delayed writes");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // A browser that holds its connection open must not hold us.
    tokio::time::timeout(GRACE, connection)
        .await
        .unwrap_or(Ok(()))
}

/// Connections at once: every live page costs one, and a browser opens some more.
const CONNECTIONS_MAX: usize = 256;
/// How long the head of a request may take, and how long a connection may rest.
const HEAD_MAX: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::io;
    use std::net::SocketAddr;

    use axum::response::sse::{Event, Sse};
    use axum::routing::get;
    use futures_util::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, timeout};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// A page that answers "ok", and an endless stream that `stop` ends.
    struct Page {
        address: SocketAddr,
        stop: CancellationToken,
        served: JoinHandle<Result<(), ServiceError>>,
    }

    impl Page {
        fn open() -> Self {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let stop = CancellationToken::new();
            let ended = stop.clone();
            let events = move || {
                let first = futures_util::stream::iter([Event::default().data("first")]);
                let rows = first.chain(futures_util::stream::pending());
                let rows = rows.take_until(ended.clone().cancelled_owned());
                async { Sse::new(rows.map(Ok::<_, Infallible>)) }
            };
            let router = Router::new()
                .route("/", get(|| async { "ok" }))
                .route("/events", get(events));
            let served = tokio::spawn(serve(listener, None, router, stop.clone()));
            Self {
                address,
                stop,
                served,
            }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn send(&self, bytes: &[u8]) -> TcpStream {
            let mut stream = self.connect().await;
            stream.write_all(bytes).await.unwrap();
            stream
        }
    }

    /// What comes until the page closes; more than a minute of silence is a failure.
    async fn rest(stream: &mut TcpStream) -> io::Result<String> {
        let mut text = String::new();
        timeout(Duration::from_secs(60), stream.read_to_string(&mut text)).await??;
        Ok(text)
    }

    // The clock of these tests stands still while anything moves, and jumps when all waits.

    #[tokio::test(start_paused = true)]
    async fn half_a_request_is_not_waited_for() {
        let page = Page::open();
        for half in [&b""[..], b"GET / HTTP/1.1\r\nHo", b"PRI * HTTP/2.0\r\n"] {
            let started = Instant::now();
            let mut stream = page.send(half).await;
            // Some are told so before.
            rest(&mut stream).await.unwrap();
            assert!(started.elapsed() <= HEAD_MAX + GRACE, "{half:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_connections_than_there_is_room_for_wait_their_turn() {
        let page = Page::open();
        let started = Instant::now();
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            idle.push(page.connect().await);
        }
        let mut late = page.send(REQUEST).await;
        let mut answer = [0; 12];
        timeout(Duration::from_secs(60), late.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        assert!(
            started.elapsed() >= HEAD_MAX,
            "it had to wait for the others"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_streams_and_connections_at_rest() {
        let page = Page::open();
        let mut stream = page
            .send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        let mut resting = page.send(REQUEST).await;
        for one in [&mut stream, &mut resting] {
            let mut answer = [0; 12];
            one.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
        }
        let stopped = Instant::now();
        page.stop.cancel();
        let events = rest(&mut stream).await.unwrap();
        assert!(
            events.ends_with("data: first\n\n\r\n0\r\n\r\n"),
            "{events:?}"
        );
        assert!(rest(&mut resting).await.unwrap().ends_with("ok"));
        page.served.await.unwrap().unwrap();
        assert!(stopped.elapsed() < GRACE, "nothing held us");
    }
}
