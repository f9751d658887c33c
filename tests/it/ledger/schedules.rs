//! Schedules and fires in the ledger: what may change what, and that a time is recorded once, whichever worker looks.

use tenantry_foundation::clock::Clock;
use tenantry_ledger::fires::{
    DueLook, Fire, FireCause, FireEnd, FireOutcome, FireReason, FireState, NewFire, SkippedTimes,
};
use tenantry_ledger::schedules::{
    Schedule, ScheduleChange, ScheduleDefiner, ScheduleDefinition, ScheduleRefusal, ScheduleSource, ScheduleSync,
};
use tenantry_ledger::{Actor, JobState, Ledger, Origin, OriginIntake, Via};

use super::queued;
use crate::place::{On, Place, Work, by, column, on_both};

const T0: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

fn definition(name: &str, timing: &str, more: &str) -> ScheduleDefinition {
    ScheduleDefinition {
        name: name.to_owned(),
        definition: format!("{timing}{more}"),
        timing: timing.to_owned(),
    }
}

fn sync(generation: i64, digest: &str, definitions: Vec<ScheduleDefinition>) -> ScheduleSync {
    ScheduleSync {
        definitions,
        generation,
        definer: ScheduleDefiner {
            host: "here".to_owned(),
            pid: 1,
            digest: digest.to_owned(),
            at: 0,
        },
    }
}

async fn there(ledger: &Ledger, name: &str) -> Schedule {
    ledger.schedule(name).await.expect("asked").expect("there")
}

async fn fires(ledger: &Ledger, name: &str) -> Vec<Fire> {
    let mut fires = ledger.fires(name, 1_000).await.expect("asked");
    fires.reverse();
    fires
}

fn at(due: i64, cause: FireCause) -> NewFire {
    NewFire {
        nominal: due.to_string(),
        due,
        starts: due,
        cause,
        skipped: None,
    }
}

fn look(of: &Schedule, until: i64, fires: Vec<NewFire>) -> DueLook {
    DueLook {
        schedule: of.name.clone(),
        revision: of.revision,
        from: of.considered_until,
        paused_at: of.pause.as_ref().map(|pause| pause.at),
        until,
        fires,
    }
}

/// A schedule `s` of somebody's, on a clock that stands at [`T0`].
async fn defined(place: &Place) -> (Ledger, Clock, Schedule) {
    let clock = Clock::held(T0);
    let ledger = place.ledger_at(&clock).await;
    let made = ledger
        .define_schedule(definition("s", "hourly", ""), true, &by("ada"))
        .await;
    assert_eq!(made.expect("asked"), ScheduleChange::Done);
    let schedule = there(&ledger, "s").await;
    (ledger, clock, schedule)
}

async fn notes(ledger: &Ledger) -> Vec<String> {
    column(
        ledger.db(),
        "SELECT actor || ' ' || action || ' ' || note FROM audit WHERE note LIKE 'schedule%' ORDER BY seq",
    )
    .await
}

