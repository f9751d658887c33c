//! The order in which what was claimed takes effect, and who takes up what a worker leaves.

use std::sync::mpsc;

use tenantry_foundation::clock::Clock;
use tenantry_ledger::{
    BatchTurn, ChangeSet, Claim, InTheWay, Job, JobState, Ledger, Together, WaitingBatch, takes_effect,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::reload;
use super::together::{close_all, queued};
use crate::place::{On, Place, by, claimant, on_both};

const LEASE: i64 = 3_000;

fn together() -> Together {
    Together {
        kinds: ["bulk-add-users"].into(),
        chunks: 2,
        rows: 100,
    }
}

async fn claim(ledger: &Ledger, worker: &str) -> Vec<Claim> {
    let claimed = ledger.claim_together(claimant(worker, LEASE), Some(together()));
    claimed.await.expect("asked")
}

/// Their turn, and the numbers of their jobs among `jobs`.
fn told(claims: &[Claim], jobs: &[Job]) -> (Option<BatchTurn>, Vec<usize>) {
    let number = |claim: &Claim| jobs.iter().position(|job| job.seq == claim.job).expect("one of them");
    (
        claims.first().and_then(|claim| claim.turn),
        claims.iter().map(number).collect(),
    )
}

fn waiting(claims: &[Claim], places: ChangeSet) -> WaitingBatch {
    let first = &claims[0];
    WaitingBatch {
        turn: first.turn.expect("a turn"),
        job: (claims.len() == 1).then_some(first.job),
        places,
        owner: first.owner.clone(),
        known: Vec::new(),
        is_of_one_job: false,
    }
}

fn at_work(claims: &[Claim]) -> InTheWay {
    InTheWay::One(claims[0].turn.expect("a turn").number)
}

async fn in_the_way(ledger: &Ledger, waiting: &WaitingBatch, changes: Option<ChangeSet>) -> InTheWay {
    ledger.in_the_way(waiting, changes).await.expect("asked")
}

on_both! {
    async fn a_batch_waits_for_those_before_it_that_may_change_the_same(place: Place) {
        let ledger = place.ledger().await;
        queued(&ledger, &[1, 1, 1, 1]).await;
        let (first, second) = (claim(&ledger, "one").await, claim(&ledger, "other").await);
        assert!(first[0].turn < second[0].turn);
        assert_eq!((first[0].has_others, second[0].has_others), (false, true));
        let (here, there) = (ChangeSet::of(&[1], false), ChangeSet::of(&[2], false));
        let other = waiting(&second, there.clone());
        let first_at_work = at_work(&first);
        assert_eq!(in_the_way(&ledger, &other, None).await, first_at_work, "nobody knows what the first one changes");
        assert_eq!(in_the_way(&ledger, &waiting(&first, here.clone()), Some(here.clone())).await, InTheWay::Nothing);
        let is_told = !place.url.starts_with("sqlite");
        let expected = if is_told { InTheWay::Nothing } else { first_at_work };
        assert_eq!(in_the_way(&ledger, &other, None).await, expected);
        let same = waiting(&second, ChangeSet::of(&[1, 2], false));
        assert_eq!(in_the_way(&ledger, &same, None).await, first_at_work);
        close_all(&ledger, &first).await;
        assert_eq!(in_the_way(&ledger, &same, None).await, InTheWay::Nothing);
    }

    async fn a_batch_is_told_when_the_one_before_it_has_taken_effect(place: Place) {
        let ledger = place.ledger().await;
        queued(&ledger, &[1, 1, 1, 1]).await;
        let (first, second) = (claim(&ledger, "one").await, claim(&ledger, "other").await);
        let turn = first[0].turn.expect("a turn");
        let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), mpsc::channel::<()>());
        let mut effect = JoinSet::new();
        {
            let db = ledger.db().clone();
            effect.spawn(async move {
                let taken = db.write(move |tx| {
                    takes_effect(tx, turn)?;
                    // What was sent goes out with the next statement.
                    tx.query("SELECT 1", &[])?;
                    begun.send(()).expect("awaited");
                    goes_on.recv().expect("told to go on");
                    tx.exec("DELETE FROM batches WHERE turn = $1", &[turn.number.into()])
                });
                taken.await.expect("it takes effect")
            });
        }
        has_begun.await.expect("it begins");
        let other = waiting(&second, ChangeSet::all());
        let after = ledger.in_the_way_after(&other, turn.number).await.expect("asked");
        assert_eq!(after, at_work(&first), "it takes its time");
        let mut asking = JoinSet::new();
        {
            let (ledger, other) = (ledger.clone(), other.clone());
            asking.spawn(async move {
                loop {
                    match ledger.in_the_way_after(&other, turn.number).await.expect("asked") {
                        InTheWay::One(_) => tokio::task::yield_now().await,
                        answer => return answer,
                    }
                }
            });
        }
        if !place.url.starts_with("sqlite") {
            let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 8026016 AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            while ledger.db().write_apart(|tx| tx.query(waits, &[])).await.expect("asked").is_empty() {}
        }
        go_on.send(()).expect("it waits");
        assert_eq!(effect.join_next().await.expect("begun").expect("ended"), 1);
        assert_eq!(asking.join_next().await.expect("begun").expect("ended"), InTheWay::Nothing);
    }

    async fn chunks_of_one_job_go_beside_each_other(place: Place) {
        let ledger = place.ledger().await;
        queued(&ledger, &[25]).await;
        let (first, second) = (claim(&ledger, "one").await, claim(&ledger, "other").await);
        assert_eq!((first[0].job, first[0].chunk + 1), (second[0].job, second[0].chunk));
        assert!(!second[0].has_others);
        assert_eq!(in_the_way(&ledger, &waiting(&second, ChangeSet::all()), None).await, InTheWay::Nothing);
    }

    async fn a_batch_that_a_worker_left_is_taken_up_whole_and_first(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        let jobs = queued(&ledger, &[1, 1, 1, 1]).await;
        let left = told(&claim(&ledger, "one").await, &jobs);
        let second = claim(&ledger, "other").await;
        clock.advance(LEASE + 1);
        let held: Vec<_> = second.iter().map(|claim| (claim.job, claim.chunk, claim.attempt)).collect();
        let turns: Vec<i64> = second.iter().take(1).filter_map(|claim| claim.turn?.own()).collect();
        ledger.renew("other", (&held, &turns), LEASE, None).await.expect("renewed");
        assert_eq!(in_the_way(&ledger, &waiting(&second, ChangeSet::all()), None).await, InTheWay::Left);
        let taken = claim(&ledger, "third").await;
        assert_eq!(told(&taken, &jobs), left);
        assert_eq!(in_the_way(&ledger, &waiting(&second, ChangeSet::all()), None).await, at_work(&taken));
        close_all(&ledger, &taken).await;
        assert_eq!(in_the_way(&ledger, &waiting(&second, ChangeSet::all()), None).await, InTheWay::Nothing);
    }

    async fn after_the_second_death_chunks_are_taken_up_one_by_one(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        let jobs = queued(&ledger, &[1, 1, 1, 1]).await;
        for worker in ["one", "other"] {
            assert_eq!(told(&claim(&ledger, worker).await, &jobs).1, [0, 1]);
            clock.advance(LEASE + 1);
        }
        let alone = claim(&ledger, "third").await;
        assert_eq!(told(&alone, &jobs).1, [0]);
        assert_eq!(alone[0].trial.failures, 0, "nobody knows which of them it was");
        assert!(claim(&ledger, "fourth").await.is_empty(), "the next one waits, and all others");
        clock.advance(LEASE + 1);
        let again = claim(&ledger, "fourth").await;
        assert_eq!((told(&again, &jobs).1, again[0].trial.failures), (vec![0], 1), "now it was this one");
        close_all(&ledger, &again).await;
        let next = claim(&ledger, "fourth").await;
        assert_eq!((told(&next, &jobs).1, next[0].trial.failures), (vec![1], 0));
        close_all(&ledger, &next).await;
        assert_eq!(told(&claim(&ledger, "fourth").await, &jobs).1, [2, 3]);
    }

    async fn a_batch_that_waited_for_another_answers_for_no_death(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        let jobs = queued(&ledger, &[1, 1, 1]).await;
        // The first two have but one chunk, and so have a turn each.
        let single = |worker: &'static str| ledger.claim_together(claimant(worker, LEASE), None);
        for _ in 0..2 {
            single("one").await.expect("asked");
        }
        clock.advance(LEASE + 1);
        let first = single("other").await.expect("asked");
        let mut second = single("third").await.expect("asked");
        // Nobody is told on SQLite what a batch changes, so that who took it up would only wait.
        assert_eq!(second.is_empty(), place.url.starts_with("sqlite"));
        close_all(&ledger, &first).await;
        if second.is_empty() {
            second = single("third").await.expect("asked");
        }
        let seen = [&first, &second].map(|claims| (told(claims, &jobs).1, claims[0].trial.failures));
        assert_eq!(seen, [(vec![0], 1), (vec![1], 0)]);
    }

    async fn a_batch_that_is_given_back_keeps_its_turn(place: Place) {
        let ledger = place.ledger().await;
        let jobs = queued(&ledger, &[1, 1, 1, 1]).await;
        let first = claim(&ledger, "one").await;
        let second = claim(&ledger, "other").await;
        ledger.give_back(&first).await.expect("given back");
        assert_eq!(in_the_way(&ledger, &waiting(&second, ChangeSet::all()), None).await, InTheWay::Left);
        let again = claim(&ledger, "third").await;
        assert_eq!(told(&again, &jobs), told(&first, &jobs));
        assert_eq!(again[0].trial.failures, 0);
        ledger.give_back(&first).await.expect("asked");
        assert!(claim(&ledger, "fourth").await.is_empty(), "what has passed to another worker stays there");
        close_all(&ledger, &again).await;
    }

    async fn a_slow_worker_loses_a_batch_that_others_took_a_part_of(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        let jobs = queued(&ledger, &[1, 1, 1, 1]).await;
        claim(&ledger, "gone").await;
        clock.advance(LEASE + 1);
        let slow = claim(&ledger, "slow").await;
        clock.advance(LEASE + 1);
        let taken = claim(&ledger, "third").await;
        assert_eq!(told(&taken, &jobs).1, [0], "one by one");
        let held: Vec<_> = slow.iter().map(|claim| (claim.job, claim.chunk, claim.attempt)).collect();
        let turns: Vec<i64> = slow.iter().take(1).filter_map(|claim| claim.turn?.own()).collect();
        ledger.renew("slow", (&held, &turns), LEASE, None).await.expect("renewed");
        assert!(claim(&ledger, "slow").await.is_empty(), "its batch is in the way of all that follows");
        ledger.give_back(&slow).await.expect("asked");
        close_all(&ledger, &taken).await;
        let next = claim(&ledger, "third").await;
        assert_eq!(told(&next, &jobs).1, [1]);
        assert!(claim(&ledger, "slow").await.is_empty());
        close_all(&ledger, &next).await;
        let last = claim(&ledger, "slow").await;
        assert_eq!(told(&last, &jobs).1, [2, 3]);
    }

    async fn a_paused_job_holds_up_no_other_job(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        let jobs = queued(&ledger, &[1, 1, 1]).await;
        assert_eq!(told(&claim(&ledger, "one").await, &jobs).1, [0, 1]);
        ledger.pause(&jobs[0], &by("tester")).await.expect("asked").done().expect("it can be paused");
        clock.advance(LEASE + 1);
        let rest = claim(&ledger, "other").await;
        assert_eq!(told(&rest, &jobs).1, [1]);
        assert_eq!(told(&claim(&ledger, "other").await, &jobs).1, [2]);
        ledger.resume(&reload(&ledger, &jobs[0]).await, &by("tester")).await.expect("asked").done().expect("it can be resumed");
        close_all(&ledger, &rest).await;
        let last = claim(&ledger, "other").await;
        assert_eq!(told(&last, &jobs).1, [0]);
        close_all(&ledger, &last).await;
        assert_eq!(reload(&ledger, &jobs[0]).await.state, JobState::Completed);
    }

    async fn a_worker_on_one_job_waits_for_a_batch_that_was_left_for_two_leases(place: Place) {
        let clock = Clock::held(1_795_000_000_000);
        let ledger = place.ledger_at(&clock).await;
        queued(&ledger, &[1, 1, 1]).await;
        claim(&ledger, "one").await;
        let second = claim(&ledger, "other").await;
        let mut waiting = waiting(&second, ChangeSet::all());
        waiting.is_of_one_job = true;
        clock.advance(3 * LEASE);
        assert_eq!(in_the_way(&ledger, &waiting, None).await, InTheWay::Left);
        clock.advance(1);
        assert_eq!(in_the_way(&ledger, &waiting, None).await, InTheWay::Nothing);
    }
}
