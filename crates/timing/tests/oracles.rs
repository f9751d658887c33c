//! Due times against other programs' crons, and against going through every half minute of the nights in which clocks change.

use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use tenantry_timing::{Cron, Due, Timing, TimingText};

/// Zones with all sorts of changes: at midnight, by half an hour, by two hours, by a day, twice within weeks, of standard time, with
/// offsets of seconds.
const ZONES: &[&str] = &[
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/Moscow",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "UTC",
];
/// Half a minute: every whole civil minute is met, whatever the offset.
const STEP: SignedDuration = SignedDuration::from_secs(30);

fn timing(cron: &str, zone: &str) -> Timing {
    let text = TimingText {
        cron,
        time_zone: zone,
        ..TimingText::default()
    };
    Timing::read(text).unwrap_or_else(|faults| panic!("`{cron}`: {faults:?}"))
}

/// Croner as a matcher of civil times; how it treats changes of clocks is not asked.
fn croner(text: &str) -> croner::Cron {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    parser.parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// An item or a list of a field from `from` to `to`, with or without a step.
fn numbers(from: u8, to: u8) -> impl Strategy<Value = String> {
    let one = (from..=to).prop_map(|one| one.to_string());
    let range = (from..to)
        .prop_flat_map(move |first| (Just(first), first + 1..=to))
        .prop_map(|(first, last)| format!("{first}-{last}"));
    let stepped = (from..to, 1..=to / 2).prop_map(move |(first, step)| format!("{first}-{to}/{step}"));
    let list = proptest::collection::vec(from..=to, 2..4)
        .prop_map(|all| all.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    prop_oneof![3 => one, 1 => range, 1 => stepped, 2 => list]
}

fn starred(from: u8, to: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (2..=to / 2).prop_map(|step| format!("*/{step}")),
        numbers(from, to)
    ]
}

fn month_day() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 3 => numbers(1, 31), 1 => Just("L".to_owned()), 1 => (1_u8..=31).prop_map(|day| format!("{day}W"))]
}

fn week_day() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => numbers(0, 6),
        1 => (0_u8..=7, 1_u8..=5).prop_map(|(day, nth)| format!("{day}#{nth}")),
        1 => (0_u8..=7).prop_map(|day| format!("{day}L")),
    ]
}

fn month() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 1 => numbers(1, 12)]
}

prop_compose! {
    fn expression()(
        minute in starred(0, 59), hour in starred(0, 23), day in month_day(), month in month(), weekday in week_day(),
    ) -> String {
        format!("{minute} {hour} {day} {month} {weekday}")
    }
}

/// Patterns that are due in most nights.
fn nightly() -> impl Strategy<Value = String> {
    let times = prop_oneof![
        (starred(0, 59), starred(0, 23)).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        (numbers(0, 59), numbers(0, 3)).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        Just("*/15 *".to_owned()),
    ];
    (times, prop_oneof![4 => Just("*".to_owned()), 1 => numbers(0, 6)])
        .prop_map(|(times, weekday)| format!("{times} * * {weekday}"))
}

fn some_instant() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_102_444_800).prop_map(|second| Timestamp::from_second(second).expect("in range"))
}

/// An instant near a change of the zone's clocks, if it has any after a random one.
fn near_change(zone: &str, random: Timestamp, seconds: i64) -> Timestamp {
    let rules = jiff::tz::TimeZone::get(zone).expect("a zone");
    let change = rules
        .following(random)
        .next()
        .map_or(random, |change| change.timestamp());
    let limit = Timestamp::from_second(4_102_444_800).expect("in range");
    change.min(limit) + SignedDuration::from_secs(seconds)
}

/// What the rules say, by going through time: a clock time is due at the first instant at which clocks show it or have passed it, an
/// interval whenever clocks show it.
fn by_going_through(text: &str, zone: &str, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let matcher = croner(text);
    let is_clock_time = !text.split(' ').take(2).any(|field| field.contains('*'));
    let rules = jiff::tz::TimeZone::get(zone).expect("a zone");
    let matches = |civil: DateTime| civil.second() == 0 && matcher.is_time_matching(&civil).expect("a civil time");
    let mut at = Timestamp::from_second((after.as_second() - 3 * 86_400).div_euclid(30) * 30).expect("in range");
    let mut shown = rules.to_datetime(at);
    let mut found = Vec::new();
    while at < until {
        at += STEP;
        let civil = rules.to_datetime(at);
        let is_due = if is_clock_time {
            let mut passed = shown.checked_add(30.seconds()).expect("in range");
            let mut any = false;
            while passed <= civil {
                any |= matches(passed);
                passed = passed.checked_add(30.seconds()).expect("in range");
            }
            any
        } else {
            matches(civil)
        };
        shown = if is_clock_time { shown.max(civil) } else { civil };
        if is_due && at > after && at <= until {
            found.push(at);
        }
    }
    found
}

