//! Entries, parsed from answers of Redis.
//!
//! Read by hand and with no way to fail: names and values of an entry are whatever bytes somebody put there, and
//! a reader that wants text in one of them would stumble over the same answer for ever.

use redis::Value;

use super::FIELD;
use crate::queue::bounded::{TOO_MANY, cut};

/// An entry of the inbox.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// Its id, e.g. `1700000000000-0`.
    pub id: String,
    /// The document, if it has one, or its head.
    pub job: Option<Vec<u8>>,
    /// The size of a document of which this is the head.
    pub cut: Option<u64>,
    /// What is kept of the document if it is refused, where the document itself is no longer there.
    pub kept: Option<Vec<u8>>,
    /// The names of all its fields.
    pub fields: Vec<String>,
}

/// The entries of an answer to `XREADGROUP`: `[[stream, [entry, …]]]`, or nil.
pub(super) fn of_read(answer: Value) -> Vec<Entry> {
    let streams = match answer {
        Value::Map(streams) => streams.into_iter().map(|(_, entries)| entries).collect(),
        answer => items(answer)
            .into_iter()
            .filter_map(|stream| items(stream).pop())
            .collect::<Vec<_>>(),
    };
    streams.into_iter().flat_map(items).filter_map(entry).collect()
}

/// The entry of an answer to `XRANGE` for one: `[entry]`.
pub(super) fn of_range(answer: Value) -> Option<Entry> {
    items(answer).into_iter().find_map(entry)
}

/// The entries of an answer to `XAUTOCLAIM`: `[cursor, [entry or nil, …], …]`.
pub(super) fn of_claim(answer: Value) -> Vec<Entry> {
    items(answer)
        .into_iter()
        .nth(1)
        .map(items)
        .unwrap_or_default()
        .into_iter()
        .filter_map(entry)
        .collect()
}

/// Where the next `XAUTOCLAIM` goes on.
pub(super) fn cursor(answer: &Value) -> Option<String> {
    match answer {
        Value::Array(items) => items.first().cloned().and_then(bytes).map(|id| lossy(&id)),
        _ => None,
    }
}

fn entry(value: Value) -> Option<Entry> {
    let mut parts = items(value).into_iter();
    let id = parts.next().and_then(bytes).map(|id| lossy(&id))?;
    // An entry that was deleted while it was pending has an id and no fields; there is nothing to reject it with.
    let fields = parts.next().filter(|fields| *fields != Value::Nil)?;
    let mut entry = Entry {
        id,
        job: None,
        cut: None,
        kept: None,
        fields: Vec::new(),
    };
    let mut fields = items(fields).into_iter();
    while let (Some(name), Some(value)) = (fields.next().and_then(bytes), fields.next()) {
        let (value, cut) = match bytes(value) {
            Some(value) => match cut(&value) {
                Some((head, size)) => (Some(head.to_vec()), Some(size)),
                None => (Some(value), None),
            },
            None => (None, None),
        };
        if name == FIELD.as_bytes() {
            entry.job = value;
            entry.cut = entry.cut.or(cut);
        } else if cut == Some(TOO_MANY) {
            entry.cut = cut;
        }
        entry.fields.push(lossy(&name));
    }
    Some(entry)
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn any_bytes_make_an_entry() {
        let fields = Value::Array(vec![Value::BulkString(vec![0xff]), text("x"), text("job"), text("{}")]);
        let good = Value::Array(vec![text("1-0"), fields]);
        let deleted = Value::Array(vec![text("2-0"), Value::Nil]);
        let read = of_claim(Value::Array(vec![
            text("0-0"),
            Value::Array(vec![Value::Nil, good, deleted]),
        ]));
        let fields = vec!["\u{fffd}".to_owned(), "job".to_owned()];
        assert_eq!(
            read,
            [Entry {
                id: "1-0".to_owned(),
                job: Some(b"{}".to_vec()),
                cut: None,
                kept: None,
                fields
            }]
        );
        assert_eq!(of_read(Value::Nil), []);
    }
}
