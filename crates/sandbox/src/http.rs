//! The way of a request: read, told apart, let in, slowed down, run, written down, answered.

mod render;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use hyper::body::Incoming;

use super::admin::RecentCall;
use super::call::{Call, Note};
use super::faults::InjectedFault;
use super::line::Arrival;
use super::oauth::{Endpoint, Grant};
use super::reply::{HttpReply, Refused, ReplyResult, refuse};
use super::request::HttpRequest;
use super::routes::{Operation, RouteMatch, find};
use super::state::moment;
use super::{Shared, admin, audit, lock, oauth, replay, webhooks};
use render::{Answerer, bare, render, slowly, unavailable};
use tenantry_foundation::db::{DbError, Tx};

/// Larger bodies are refused.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// Answers one request.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    arrival: &Arrival,
    request: axum::http::Request<Incoming>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), LARGEST_BODY);
    let body = match tokio::time::timeout(shared.options.patience, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return bare(unread(&error)),
        Err(_) => return bare(StatusCode::REQUEST_TIMEOUT),
    };
    let switch = &arrival.switch;
    let request = Arc::new(HttpRequest::new(head, body.into(), arrival, &shared.clock));
    if request
        .segments
        .first()
        .is_some_and(|first| first.eq_ignore_ascii_case("sandbox"))
    {
        let reply = admin::answer(shared, &request).await;
        return render(shared, &request, &reply, Answerer::Other);
    }
    let endpoint = Endpoint::find(&request.segments);
    let found = match &endpoint {
        Some(_) => RouteMatch::SigningIn,
        None => find(&request.method, &request.segments, |name| request.query(name)),
    };
    let (name, operation) = match (&found, &endpoint) {
        (RouteMatch::SigningIn, Some(endpoint)) => (endpoint.name(), None),
        (RouteMatch::Operation(operation, _), _) => (operation.name, Some(*operation)),
        (RouteMatch::WrongMethod, _) => return bare(StatusCode::METHOD_NOT_ALLOWED),
        // As a gateway answers: without the correlation id, so that nobody takes it for the answer to a question.
        _ => return bare(StatusCode::NOT_FOUND),
    };
    let fault = lock(&shared.trouble).next(name);
    count(shared, name, operation, &request, fault);
    if fault == Some(InjectedFault::CutBeforeCommit) {
        switch.cut();
        return bare(StatusCode::NO_CONTENT);
    }
    let now = shared.clock.now_millis();
    let reply = match (fault, endpoint, found) {
        (Some(InjectedFault::Error503), ..) => return unavailable(),
        (Some(InjectedFault::Error500), ..) => said(Err(refuse(500, 800_003, "Something went wrong here."))),
        (Some(InjectedFault::Error429), ..) => too_many(1),
        (Some(InjectedFault::NoConsent), Some(_), _) => oauth::no_consent(shared, &request),
        (_, Some(endpoint), _) => match oauth::answer(shared, &request, &endpoint, now) {
            Some(reply) => reply,
            None => return bare(StatusCode::METHOD_NOT_ALLOWED),
        },
        (_, None, RouteMatch::Operation(operation, places)) => {
            let routed = RoutedCall {
                operation,
                places,
                fault,
                now,
            };
            match admit(shared, &request, &routed) {
                Ok(caller) => run(shared, &request, routed, caller).await,
                Err(reply) => reply,
            }
        }
        _ => return bare(StatusCode::NOT_FOUND),
    };
    // Last of all, so that a call whose client lost patience has had its effect.
    delay(shared).await;
    if fault == Some(InjectedFault::CutAfterCommit) {
        switch.cut();
        return bare(StatusCode::NO_CONTENT);
    }
    let answerer = match operation {
        // That is the gateway.
        _ if reply.status == 429 => Answerer::Other,
        Some(operation) => Answerer::Service {
            changes: operation.changes,
        },
        None => Answerer::Other,
    };
    lock(&shared.calls).note(RecentCall {
        at: moment(now),
        method: request.method.to_string(),
        path: request.path(),
        status: reply.status,
        request_id: request.id.clone(),
    });
    let response = render(shared, &request, &reply, answerer);
    if fault == Some(InjectedFault::SlowBody) {
        return slowly(response, shared.options.slow_body).await;
    }
    response
}

/// What is said to a body that could not be read to its end.
fn unread(error: &axum::Error) -> StatusCode {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(at) = cause {
        if at.is::<hyper::Error>() {
            return StatusCode::BAD_REQUEST;
        }
        cause = at.source();
    }
    StatusCode::PAYLOAD_TOO_LARGE
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
        oauth::revoke(shared, request);
        return Err(said(Err(oauth::denied())));
    }
    let caller = oauth::caller(shared, request, *now).map_err(|refused| said(Err(refused)))?;
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

/// The outcome of a changing call.
enum Effect {
    JobFile,
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
        Ok((reply, call.note.event))
    };
    let done = if operation.changes {
        shared.db.write(work).await
    } else {
        shared.db.read(work).await
    };
    match done {
        Ok((reply, event)) => {
            if event {
                shared.noted.notify_one();
            }
            reply
        }
        Err(error) => {
            tracing::error!(%error, operation = operation.name, "a call could not be carried out");
            said(Err(refuse(500, 800_003, "Something went wrong here.")))
        }
    }
}

fn tally(shared: &Shared, operation: &'static Operation, request: &HttpRequest, effect: &Effect) {
    let mut counters = lock(&shared.counters);
    match effect {
        Effect::JobFile => {
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
    if let Some(usual) = operation.leaves {
        let words = call.note.of.unwrap_or(usual);
        audit::leave(call, words, made)?;
        if made {
            webhooks::after(call, words)?;
        }
    }
    replay::record(call.tx, call.shared, call.request, &reply, call.now)?;
    Ok((reply, if made { Effect::JobFile } else { Effect::Refused }))
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