fn between(timing: &Timing, after: Timestamp, until: Timestamp) -> Vec<Due> {
    timing.after(after).take_while(|due| due.at <= until).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn civil_times_are_those_of_croner(text in expression(), from in some_instant()) {
        let from = from.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let theirs = croner(&text);
        let Ok(ours) = Cron::parse(&text) else {
            // What never comes is refused here and found out about there.
            prop_assert!(theirs.find_next_occurrence(&from, true).is_err(), "`{}`", text);
            return Ok(());
        };
        let (mut at, mut at_theirs) = (from, from);
        for _ in 0..20 {
            let next = ours.next(at).expect("a time");
            let next_theirs = theirs.find_next_occurrence(&at_theirs, true).expect("a time");
            prop_assert_eq!(next, next_theirs, "`{}` from {}", text, at);
            at = next.checked_add(1.minute()).expect("in range");
            at_theirs = next_theirs.checked_add(1.minute()).expect("in range");
        }
    }

    #[test]
    fn times_in_utc_are_those_of_cronexpr(text in expression(), after in some_instant()) {
        // It misses what is last in December: `0 0 L * *` after the 30th of November is the 31st of January there.
        if Cron::parse(&text).is_err() || text.contains('L') {
            return Ok(());
        }
        let theirs = cronexpr::parse_crontab(&format!("{text} UTC")).expect("taken there, too");
        let mut theirs = theirs.iter_after(cronexpr::MakeTimestamp(after)).expect("in range");
        for due in timing(&text, "UTC").after(after).take(20) {
            // Beyond a few years it gives up.
            let Some(Ok(next)) = theirs.next() else { break };
            prop_assert_eq!(due.at, next.timestamp(), "`{}` after {}", text, after);
        }
    }

    #[test]
    fn due_times_are_those_of_going_through_the_night(
        text in nightly(), zone in proptest::sample::select(ZONES), random in some_instant(),
        start in -100_000_i64..20_000, days in 1_i64..3,
    ) {
        let after = near_change(zone, random, start);
        let until = after + SignedDuration::from_hours(24 * days);
        let found = between(&timing(&text, zone), after, until);
        let instants: Vec<Timestamp> = found.iter().map(|due| due.at).collect();
        // A gap that begins between two half minutes ends between two as well.
        let slack = |one: &Timestamp, other: &Timestamp| one.duration_since(*other).abs() < STEP;
        let expected = by_going_through(&text, zone, after, until);
        let is_same = instants.len() == expected.len() && instants.iter().zip(&expected).all(|(one, other)| slack(one, other));
        prop_assert!(is_same, "`{text}` in {zone} after {after}: {instants:?}, and not {expected:?}");
    }

    #[test]
    fn due_times_increase_and_have_names_of_their_own(
        text in expression(), zone in proptest::sample::select(ZONES), random in some_instant(), start in -100_000_i64..20_000,
    ) {
        if Cron::parse(&text).is_err() {
            return Ok(());
        }
        let after = near_change(zone, random, start);
        let timing = timing(&text, zone);
        let found: Vec<Due> = timing.after(after).take(200).collect();
        prop_assert!(found.iter().all(|due| due.at > after));
        for pair in found.windows(2) {
            prop_assert!(pair[0].at < pair[1].at && pair[0].nominal != pair[1].nominal, "`{}` in {}: {:?}", text, zone, pair);
        }
        // A search that begins at one of them goes on with the next.
        for pair in found.windows(2).step_by(37) {
            let next = timing.after(pair[0].at).next();
            prop_assert_eq!(next.as_ref(), Some(&pair[1]));
            prop_assert_eq!(timing.local_of(&pair[0].nominal), Some(pair[0].local));
        }
    }

    #[test]
    fn a_clock_time_is_due_exactly_once_on_each_day(
        minute in 0_i8..60, hour in 0_i8..24, zone in proptest::sample::select(ZONES), random in some_instant(),
    ) {
        let timing = timing(&format!("{minute} {hour} * * *"), zone);
        let start = near_change(zone, random, -4 * 86_400);
        let found: Vec<Due> = timing.after(start).take(400).collect();
        for pair in found.windows(2) {
            let days = pair[1].local.date().since(pair[0].local.date()).expect("in range").get_days();
            // Only after a whole day that is missing two of them can meet at one instant.
            let meet = i64::from(days) > 1 && pair[1].at.duration_since(pair[0].at) <= SignedDuration::from_hours(26);
            prop_assert!(days == 1 || meet, "{zone}: {:?}", pair);
        }
    }
}

#[test]
fn every_night_of_a_century_in_every_zone_has_one_nightly_run() {
    let until = Timestamp::from_str("2100-01-01T00:00:00Z").expect("an instant");
    for zone in ZONES {
        let nightly = timing("30 2 * * *", zone);
        let found = between(&nightly, Timestamp::UNIX_EPOCH, until);
        let days = found
            .windows(2)
            .filter(|pair| pair[1].local.date() != pair[0].local.date().tomorrow().expect("in range"));
        assert_eq!(days.count(), 0, "{zone}");
        // 130 years of days, give or take the one at either end.
        assert!((47_481..=47_483).contains(&found.len()), "{zone}: {}", found.len());
    }
}
