//! Collections and their pages. A continuation token holds the whole query, since clients repeat nothing of it: where
//! the page begins and ends, its size, the filter, and what else the operation goes by.

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

/// Which way from the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    On,
    Back,
}

/// What a client wants to see of a collection.
#[derive(Debug, Clone)]
pub(super) struct ServedPage {
    /// The record it begins after, or ends before; none is the first or the last page.
    mark: Option<i64>,
    direction: Direction,
    pub(super) size: i64,
    filter_text: String,
    pub(super) filter: Option<PageFilter>,
    /// Other parameters, which the token carries too.
    carried: Vec<(&'static str, String)>,
}

/// Nothing follows; the code is the one that bad filters have too.
fn no_more() -> Refused {
    refuse(400, 2000, "There are no more records.")
}

impl ServedPage {
    /// As asked for, of a collection whose pages hold at most `limit`; `names` are those of other parameters that matter.
    pub(super) fn asked(call: &Call<'_>, limit: i64, names: &[&'static str]) -> Result<Self, Refused> {
        let request = call.request;
        if let Some(seek) = request.query("seekOperation") {
            let token = request
                .header("ms-continuationtoken")
                .or_else(|| request.query("continuationToken"));
            let token = token.ok_or_else(|| refuse(400, 2000, "The seek needs a continuation token."))?;
            return Self::sought(&seek.to_ascii_lowercase(), token, names);
        }
        let size = match request.query("size") {
            None => 0,
            Some(size) => size
                .parse::<i64>()
                .ok()
                .filter(|size| *size >= 0)
                .ok_or_else(|| refuse(400, 2000, "The page size is not a number."))?,
        };
        let filter_text = request.query("filter").unwrap_or_default().to_owned();
        // Some clients write `sortOption.sortField`.
        let given = |name: &str| {
            let dotted = format!("sortOption.{name}");
            request
                .query(name)
                .or_else(|| request.query(&dotted))
                .map(str::to_owned)
        };
        Ok(Self {
            mark: None,
            direction: Direction::On,
            size: if size == 0 { limit } else { size.min(limit) },
            filter: filter(&filter_text)?,
            filter_text,
            carried: names.iter().filter_map(|name| Some((*name, given(name)?))).collect(),
        })
    }

    fn sought(seek: &str, token: &str, names: &[&'static str]) -> Result<Self, Refused> {
        let bytes: Option<Vec<u8>> = token
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let held: Option<Json> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let held = held.ok_or_else(|| refuse(400, 2000, "The continuation token is not valid."))?;
        let (mark, direction) = match seek {
            "next" if held["end"] == true => return Err(no_more()),
            "next" => (held["last"].as_i64(), Direction::On),
            "previous" => (held["first"].as_i64(), Direction::Back),
            "first" => (None, Direction::On),
            "last" => (None, Direction::Back),
            _ => return Err(refuse(400, 2000, "One can seek Next, Previous, First and Last.")),
        };
        let filter_text = json::text(&held, "filter").to_owned();
        let carried = |name: &&'static str| Some((*name, held["with"][*name].as_str()?.to_owned()));
        Ok(Self {
            mark,
            direction,
            size: held["size"].as_i64().unwrap_or(1).max(1),
            filter: filter(&filter_text)?,
            filter_text,
            carried: names.iter().filter_map(carried).collect(),
        })
    }

    /// A parameter of the query, on the first page and on those after it.
    pub(super) fn with(&self, name: &str) -> Option<&str> {
        let found = self.carried.iter().find(|(carried, _)| *carried == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The page as a condition of a query that orders by this column of ids.
    pub(super) fn condition(&self, column: &str) -> String {
        match (self.mark, self.direction) {
            (None, _) => "TRUE".to_owned(),
            (Some(mark), Direction::On) => format!("{column} > {mark}"),
            (Some(mark), Direction::Back) => format!("{column} < {mark}"),
        }
    }

    /// The order and the number of records: one more than fit, which is how it is known that more follow.
    pub(super) fn order(&self, column: &str) -> String {
        let way = match self.direction {
            Direction::On => "",
            Direction::Back => " DESC",
        };
        format!("ORDER BY {column}{way} LIMIT {}", self.size + 1)
    }

    /// The page of records that were all read, in the order they are in, as a query would give it.
    pub(super) fn cut(&self, all: Vec<Resource>) -> Vec<Resource> {
        let at = self.mark.and_then(|mark| all.iter().position(|one| one.id == mark));
        let most = self.size as usize + 1;
        match self.direction {
            Direction::On => all.into_iter().skip(at.map_or(0, |at| at + 1)).take(most).collect(),
            Direction::Back => {
                let until = at.unwrap_or(all.len());
                all.into_iter().take(until).rev().take(most).collect()
            }
        }
    }

    fn token(&self, (first, last): (i64, i64), end: bool) -> String {
        let with: Json = self
            .carried
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str())))
            .collect();
        let held = json!({
            "first": first, "last": last, "size": self.size, "filter": self.filter_text, "with": with, "end": end,
        });
        hex(held.to_string().as_bytes())
    }

