//! Connections: over TLS or not, in HTTP/1.1 or HTTP/2, as the first bytes of each say. Heads and bodies have to come in
//! time, and a connection can be cut in the middle.

mod authority;
mod quotes;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::line::{Arrival, Connection, CutSwitch};
use super::{Shared, webhooks};
pub(super) use authority::Authority;
use quotes::Quoted;

/// How often it is looked whether somebody is still there who speaks HTTP/2.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long calls are waited for when the sandbox stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody is let in when the system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked whether more of a first line has come.
const LOOK: Duration = Duration::from_millis(10);
/// What a TLS handshake begins with.
const HANDSHAKE: u8 = 0x16;
/// What HTTP/2 begins with, and no method of HTTP/1.1 does.
const HTTP_2: &[u8] = b"PRI";

/// Answers what comes in until it is to stop.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let local = listener.local_addr()?;
    let mut open = JoinSet::new();
    open.spawn(webhooks::delivery::deliver(shared.clone(), stop.clone()));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (shared, stop) = (shared.clone(), stop.clone());
        open.spawn(async move {
            if let Err(error) = take(shared, stream, local, stop).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    let rest = timeout(STOP_WITHIN, async { while open.join_next().await.is_some() {} });
    if rest.await.is_err() {
        tracing::debug!("calls were not waited for any longer");
    }
    Ok(())
}

type LineEnd = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn take(shared: Arc<Shared>, stream: TcpStream, local: SocketAddr, stop: CancellationToken) -> LineEnd {
    // Small answers should not wait for each other; that it cannot be had is no reason to hang up.
    let _ = stream.set_nodelay(true);
    let patience = shared.options.patience;
    let begins = tokio::select! {
        begins = timeout(patience, beginning(&stream)) => begins??,
        () = stop.cancelled() => return Ok(()),
    };
    let switch = CutSwitch::default();
    let arrival = Arrival {
        switch: switch.clone(),
        secure: begins.first() == Some(&HANDSHAKE) && shared.authority.is_some(),
        local,
    };
    let line = Connection { stream, switch };
    match &shared.authority {
        Some(authority) if arrival.secure => {
            let line = timeout(HANDSHAKE_WITHIN, authority.acceptor().accept(line)).await??;
            let second = line.get_ref().1.alpn_protocol() == Some(b"h2");
            talk(shared, line, arrival, second, stop).await
        }
        _ => talk(shared, line, arrival, begins == HTTP_2, stop).await,
    }
}

/// The first bytes of a connection, as many as it takes to tell the protocols apart.
async fn beginning(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = [0; HTTP_2.len()];
    loop {
        let got = stream.peek(&mut bytes).await?;
        let begins = &bytes[..got];
        if got == 0 || got == bytes.len() || !HTTP_2.starts_with(begins) {
            return Ok(begins.to_vec());
        }
        sleep(LOOK).await;
    }
}

async fn talk<S>(shared: Arc<Shared>, line: S, arrival: Arrival, second: bool, stop: CancellationToken) -> LineEnd
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = shared.options.patience;
    let answer = service_fn(move |request: axum::http::Request<Incoming>| {
        let (shared, arrival) = (shared.clone(), arrival.clone());
        async move { Ok::<Response<Body>, Infallible>(super::http::answer(&shared, &arrival, request).await) }
    });
    if second {
        let line = TokioIo::new(line);
        let talking = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(ASK_EVERY)
            .serve_connection(line, answer);
        let mut talking = pin!(talking);
        tokio::select! {
            ended = talking.as_mut() => return Ok(ended?),
            () = stop.cancelled() => talking.as_mut().graceful_shutdown(),
        }
        return Ok(talking.await?);
    }
    let talking = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(Quoted::new(line)), answer);
    let mut talking = pin!(talking);
    tokio::select! {
        ended = talking.as_mut() => return Ok(ended?),
        () = stop.cancelled() => talking.as_mut().graceful_shutdown(),
    }
    Ok(talking.await?)
}
