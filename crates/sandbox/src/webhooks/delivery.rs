//! Events on their way to a registered address. An event is noted in the transaction of its cause and sent after that, in
//! the order of the causes. Only addresses of this machine are called, over plain HTTP, and without a signature: nothing of
//! a rehearsal leaves the machine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{NOBODY, VALIDATION, registration};
use crate::call::Call;
use crate::record::Resource;
use crate::state::moment;
use crate::{Shared, documents, json};
use tenantry_foundation::db::DbError;

const EVENT: &str = "webhook_event";
/// How long a receiver may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What happened.
pub(crate) struct Event<'a> {
    pub(crate) name: &'a str,
    /// What it happened to.
    pub(crate) resource: &'a str,
    /// Where that can be read.
    pub(crate) uri: String,
    /// The trial that it was made for, or empty.
    pub(crate) validation: &'a str,
}

/// Notes an event, if the partner registered an address for such.
pub(crate) fn note(call: &mut Call<'_>, event: &Event<'_>) -> Result<(), DbError> {
    let Some(registered) = registration(call)? else {
        return Ok(());
    };
    let wanted = registered.body["webhookEvents"].as_array().into_iter().flatten();
    if event.validation.is_empty() && !wanted.into_iter().any(|name| name == event.name) {
        return Ok(());
    }
    let (id, guid) = call.fresh()?;
    let noted = json!({
        "url": registered.body["webhookUrl"],
        "validation": event.validation,
        "body": {
            "EventName": event.name,
            "ResourceUri": format!("{}{}", call.request.base, event.uri),
            "ResourceName": event.resource,
            "AuditUri": null,
            "ResourceChangeUtcDate": moment(call.now),
        },
    });
    documents::write(call.tx, EVENT, &guid, &Resource::new(id, NOBODY, noted))?;
    call.note.event = true;
    Ok(())
}

/// Sends what is noted until it is to stop.
pub(crate) async fn deliver(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let sent = tokio::select! {
            sent = send_noted(&shared) => sent,
            () = stop.cancelled() => return,
        };
        if let Err(error) = sent {
            tracing::error!(%error, "events could not be sent");
        }
        tokio::select! {
            () = shared.noted.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn send_noted(shared: &Shared) -> Result<(), DbError> {
    let noted = shared.db.read(|tx| documents::all(tx, EVENT, NOBODY)).await?;
    for event in noted {
        let told = send(event.text("url"), &event.body["body"]).await;
        if let Err(problem) = &told {
            tracing::warn!(url = event.text("url"), problem, "an event did not reach its address");
        }
        let at = moment(shared.clock.now_millis());
        shared
            .db
            .write(move |tx| {
                let validation = documents::find(tx, VALIDATION, NOBODY, event.text("validation"))?;
                if let Some(mut validation) = validation {
                    let guid = json::text(&validation.body, "correlationId").to_owned();
                    validation.put("status", "completed");
                    validation.put("results", json!([result(&told, &at)]));
                    documents::write(tx, VALIDATION, &guid, &validation)?;
                }
                documents::remove(tx, event.id)
            })
            .await?;
    }
    Ok(())
}

/// What the receiver said, as a trial tells it.
fn result(told: &Result<String, String>, at: &str) -> Json {
    let (code, message) = match told {
        Ok(code) => (code.as_str(), ""),
        Err(problem) => ("", problem.as_str()),
    };
    json!({ "responseCode": code, "responseMessage": message, "systemError": told.is_err(), "dateTimeUtc": at })
}

/// Host and port of an address, if it is one of this machine that is called without TLS.
fn here(uri: &Uri) -> Option<(String, u16)> {
    let host = uri.host()?.trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_here = uri.scheme_str() == Some("http") && (is_loopback || host.eq_ignore_ascii_case("localhost"));
    is_here.then(|| (host.to_owned(), uri.port_u16().unwrap_or(80)))
}

/// Posts an event; the status in words, or why there is none.
async fn send(url: &str, body: &Json) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|_| "That is no address.".to_owned())?;
    let Some((host, port)) = here(&uri) else {
        return Err("The sandbox sends events to http:// addresses of its own machine alone.".to_owned());
    };
    let answer = timeout(WITHIN, post(&uri, (&host, port), body)).await;
    answer.map_err(|_| "The receiver took too long.".to_owned())?
}

async fn post(uri: &Uri, at: (&str, u16), body: &Json) -> Result<String, String> {
    let stream = TcpStream::connect(at).await.map_err(|error| error.to_string())?;
    let (mut sender, line) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("Host", uri.authority().map_or("", |host| host.as_str()))
        .header("Content-Type", "application/json")
        .header("Connection", "close")
        .body(Body::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        // As .NET names it: without spaces.
        let words = status
            .canonical_reason()
            .unwrap_or(status.as_str())
            .replace([' ', '-'], "");
        Ok(words)
    };
    let talking = async {
        // How the line ends is no news once there is an answer.
        let _ = line.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = talking => Err("The line ended.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        for (url, expected) in [
            ("http://127.0.0.1:8099/hook", Some(("127.0.0.1", 8099))),
            ("http://[::1]/hook", Some(("::1", 80))),
            ("http://LOCALHOST:81", Some(("LOCALHOST", 81))),
            ("https://localhost/hook", None),
            ("http://localhost.attacker.example/", None),
            ("http://user@10.0.0.1/", None),
            ("http://0.0.0.0/", None),
            ("/hook", None),
        ] {
            let uri: Uri = url.parse().expect("an address");
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(here(&uri), expected, "{url}");
        }
    }
}
