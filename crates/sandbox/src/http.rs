//! The way of a request: read, told apart, let in, slowed down, run, written down, answered.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::call::{Call, Note};
use super::faults::InjectedFault;
use super::line::{Connections, CutSwitch};
use super::quirks::{self, Quirk};
use super::reply::{HttpReply, Refused, ReplyResult, refuse};
use super::request::HttpRequest;
use super::routes::{Operation, RouteMatch, find};
use super::tokens::Grant;
use super::{Shared, admin, audit, etag, lock, replay, tokens};
use tenantry_foundation::db::{DbError, Tx};

/// Larger bodies are refused.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let router = Router::new().fallback(answer).with_state(shared);
    axum::serve(
        Connections(listener),
        router.into_make_service_with_connect_info::<CutSwitch>(),
    )
    .with_graceful_shutdown(stop.cancelled_owned())
    .await
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(switch): ConnectInfo<CutSwitch>,
    request: axum::extract::Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let request = Arc::new(HttpRequest::new(head, body.into(), &shared.clock));
    if request
        .segments
        .first()
        .is_some_and(|first| first.eq_ignore_ascii_case("sandbox"))
    {
        let reply = admin::answer(&shared, &request).await;
        return render(&shared, &request, &reply, Speaker::Other);
    }
    let token = tokens::endpoint(&request.segments).map(|(tenant, second)| (tenant.to_owned(), second));
    let found = match &token {
        Some(_) => RouteMatch::Token,
        None => find(&request.method, &request.segments),
    };
    let (name, operation) = match &found {
        RouteMatch::Token => ("token", None),
        RouteMatch::Operation(operation, _) => (operation.name, Some(*operation)),
        RouteMatch::WrongMethod => return bare(StatusCode::METHOD_NOT_ALLOWED),
        // As a gateway answers: without the correlation id, so that nobody takes it for the answer to a question.
        RouteMatch::Nothing => return bare(StatusCode::NOT_FOUND),
    };
    let fault = lock(&shared.trouble).next(name);
    count(&shared, name, operation, &request, fault);
    if fault == Some(InjectedFault::CutBeforeCommit) {
        switch.cut();
        return bare(StatusCode::NO_CONTENT);
    }
    let now = shared.clock.now_millis();
    let reply = match (fault, token, found) {
        (Some(InjectedFault::Error503), ..) => return unavailable(),
        (Some(InjectedFault::Error500), ..) => said(Err(refuse(500, 800_003, "Something went wrong here."))),
        (Some(InjectedFault::Error429), ..) => too_many(1),
        (_, Some((tenant, second)), _) => tokens::issue(&shared, &request, &tenant, second, now),
        (_, None, RouteMatch::Operation(operation, places)) => {
            let routed = RoutedCall {
                operation,
                places,
                fault,
                now,
            };
            match admit(&shared, &request, &routed) {
                Ok(caller) => run(&shared, &request, routed, caller).await,
                Err(reply) => reply,
            }
        }
        _ => return bare(StatusCode::NOT_FOUND),
    };
    // Last of all, so that a call whose client lost patience has had its effect.
    delay(&shared).await;
    if fault == Some(InjectedFault::CutAfterCommit) {
        switch.cut();
        return bare(StatusCode::NO_CONTENT);
    }
    let speaker = match operation {
        // That is the gateway.
        _ if reply.status == 429 => Speaker::Other,
        Some(operation) => Speaker::Service {
            changes: operation.changes,
        },
        None => Speaker::Other,
    };
    let response = render(&shared, &request, &reply, speaker);
    if fault == Some(InjectedFault::SlowBody) {
        return slowly(response, shared.options.slow_body).await;
    }
    response
}

fn count(
    shared: &Shared,
    name: &'static str,
    operation: Option<&Operation>,
    request: &HttpRequest,
    fault: Option<InjectedFault>,
) {
    let mut counters = lock(&shared.counters);
    let tally = counters.of(name);
    tally.calls += 1;
    tally.faults += u64::from(fault.is_some());
    if operation.is_some_and(|operation| operation.changes) {
        counters.request(name, &request.id, |counted| counted.calls += 1);
    }
}

