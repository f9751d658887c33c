//! Looks at held times: what fires, what is passed over, and that nothing is left out.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ledger::schedules::{SchedulePause, ScheduleSource};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Some midnight.
const T0: i64 = 20_000 * DAY;

/// Every so many milliseconds.
struct Every(i64);

impl Times for Every {
    fn after(&self, instant: i64) -> Box<dyn Iterator<Item = DueTime> + '_> {
        let first = instant.div_euclid(self.0) + 1;
        Box::new((first..).map(|n| time(n * self.0)))
    }
}

fn time(at: i64) -> DueTime {
    DueTime {
        nominal: at.to_string(),
        at,
    }
}

fn schedule(considered_until: i64) -> Schedule {
    Schedule {
        name: "nightly".to_owned(),
        source: ScheduleSource::Cli,
        definition: String::new(),
        timing: String::new(),
        revision: 1,
        considered_until,
        defined_by: "ada".to_owned(),
        defined_at: 0,
        pause: None,
        failures: 0,
        succeeded_at: None,
        retired_at: None,
    }
}

fn rules(missed: MissedPolicy) -> DueRules {
    DueRules {
        missed,
        within: DAY,
        jitter: 0,
    }
}

/// What a look records: cause, reason and number of times of each fire.
fn told(looked: &Looked) -> Vec<(FireCause, Option<FireReason>, u64, i64)> {
    let fires = looked.record.iter().flat_map(|record| &record.fires);
    let one = |fire: &NewFire| {
        let skipped = fire.skipped.as_ref();
        (
            fire.cause,
            skipped.map(|one| one.reason),
            skipped.map_or(1, |one| one.times),
            fire.due,
        )
    };
    fires.map(one).collect()
}

#[test]
fn a_time_fires_when_it_has_come_and_never_before() {
    let times = Every(HOUR);
    let before = look(&schedule(T0), &times, &rules(MissedPolicy::Last), T0 + HOUR - 1);
    assert_eq!((told(&before), before.next), (vec![], Some(T0 + HOUR)));
    let at = look(&schedule(T0), &times, &rules(MissedPolicy::Last), T0 + HOUR);
    assert_eq!(told(&at), [(FireCause::Due, None, 1, T0 + HOUR)]);
    assert_eq!(at.next, Some(T0 + 2 * HOUR));
    // What has been looked at is not looked at again.
    assert_eq!(
        told(&look(
            &schedule(T0 + HOUR),
            &times,
            &rules(MissedPolicy::Last),
            T0 + HOUR
        )),
        []
    );
}

#[test]
fn down_for_a_day_every_minute() {
    let now = T0 + DAY;
    let of = |missed, schedule: &Schedule| told(&look(schedule, &Every(MINUTE), &rules(missed), now));
    let last = of(MissedPolicy::Last, &schedule(T0));
    assert_eq!(
        last,
        [
            (FireCause::Due, Some(FireReason::Superseded), 1_439, T0 + MINUTE),
            (FireCause::Due, None, 1, now),
        ]
    );
    let all = of(MissedPolicy::All, &schedule(T0));
    assert_eq!(all[0], (FireCause::Due, Some(FireReason::TooMany), 1_339, T0 + MINUTE));
    assert_eq!(all.len(), 1 + MOST_CAUGHT_UP + 1);
    assert!(
        all[1..].windows(2).all(|two| two[0].3 + MINUTE == two[1].3),
        "in order, none left out"
    );
    let none = of(MissedPolicy::None, &schedule(T0));
    assert_eq!(none[0], (FireCause::Due, Some(FireReason::Missed), 1_439, T0 + MINUTE));
    assert_eq!(none.len(), 2);
}

#[test]
fn a_missed_time_is_made_up_for_within_the_window_only() {
    let times = Every(DAY);
    let late = |hours| {
        told(&look(
            &schedule(T0),
            &times,
            &rules(MissedPolicy::Last),
            T0 + DAY + hours * HOUR,
        ))
    };
    assert_eq!(late(1), [(FireCause::CatchUp, None, 1, T0 + DAY)]);
    let now = T0 + 3 * DAY + HOUR;
    assert_eq!(
        told(&look(&schedule(T0), &times, &rules(MissedPolicy::Last), now)),
        [
            (FireCause::Due, Some(FireReason::Superseded), 2, T0 + DAY),
            (FireCause::CatchUp, None, 1, T0 + 3 * DAY),
        ]
    );
    let narrow = DueRules {
        within: HOUR / 2,
        ..rules(MissedPolicy::Last)
    };
    assert_eq!(
        told(&look(&schedule(T0), &times, &narrow, now)),
        [(FireCause::Due, Some(FireReason::TooLate), 3, T0 + DAY)]
    );
    let all = DueRules {
        within: DAY + 2 * HOUR,
        ..rules(MissedPolicy::All)
    };
    assert_eq!(
        told(&look(&schedule(T0), &times, &all, now)),
        [
            (FireCause::Due, Some(FireReason::TooLate), 1, T0 + DAY),
            (FireCause::CatchUp, None, 1, T0 + 2 * DAY),
            (FireCause::CatchUp, None, 1, T0 + 3 * DAY),
        ]
    );
}

