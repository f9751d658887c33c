//! Expressions that are read, those that are refused and with which words, and days that fit.

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

fn cron(text: &str) -> Cron {
    Cron::parse(text).unwrap_or_else(|faults| panic!("`{text}`: {faults:?}"))
}

fn told(text: &str) -> String {
    Cron::parse(text)
        .err()
        .unwrap_or_else(|| panic!("`{text}` is taken"))
        .join("\n")
}

/// The next times after the beginning of a year.
fn next(text: &str, year: i16, count: usize) -> Vec<String> {
    let cron = cron(text);
    let mut from = DateTime::constant(year, 1, 1, 0, 0, 0, 0);
    let mut found = Vec::new();
    while found.len() < count {
        let time = cron.next(from).expect("a time");
        found.push(time.strftime("%Y-%m-%d %H:%M").to_string());
        from = time.checked_add(1.minute()).expect("in range");
    }
    found
}

#[test]
fn fields_lists_ranges_and_steps() {
    assert_eq!(
        next("0 2 * * 1-5", 2027, 3),
        ["2027-01-01 02:00", "2027-01-04 02:00", "2027-01-05 02:00"]
    );
    assert_eq!(
        next("5,10-12 3 1 jan *", 2027, 5)[3..],
        ["2027-01-01 03:12", "2028-01-01 03:05"]
    );
    assert_eq!(
        next("*/20 23 31 12 *", 2027, 3),
        ["2027-12-31 23:00", "2027-12-31 23:20", "2027-12-31 23:40"]
    );
    assert_eq!(
        next("10-40/15 * * * *", 2027, 3),
        ["2027-01-01 00:10", "2027-01-01 00:25", "2027-01-01 00:40"]
    );
    assert_eq!(next("@weekly", 2027, 2), ["2027-01-03 00:00", "2027-01-10 00:00"]);
    assert_eq!(cron("@Daily"), cron("0 0 * * *"));
    assert_eq!(cron(" 0  0 * *\t* "), cron("@midnight"));
}

#[test]
fn sunday_has_two_numbers_and_a_name() {
    for text in ["0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * 7-7"] {
        assert_eq!(next(text, 2027, 2), ["2027-01-03 00:00", "2027-01-10 00:00"], "{text}");
    }
    let weekend = [
        "2027-01-01 00:00",
        "2027-01-02 00:00",
        "2027-01-03 00:00",
        "2027-01-08 00:00",
    ];
    for text in ["0 0 * * 5-7", "0 0 * * FRI-SUN", "0 0 * * 5,6,0"] {
        assert_eq!(next(text, 2027, 4), weekend, "{text}");
    }
    assert_eq!(next("0 0 * * 7#1", 2027, 2), next("0 0 * * SUN#1", 2027, 2));
    assert_eq!(next("0 0 * * 7L", 2027, 2), next("0 0 * * 0L", 2027, 2));
}

#[test]
fn last_days_working_days_and_days_by_their_number() {
    assert_eq!(
        next("0 0 L * *", 2028, 3),
        ["2028-01-31 00:00", "2028-02-29 00:00", "2028-03-31 00:00"]
    );
    assert_eq!(
        next("0 0 LW * *", 2027, 3),
        ["2027-01-29 00:00", "2027-02-26 00:00", "2027-03-31 00:00"]
    );
    // A Friday, a Monday, and a Sunday that is the last day.
    assert_eq!(
        next("0 0 15W * *", 2027, 3),
        ["2027-01-15 00:00", "2027-02-15 00:00", "2027-03-15 00:00"]
    );
    assert_eq!(
        next("0 0 1W 5 *", 2027, 1),
        ["2027-05-03 00:00"],
        "the first is a Saturday"
    );
    assert_eq!(
        next("0 0 31W 1 *", 2027, 1),
        ["2027-01-29 00:00"],
        "the last is a Sunday"
    );
    assert_eq!(
        next("0 0 31W * *", 2027, 2)[1],
        "2027-03-31 00:00",
        "February has no 31st"
    );
    assert_eq!(next("0 0 * * 5#2", 2027, 2), ["2027-01-08 00:00", "2027-02-12 00:00"]);
    assert_eq!(next("0 0 * * 5#5", 2027, 2), ["2027-01-29 00:00", "2027-04-30 00:00"]);
    assert_eq!(next("0 0 * * FRIL", 2027, 2), ["2027-01-29 00:00", "2027-02-26 00:00"]);
    assert_eq!(
        next("0 0 1,LW * *", 2027, 3),
        ["2027-01-01 00:00", "2027-01-29 00:00", "2027-02-01 00:00"]
    );
}

#[test]
fn of_two_days_one_is_enough_unless_both_are_asked_for() {
    assert_eq!(
        next("0 0 13 * 5", 2027, 3),
        ["2027-01-01 00:00", "2027-01-08 00:00", "2027-01-13 00:00"]
    );
    assert_eq!(next("0 0 13 * +5", 2027, 2), ["2027-08-13 00:00", "2028-10-13 00:00"]);
    assert_eq!(next("0 0 * * +5", 2027, 1), ["2027-01-01 00:00"]);
    assert_eq!(next("0 0 */2 * +5", 2027, 2), ["2027-01-01 00:00", "2027-01-15 00:00"]);
    assert!(cron("0 0 13 * 5").restricts_both_days());
    let ambiguous = "which some crons take for \"and\" and others for \"or\"";
    assert!(told("0 0 */2 * 5").contains(ambiguous));
    assert!(told("0 0 13 * */2").contains(ambiguous));
    assert!(told("0 0 *,13 * 5").contains("day of the month `*,13`: expected `*` alone"));
}

