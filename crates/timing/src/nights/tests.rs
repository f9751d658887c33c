//! Texts about the nights in which clocks change.

use super::*;
use crate::timing::TimingText;

fn told(cron: &str, time_zone: &str, year: i16) -> Vec<String> {
    let text = TimingText {
        cron,
        time_zone,
        ..TimingText::default()
    };
    let timing = Timing::read(text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let start: Timestamp = format!("{year}-01-01T00:00:00Z").parse().expect("an instant");
    let end: Timestamp = format!("{}-01-01T00:00:00Z", year + 1).parse().expect("an instant");
    let changes = clock_changes(&timing, start, end);
    changes
        .iter()
        .map(|change| format!("{}: {}", change.from.date(), change.told))
        .collect()
}

#[test]
fn clock_changes_shift_clock_times_and_keep_intervals() {
    assert_eq!(
        told("30 2 * * *", "Europe/Berlin", 2027),
        [
            "2027-03-28: 02:30 does not exist, and it is due at 03:00 CEST",
            "2027-10-31: 02:30 comes twice, and it is due the first time only"
        ]
    );
    assert_eq!(
        told("*/30 * * * *", "Europe/Berlin", 2027),
        [
            "2027-03-28: 02:00 to 03:00 does not exist, and nothing is due in it",
            "2027-10-31: 02:00 and others come twice, and it is due both times"
        ]
    );
    assert_eq!(
        told("0,30 2 * * *", "Europe/Berlin", 2027)[0],
        "2027-03-28: 02:00 and others do not exist, and it is due once instead at 03:00 CEST"
    );
}

#[test]
fn nights_that_do_not_concern_it_are_not_told() {
    assert_eq!(told("0 4 * * *", "Europe/Berlin", 2027), [""; 0]);
    assert_eq!(told("30 2 * * 1-5", "Europe/Berlin", 2027), [""; 0], "they are Sundays");
    assert_eq!(told("30 2 * * *", "UTC", 2027), [""; 0]);
}

#[test]
fn a_day_that_is_missing_is_told_with_its_date() {
    assert_eq!(
        told("0 9 * * *", "Pacific/Apia", 2011),
        ["2011-12-30: 09:00 does not exist, and it is due at 2011-12-31 00:00 +14"]
    );
}
