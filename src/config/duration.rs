//! Durations as people write them: `500ms`, `3s`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

const EXPECTED: &str = "expected a duration such as `500ms`, `3s`, `10m`, `12h` or `7d`";

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(EXPECTED))
}

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&written(*duration))
}

/// A duration that is not given where the text is empty.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Duration, EXPECTED, Error, Serializer, parse, written};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        match String::deserialize(d)?.trim() {
            "" => Ok(None),
            text => parse(text).map(Some).ok_or_else(|| D::Error::custom(EXPECTED)),
        }
    }

    #[expect(clippy::ref_option, reason = "what serde asks of it")]
    pub(in crate::config) fn serialize<S: Serializer>(given: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&given.map(written).unwrap_or_default())
    }
}

/// A duration in the largest unit that it is a whole number of.
fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.iter().find(|(_, unit)| millis.is_multiple_of(*unit)) {
        Some((unit, size)) => format!("{}{unit}", millis / size),
        None => format!("{millis}ms"),
    }
}

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    // A day is 24 hours here: what is kept for seven days is not kept by the calendar.
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(signed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("7d"), Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(parse("1m 30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("-3s"), None);
        assert_eq!(parse("soon"), None);
        for text in ["500ms", "90s", "1m", "24h", "0h", "86401s"] {
            assert_eq!(written(parse(text).expect("a duration")), text);
        }
    }
}
