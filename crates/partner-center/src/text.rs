//! Small ways of reading answers and writing paths.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::failure::find;

/// A text member; empty when it is missing, null, or something else.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    find(value, name).and_then(Value::as_str).unwrap_or_default()
}

/// The id of what was made, if the answer says.
pub(super) fn id_of(value: &Value) -> Option<String> {
    Some(text(value, "id").to_owned()).filter(|id| !id.is_empty())
}

/// A whole number; 0 when there is none.
pub(super) fn number(value: &Value, name: &str) -> i64 {
    find(value, name).and_then(Value::as_i64).unwrap_or_default()
}

/// A moment, in milliseconds since the epoch. Some are without a zone, which then is UTC, and some have been seen with
/// spaces within.
pub(super) fn millis(value: &Value, name: &str) -> Option<i64> {
    let text: String = text(value, name).split(' ').collect();
    let read = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    });
    // Years before our era's first mean that there is none.
    read.map(Timestamp::as_millisecond).filter(|millis| *millis > 0)
}

/// The items of a list, with or without an envelope.
pub(super) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Object(mut members) => match members.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A segment of a path.
pub(super) fn segment(text: &str) -> String {
    // That would lead up the path, also in its encoded form; nothing has such an id.
    if matches!(text, "." | "..") {
        return "-".to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_shape() {
        let read = |text: &str| millis(&serde_json::json!({ "at": text }), "at");
        let day = 24 * 3600 * 1000;
        for text in [
            "1970-01-02T00:00:00Z",
            "1970-01-02T00:00:00.0000000Z",
            "1970-01-02T00:00:00",
            "1970-01-02T00: 00: 00Z",
            "1970-01-02T02:00:00+02:00",
            "1970-01-02",
        ] {
            assert_eq!(read(text), Some(day), "{text}");
        }
        for text in ["", "soon", "0001-01-01T00:00:00Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn segments_hold_nothing_that_ends_them() {
        assert_eq!(segment("a/b?c#d e@ü"), "a%2Fb%3Fc%23d%20e@%C3%BC");
        assert_eq!((segment(".."), segment("a..b")), ("-".to_owned(), "a..b".to_owned()));
    }
}
