//! Moments as messages show them: in UTC.

use jiff::Timestamp;

/// A day.
pub(crate) fn day(millis: i64) -> String {
    shown(millis, "%Y-%m-%d")
}

/// A second.
pub(crate) fn second(millis: i64) -> String {
    shown(millis, "%Y-%m-%d %H:%M:%S")
}

fn shown(millis: i64, form: &str) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |time| time.strftime(form).to_string())
}