#[test]
fn a_clock_put_forward_by_mistake_makes_one_fire_and_one_record_and_put_back_nothing_is_silent() {
    let (times, rules) = (Every(10_000), rules(MissedPolicy::Last));
    let far = T0 + 3_650 * DAY + 5;
    let forward = look(&schedule(T0), &times, &rules, far);
    let record = forward.record.expect("due");
    assert_eq!(record.until, far);
    let skipped = record.fires[0].skipped.as_ref().expect("passed over");
    assert!(skipped.times > 10_000);
    assert_eq!(skipped.last_due, record.fires[1].due - 10_000, "up to those that fire");
    assert_eq!(record.fires.len(), 1 + 6, "those of the last minute");
    // Back where it was: what had been looked at beyond now is forgotten, nothing fires for it, and it goes on from here.
    let back = look(&schedule(far), &times, &rules, T0 + HOUR);
    let record = back.record.expect("set back");
    assert_eq!((record.until, record.fires.len()), (T0 + HOUR, 0));
    assert!(back.was_ahead.is_some_and(|ahead| ahead > DAY));
    // Clocks of two workers differ a little; that is nothing.
    let little = look(&schedule(T0 + 30_000), &times, &rules, T0);
    assert_eq!((little.record, little.was_ahead), (None, None));
}

#[test]
fn times_in_a_pause_are_one_record_when_it_ends() {
    let (times, rules) = (Every(HOUR), rules(MissedPolicy::Last));
    let paused = |until| Schedule {
        pause: Some(SchedulePause {
            at: T0 + 90 * MINUTE,
            by: "ada".to_owned(),
            because: String::new(),
            until,
        }),
        ..schedule(T0)
    };
    // What came before the pause is not swallowed by it.
    let during = look(&paused(None), &times, &rules, T0 + 5 * HOUR);
    assert_eq!(told(&during), [(FireCause::CatchUp, None, 1, T0 + HOUR)]);
    assert_eq!(during.record.expect("recorded").until, T0 + 90 * MINUTE);
    let so_far = Schedule {
        considered_until: T0 + 90 * MINUTE,
        ..paused(None)
    };
    assert_eq!(told(&look(&so_far, &times, &rules, T0 + 9 * HOUR)), []);
    let resumed = look_at_end_of_pause(&so_far, &times, &rules, T0 + 5 * HOUR + 1);
    assert_eq!(resumed.fires.len(), 1);
    let skipped = resumed.fires[0].skipped.as_ref().expect("passed over");
    assert_eq!(
        (skipped.reason, skipped.times, skipped.last_due),
        (FireReason::Paused, 4, T0 + 5 * HOUR)
    );
    // One that ends by itself: the time of its end is no part of it.
    let ended = look(&paused(Some(T0 + 4 * HOUR)), &times, &rules, T0 + 4 * HOUR + 1);
    assert_eq!(
        told(&ended),
        [
            (FireCause::CatchUp, None, 1, T0 + HOUR),
            (FireCause::Due, Some(FireReason::Paused), 2, T0 + 2 * HOUR),
            (FireCause::Due, None, 1, T0 + 4 * HOUR),
        ]
    );
}

#[test]
fn jitter_is_the_same_every_time_and_within_its_bound() {
    assert_eq!(jitter_of("nightly", 12 * HOUR), 29_434_150);
    let of: BTreeSet<i64> = (0..100).map(|n| jitter_of(&format!("s{n}"), HOUR)).collect();
    assert!(of.len() > 95 && of.iter().all(|offset| (0..HOUR).contains(offset)));
    assert!(of.iter().any(|offset| *offset > HOUR / 2) && of.iter().any(|offset| *offset < HOUR / 2));
    assert_eq!(jitter_of("nightly", 0), 0);
}

