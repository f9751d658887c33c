//! Moments as messages show them: in UTC.

use jiff::Timestamp;

/// RFC 3339.
pub fn rfc3339(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |time| time.to_string())
}

/// A day.
pub fn day(millis: i64) -> String {
    shown(millis, "%Y-%m-%d")
}

/// A second.
pub fn second(millis: i64) -> String {
    shown(millis, "%Y-%m-%d %H:%M:%S")
}

fn shown(millis: i64, form: &str) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |time| time.strftime(form).to_string())
}