on_both! {
    async fn a_configuration_defines_changes_and_removes_its_own_schedules_only(place: Place) {
        let (ledger, clock, _) = defined(&place).await;
        let all = vec![definition("a", "hourly", ""), definition("b", "daily", ""), definition("s", "daily", "")];
        let synced = ledger.sync_schedules(sync(0, "one", all)).await.expect("synced");
        assert_eq!((synced.added, synced.taken), (vec!["a".to_owned(), "b".to_owned()], vec!["s".to_owned()]));
        assert_eq!(there(&ledger, "s").await.source, ScheduleSource::Cli);
        let first = there(&ledger, "a").await;
        assert_eq!((first.revision, first.considered_until, first.source), (1, T0, ScheduleSource::Toml));
        assert_eq!(first.defined_by, "schedule:a", "no person defined it");
        // What it does may change without anything about when; when it does it begins anew, at that moment.
        clock.advance(HOUR);
        let again = vec![definition("a", "hourly", " other"), definition("b", "weekly", "")];
        let synced = ledger.sync_schedules(sync(0, "two", again.clone())).await.expect("synced");
        assert_eq!(synced.changed, ["a", "b"]);
        assert_eq!(synced.before.expect("another configuration").digest, "one");
        let (a, b) = (there(&ledger, "a").await, there(&ledger, "b").await);
        assert_eq!((a.revision, a.considered_until), (1, T0));
        assert_eq!((b.revision, b.considered_until), (2, T0 + HOUR));
        // The same once more changes nothing and records nothing.
        let before = notes(&ledger).await;
        let synced = ledger.sync_schedules(sync(0, "two", again.clone())).await.expect("synced");
        assert_eq!((synced.added, synced.changed, synced.removed, synced.before), (vec![], vec![], vec![], None));
        assert_eq!(notes(&ledger).await, before);
        // An older generation changes nothing, whatever it has.
        ledger.sync_schedules(sync(3, "three", again)).await.expect("synced");
        let outdated = ledger.sync_schedules(sync(2, "four", vec![])).await.expect("synced");
        assert_eq!((outdated.outdated, outdated.removed), (Some(3), vec![]));
        let removed = ledger.sync_schedules(sync(3, "five", vec![definition("a", "hourly", " other")])).await.expect("synced");
        assert_eq!(removed.removed, ["b"]);
        let names: Vec<String> = ledger.schedules().await.expect("asked").into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["a", "s"]);
        assert_eq!(notes(&ledger).await.last().map(String::as_str), Some("tenantry removed schedule b by the configuration on here"));
        // One that comes back begins anew, and not in the past.
        clock.advance(HOUR);
        let back = vec![definition("a", "hourly", " other"), definition("b", "weekly", "")];
        assert_eq!(ledger.sync_schedules(sync(3, "six", back)).await.expect("synced").added, ["b"]);
        let b = there(&ledger, "b").await;
        assert_eq!((b.revision, b.considered_until, b.retired_at), (3, T0 + 2 * HOUR, None));
    }

    async fn people_change_only_schedules_that_people_defined(place: Place) {
        let (ledger, _, schedule) = defined(&place).await;
        let ada = by("ada");
        ledger.sync_schedules(sync(0, "one", vec![definition("t", "hourly", "")])).await.expect("synced");
        let refused = |change: Result<ScheduleChange, _>| match change.expect("asked") {
            ScheduleChange::Refused(why) => why,
            ScheduleChange::Done => panic!("done"),
        };
        let define = async |name: &str, is_new| ledger.define_schedule(definition(name, "daily", ""), is_new, &ada).await;
        assert_eq!(refused(define("s", true).await), ScheduleRefusal::Exists);
        assert_eq!(refused(define("t", true).await), ScheduleRefusal::OfConfiguration);
        assert_eq!(refused(define("t", false).await), ScheduleRefusal::OfConfiguration);
        assert_eq!(refused(define("u", false).await), ScheduleRefusal::Unknown);
        assert_eq!(refused(ledger.remove_schedule("t", &ada).await), ScheduleRefusal::OfConfiguration);
        assert_eq!(refused(ledger.pause_schedule("u", &ada, "", None).await), ScheduleRefusal::Unknown);
        let resume = ledger.resume_schedule(look(&schedule, T0, vec![]), vec![], &ada).await;
        assert_eq!(refused(resume), ScheduleRefusal::NotPaused);
        assert_eq!(define("s", false).await.expect("asked"), ScheduleChange::Done);
        assert_eq!(ledger.pause_schedule("s", &ada, "holidays", None).await.expect("asked"), ScheduleChange::Done);
        let paused = there(&ledger, "s").await;
        assert_eq!((paused.revision, paused.pause.as_ref().map(|pause| pause.because.as_str())), (2, Some("holidays")));
        let resumed = ledger.resume_schedule(look(&paused, T0, vec![]), vec![], &by("bob")).await;
        assert_eq!(resumed.expect("asked"), ScheduleChange::Done);
        assert_eq!(ledger.remove_schedule("s", &by("bob")).await.expect("asked"), ScheduleChange::Done);
        assert_eq!(refused(define("s", false).await), ScheduleRefusal::Unknown);
        assert_eq!(
            notes(&ledger).await,
            [
                "ada defined schedule s: hourly",
                "tenantry defined schedule t by the configuration on here: hourly",
                "ada changed schedule s: daily",
                "ada paused schedule s, because holidays",
                "bob resumed schedule s",
                "bob removed schedule s",
            ]
        );
    }

    async fn a_time_is_recorded_once_by_all_workers(place: Place) {
        let (ledger, clock, schedule) = defined(&place).await;
        clock.advance(HOUR);
        let seen = look(&schedule, T0 + HOUR, vec![at(T0 + HOUR, FireCause::Due)]);
        let other = place.ledger_at(&clock).await;
        let (a, b) = tokio::join!(ledger.record_due(vec![seen.clone()]), other.record_due(vec![seen.clone()]));
        let (a, b) = (a.expect("asked"), b.expect("asked"));
        assert!(a != b, "one of them: {a:?} {b:?}");
        // A worker whose clock was put back computes it again; the time has its record.
        let back = there(&ledger, "s").await;
        let again = DueLook { from: back.considered_until, ..seen };
        assert_eq!(ledger.record_due(vec![again]).await.expect("asked"), [true]);
        // So does a worker with other rules for the time zone, by which the same time is an hour later.
        let moved = there(&ledger, "s").await;
        let moved = look(&moved, T0 + 2 * HOUR, vec![NewFire { due: T0 + 2 * HOUR, ..at(T0 + HOUR, FireCause::Due) }]);
        assert_eq!(ledger.record_due(vec![moved]).await.expect("asked"), [true]);
        assert_eq!(fires(&ledger, "s").await.len(), 1);
        // What was seen of the schedule as it was before an edit, or before a pause, is not recorded.
        let before = there(&ledger, "s").await;
        let late = |of: &Schedule| look(of, T0 + 3 * HOUR, vec![at(T0 + 2 * HOUR, FireCause::Due)]);
        let _ = ledger.pause_schedule("s", &by("ada"), "", None).await.expect("asked");
        assert_eq!(ledger.record_due(vec![late(&before)]).await.expect("asked"), [false]);
        let paused = there(&ledger, "s").await;
        let _ = ledger.define_schedule(definition("s", "daily", ""), false, &by("ada")).await.expect("asked");
        assert_eq!(ledger.record_due(vec![late(&paused)]).await.expect("asked"), [false]);
        assert_eq!(fires(&ledger, "s").await.len(), 1);
        // Each look by itself: one that is outdated does not keep the others from being recorded.
        let _ = ledger.define_schedule(definition("r", "hourly", ""), true, &by("ada")).await.expect("asked");
        let r = there(&ledger, "r").await;
        let looks = vec![late(&paused), look(&r, T0 + 3 * HOUR, vec![at(T0 + 2 * HOUR, FireCause::Due)])];
        assert_eq!(ledger.record_due(looks).await.expect("asked"), [false, true]);
    }

    async fn times_that_were_passed_over_by_a_clock_put_ahead_fire_when_they_come(place: Place) {
        let (ledger, _, schedule) = defined(&place).await;
        let hour = |n: i64| at(T0 + n * HOUR, FireCause::Due);
        let ahead = vec![
            NewFire {
                skipped: Some(SkippedTimes {
                    reason: FireReason::Superseded,
                    last_nominal: (T0 + 9 * HOUR).to_string(),
                    last_due: T0 + 9 * HOUR,
                    times: 9,
                }),
                ..hour(1)
            },
            hour(10),
        ];
        let record = async |until: i64, fires: Vec<NewFire>| {
            let now = there(&ledger, "s").await;
            assert_eq!(ledger.record_due(vec![look(&now, until, fires)]).await.expect("asked"), [true]);
        };
        // Ahead by mistake, and back, and that once more.
        for _ in 0..2 {
            record(T0 + 10 * HOUR, ahead.clone()).await;
            record(T0, vec![]).await;
        }
        let asked = ledger.add_fires("s", schedule.revision, vec![at(T0 + HOUR, FireCause::Manual)], &by("ada")).await;
        assert_eq!(asked.expect("asked"), ScheduleChange::Done);
        record(T0 + 2 * HOUR, vec![hour(1), hour(2)]).await;
        record(T0 + 10 * HOUR, vec![hour(10)]).await;
        let told: Vec<_> = fires(&ledger, "s").await.iter().map(|one| ((one.due - T0) / HOUR, one.attempt, one.state)).collect();
        assert_eq!(
            told,
            [
                (1, 0, FireState::Skipped),
                (10, 1, FireState::Due),
                (1, -1, FireState::Skipped),
                (1, 2, FireState::Due),
                (1, 1, FireState::Due),
                (2, 1, FireState::Due),
            ]
        );
    }

    async fn a_fire_is_held_by_one_and_linked_to_one_job(place: Place) {
        let (ledger, clock, schedule) = defined(&place).await;
        let recorded = ledger.record_due(vec![look(&schedule, T0, vec![at(T0, FireCause::Due)])]).await;
        assert_eq!(recorded.expect("asked"), [true]);
        let seq = fires(&ledger, "s").await[0].seq;
        let held = ledger.lease_fire(seq, "one", 3_000).await.expect("asked").expect("free");
        assert_eq!(ledger.lease_fire(seq, "two", 3_000).await.expect("asked"), None);
        clock.advance(2_000);
        assert!(ledger.renew_fire(held, 3_000).await.expect("asked"));
        clock.advance(2_000);
        assert_eq!(ledger.lease_fire(seq, "two", 3_000).await.expect("asked"), None);
        clock.advance(2_000);
        let taken = ledger.lease_fire(seq, "two", 3_000).await.expect("asked").expect("its lease ran out");
        assert!(taken.fence > held.fence && !ledger.renew_fire(held, 3_000).await.expect("asked"));
        // Its former holder can neither end it nor put it off nor give it a job.
        let end = FireEnd::of("s", held, FireState::Failed, FireReason::NoFile);
        assert_eq!(ledger.end_fire(end).await.expect("asked"), (false, false));
        ledger.put_off_fire(held, FireState::Waiting, T0, String::new()).await.expect("asked");
        assert!(!ledger.begin_fire(held, vec![], None).await.expect("asked"));
        let job = queued(&ledger, 10).await;
        let origin = |fence| Origin { intake: OriginIntake::Fire, seq, fence };
        assert!(!ledger.link(origin(held.fence), job.id, "00".to_owned()).await.expect("asked"));
        assert!(ledger.begin_fire(taken, vec!["f.csv".to_owned()], None).await.expect("asked"));
        assert!(ledger.link(origin(taken.fence), job.id, "00".to_owned()).await.expect("asked"));
        let fire = ledger.fire_of(job.seq).await.expect("asked").expect("it brought the job");
        assert_eq!((fire.seq, fire.state, fire.file.as_deref()), (seq, FireState::Submitted, Some("f.csv")));
        assert!(ledger.fires_to_end().await.expect("asked").is_empty(), "the job is at work");
        Work::on(&ledger, &job).until_idle().await;
        let ended = ledger.fires_to_end().await.expect("asked");
        assert_eq!(ended.iter().map(|one| (one.seq, one.job_state)).collect::<Vec<_>>(), [(seq, Some(JobState::Completed))]);
    }

    async fn failures_in_a_row_pause_a_schedule_and_a_removed_one_begins_nothing(place: Place) {
        let (ledger, clock, schedule) = defined(&place).await;
        let due = (1..=5).map(|n| at(T0 + n, FireCause::Due)).collect();
        clock.advance(10);
        assert_eq!(ledger.record_due(vec![look(&schedule, T0 + 10, due)]).await.expect("asked"), [true]);
        let all = fires(&ledger, "s").await;
        let end = async |at: usize, outcome| {
            let held = ledger.lease_fire(all[at].seq, "one", 3_000).await.expect("asked").expect("free");
            let end = FireEnd::of("s", held, FireState::Failed, FireReason::NoFile);
            ledger.end_fire(FireEnd { outcome, pause_after: 2, ..end }.because("why")).await.expect("ended")
        };
        assert_eq!(end(0, FireOutcome::Bad).await, (true, false));
        assert_eq!(end(1, FireOutcome::Good).await, (true, false));
        assert_eq!(end(2, FireOutcome::Bad).await, (true, false), "not in a row");
        assert_eq!(end(3, FireOutcome::Bad).await, (true, true));
        let paused = there(&ledger, "s").await;
        assert_eq!((paused.failures, paused.succeeded_at), (2, Some(T0 + 10)));
        assert_eq!(paused.pause.expect("paused").because, "2 fires in a row failed");
        let last = notes(&ledger).await;
        assert_eq!(last.last().map(String::as_str), Some("tenantry paused schedule s, because 2 fires in a row failed"));
        let _ = ledger.remove_schedule("s", &by("ada")).await.expect("asked");
        let left = &fires(&ledger, "s").await[4];
        assert_eq!((left.state, left.reason), (FireState::Skipped, Some(FireReason::Removed)));
        assert_eq!(ledger.lease_fire(left.seq, "one", 3_000).await.expect("asked"), None);
    }

    async fn manual_fires_use_up_no_due_time(place: Place) {
        let (ledger, clock, schedule) = defined(&place).await;
        let schedules_actor = Actor::new("ada", Via::Cli);
        for _ in 0..2 {
            let asked = ledger.add_fires("s", 1, vec![at(T0 + HOUR, FireCause::Manual)], &schedules_actor).await;
            assert_eq!(asked.expect("asked"), ScheduleChange::Done);
        }
        let skip = NewFire {
            skipped: Some(SkippedTimes {
                reason: FireReason::ByHand,
                last_nominal: (T0 + 2 * HOUR).to_string(),
                last_due: T0 + 2 * HOUR,
                times: 1,
            }),
            ..at(T0 + 2 * HOUR, FireCause::Due)
        };
        assert_eq!(ledger.skip_time("s", 1, skip.clone(), &by("ada")).await.expect("asked"), ScheduleChange::Done);
        let twice = ledger.skip_time("s", 1, skip, &by("ada")).await.expect("asked");
        assert_eq!(twice, ScheduleChange::Refused(ScheduleRefusal::TimeTaken));
        clock.advance(2 * HOUR);
        let due = vec![at(T0 + HOUR, FireCause::CatchUp), at(T0 + 2 * HOUR, FireCause::Due)];
        assert_eq!(ledger.record_due(vec![look(&schedule, T0 + 2 * HOUR, due)]).await.expect("asked"), [true]);
        let told: Vec<_> = fires(&ledger, "s").await.iter().map(|one| (one.due - T0, one.attempt, one.state)).collect();
        assert_eq!(
            told,
            [
                (HOUR, 2, FireState::Due),
                (HOUR, 3, FireState::Due),
                (2 * HOUR, 1, FireState::Skipped),
                (HOUR, 1, FireState::Due),
            ]
        );
    }
}