fn ahead(seq: i64, state: Option<JobState>) -> FireAhead {
    FireAhead {
        seq,
        job: state.map(|state| (JobId(uuid::Uuid::nil()), state)),
    }
}

#[test]
fn a_fire_follows_the_overlap_policy() {
    use JobState::{AwaitingApproval, Paused, Running};
    use OverlapPolicy::{Allow, Skip, Supersede, Wait, WaitOne};
    let running = ahead(1, Some(Running));
    let approval = ahead(1, Some(AwaitingApproval));
    let waiting = ahead(2, None);
    for overlap in [Skip, WaitOne, Wait, Allow, Supersede] {
        assert_eq!(turn(overlap, FireCause::Due, &[]), FireTurn::Begin);
        // Nothing that was asked for, or is made up for, is lost by an overlap.
        for cause in [FireCause::CatchUp, FireCause::Backfill, FireCause::Manual] {
            assert_eq!(turn(overlap, cause, &[running, waiting]), FireTurn::Wait);
        }
    }
    assert_eq!(turn(Skip, FireCause::Due, &[running]), FireTurn::Skip(running));
    assert_eq!(
        turn(Skip, FireCause::Due, &[approval]),
        FireTurn::Skip(approval),
        "one that awaits approval is at work"
    );
    assert_eq!(turn(WaitOne, FireCause::Due, &[running]), FireTurn::Wait);
    assert_eq!(
        turn(WaitOne, FireCause::Due, &[running, waiting]),
        FireTurn::Skip(waiting)
    );
    assert_eq!(turn(Wait, FireCause::Due, &[running, waiting]), FireTurn::Wait);
    assert_eq!(turn(Allow, FireCause::Due, &[running]), FireTurn::Begin);
    let paused = ahead(1, Some(Paused));
    assert_eq!(turn(Supersede, FireCause::Due, &[running]), FireTurn::Skip(running));
    assert_eq!(
        turn(Supersede, FireCause::Due, &[paused]),
        FireTurn::Skip(paused),
        "something of it was done"
    );
    assert_eq!(
        turn(Supersede, FireCause::Due, &[approval, waiting]),
        FireTurn::After(vec![approval, waiting])
    );
    assert_eq!(
        turn(Supersede, FireCause::Due, &[waiting, running]),
        FireTurn::Skip(running)
    );
}

proptest! {
    /// Workers look at any moments, clocks jump a little or a lot: every time that came is in exactly one record (or in one that
    /// was made before the clock was put back), nothing fires before its time, and nothing that has come is left out.
    #[test]
    fn every_time_is_recorded_once(
        every in prop::sample::select(vec![10_000_i64, MINUTE, 7 * MINUTE, HOUR, DAY]),
        missed in prop::sample::select(vec![MissedPolicy::Last, MissedPolicy::All, MissedPolicy::None]),
        steps in prop::collection::vec(prop_oneof![0..2 * MINUTE, 0..3 * HOUR, 0..3 * DAY], 1..30),
    ) {
        let times = Every(every);
        let (mut now, mut considered) = (T0, T0);
        let (mut fired, mut passed) = (BTreeSet::new(), 0);
        for step in steps {
            now += step;
            let looked = look(&schedule(considered), &times, &rules(missed), now);
            prop_assert_eq!(looked.next, times.after(now).next().map(|time| time.at));
            let Some(record) = looked.record else { continue };
            prop_assert!(record.from == considered && record.until == now);
            considered = now;
            let mut last = record.from;
            for fire in &record.fires {
                prop_assert!(fire.due <= now && fire.due > last, "in order, and not before its time");
                if let Some(skipped) = &fire.skipped {
                    last = skipped.last_due;
                    if skipped.times <= MOST_COUNTED {
                        prop_assert_eq!(((last - fire.due) / every) as u64 + 1, skipped.times);
                    }
                    passed += (last - fire.due) / every + 1;
                } else {
                    last = fire.due;
                    prop_assert!(fired.insert(fire.due));
                    prop_assert_eq!(fire.cause == FireCause::CatchUp, now - fire.due >= LATE);
                }
            }
            let caught_up = record.fires.iter().filter(|fire| fire.cause == FireCause::CatchUp).count();
            let most = match missed {
                MissedPolicy::Last => 1,
                MissedPolicy::All => MOST_CAUGHT_UP,
                MissedPolicy::None => 0,
            };
            prop_assert!(caught_up <= most);
        }
        let came = considered.div_euclid(every) - T0.div_euclid(every);
        prop_assert_eq!(fired.len() as i64 + passed, came);
    }
}