async fn delay(shared: &Shared) {
    let latency = shared.options.latency.as_millis() as u64;
    if latency > 0 {
        let jitter = lock(&shared.trouble).jitter(latency);
        tokio::time::sleep(Duration::from_millis(latency + jitter)).await;
    }
}

/// A call whose operation is known.
struct RoutedCall {
    operation: &'static Operation,
    /// What stands in the places of the operation's path.
    places: Vec<String>,
    fault: Option<InjectedFault>,
    now: i64,
}

/// Lets a call in: with a token that is good for it, and within its limits.
fn admit(shared: &Shared, request: &HttpRequest, call: &RoutedCall) -> Result<Grant, HttpReply> {
    let RoutedCall {
        operation,
        places,
        fault,
        now,
    } = call;
    if *fault == Some(InjectedFault::ExpiredToken) {
        tokens::revoke(shared, request);
        return Err(said(Err(tokens::denied())));
    }
    let caller = tokens::caller(shared, request, *now).map_err(|refused| said(Err(refused)))?;
    if operation.needs_user && !caller.user {
        let text = "An application cannot do this without a user.";
        return Err(said(Err(refuse(403, 900_329, text))));
    }
    let customer = operation
        .path
        .starts_with("customers/{}")
        .then(|| places.first())
        .flatten();
    let taken = lock(&shared.limits).take(&shared.options, caller.partner, customer.map(String::as_str), *now);
    taken.map_err(|seconds| {
        lock(&shared.counters).of(operation.name).throttled += 1;
        too_many(seconds)
    })?;
    Ok(caller)
}

fn too_many(seconds: i64) -> HttpReply {
    let message = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
    HttpReply::json(429, serde_json::json!({ "statusCode": 429, "message": message }))
        .with("Retry-After", seconds.to_string())
}

/// What became of a changing call.
enum Effect {
    Made,
    Refused,
    Told,
}

async fn run(shared: &Arc<Shared>, request: &Arc<HttpRequest>, call: RoutedCall, caller: Grant) -> HttpReply {
    let RoutedCall {
        operation,
        places,
        fault,
        now,
    } = call;
    let (own, asked) = (shared.clone(), request.clone());
    let stale = fault == Some(InjectedFault::StaleEtag);
    let work = move |tx: &mut dyn Tx| {
        let mut call = Call {
            tx,
            shared: &own,
            request: &asked,
            places: &places,
            caller: &caller,
            now,
            stale,
            note: Note::default(),
        };
        let refusal = fault.and_then(InjectedFault::refusal);
        let (reply, effect) = if operation.changes {
            change(&mut call, operation, refusal)?
        } else {
            let reply = settled(refusal.map_or_else(|| (operation.run)(&mut call), Err))?;
            (reply, Effect::Refused)
        };
        // Here and not below, where nobody may be waiting any more.
        tally(&own, operation, &asked, &effect);
        Ok(reply)
    };
    let done = if operation.changes {
        shared.db.write(work).await
    } else {
        shared.db.read(work).await
    };
    done.unwrap_or_else(|error| {
        tracing::error!(%error, operation = operation.name, "a call could not be carried out");
        said(Err(refuse(500, 800_003, "Something went wrong here.")))
    })
}

fn tally(shared: &Shared, operation: &'static Operation, request: &HttpRequest, effect: &Effect) {
    let mut counters = lock(&shared.counters);
    match effect {
        Effect::Made => {
            counters.of(operation.name).effects += 1;
            counters.request(operation.name, &request.id, |counted| counted.effects += 1);
        }
        Effect::Told => counters.of(operation.name).replays += 1,
        Effect::Refused => {}
    }
}

