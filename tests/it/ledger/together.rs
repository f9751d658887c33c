//! Chunks that are claimed together, and closed together.

use std::collections::HashSet;

use tenantry::testing::submit::Submitted;
use tenantry_ledger::{Cause, Claim, Closing, Job, JobState, Ledger, Together, closing, fence};

use super::{STRICT, reload};
use crate::place::{CUSTOMERS, On, Place, TestJob, apply, by, claimant, on_both};

/// Jobs of so many rows each, one chunk each, queued in this order.
pub(super) async fn queued(ledger: &Ledger, rows: &[usize]) -> Vec<Job> {
    apply(ledger, "add-customer", CUSTOMERS).await;
    let mut jobs = Vec::new();
    for (number, rows) in rows.iter().enumerate() {
        let users = super::users(*rows).replace("A-1,user", &format!("A-1,of{number}user"));
        let job = TestJob::new(ledger, "bulk-add-users", &users)
            .parameters(STRICT)
            .chunks(10);
        let Submitted::Queued(id) = job.submit().await else {
            panic!("not queued")
        };
        jobs.push(ledger.job(id).await.expect("asked").expect("there"));
    }
    jobs
}

fn together(chunks: usize, rows: u64) -> Together {
    Together {
        kinds: ["bulk-add-users", "undo"].into(),
        chunks,
        rows,
    }
}

/// The numbers, among `jobs`, of those a worker gets with the next claim.
async fn next(ledger: &Ledger, jobs: &[Job], together: impl Into<Option<Together>>) -> Vec<usize> {
    let claims = ledger
        .claim_together(claimant("w", 60_000), together.into())
        .await
        .expect("asked");
    let number = |claim: &Claim| jobs.iter().position(|job| job.seq == claim.job);
    claims.iter().filter_map(number).collect()
}

pub(super) async fn close_all(ledger: &Ledger, claims: &[Claim]) {
    let claims = claims.to_vec();
    let closed = ledger.db().write(move |tx| {
        fence::check_all(tx, &claims.iter().collect::<Vec<_>>())?;
        let closing = Closing::default();
        let chunks: Vec<_> = claims.iter().map(|claim| (claim, &closing)).collect();
        closing::close_all(tx, &chunks, None, 1)
    });
    closed.await.expect("closed");
}

on_both! {
    async fn chunks_that_fit_are_taken_in_the_order_of_the_jobs(place: Place) {
        let ledger = place.ledger().await;
        let jobs = queued(&ledger, &[2, 3, 4, 8, 1, 1, 1]).await;
        // The fourth would be too much, and what comes after it does not overtake it.
        assert_eq!(next(&ledger, &jobs, together(9, 10)).await, [0, 1, 2]);
        assert_eq!(next(&ledger, &jobs, together(2, 100)).await, [3, 4], "two at most");
        assert_eq!(next(&ledger, &jobs, None).await, [5], "one alone");
        assert_eq!(next(&ledger, &jobs, together(9, 10)).await, [6]);
        assert!(next(&ledger, &jobs, together(9, 10)).await.is_empty());
    }

    async fn jobs_that_are_large_or_not_to_be_run_are_left(place: Place) {
        let ledger = place.ledger().await;
        let jobs = queued(&ledger, &[10, 1, 1, 1]).await;
        assert_eq!(next(&ledger, &jobs, together(9, 10)).await, [0], "it fills the room");
        ledger.pause(&jobs[2], &by("tester")).await.expect("asked").done().expect("it can be paused");
        assert_eq!(next(&ledger, &jobs, together(9, 10)).await, [1, 3]);
        ledger.resume(&jobs[2], &by("tester")).await.expect("asked").done().expect("it can be resumed");
        let other = Some(Together { kinds: ["update-account"].into(), chunks: 9, rows: 10 });
        assert_eq!(next(&ledger, &jobs, other).await, [2], "it is claimed whatever its kind");
    }

    async fn failed_batches_are_tried_job_by_job(place: Place) {
        let ledger = place.ledger().await;
        let jobs = queued(&ledger, &[1, 1, 1]).await;
        let claims = ledger.claim_together(claimant("w", 60_000), Some(together(9, 10))).await.expect("asked");
        assert_eq!(claims.len(), 3);
        let at_once = |_| std::time::Duration::ZERO;
        for claim in &claims[..2] {
            let cause = Cause::Rows { most: 8 };
            ledger.set_back(claim, cause, at_once, "it failed".to_owned()).await.expect("set back");
        }
        let mut alone = Vec::new();
        for _ in 0..2 {
            alone.push(next(&ledger, &jobs, together(9, 10)).await);
        }
        assert_eq!(alone, [[0], [1]]);
    }

    async fn jobs_that_are_closed_together_end_as_if_alone(place: Place) {
        let ledger = place.ledger().await;
        let jobs = queued(&ledger, &[2, 1, 10, 3, 25, 1, 4]).await;
        // What several workers get at a time depends on how they meet; what the first one gets does not.
        let first = ledger.claim_together(claimant("w", 60_000), Some(together(9, 10))).await.expect("asked");
        assert_eq!(first.len(), 2);
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..4 {
            let ledger = ledger.clone();
            workers.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claims = ledger
                        .claim_together(claimant(&format!("w{worker}"), 60_000), Some(together(9, 10)))
                        .await
                        .expect("asked");
                    if claims.is_empty() {
                        return mine;
                    }
                    close_all(&ledger, &claims).await;
                    mine.extend(claims);
                }
            });
        }
        close_all(&ledger, &first).await;
        let others = workers.join_all().await.into_iter().flatten();
        let all: Vec<(i64, i64)> = first.into_iter().chain(others).map(|claim| (claim.job, claim.chunk)).collect();
        assert_eq!(all.len(), 9, "{all:?}");
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 9);
        for job in &jobs {
            let job = reload(&ledger, job).await;
            assert_eq!((job.state, job.counts.applied), (JobState::Completed, job.counts.total));
        }
        place.tenantry(&["audit", "verify"]).ends(0);
        let of_ends = crate::place::tables::actions(&ledger, "applied").await;
        assert_eq!(of_ends, jobs.len() as i64 + 1, "one record for each end");
    }
}