    /// The page as a reply, of what the query gave.
    pub(super) fn reply(
        &self,
        call: &Call<'_>,
        path: &str,
        mut records: Vec<Resource>,
        show: impl Fn(&Resource) -> Json,
    ) -> HttpReply {
        let more = records.len() as i64 > self.size;
        records.truncate(self.size as usize);
        let (before, after) = match self.direction {
            Direction::On => (self.mark.is_some(), more),
            Direction::Back => (more, self.mark.is_some()),
        };
        if self.direction == Direction::Back {
            records.reverse();
        }
        let end = |one: Option<&Resource>| one.map_or(self.mark.unwrap_or(0), |one| one.id);
        let ends = (end(records.first()), end(records.last()));
        let mut body = bare_collection(records.iter().map(show).collect());
        let prefix = if call.shared.has(Quirk::PrefixedLinks) {
            "/v1"
        } else {
            ""
        };
        let mut own = format!("{prefix}/{path}?");
        for (name, value) in &self.carried {
            own = format!("{own}{name}={}&", encoded(value));
        }
        own = format!("{own}size={}", self.size);
        if !self.filter_text.is_empty() {
            own = format!("{own}&filter={}", encoded(&self.filter_text));
        }
        body["links"] = json!({ "self": link(&own) });
        let seek = |way: &str, token: &str| {
            let mut there = link(&format!("{prefix}/{path}?size={}&seekOperation={way}", self.size));
            there["headers"] = json!([{ "key": "MS-ContinuationToken", "value": token }]);
            there
        };
        if before {
            body["links"]["previous"] = seek("Previous", &self.token(ends, !after));
        }
        if after || call.shared.has(Quirk::DanglingToken) {
            let token = self.token(ends, !after);
            body["links"]["next"] = seek("Next", &token);
            body["continuationToken"] = token.into();
        }
        HttpReply::ok(body)
    }
}

/// A collection that comes whole, or from an offset on if one is asked for.
pub(super) fn collection(call: &Call<'_>, items: Vec<Json>) -> Json {
    let number = |name: &str| call.request.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("size").filter(|size| *size > 0).unwrap_or(usize::MAX);
    let mut body = bare_collection(
        items
            .into_iter()
            .skip(number("offset").unwrap_or(0))
            .take(size)
            .collect(),
    );
    body["links"] = json!({ "self": link(&call.request.own) });
    body
}

/// A collection without links.
#[expect(clippy::needless_pass_by_value, reason = "it is made to go in there")]
fn bare_collection(items: Vec<Json>) -> Json {
    json!({ "totalCount": items.len(), "items": items, "attributes": { "objectType": "Collection" } })
}

pub(super) fn link(uri: &str) -> Json {
    link_by("GET", uri)
}

pub(super) fn link_by(method: &str, uri: &str) -> Json {
    json!({ "uri": uri, "method": method, "headers": [] })
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
