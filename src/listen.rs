//! The worker's HTTP endpoints, if it is told to listen: whether it lives, whether it is ready, and what it has counted.
//!
//! It is for supervisors and Prometheus, and takes no orders. An address that others can reach needs a token, which only `/metrics`
//! asks for: the other two say one word that gives nothing away. Clients cost little, however many they are: connections,
//! heads and times are bounded ([`connections`]), and the ledger is asked once in a while for all of them ([`look`]).

mod connections;
mod look;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::CONTENT_TYPE;
use crate::secret::Secret;
pub(crate) use look::Asked;
use look::{LedgerLook, Readiness};

/// An address that is listened on.
pub(crate) struct Listener {
    socket: TcpListener,
    /// What `/metrics` asks for; none is empty.
    token: Secret,
}

impl Listener {
    /// Begins to listen; nobody is answered before [`serve`].
    pub(crate) async fn bind(address: SocketAddr, token: Secret) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, token })
    }

    /// The address, with the port that was given out if any was asked for.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

struct Shared {
    look: LedgerLook,
    token: Secret,
}

/// Answers until `closed`.
pub(crate) async fn serve(listener: Listener, asked: Asked, closed: CancellationToken) {
    let shared = Arc::new(Shared {
        look: LedgerLook::new(asked),
        token: listener.token,
    });
    let router = Router::new()
        // That it is answered is the answer: the runtime turns.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared);
    closed
        .run_until_cancelled(connections::serve(listener.socket, router))
        .await;
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let readiness = shared.look.readiness().await;
    let status = match readiness {
        Readiness::Ready => StatusCode::OK,
        Readiness::Stopping | Readiness::Ledger | Readiness::Schema | Readiness::Schedules => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, readiness.word()).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.token.is_empty() && !has_token(&headers, &shared.token) {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, "a bearer token is needed\n").into_response();
    }
    let text = shared.look.metrics().await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

/// Whether the token was given. Compared by hash, so that the time it takes tells nothing of how much of it was right.
fn has_token(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("bearer") && Sha256::digest(given.trim()) == Sha256::digest(token.reveal())
    })
}
