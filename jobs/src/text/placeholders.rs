//! Placeholders that programs write where there is no value, or where they cannot write it: the word of a database or a library for nothing,
//! and the name of a type for several values.

/// Words that nobody is called by, as programs write them.
const NOTHING: &[&str] = &["NULL", "null", "(null)", "<null>", "NaN", "undefined"];

/// Words that are no number, in any case. Somebody may be called so.
const NO_NUMBER: &[&str] = &["null", "nan", "none", "n/a", "undefined"];

/// Said with what to do; `None` for a value. `digits` says whether the column is of numbers that are no quantities.
#[cold]
fn sentence_of(text: &str, digits: impl Fn() -> bool) -> Option<&'static str> {
    if NOTHING.contains(&text) {
        return Some("a program wrote this for no value; leave the cell empty if it is meant so");
    }
    let is_type = (text.starts_with("System.") && text.ends_with(']')) || text.starts_with("Microsoft.Graph.");
    if is_type || text == "[object Object]" || (text.starts_with("@{") && text.ends_with('}')) {
        return Some("a program wrote what sort of value this is instead of the value; have it write the value itself");
    }
    let is_no_number = NO_NUMBER.iter().any(|word| word.eq_ignore_ascii_case(text));
    let is_list = text.starts_with('[') && text.ends_with(']');
    let is_marked = text.starts_with(['’', '‘', '´', '`']);
    if !((is_no_number || is_list || is_marked) && digits()) {
        return None;
    }
    Some(if is_marked {
        "the apostrophe is not part of the value; delete it"
    } else if is_list {
        "this is a list as programs write it; write the value alone"
    } else {
        "this is no number; leave the cell empty if there is none"
    })
}

/// As [`sentence_of`]; most values are told by their first byte.
#[inline]
pub(super) fn spoilt(text: &str, digits: impl Fn() -> bool) -> Option<&'static str> {
    match text.as_bytes().first()? {
        b'N' | b'n' | b'(' | b'<' | b'u' | b'U' | b'S' | b'M' | b'[' | b'@' | b'`' | 0xC2 | 0xE2 => {
            sentence_of(text, digits)
        }
        _ => None,
    }
}
