//! The ledger's contract, the same on every database: claims, fences, counters, cancelling, retrying.

mod approval;
mod attacked;
mod columns;
mod drops;
mod retention;
mod schedules;
mod served;
pub(crate) mod signed;
mod together;
mod turns;
mod unapproved;
mod upgrades;

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use tenantry::testing::submit::Submitted;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::DbError;
use tenantry_ledger::{Cause, Claim, Closing, Job, JobFilter, JobState, Ledger, Parameters, StoreName, closing, fence};

use crate::place::{CUSTOMERS, On, Place, TestJob, Work, apply, by, claimant, on_both, tables};

fn users(count: usize) -> String {
    let rows: String = (0..count)
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,F{n},L\n"))
        .collect();
    format!("customer,user_principal_name,first_name,last_name\n{rows}")
}

const STRICT: Parameters = Parameters {
    store: None,
    customer: None,
    skip_invalid: false,
    ignore_not_kept: false,
    seal_to: Vec::new(),
    in_the_clear: false,
    reply_rows: false,
    checks_customer: false,
};

/// A job of `rows` rows in chunks of ten, queued.
async fn queued(ledger: &Ledger, rows: usize) -> Job {
    apply(ledger, "add-customer", CUSTOMERS).await;
    match TestJob::new(ledger, "bulk-add-users", &users(rows))
        .parameters(STRICT)
        .chunks(10)
        .submit()
        .await
    {
        Submitted::Queued(id) => ledger.job(id).await.expect("asked").expect("there"),
        _ => panic!("not queued"),
    }
}

async fn close(ledger: &Ledger, claim: &Claim) -> Result<(), DbError> {
    let claim = claim.clone();
    ledger
        .db()
        .write(move |tx| {
            fence::check(tx, &claim)?;
            closing::close(tx, &claim, &Closing::default(), None, 1).map(drop)
        })
        .await
}

async fn reload(ledger: &Ledger, job: &Job) -> Job {
    ledger.job(job.id).await.expect("asked").expect("there")
}