/// Runs a changing call once, whatever becomes of it: effect, audit record and answer are written together.
fn change(
    call: &mut Call<'_>,
    operation: &'static Operation,
    refusal: Option<Refused>,
) -> Result<(HttpReply, Effect), DbError> {
    match replay::recorded(call.tx, call.shared, call.request, call.now) {
        Ok(None) => {}
        Ok(Some(reply)) => return Ok((reply, Effect::Told)),
        Err(refused) => return Ok((settled(Err(refused))?, Effect::Refused)),
    }
    call.tx.exec("SAVEPOINT effect", &[])?;
    let outcome = refusal.map_or_else(|| (operation.run)(call), Err);
    let made = outcome.is_ok();
    if !made {
        call.tx.exec("ROLLBACK TO effect", &[])?;
    }
    call.tx.exec("RELEASE effect", &[])?;
    let reply = settled(outcome)?;
    if let Some(words) = operation.leaves {
        audit::leave(call, words, made)?;
    }
    replay::record(call.tx, call.shared, call.request, &reply, call.now)?;
    Ok((reply, if made { Effect::Made } else { Effect::Refused }))
}

fn settled(outcome: ReplyResult) -> Result<HttpReply, DbError> {
    match outcome {
        Ok(reply) | Err(Refused::Answer(reply)) => Ok(reply),
        Err(Refused::Db(error)) => Err(error),
    }
}

fn said(outcome: ReplyResult) -> HttpReply {
    settled(outcome).unwrap_or_else(|_| HttpReply::empty(500))
}

/// An answer that is not ours: no body, and none of our headers.
fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from("<html><body>Service Unavailable</body></html>"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert("content-type", html);
    response
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    /// An operation of the service, which may change something.
    Service { changes: bool },
    /// The gateway, the token endpoint or the sandbox itself.
    Other,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

fn render(shared: &Shared, request: &HttpRequest, reply: &HttpReply, speaker: Speaker) -> Response<Body> {
    let quirks = lock(&shared.trouble).quirks.clone();
    let changes = speaker == Speaker::Service { changes: true };
    let silent = changes && reply.status < 300 && quirks.contains(&Quirk::EmptyAnswers);
    let mut bytes = Vec::new();
    if let Some(mut body) = reply.body.clone().filter(|_| !silent && request.method != Method::HEAD) {
        quirks::bend(&quirks, reply.status, &mut body);
        if speaker != Speaker::Other && !quirks.contains(&Quirk::NoBom) {
            bytes.extend_from_slice(MARK);
        }
        bytes.extend_from_slice(body.to_string().as_bytes());
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let own = [
        ("MS-RequestId", request.id.clone()),
        ("MS-CorrelationId", request.correlation_id.clone()),
        ("X-Locale", request.header("x-locale").unwrap_or("en-US").to_owned()),
    ];
    // Nobody goes by these, but the service sends them.
    let traced = (speaker != Speaker::Other).then(|| {
        [
            ("MS-CV", format!("{}.0", etag::vector(&request.id))),
            ("MS-ServerId", "000001".to_owned()),
            ("Request-Context", format!("appId=cid-v1:{}", super::PARTNER)),
        ]
    });
    let typed = (!bytes.is_empty()).then(|| ("Content-Type", "application/json; charset=utf-8".to_owned()));
    let all = own.into_iter().chain(traced.into_iter().flatten()).chain(typed);
    for (name, value) in all.chain(reply.headers.iter().cloned()) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    *response.body_mut() = Body::from(bytes);
    response
}

/// The same answer in two halves, with a pause between them.
async fn slowly(response: Response<Body>, pause: Duration) -> Response<Body> {
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let rest = bytes.slice(bytes.len() / 2..);
    let first = bytes.slice(..bytes.len() / 2);
    let halves = futures::stream::unfold(0, move |half| {
        let (first, rest) = (first.clone(), rest.clone());
        async move {
            match half {
                0 => Some((Ok::<Bytes, Infallible>(first), 1)),
                1 => {
                    tokio::time::sleep(pause).await;
                    Some((Ok(rest), 2))
                }
                _ => None,
            }
        }
    });
    Response::from_parts(head, Body::from_stream(halves))
}
