//! Calls that are made again: a changing call whose request id was answered before is told the same, and has no second
//! effect. Answers are recorded in the transaction of the effect, refusals too.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::json;
use super::reply::{HttpReply, Refused, refuse};
use super::request::HttpRequest;
use super::{Shared, lock};
use tenantry_foundation::db::{DbError, Tx};

/// How long a request id is remembered.
const REMEMBERED: i64 = 24 * 3600 * 1000;

/// Code of our own: Microsoft documents none for a request id that comes back with other content.
const OTHER_CONTENT: u32 = 9_999_001;

/// Answers that are kept whole at least; there are at most twice as many.
const SECRETS: usize = 5000;

/// Whole answers of which only a part is written down, the newer and the older ones.
#[derive(Default)]
pub(super) struct Secrets {
    newer: HashMap<String, Json>,
    older: HashMap<String, Json>,
}

impl Secrets {
    fn get(&self, id: &str) -> Option<&Json> {
        self.newer.get(id).or_else(|| self.older.get(id))
    }

    fn insert(&mut self, id: String, answer: Json) {
        if self.newer.len() >= SECRETS {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, answer);
    }
}

/// What was answered to the request's id.
pub(super) fn recorded(
    tx: &mut dyn Tx,
    shared: &Shared,
    request: &HttpRequest,
    now: i64,
) -> Result<Option<HttpReply>, Refused> {
    tx.exec(
        "DELETE FROM sandbox_answers WHERE at < $1",
        &[(now - REMEMBERED).into()],
    )?;
    let found = tx.query_first(
        "SELECT fingerprint, status, headers, body FROM sandbox_answers WHERE request = $1",
        &[request.id.as_str().into()],
    )?;
    let Some(row) = found else { return Ok(None) };
    if row.text(0)? != request.fingerprint() {
        return Err(refuse(
            409,
            OTHER_CONTENT,
            "This request id was used for another request (an answer of the sandbox only)",
        ));
    }
    let broken = |error: serde_json::Error| DbError::Broken(error.to_string());
    let location: Option<String> = serde_json::from_str(row.text(2)?).map_err(broken)?;
    let secret = lock(&shared.secrets).get(&request.id).cloned();
    let body = match (secret, row.opt_text(3)?) {
        (Some(whole), _) => Some(whole),
        (None, Some(text)) => Some(serde_json::from_str(text).map_err(broken)?),
        (None, None) => None,
    };
    Ok(Some(HttpReply {
        status: row.int(1)? as u16,
        body,
        headers: location.map(|location| ("Location", location)).into_iter().collect(),
        page: None,
    }))
}

/// Records what is answered.
pub(super) fn record(
    tx: &mut dyn Tx,
    shared: &Shared,
    request: &HttpRequest,
    reply: &HttpReply,
    now: i64,
) -> Result<(), DbError> {
    let location = reply
        .headers
        .iter()
        .find(|(name, _)| *name == "Location")
        .map(|(_, value)| value);
    let written = reply.body.as_ref().map(json::redacted);
    if let (Some(whole), Some(written)) = (&reply.body, &written)
        && whole != written
    {
        lock(&shared.secrets).insert(request.id.clone(), whole.clone());
    }
    tx.exec(
        "INSERT INTO sandbox_answers (request, fingerprint, status, headers, body, at) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            request.id.as_str().into(),
            request.fingerprint().into(),
            i64::from(reply.status).into(),
            Json::from(location.cloned()).to_string().into(),
            written.map(|body| body.to_string()).into(),
            now.into(),
        ],
    )
    .map(drop)
}
