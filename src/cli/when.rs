//! Times as people read them: in the zone of this machine, or in UTC with `--utc`, and always with the zone's name.
//!
//! The zone is what `TZ` or `/etc/localtime` says. Programs get UTC: `--json` prints times as they are recorded.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Says once per process in which zone times are shown.
pub(super) fn show_in_utc(is_asked: bool) {
    let _ = ZONE.set(if is_asked { TimeZone::UTC } else { TimeZone::system() });
}

/// A time for a table: `2026-11-29 23:43 CET`.
pub(super) fn minute(millis: i64) -> String {
    shown(millis, "%Y-%m-%d %H:%M %Z")
}

/// The zone that all of these times have; `None` where clocks were changed between them.
pub(super) fn one_zone(times: impl IntoIterator<Item = i64>) -> Option<String> {
    let mut zones = times.into_iter().map(|millis| shown(millis, "%Z"));
    let first = zones.next()?;
    zones.all(|zone| zone == first).then_some(first)
}

/// As [`minute`], where the zone is said elsewhere.
pub(super) fn bare_minute(millis: i64) -> String {
    shown(millis, "%Y-%m-%d %H:%M")
}

/// A time to the second: `2026-11-29 23:43:05 CET`.
pub(super) fn second(millis: i64) -> String {
    shown(millis, "%Y-%m-%d %H:%M:%S %Z")
}

/// As [`second`], of a time that is written as RFC 3339 has it; anything else stays as it is.
pub(super) fn second_of(text: &str) -> String {
    text.parse::<Timestamp>()
        .map_or_else(|_| text.to_owned(), |time| second(time.as_millisecond()))
}

fn shown(millis: i64, form: &str) -> String {
    let zone = ZONE.get().cloned().unwrap_or(TimeZone::UTC);
    in_zone(millis, zone, form)
}

fn in_zone(millis: i64, zone: TimeZone, form: &str) -> String {
    Timestamp::from_millisecond(millis).map_or_else(
        |_| millis.to_string(),
        |time| time.to_zoned(zone).strftime(form).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_name_the_zone_that_holds_then() {
        let berlin = || TimeZone::get("Europe/Berlin").expect("a zone");
        let form = "%Y-%m-%d %H:%M %Z";
        assert_eq!(in_zone(1_785_000_000_000, berlin(), form), "2026-07-25 19:20 CEST");
        assert_eq!(in_zone(1_795_993_385_000, berlin(), form), "2026-11-30 00:03 CET");
        assert_eq!(in_zone(1_795_993_385_000, TimeZone::UTC, form), "2026-11-29 23:03 UTC");
    }

    #[test]
    fn a_text_that_is_no_time_stays() {
        assert_eq!(second_of("never"), "never");
        assert_eq!(second_of("2026-11-29T23:03:05Z"), "2026-11-29 23:03:05 UTC");
    }
}
