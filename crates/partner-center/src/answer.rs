//! Reading of an answer's body: bounded in what it takes, and without characters that no text has.
//!
//! It is a value at first, whose weight is known before it is made, since answers spell their members' names in two ways and are paged and refused in
//! several. What is wanted of it is read into structs at once, before anything else is waited for, and the value is let go of: so there are
//! no more of them at a time than there are threads, however many calls are on their way. Two things stay values: a
//! customer's billing profile and a subscription. They are changed by being sent back whole, with members that nobody here knows.

use serde_json::Value;

/// What the values of an answer may take in memory, about: five hundred of the largest records that are documented take 13 MiB.
const MOST_HELD: usize = 16 << 20;
/// What an object takes, however few its members, and what any value takes.
const OBJECT: usize = 700;
const VALUE: usize = 40;
/// Characters of a text for people.
const LONGEST_MESSAGE: usize = 1000;

/// A success without a body is one; one that cannot be read says nothing about what happened.
pub(super) fn parse(body: &[u8]) -> Result<Value, &'static str> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    if held(body) > MOST_HELD {
        return Err("the answer has too many values");
    }
    let mut read: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON")?;
    if may_be_unclean(body) {
        clean_all(&mut read);
    }
    Ok(if is_pascal(&read) { camel(read) } else { read })
}

/// Some answers have their members' names as the service has them inside.
fn is_pascal(value: &Value) -> bool {
    let first = value.as_object().and_then(|members| members.keys().next());
    first.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_uppercase()))
}

fn camel(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let spelt = |mut name: String| {
                if let Some(first) = name.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                name
            };
            members
                .into_iter()
                .map(|(name, value)| (spelt(name), camel(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(camel).collect(),
        other => other,
    }
}

/// What the values of a JSON text take in memory, at most: told by what begins and parts them, within texts too.
pub(super) fn held(json: &[u8]) -> usize {
    let each = |byte: &u8| match byte {
        b'{' => OBJECT,
        b'[' | b',' | b':' => VALUE,
        _ => 0,
    };
    json.len() + json.iter().map(each).sum::<usize>()
}

/// Whether a JSON text may have control characters in its texts, as escapes or as they are.
fn may_be_unclean(json: &[u8]) -> bool {
    json.windows(4).any(|four| four == b"\\u00") || json.iter().any(|byte| matches!(byte, 0xc2 | 0x7f))
}

fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(is_unclean) => *text = text.replace(is_unclean, "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(clean_all),
        Value::Object(members) => members.values_mut().for_each(clean_all),
        _ => {}
    }
}

/// No text has it, some databases do not keep it, and terminals do what it says.
fn is_unclean(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// A text for people as it is kept and shown: a line of it, not too long.
pub(super) fn message(text: &str) -> String {
    let line = text.split(['\r', '\n']).next().unwrap_or_default();
    let clean = |c: char| if is_unclean(c) || c == '\t' { '\u{fffd}' } else { c };
    let mut shown: String = line.chars().take(LONGEST_MESSAGE).map(clean).collect();
    if shown.len() < line.len() && line.chars().nth(LONGEST_MESSAGE).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_bounded_by_memory_and_not_by_length() {
        let small = "{\"a\":1},".repeat(100_000);
        let many = format!("[{small}0]");
        assert!(many.len() < 1 << 20);
        assert!(parse(many.as_bytes()).is_err());
        let long = format!("[\"{}\"]", "a".repeat(4 << 20));
        assert!(parse(long.as_bytes()).is_ok());
        assert!(parse(format!("[{}0]", "0,".repeat(2_000_000)).as_bytes()).is_err());
    }

    #[test]
    fn texts_are_without_control_characters() {
        let read = parse(b"{\"Name\":\"a\\u0000\\u001b[31m\\n\xc2\x9b\x7fz\",\"b\":[\"\\u00e9\"]}").expect("JSON");
        assert_eq!(
            read,
            serde_json::json!({ "name": "a\u{fffd}\u{fffd}[31m\n\u{fffd}\u{fffd}z", "b": ["é"] })
        );
        assert_eq!(message("a\0\u{1b}]0;x\u{7}\nforged"), "a\u{fffd}\u{fffd}]0;x\u{fffd}");
        let long = message(&"ä".repeat(2000));
        assert_eq!(long.chars().count(), 1001);
    }
}