on_both! {
    async fn only_the_holder_of_a_live_lease_writes(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 10).await;
        let first = ledger.claim(claimant("first", -1)).await.expect("asked").expect("a chunk");
        // The lease ran out at once, so the chunk is an orphan and another worker takes it.
        let second = ledger.claim(claimant("second", 60_000)).await.expect("asked").expect("the orphan");
        assert_eq!((first.chunk, second.chunk, second.attempt, second.trial.failures), (0, 0, first.attempt + 1, 1));
        assert!(matches!(close(&ledger, &first).await, Err(DbError::LeaseLost)));
        assert!(matches!(ledger.release(&first).await, Err(DbError::LeaseLost)));
        assert_eq!(reload(&ledger, &job).await.counts.applied, 0);
        close(&ledger, &second).await.expect("the holder may");
        let job = reload(&ledger, &job).await;
        assert_eq!((job.state, job.counts.applied), (JobState::Completed, 10));
        assert!(matches!(close(&ledger, &second).await, Err(DbError::LeaseLost)), "a chunk closes once");
    }

    async fn no_two_workers_get_the_same_chunk(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 200).await;
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..8 {
            let ledger = ledger.clone();
            workers.spawn(async move {
                let mut mine = Vec::new();
                while let Some(claim) = ledger.claim(claimant(&format!("w{worker}"), 60_000)).await.expect("asked") {
                    close(&ledger, &claim).await.expect("closed");
                    mine.push(claim.chunk);
                }
                mine
            });
        }
        let all: Vec<i64> = workers.join_all().await.into_iter().flatten().collect();
        assert_eq!(all.len(), 20);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20);
        let job = reload(&ledger, &job).await;
        assert_eq!((job.state, job.counts.applied), (JobState::Completed, 200));
    }

    async fn jobs_take_turns(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        let big = queued(&ledger, 100).await;
        let Submitted::Queued(small) = TestJob::new(&ledger, "bulk-add-users", &users(100).replace("A-1,user", "A-1,other")).parameters(STRICT).chunks(10).submit().await else {
            panic!("not queued")
        };
        let mut turns = Vec::new();
        for _ in 0..4 {
            let claim = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
            turns.push(claim.job_id);
            clock.advance(3);
        }
        assert_eq!(turns.iter().filter(|id| **id == small).count(), 2);
        assert_eq!(turns.iter().filter(|id| **id == big.id).count(), 2);
    }

    async fn a_failed_chunk_waits_then_is_given_up_and_can_be_retried(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 20).await;
        let claim = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
        let away = "the store is away".to_owned();
        let hour = |_| std::time::Duration::from_secs(3_600);
        ledger.set_back(&claim, Cause::Surroundings, hour, away).await.expect("set back");
        assert_eq!(reload(&ledger, &job).await.state, JobState::Retryable);
        let other = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("the other chunk");
        assert_eq!(other.chunk, 1, "the failed one is not due");
        assert_eq!(reload(&ledger, &job).await.state, JobState::Running);
        ledger.give_up(&other, "hopeless".to_owned()).await.expect("given up");
        ledger.release(&claim).await.expect_err("it is not ours any more");
        tables::make_due(&ledger).await;
        let job = Work::on(&ledger, &reload(&ledger, &job).await).until_idle().await;
        assert_eq!((job.state, job.counts.applied, job.counts.failed), (JobState::Failed, 10, 10));
        let again = ledger.retry(&job, &by("tester"), 60_000).await.expect("asked").queued().expect("there is something to retry");
        let again = Work::on(&ledger, &ledger.job(again).await.expect("asked").expect("there")).until_idle().await;
        assert_eq!((again.state, again.counts.applied, again.counts.total), (JobState::Completed, 10, 10));
        assert!(ledger.retry(&again, &by("tester"), 60_000).await.expect("asked").queued().is_err(), "nothing is left");
    }

    async fn cancelling_keeps_finished_rows(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 30).await;
        let held = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
        assert!(ledger.cancel(job.seq, &by("tester")).await.expect("cancelled"));
        assert!(ledger.claim(claimant("w", 60_000)).await.expect("asked").is_none(), "nothing more to claim");
        assert_eq!(reload(&ledger, &job).await.counts.cancelled, 20);
        close(&ledger, &held).await.expect("the chunk in hand finishes");
        let job = reload(&ledger, &job).await;
        assert_eq!((job.state, job.counts.applied, job.counts.cancelled), (JobState::Cancelled, 10, 20));
        assert!(!ledger.cancel(job.seq, &by("tester")).await.expect("asked"), "it has ended");
    }

    async fn the_same_work_is_one_job_until_it_has_ended(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 10).await;
        match TestJob::new(&ledger, "bulk-add-users", &users(10)).parameters(STRICT).chunks(10).submit().await {
            Submitted::Same(id) => assert_eq!(id, job.id),
            _ => panic!("a second job"),
        }
        let job = Work::on(&ledger, &job).until_idle().await;
        assert_eq!(job.counts.applied, 10);
        let again = TestJob::new(&ledger, "bulk-add-users", &users(10)).parameters(STRICT).chunks(10).run().await;
        assert_ne!(again.id, job.id);
        assert_eq!(again.counts.unchanged, 10);
    }

    async fn rows_are_let_go_of_when_their_time_has_come(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 10).await;
        assert_eq!(ledger.prune_spool(-1000).await.expect("pruned").inputs, 1, "the customers' rows; the open job's stay");
        let job = Work::on(&ledger, &job).until_idle().await;
        assert_eq!(ledger.prune_spool(3_600_000).await.expect("pruned").inputs, 0);
        assert!(ledger.chunk_rows(&job, 0).await.expect("asked").is_some());
        assert_eq!(ledger.prune_spool(-1000).await.expect("pruned").inputs, 1);
        assert!(ledger.chunk_rows(&job, 0).await.expect("asked").is_none());
    }

    async fn lists_of_a_state_or_kind_are_those_jobs_of_the_whole_list_newest_first(place: Place) {
        let ledger = place.ledger().await;
        let list = |state: Option<JobState>, kind: Option<&str>, limit| {
            let filter = JobFilter { state, kind: kind.map(str::to_owned), limit };
            let ledger = ledger.clone();
            async move { ledger.jobs(filter).await.expect("listed") }
        };
        let seqs = |jobs: Vec<Job>| jobs.iter().map(|job| job.seq).collect::<Vec<_>>();
        for round in 0..3 {
            let cancelled = queued(&ledger, 10 + round).await;
            ledger.cancel(cancelled.seq, &by("tester")).await.expect("cancelled");
            let paused = queued(&ledger, 20 + round).await;
            ledger.pause(&paused, &by("tester")).await.expect("asked").done().expect("paused");
            queued(&ledger, 30 + round).await;
            queued(&ledger, 40 + round).await;
        }
        // Jobs that come after them would wait for these.
        for _ in 0..3 {
            ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
        }
        let all = list(None, None, 100).await;
        let states = ["queued", "running", "retryable", "paused", "completed", "failed", "cancelled", "awaiting-approval"];
        assert!(all.iter().any(|job| job.state == JobState::Running) && all.iter().any(|job| job.state == JobState::Queued));
        let mut seen = 0;
        for state in states {
            let state = JobState::named(state).expect("a state");
            for kind in [None, Some("add-customer"), Some("bulk-add-users"), Some("set-seats")] {
                for limit in [1, 2, 100] {
                    let of: Vec<Job> = all.iter().filter(|job| job.state == state && kind.is_none_or(|kind| job.kind == kind)).take(limit).cloned().collect();
                    seen += of.len();
                    assert_eq!(seqs(list(Some(state), kind, limit as u64).await), seqs(of), "{state:?} {kind:?} {limit}");
                }
            }
        }
        assert!(seen > 30, "{seen}");
        assert_eq!(seqs(list(None, Some("add-customer"), 2).await), seqs(all.iter().filter(|job| job.kind == "add-customer").take(2).cloned().collect()));
    }

    async fn names_of_another_store_are_kept_as_they_were_seen_last(place: Place) {
        let ledger = place.ledger().await;
        let key = |customer: &str, subscription: &str| (customer.to_owned(), subscription.to_owned());
        let name = |name: &str, product: &str| StoreName {
            domain: "alpha.example".to_owned(),
            name: name.to_owned(),
            product: product.to_owned(),
        };
        let (alpha, licence) = (key("alpha.example", ""), key("alpha.example", "s-1"));
        let first = BTreeMap::from([(alpha.clone(), name("Alpha", "")), (licence.clone(), name("Alpha", "E3"))]);
        ledger.keep_names("pc", first.clone()).await.expect("kept");
        ledger.keep_names("pc", first).await.expect("kept again");
        ledger.keep_names("pc", BTreeMap::from([(alpha.clone(), name("Omega", ""))])).await.expect("kept");
        ledger.keep_names("other", BTreeMap::from([(alpha.clone(), name("Not of pc", ""))])).await.expect("kept");
        let asked = vec![licence.clone(), alpha.clone(), key("beta.example", "")];
        let kept = ledger.kept_names("pc", asked.clone()).await.expect("asked");
        assert_eq!(kept, BTreeMap::from([(alpha, name("Omega", "")), (licence, name("Alpha", "E3"))]));
        let day: i64 = 24 * 60 * 60 * 1000;
        ledger.forget_names(day).await.expect("looked");
        assert_eq!(ledger.kept_names("pc", asked.clone()).await.expect("asked").len(), 2);
        ledger.forget_names(-2 * day).await.expect("looked");
        assert_eq!(ledger.kept_names("pc", asked).await.expect("asked").len(), 0);
    }

    async fn a_newer_database_is_refused(place: Place) {
        let ledger = place.ledger().await;
        tables::set_meta(ledger.db(), "schema_version", "999").await;
        let refused = Ledger::open(&place.url, 1, Clock::system()).await;
        assert!(matches!(refused.err(), Some(DbError::Newer { found: 999, .. })));
    }

    async fn a_write_that_fails_or_panics_leaves_nothing(place: Place) {
        let ledger = place.ledger().await;
        let failed = ledger.db().write(|tx| { tables::add_meta(tx, "mark", "x")?; Err::<(), _>(DbError::Broken("no".into())) }).await;
        assert!(failed.is_err());
        let panicked = ledger.db().write(|tx| -> Result<(), DbError> { tables::add_meta(tx, "mark", "x")?; panic!("on purpose") }).await;
        assert!(panicked.is_err());
        assert_eq!(tables::meta(ledger.db(), "mark").await, None);
        ledger.db().write(|tx| tables::add_meta(tx, "mark", "x")).await.expect("the next one works");
    }
}

