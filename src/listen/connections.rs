//! Connections: so many at once, each for one question with a small head, which is asked and answered in time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at once; more wait until one is over.
const AT_ONCE: usize = 64;
/// Bytes of a question's head.
const HEAD_BYTES: usize = 16 << 10;
/// Headers of a question.
const HEADERS: usize = 64;
/// How long a question may take to come.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection lasts at most.
const OVER_WITHIN: Duration = Duration::from_secs(15);
/// How long nobody is let in when the system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers for as long as it is polled; what is being answered ends with it.
pub(super) async fn serve(socket: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut open = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        while open.try_join_next().is_some() {}
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let router = router.clone();
        open.spawn(async move {
            answer(stream, router).await;
            drop(place);
        });
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let answering = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(OVER_WITHIN, answering).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a question was not answered"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
}
