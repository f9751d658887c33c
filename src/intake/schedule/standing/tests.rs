//! Status of schedules at held times.

use super::*;
use crate::config::Config;
use crate::ledger::fires::FireCause;
use crate::ledger::schedules::{SchedulePause, ScheduleSource};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Some full hour.
const T0: i64 = 500_000 * HOUR;

/// Every hour, looked at up to [`T0`].
fn hourly(more: &[(&str, &str)]) -> Schedule {
    let keys = [
        ("kind", "export-customers"),
        ("set.what", "customers"),
        ("cron", "0 * * * *"),
    ];
    let values = keys
        .iter()
        .chain(more)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let config = Config::schedule("s", &values.collect::<Vec<_>>(), "a test").expect("sound");
    Schedule {
        name: "s".to_owned(),
        source: ScheduleSource::Cli,
        definition: serde_json::to_string(&config).expect("JSON"),
        timing: String::new(),
        revision: 1,
        considered_until: T0,
        defined_by: "ada".to_owned(),
        defined_at: T0,
        pause: None,
        failures: 0,
        succeeded_at: None,
        retired_at: None,
    }
}

fn fire(state: FireState, look_at: i64, detail: &str) -> Fire {
    Fire {
        seq: 1,
        schedule: "s".to_owned(),
        revision: 1,
        nominal: "2027-01-15T08:00/1".to_owned(),
        attempt: 1,
        part: 0,
        due: look_at,
        starts: look_at,
        look_at,
        cause: FireCause::Due,
        state,
        reason: (state == FireState::Failed).then_some(FireReason::Refused),
        detail: Some(detail.to_owned()),
        last_nominal: None,
        last_due: None,
        times: 1,
        asked_by: None,
        file: None,
        out_path: None,
        outcome: None,
        sha256: None,
        made_at: look_at,
        ended_at: None,
        job: None,
        job_state: None,
    }
}

fn at(now: i64, schedule: &Schedule, last: Option<Fire>, open: Option<&OpenFire>) -> (ScheduleStatus, String) {
    let known = KnownSchedule::read(schedule.clone(), None);
    judged(schedule, known.as_ref(), (last, open), now)
}

#[test]
fn a_time_that_has_not_begun_is_overdue_after_a_while() {
    let schedule = hourly(&[]);
    assert_eq!(
        at(T0 + HOUR + MINUTE, &schedule, None, None),
        (ScheduleStatus::Well, String::new())
    );
    let (status, says) = at(T0 + HOUR + 6 * MINUTE, &schedule, None, None);
    assert_eq!(status, ScheduleStatus::Overdue);
    assert!(
        says.starts_with(&format!("s was due at {}", rfc3339(T0 + HOUR))),
        "{says}"
    );
    // Recorded, and then everybody left; one that somebody has in hand, or whose job is at work, is nobody's fault.
    let seen = Schedule {
        considered_until: T0 + 2 * HOUR,
        ..schedule
    };
    let now = T0 + 2 * HOUR + 6 * MINUTE;
    let open = |state, lease_until| OpenFire {
        fire: fire(state, T0 + 2 * HOUR, ""),
        lease_until,
    };
    for (open, expected) in [
        (open(FireState::Due, None), ScheduleStatus::Overdue),
        (open(FireState::Due, Some(now - 1)), ScheduleStatus::Overdue),
        (open(FireState::Due, Some(now + MINUTE)), ScheduleStatus::Well),
        (open(FireState::Submitted, None), ScheduleStatus::Well),
    ] {
        assert_eq!(at(now, &seen, None, Some(&open)).0, expected, "{open:?}");
    }
}

#[test]
fn pauses_failures_and_a_success_that_is_missing_are_told_apart() {
    let pause = |by: &str| SchedulePause {
        at: T0,
        by: by.to_owned(),
        because: "holidays".to_owned(),
        until: None,
    };
    let paused = |by| Schedule {
        pause: Some(pause(by)),
        ..hourly(&[])
    };
    let now = T0 + 5 * HOUR;
    assert_eq!(
        at(now, &paused("ada"), None, None),
        (
            ScheduleStatus::Paused,
            "s is paused by ada, because holidays".to_owned()
        )
    );
    assert_eq!(at(now, &paused("tenantry"), None, None).0, ScheduleStatus::Stopped);
    let now = T0 + MINUTE;
    let failed = || {
        Some(fire(
            FireState::Failed,
            T0,
            "30 faults\nthe first\nall of it is in /out/reasons.csv",
        ))
    };
    let (status, says) = at(now, &hourly(&[]), failed(), None);
    assert_eq!(status, ScheduleStatus::Failing);
    assert!(
        says.ends_with("failed (refused): 30 faults; all of it is in /out/reasons.csv"),
        "{says}"
    );
    let expecting = Schedule {
        defined_at: T0 - 3 * HOUR,
        ..hourly(&[("expect_within", "2h")])
    };
    assert_eq!(at(now, &expecting, failed(), None).0, ScheduleStatus::Overdue);
    let broken = Schedule {
        definition: "{}".to_owned(),
        ..hourly(&[])
    };
    assert_eq!(at(now, &broken, None, None).0, ScheduleStatus::Unreadable);
}
