//! Rendering of answers: with the headers and the byte order mark of the service, with what quirks make of them, or
//! as somebody else's.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::quirks::{self, Quirk};
use crate::reply::HttpReply;
use crate::request::HttpRequest;
use crate::{PARTNER, Shared, etag, lock};

/// An answer that is not ours: no body, and none of our headers.
pub(super) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from("<html><body>Service Unavailable</body></html>"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert("content-type", html);
    response
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answerer {
    /// An operation of the service, which may change something.
    Service { changes: bool },
    /// The gateway, the token endpoint or the sandbox itself.
    Other,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn render(shared: &Shared, request: &HttpRequest, reply: &HttpReply, answerer: Answerer) -> Response<Body> {
    let quirks = lock(&shared.trouble).quirks.clone();
    let changes = answerer == Answerer::Service { changes: true };
    let silent = changes && reply.status < 300 && quirks.contains(&Quirk::EmptyAnswers);
    let mut bytes = Vec::new();
    if let Some(mut body) = reply.body.clone().filter(|_| !silent && request.method != Method::HEAD) {
        quirks::bend(&quirks, reply.status, &mut body);
        if answerer != Answerer::Other && !quirks.contains(&Quirk::NoBom) {
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
    let traced = (answerer != Answerer::Other).then(|| {
        [
            ("MS-CV", format!("{}.0", etag::vector(&request.id))),
            ("MS-ServerId", "000001".to_owned()),
            ("Request-Context", format!("appId=cid-v1:{PARTNER}")),
        ]
    });
    let mut kind = "application/json; charset=utf-8";
    if let Some(page) = &reply.page {
        bytes.extend_from_slice(page.as_bytes());
        kind = "text/html; charset=utf-8";
    }
    let typed = (!bytes.is_empty()).then(|| ("Content-Type", kind.to_owned()));
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
pub(super) async fn slowly(response: Response<Body>, pause: Duration) -> Response<Body> {
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
