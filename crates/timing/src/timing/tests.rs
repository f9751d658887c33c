//! Due times: the nights in which clocks change, bounds, intervals, single times.

use super::*;

fn timing(cron: &str, zone: &str) -> Timing {
    let text = TimingText {
        cron,
        time_zone: zone,
        ..TimingText::default()
    };
    Timing::read(text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// Due times after one instant and up to another: the nominal time, and the time that clocks show there.
fn due(timing: &Timing, after: &str, until: &str) -> Vec<String> {
    let until = instant(until);
    let times = timing.after(instant(after)).take_while(|due| due.at <= until);
    let shown = |due: Due| {
        let there = due.at.to_zoned(timing.zone().rules().clone());
        format!("{} = {}", due.nominal, there.strftime("%m-%d %H:%M %:z"))
    };
    times.map(shown).collect()
}

const BERLIN: &str = "Europe/Berlin";

#[test]
fn a_clock_time_in_a_gap_is_due_once_after_it() {
    let nightly = timing("30 2 * * *", BERLIN);
    assert_eq!(
        due(&nightly, "2027-03-27T12:00:00Z", "2027-03-29T12:00:00Z"),
        [
            "2027-03-28T02:30/1 = 03-28 03:00 +02:00",
            "2027-03-29T02:30/1 = 03-29 02:30 +02:00"
        ]
    );
    // Several that meet at one instant are one.
    let hourly = timing("0 1-5 * * *", BERLIN);
    assert_eq!(
        due(&hourly, "2027-03-27T22:00:00Z", "2027-03-28T02:30:00Z"),
        [
            "2027-03-28T01:00/1 = 03-28 01:00 +01:00",
            "2027-03-28T02:00/1 = 03-28 03:00 +02:00",
            "2027-03-28T04:00/1 = 03-28 04:00 +02:00"
        ]
    );
    // What comes later on that day is not lost.
    let twice = timing("30 2,14 * * *", BERLIN);
    assert_eq!(
        due(&twice, "2027-03-28T00:59:59Z", "2027-03-28T20:00:00Z"),
        [
            "2027-03-28T02:30/1 = 03-28 03:00 +02:00",
            "2027-03-28T14:30/1 = 03-28 14:30 +02:00"
        ]
    );
}

#[test]
fn a_clock_time_in_a_repeated_hour_is_due_the_first_time() {
    let nightly = timing("30 2 * * *", BERLIN);
    let expected = ["2026-10-25T02:30/1 = 10-25 02:30 +02:00"];
    assert_eq!(due(&nightly, "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"), expected);
    // A look between the two finds no second one.
    assert_eq!(due(&nightly, "2026-10-25T00:30:00Z", "2026-10-25T12:00:00Z"), [""; 0]);
    assert_eq!(
        due(&nightly, "2026-10-25T00:29:59.9Z", "2026-10-25T12:00:00Z"),
        expected
    );
    let twice = timing("0 2,14 * * *", BERLIN);
    assert_eq!(
        due(&twice, "2026-10-24T13:00:00Z", "2026-10-25T13:00:00Z"),
        [
            "2026-10-25T02:00/1 = 10-25 02:00 +02:00",
            "2026-10-25T14:00/1 = 10-25 14:00 +01:00"
        ]
    );
}

#[test]
fn an_interval_goes_on_in_real_time_through_both_nights() {
    for (after, until) in [
        ("2027-03-27T20:00:00Z", "2027-03-28T08:00:00Z"),
        ("2026-10-24T20:00:00Z", "2026-10-25T08:00:00Z"),
    ] {
        let quarters = timing("*/15 * * * *", BERLIN);
        let until = instant(until);
        let times: Vec<Due> = quarters
            .after(instant(after))
            .take_while(|due| due.at <= until)
            .collect();
        assert_eq!(times.len(), 12 * 4);
        for pair in times.windows(2) {
            assert_eq!(pair[1].at.duration_since(pair[0].at), SignedDuration::from_mins(15));
        }
        let names: std::collections::BTreeSet<&str> = times.iter().map(|due| due.nominal.as_str()).collect();
        assert_eq!(names.len(), times.len(), "each has a name of its own");
    }
    assert_eq!(
        due(
            &timing("30 */2 * * *", BERLIN),
            "2026-10-24T22:00:00Z",
            "2026-10-25T04:00:00Z"
        ),
        [
            "2026-10-25T00:30/1 = 10-25 00:30 +02:00",
            "2026-10-25T02:30/1 = 10-25 02:30 +02:00",
            "2026-10-25T02:30/2 = 10-25 02:30 +01:00",
            "2026-10-25T04:30/1 = 10-25 04:30 +01:00"
        ]
    );
    // What does not exist is left out.
    assert_eq!(
        due(
            &timing("30 */2 * * *", BERLIN),
            "2027-03-27T23:00:00Z",
            "2027-03-28T03:00:00Z"
        ),
        [
            "2027-03-28T00:30/1 = 03-28 00:30 +01:00",
            "2027-03-28T04:30/1 = 03-28 04:30 +02:00"
        ]
    );
}

#[test]
fn gaps_at_midnight_of_half_an_hour_and_of_a_whole_day() {
    // Cairo's clocks go from 00:00 to 01:00.
    assert_eq!(
        due(
            &timing("0 0 * * *", "Africa/Cairo"),
            "2027-04-28T22:30:00Z",
            "2027-04-30T20:00:00Z"
        ),
        ["2027-04-30T00:00/1 = 04-30 01:00 +03:00"]
    );
    // So do Santiago's, and Havana's.
    assert_eq!(
        due(
            &timing("30 0 * * *", "America/Santiago"),
            "2026-09-05T12:00:00Z",
            "2026-09-07T12:00:00Z"
        ),
        [
            "2026-09-06T00:30/1 = 09-06 01:00 -03:00",
            "2026-09-07T00:30/1 = 09-07 00:30 -03:00"
        ]
    );
    assert_eq!(
        due(
            &timing("0 0 * * *", "America/Havana"),
            "2027-03-13T12:00:00Z",
            "2027-03-15T12:00:00Z"
        ),
        [
            "2027-03-14T00:00/1 = 03-14 01:00 -04:00",
            "2027-03-15T00:00/1 = 03-15 00:00 -04:00"
        ]
    );
    // Havana's clocks go back from 01:00 to 00:00: midnight comes twice on the same day.
    assert_eq!(
        due(
            &timing("0 0 * * *", "America/Havana"),
            "2026-10-31T12:00:00Z",
            "2026-11-01T12:00:00Z"
        ),
        ["2026-11-01T00:00/1 = 11-01 00:00 -04:00"]
    );
    // Santiago's go back from 24:00 to 23:00 of the same day.
    assert_eq!(
        due(
            &timing("0,30 0,23 * * *", "America/Santiago"),
            "2026-04-05T01:00:00Z",
            "2026-04-05T05:00:00Z"
        ),
        [
            "2026-04-04T23:00/1 = 04-04 23:00 -03:00",
            "2026-04-04T23:30/1 = 04-04 23:30 -03:00",
            "2026-04-05T00:00/1 = 04-05 00:00 -04:00",
            "2026-04-05T00:30/1 = 04-05 00:30 -04:00"
        ]
    );
    // Lord Howe moves by half an hour.
    let lord_howe = timing("15 2 * * *", "Australia/Lord_Howe");
    assert_eq!(
        due(&lord_howe, "2026-10-03T00:00:00Z", "2026-10-04T12:00:00Z"),
        ["2026-10-04T02:15/1 = 10-04 02:30 +11:00"]
    );
    let quarters = timing("*/15 1-2 * * *", "Australia/Lord_Howe");
    assert_eq!(
        due(&quarters, "2027-04-03T14:15:00Z", "2027-04-03T15:45:00Z"),
        [
            "2027-04-04T01:30/1 = 04-04 01:30 +11:00",
            "2027-04-04T01:45/1 = 04-04 01:45 +11:00",
            "2027-04-04T01:30/2 = 04-04 01:30 +10:30",
            "2027-04-04T01:45/2 = 04-04 01:45 +10:30",
            "2027-04-04T02:00/1 = 04-04 02:00 +10:30",
            "2027-04-04T02:15/1 = 04-04 02:15 +10:30"
        ]
    );
    // Apia had no 30th of December 2011.
    assert_eq!(
        due(
            &timing("0 9 * * *", "Pacific/Apia"),
            "2011-12-29T12:00:00Z",
            "2011-12-31T20:00:00Z"
        ),
        [
            "2011-12-29T09:00/1 = 12-29 09:00 -10:00",
            "2011-12-30T09:00/1 = 12-31 00:00 +14:00",
            "2011-12-31T09:00/1 = 12-31 09:00 +14:00",
            "2012-01-01T09:00/1 = 01-01 09:00 +14:00"
        ]
    );
    assert_eq!(
        due(
            &timing("0 */12 * * *", "Pacific/Apia"),
            "2011-12-29T20:00:00Z",
            "2011-12-30T22:00:00Z"
        ),
        [
            "2011-12-29T12:00/1 = 12-29 12:00 -10:00",
            "2011-12-31T00:00/1 = 12-31 00:00 +14:00",
            "2011-12-31T12:00/1 = 12-31 12:00 +14:00"
        ]
    );
}

#[test]
fn times_far_away_are_found_and_none_twice() {
    let leap = timing("0 2 29 2 *", BERLIN);
    let years: Vec<i16> = leap
        .after(instant("2093-01-01T00:00:00Z"))
        .take(3)
        .map(|due| due.local.year())
        .collect();
    assert_eq!(years, [2096, 2104, 2108]);
    let both = timing("0 0 1,2,20 1 *", "America/New_York");
    let days: Vec<String> = both
        .after(instant("2026-12-31T00:00:00Z"))
        .take(5)
        .map(|due| due.local.date().to_string())
        .collect();
    assert_eq!(
        days,
        ["2027-01-01", "2027-01-02", "2027-01-20", "2028-01-01", "2028-01-02"]
    );
    assert_eq!(timing("0 0 29 2 *", "UTC").after(Timestamp::MAX).next(), None);
    assert!(timing("* * * * *", BERLIN).after(Timestamp::MIN).next().is_some());
}

#[test]
fn an_interval_is_counted_from_the_epoch() {
    let every = |seconds| {
        let every = Some(Duration::from_secs(seconds));
        Timing::read(TimingText {
            every,
            time_zone: BERLIN,
            ..TimingText::default()
        })
    };
    let quarter = every(900).expect("sound");
    assert_eq!(
        due(&quarter, "2026-10-25T00:44:59Z", "2026-10-25T01:15:00Z"),
        [
            "2026-10-25T00:45:00Z = 10-25 02:45 +02:00",
            "2026-10-25T01:00:00Z = 10-25 02:00 +01:00",
            "2026-10-25T01:15:00Z = 10-25 02:15 +01:00"
        ]
    );
    let first = quarter.after(instant("2026-10-25T00:44:59Z")).next().expect("a time");
    assert_eq!(quarter.local_of(&first.nominal), Some(first.local));
    // Strictly after, also before the epoch and between two seconds.
    let at = |after: &str| quarter.after(instant(after)).next().expect("a time").at.to_string();
    assert_eq!(at("1970-01-01T00:00:00Z"), "1970-01-01T00:15:00Z");
    assert_eq!(at("1969-12-31T23:59:59.5Z"), "1970-01-01T00:00:00Z");
    assert_eq!(at("1969-12-31T23:44:59.5Z"), "1969-12-31T23:45:00Z");
    let told = every(9).expect_err("too often");
    assert_eq!(told, [("every", "expected whole seconds, at least 10s".to_owned())]);
}

#[test]
fn a_single_time_is_due_once() {
    let once = |at, zone| {
        let text = TimingText {
            at,
            time_zone: zone,
            ..TimingText::default()
        };
        Timing::read(text).expect("sound")
    };
    let eve = once("2026-12-24T18:00", BERLIN);
    assert_eq!(
        due(&eve, "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ["2026-12-24T18:00/1 = 12-24 18:00 +01:00"]
    );
    assert_eq!(eve.after(instant("2026-12-24T17:00:00Z")).next(), None);
    let gap = once("2027-03-28T02:30", BERLIN);
    assert_eq!(
        due(&gap, "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ["2027-03-28T02:30/1 = 03-28 03:00 +02:00"]
    );
    let twice = once("2026-10-25T02:30", BERLIN);
    assert_eq!(
        due(&twice, "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ["2026-10-25T02:30/1 = 10-25 02:30 +02:00"]
    );
    let missing_day = once("2011-12-30T12:00", "Pacific/Apia");
    assert_eq!(
        due(&missing_day, "2011-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ["2011-12-30T12:00/1 = 12-31 00:00 +14:00"]
    );
}

#[test]
fn nothing_is_due_outside_of_its_bounds() {
    let bounded = |from, until| {
        let text = TimingText {
            cron: "0 2 * * *",
            time_zone: BERLIN,
            from,
            until,
            ..TimingText::default()
        };
        Timing::read(text).expect("sound")
    };
    let days = |timing: Timing| -> Vec<i8> {
        let late = instant("2027-02-01T00:00:00Z");
        timing
            .after(instant("2026-12-01T00:00:00Z"))
            .take_while(|due| due.at < late)
            .map(|due| due.local.day())
            .collect()
    };
    assert_eq!(
        days(bounded("2027-01-05", "2027-01-07")),
        [5, 6, 7],
        "both days are within"
    );
    assert_eq!(days(bounded("2027-01-05T02:00", "2027-01-07T01:59")), [5, 6]);
    assert_eq!(days(bounded("2027-01-05T02:01", "2027-01-07T02:00")), [6, 7]);
    assert_eq!(days(bounded("2027-01-30", "")), [30, 31]);
}

#[test]
fn all_that_is_wrong_is_told_by_its_key() {
    let faults = Timing::read(TimingText {
        cron: "60 2 * * *",
        every: None,
        at: "tomorrow",
        time_zone: "Europe/Berlim",
        from: "2027-02-30",
        until: "2027-01-01T00:00+01:00",
    })
    .expect_err("faulty");
    let keys: Vec<&str> = faults.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["time_zone", "at", "cron", "from", "until"]);
    let of = |key: &str| {
        faults
            .iter()
            .find(|(of, _)| *of == key)
            .map_or("", |(_, fault)| fault.as_str())
    };
    assert!(
        of("at").contains("expected nothing, since `cron` is given"),
        "{}",
        of("at")
    );
    assert!(
        of("until").contains("the zone stands under `time_zone`"),
        "{}",
        of("until")
    );
    let nothing = Timing::read(TimingText::default()).expect_err("nothing");
    assert!(nothing[0].1.contains("or `every` or `at` instead"), "{nothing:?}");
    let backwards = TimingText {
        cron: "@daily",
        from: "2027-02-01",
        until: "2027-01-01",
        ..TimingText::default()
    };
    assert!(
        Timing::read(backwards).expect_err("backwards")[0]
            .1
            .contains("after `from`")
    );
    let date = TimingText {
        at: "2027-01-01",
        ..TimingText::default()
    };
    assert!(
        Timing::read(date).expect_err("no time of day")[0]
            .1
            .contains("`2026-12-24T18:00`")
    );
    let daily = TimingText {
        at: "02:30",
        ..TimingText::default()
    };
    let [(key, fault)] = &Timing::read(daily).expect_err("no date")[..] else {
        panic!("one fault");
    };
    assert_eq!(*key, "at");
    assert!(
        fault.ends_with("for every day at that time, write `cron = \"30 2 * * *\"`"),
        "{fault}"
    );
}

#[test]
fn without_a_zone_times_are_utc() {
    assert_eq!(timing("0 2 * * *", "").zone().name(), "UTC");
    assert_eq!(
        due(&timing("0 2 * * *", ""), "2027-03-28T00:00:00Z", "2027-03-28T12:00:00Z"),
        ["2027-03-28T02:00/1 = 03-28 02:00 +00:00"]
    );
}

#[test]
fn a_name_says_its_civil_time() {
    let night = timing("30 2 * * *", BERLIN);
    let due = night.after(instant("2027-03-27T12:00:00Z")).next().expect("a time");
    assert_eq!(due.local.to_string(), "2027-03-28T02:30:00");
    assert_eq!(night.local_of(&due.nominal), Some(due.local));
    assert_eq!(night.local_of("nonsense"), None);
}

#[test]
fn a_file_is_named_by_the_day_in_the_zone_also_when_that_is_made_up_for_later() {
    let early = timing("5 0 * * *", BERLIN);
    let file = crate::path::PathTemplate::of_file("/srv/users-{date}.csv").expect("sound");
    let named = |due: &Due| file.path(due.local, "s").display().to_string();
    let due: Vec<Due> = early.after(instant("2026-11-28T23:04:00Z")).take(3).collect();
    assert_eq!(
        due[0].at.to_string(),
        "2026-11-28T23:05:00Z",
        "still the day before in UTC"
    );
    assert_eq!(
        due.iter().map(named).collect::<Vec<_>>(),
        [
            "/srv/users-2026-11-29.csv",
            "/srv/users-2026-11-30.csv",
            "/srv/users-2026-12-01.csv"
        ]
    );
    // What is left of a missed time is its name.
    assert_eq!(early.local_of(&due[0].nominal), Some(due[0].local));
    let hourly = Timing::read(TimingText {
        every: Some(Duration::from_secs(3_600)),
        time_zone: BERLIN,
        ..TimingText::default()
    });
    let hour = hourly
        .expect("sound")
        .after(instant("2026-11-28T22:30:00Z"))
        .next()
        .expect("a time");
    assert_eq!(named(&hour), "/srv/users-2026-11-29.csv");
}