/// What a worker may do, or have done to it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Claim(usize),
    Close(usize),
    Release(usize),
    /// The lease of a worker runs out: it crashed, or was too slow.
    Expire(usize),
    Cancel,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = 0..3_usize;
    let step = prop_oneof![
        5 => worker.clone().prop_map(Step::Claim),
        5 => worker.clone().prop_map(Step::Close),
        2 => worker.clone().prop_map(Step::Release),
        3 => worker.prop_map(Step::Expire),
        1 => Just(Step::Cancel),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever workers do and whenever they die, each chunk is closed once, by its last holder, and the
    /// counters add up.
    #[test]
    fn counters_equal_the_closed_chunks(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let place = Place::new(On::Sqlite).await;
            let ledger = place.ledger().await;
            let job = queued(&ledger, 50).await;
            let mut held: [Option<Claim>; 3] = [None, None, None];
            let mut closed = HashSet::new();
            let mut cancelled = false;
            for step in steps {
                match step {
                    Step::Claim(worker) => {
                        let claim = ledger.claim(claimant(&format!("w{worker}"), 60_000)).await.expect("asked");
                        prop_assert!(claim.is_none() || !cancelled, "a cancelled job hands out nothing");
                        held[worker] = claim.or(held[worker].take());
                    }
                    Step::Close(worker) => if let Some(claim) = &held[worker] {
                        match close(&ledger, claim).await {
                            Ok(()) => prop_assert!(closed.insert(claim.chunk), "chunk {} closed twice", claim.chunk),
                            Err(error) => prop_assert!(matches!(error, DbError::LeaseLost)),
                        }
                    },
                    Step::Release(worker) => if let Some(claim) = held[worker].take() {
                        let cause = Cause::Rows { most: 100 };
                        let at_once = |_| std::time::Duration::ZERO;
                        let _ = ledger.set_back(&claim, cause, at_once, "x".to_owned()).await;
                    },
                    Step::Expire(worker) => if let Some(claim) = &held[worker] {
                        tables::expire_lease(&ledger, claim.chunk, &claim.owner).await;
                    },
                    Step::Cancel => cancelled |= ledger.cancel(job.seq, &by("tester")).await.expect("asked"),
                }
            }
            // Everyone dies; the sweep and one last worker bring it to its end.
            tables::expire_leases(&ledger).await;
            ledger.clear_up_cancelled().await.expect("swept");
            while let Some(claim) = ledger.claim(claimant("last", 60_000)).await.expect("asked") {
                close(&ledger, &claim).await.expect("closed");
                prop_assert!(closed.insert(claim.chunk), "chunk {} closed twice", claim.chunk);
            }
            let job = reload(&ledger, &job).await;
            prop_assert!(job.state.is_final(), "{:?}", job.state);
            prop_assert_eq!(job.counts.applied, closed.len() as u64 * 10);
            prop_assert_eq!(job.counts.finished(), 50);
            prop_assert_eq!(job.state == JobState::Cancelled, job.counts.cancelled > 0);
            Ok(())
        })?;
    }
}
