//! Collections and their pages. A continuation token holds the whole query, since clients repeat nothing of it.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::json;
use super::quirks::Quirk;
use super::record::Resource;
use super::reply::{HttpReply, Refused, refuse};
use super::request::{encoded, hex};

/// A condition on records.
#[derive(Debug, Clone)]
pub(super) struct PageFilter {
    pub(super) field: String,
    pub(super) value: String,
    pub(super) operator: String,
}

/// What a client wants to see of a collection.
#[derive(Debug, Clone)]
pub(super) struct ServedPage {
    pub(super) after: i64,
    pub(super) size: i64,
    filter_text: String,
    pub(super) filter: Option<PageFilter>,
}

/// Nothing follows; the code is the one that bad filters have too.
fn no_more() -> Refused {
    refuse(400, 2000, "There are no more records.")
}

impl ServedPage {
    /// As asked for, of a collection whose pages hold at most `limit`.
    pub(super) fn asked(call: &Call<'_>, limit: i64) -> Result<Self, Refused> {
        if let Some(seek) = call.request.query("seekOperation") {
            let token = call
                .request
                .header("ms-continuationtoken")
                .or_else(|| call.request.query("continuationToken"));
            return match (seek.eq_ignore_ascii_case("next"), token) {
                (true, Some(token)) => Self::continued(token),
                _ => Err(refuse(
                    400,
                    2000,
                    "The seek needs a continuation token, and only Next is supported.",
                )),
            };
        }
        let size = match call.request.query("size") {
            None => 0,
            Some(size) => size
                .parse::<i64>()
                .ok()
                .filter(|size| *size >= 0)
                .ok_or_else(|| refuse(400, 2000, "The page size is not a number."))?,
        };
        let filter_text = call.request.query("filter").unwrap_or_default().to_owned();
        Ok(Self {
            after: 0,
            size: if size == 0 { limit } else { size.min(limit) },
            filter: filter(&filter_text)?,
            filter_text,
        })
    }

    fn continued(token: &str) -> Result<Self, Refused> {
        let bytes: Option<Vec<u8>> = token
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let held: Option<Json> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let held = held.ok_or_else(|| refuse(400, 2000, "The continuation token is not valid."))?;
        if held["end"] == true {
            return Err(no_more());
        }
        let filter_text = json::text(&held, "filter").to_owned();
        Ok(Self {
            after: held["after"].as_i64().unwrap_or_default(),
            size: held["size"].as_i64().unwrap_or(1).max(1),
            filter: filter(&filter_text)?,
            filter_text,
        })
    }

    fn token(&self, after: i64, end: bool) -> String {
        let held = json!({ "after": after, "size": self.size, "filter": self.filter_text, "end": end });
        hex(held.to_string().as_bytes())
    }

    /// The page as a reply: of records one more than fit, which is how it is known that more follow.
    pub(super) fn reply(
        &self,
        call: &Call<'_>,
        path: &str,
        mut records: Vec<Resource>,
        show: impl Fn(&Resource) -> Json,
    ) -> HttpReply {
        let more = records.len() as i64 > self.size;
        records.truncate(self.size as usize);
        let after = records.last().map_or(self.after, |last| last.id);
        let mut body = collection(records.iter().map(show).collect());
        let prefix = if call.shared.has(Quirk::PrefixedLinks) {
            "/v1"
        } else {
            ""
        };
        let mut own = format!("{prefix}/{path}?size={}", self.size);
        if !self.filter_text.is_empty() {
            own = format!("{own}&filter={}", encoded(&self.filter_text));
        }
        body["links"] = json!({ "self": link(&own) });
        if more || call.shared.has(Quirk::DanglingToken) {
            let token = self.token(after, !more);
            let mut next = link(&format!("{prefix}/{path}?size={}&seekOperation=Next", self.size));
            next["headers"] = json!([{ "key": "MS-ContinuationToken", "value": token }]);
            body["links"]["next"] = next;
            body["continuationToken"] = token.into();
        }
        HttpReply::ok(body)
    }
}

/// A collection that comes whole.
#[expect(clippy::needless_pass_by_value, reason = "it is made to go in there")]
pub(super) fn collection(items: Vec<Json>) -> Json {
    json!({ "totalCount": items.len(), "items": items, "attributes": { "objectType": "Collection" } })
}

pub(super) fn link(uri: &str) -> Json {
    json!({ "uri": uri, "method": "GET", "headers": [] })
}

/// Reads a filter; empty text is none.
fn filter(text: &str) -> Result<Option<PageFilter>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_str(text).map(json::normal);
    let read = read.map_err(|_| refuse(400, 2000, "The filter is not valid JSON."))?;
    let filter = PageFilter {
        field: json::text(&read, "field").to_ascii_lowercase(),
        value: json::text(&read, "value").to_owned(),
        operator: json::text(&read, "operator").to_ascii_lowercase(),
    };
    if filter.field.is_empty() || filter.operator.is_empty() {
        return Err(refuse(400, 2000, "The filter needs Field, Value and Operator.").about(["Field", "Operator"]));
    }
    Ok(Some(filter))
}