#[test]
fn the_29th_of_february_comes_even_across_2100() {
    assert_eq!(next("0 0 29 2 *", 2097, 1), ["2104-02-29 00:00"]);
    assert_eq!(
        next("0 0 29 2 +1", 2073, 1),
        ["2112-02-29 00:00"],
        "the longest wait there is"
    );
}

#[test]
fn a_time_that_never_comes_is_refused() {
    for text in [
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "0 0 31W 2 *",
        "0 0 1-7 * +5#2",
        "0 0 30 2 +1",
    ] {
        assert!(told(text).contains("this one never comes"), "{text}");
    }
    cron("0 0 30 2 1");
}

#[test]
fn a_foreign_form_is_refused_with_a_correction() {
    let says = |text: &str, words: &str| {
        let told = told(text);
        assert!(told.contains(words), "`{text}`: no `{words}` in: {told}");
    };
    says(
        "0 0 2 ? * MON-FRI",
        "found 6; seconds come first in Quartz and others, leave them out: `0 2 * * MON-FRI`",
    );
    says(
        "0 0 2 ? * 2-6",
        "days of the week count from 1 for Sunday there, and from 0 here",
    );
    says(
        "0 0 2 * * 1-5",
        "found 6; seconds come first in Quartz and others, leave them out: `0 2 * * 1-5`",
    );
    says("0 0 2 * * 1 2027", "leave them out: `0 2 * * 1`");
    says("0 2 * *", "expected five fields, found 4");
    says("", "expected five fields");
    says("@reboot", "`@reboot` is no time");
    says("@every 5m", "under `every`");
    says("@dayly", "did you mean `@daily`?");
    says("TZ=Europe/Berlin 0 2 * * *", "under `time_zone`, as `Europe/Berlin`");
    says("CRON_TZ=Asia/Tokyo 0 2 * * *", "under `time_zone`, as `Asia/Tokyo`");
    says("0 2 ? * 1", "day of the month `?`: expected `*` for `?`");
    says("H 2 * * *", "`jitter` spreads");
    says("*/90 * * * *", "write `every = \"90m\"`");
    says("0 */24 * * *", "write `every = \"24h\"`");
    says("5/15 * * * *", "such as `5-59/15`");
    says("0 0 * * 2/2", "such as `2-6/2`");
    says("0 22-2 * * *", "`22-23,0-2`");
    says("0 0 * * SAT-MON", "`6-6,0-1`");
    says("0 0 * * L", "`5L` is the last Friday");
    says("0 0 * * 5#L", "`5L` for the last one");
    says("0 0 * * 5#6", "1 to 5 after `#`");
    says("0 0 L-3 * *", "days before the last one cannot be named");
    says("0 0 W * *", "day of the month `W`");
    says("60 2 * * *", "minute `60`: expected 0 to 59");
    says("0 24 * * *", "hour `24`: expected 0 to 23");
    says("0 0 0 * *", "day of the month `0`: expected 1 to 31");
    says("0 0 * 13 *", "month `13`: expected 1 to 12");
    says("0 0 * * 8", "day of the week `8`: expected 0 to 7");
    says("0 0 * JAM *", "did you mean `JAN`?");
    says("MON 0 * * *", "minute `MON`: expected 0 to 59");
    says("*/0 * * * *", "a step of 1 or more");
    says("1,,2 * * * *", "minute `1,,2`: expected 0 to 59");
    says("-1 * * * *", "minute `-1`: expected 0 to 59");
    says("+5 * * * *", "minute `+5`: expected 0 to 59");
    // All of them at once.
    let all = told("60 24 32 13 8");
    assert_eq!(all.lines().count(), 5, "{all}");
}

#[test]
fn clock_times_have_no_star_in_minute_and_hour() {
    for text in ["30 2 * * *", "0 2,14 * * *", "0-30 1-5 * * *", "1-59/2 0-23/2 * * *"] {
        assert!(cron(text).is_clock_time(), "{text}");
    }
    for text in [
        "* 2 * * *",
        "0 * * * *",
        "*/15 2 * * *",
        "0 */2 * * *",
        "7,*/15 2 * * *",
    ] {
        assert!(!cron(text).is_clock_time(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9*/,LW#+?@A-Z =]{0,30}") {
        if let Err(faults) = Cron::parse(&text) {
            prop_assert!(!faults.is_empty());
        }
    }

    #[test]
    fn there_is_no_earlier_time_that_fits(
        minute in 0_i8..60, hour in 0_i8..24, day in 1_i8..29, from in 0_i64..50_000_000,
    ) {
        let cron = cron(&format!("{minute} {hour} {day} * *"));
        let from = DateTime::constant(2027, 1, 1, 0, 0, 0, 0).checked_add(from.seconds()).expect("in range");
        let next = cron.next(from).expect("a time");
        prop_assert!(next >= from && (next.minute(), next.hour(), next.day()) == (minute, hour, day));
        prop_assert!(next.checked_sub(1.month()).expect("in range") < from);
    }
}
