//! Small ways of reading answers and writing paths.

use serde_json::Value;

use super::failure::find;

/// A text member; empty when it is missing, null, or something else.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    find(value, name).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number; 0 when there is none.
pub(super) fn number(value: &Value, name: &str) -> i64 {
    find(value, name).and_then(Value::as_i64).unwrap_or_default()
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
    fn segments_hold_nothing_that_ends_them() {
        assert_eq!(segment("a/b?c#d e@ü"), "a%2Fb%3Fc%23d%20e@%C3%BC");
    }
}
