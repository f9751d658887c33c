//! Decisions about jobs that wait for approval: whose they are to make, and of what.

use std::time::Duration;

use tenantry::testing::plan::Limits;
use tenantry::testing::submit::{Rules, Submitted};
use tenantry_ledger::{Actor, Decided, DecisionRefused, Job, JobState, Ledger};

use super::{queued, reload};
use crate::place::{On, Place, TestJob, Work, by, column, on_both};

/// A deletion of two users, in two chunks, that waits for approval.
pub(super) async fn awaiting(ledger: &Ledger) -> Job {
    let users = queued(ledger, 10).await;
    Work::on(ledger, &users).until_idle().await;
    let csv = "customer,user_principal_name\nA-1,user0@alpha.onmicrosoft.com\nA-1,user1@alpha.onmicrosoft.com\n";
    let rules = Rules {
        chunk_rows: 1,
        limits: Limits {
            approval: true,
            approval_expires_after: Duration::from_secs(3600),
            ..Limits::NONE
        },
    };
    match TestJob::new(ledger, "delete-users", csv).rules(rules).submit().await {
        Submitted::AwaitingApproval(id) => ledger.job(id).await.expect("asked").expect("there"),
        _ => panic!("the job does not wait for approval"),
    }
}

pub(super) async fn deleted(ledger: &Ledger) -> usize {
    column(ledger.db(), "SELECT user_principal_name FROM deleted_users")
        .await
        .len()
}

on_both! {
    async fn approvals_of_own_jobs_and_of_unseen_plans_are_refused(place: Place) {
        let ledger = place.ledger().await;
        let job = awaiting(&ledger).await;
        let hash = job.seal.clone().expect("a hash");
        let other = format!("{}{}", if hash.starts_with('0') { '1' } else { '0' }, &hash[1..]);
        for who in ["tester", " TESTER "] {
            let refused = ledger.approve(&job, &hash, &by(who)).await.expect("asked").done().expect_err("refused");
            assert_eq!(refused, DecisionRefused::OwnJob(who.trim().to_owned()), "{who}");
        }
        let part = DecisionRefused::PartOfHash;
        let wrong = [(other.as_str(), DecisionRefused::OtherPlan), (&hash[..63], part(63)), (&hash[..12], part(12)), ("", part(0))];
        for (seen, why) in wrong {
            let refused = ledger.approve(&job, seen, &by("boss")).await.expect("asked").done().expect_err("refused");
            assert_eq!(refused, why, "{seen}");
            assert!(!refused.to_string().contains(&hash[..12]), "{refused}");
        }
        // The account that it came from is no more of a help than the name that was given.
        let named = Actor { account: Some("root@desk".to_owned()), ..by("bob") };
        let csv = "customer,user_principal_name\nA-1,user2@alpha.onmicrosoft.com\n";
        let rules = Rules { chunk_rows: 1, limits: Limits { approval: true, ..Limits::NONE } };
        let Submitted::AwaitingApproval(id) =
            TestJob::new(&ledger, "delete-users", csv).rules(rules).submitted_by(named).submit().await
        else {
            panic!("the job does not wait for approval")
        };
        let under_a_name = ledger.job(id).await.expect("asked").expect("there");
        for who in ["bob", "root", "Root"] {
            let seen = under_a_name.seal.clone().expect("a hash");
            let refused = ledger.approve(&under_a_name, &seen, &by(who)).await.expect("asked").done().expect_err("refused");
            assert_eq!(refused, DecisionRefused::OwnJob(who.to_owned()), "{who}");
        }
        let idle = Work::on(&ledger, &reload(&ledger, &job).await).until_idle().await;
        assert_eq!((idle.state, idle.decided_by.as_deref(), deleted(&ledger).await), (JobState::AwaitingApproval, None, 0));
        ledger.approve(&job, &hash.to_uppercase(), &by("boss")).await.expect("asked").done().expect("approved");
        // Two who decide at once have both read that the job waits.
        for decided in [ledger.approve(&job, &hash, &by("other")).await, ledger.reject_plan(&job, &by("other"), "").await] {
            assert_eq!(decided.expect("asked"), Decided::Refused(DecisionRefused::NotWaiting("decided on already")));
        }
        let done = Work::on(&ledger, &job).until_idle().await;
        assert_eq!((done.state, done.decided_by.as_deref(), deleted(&ledger).await), (JobState::Completed, Some("boss"), 2));
    }

    async fn a_retry_needs_its_own_approval(place: Place) {
        let ledger = place.ledger().await;
        let approve = async |job: &Job| {
            ledger.approve(job, job.hash_to_approve(), &by("boss")).await.expect("asked").done().expect("approved");
        };
        let rejected = awaiting(&ledger).await;
        ledger.reject_plan(&rejected, &by("boss"), "no").await.expect("asked").done().expect("rejected");
        let withdrawn = awaiting(&ledger).await;
        assert!(ledger.cancel(withdrawn.seq, &by("tester")).await.expect("asked"));
        // Who had approved it takes that back.
        let stopped = awaiting(&ledger).await;
        approve(&stopped).await;
        assert!(ledger.cancel(stopped.seq, &by("boss")).await.expect("asked"));
        let mut last = None;
        for job in [&rejected, &withdrawn, &stopped] {
            let job = reload(&ledger, job).await;
            assert_eq!((job.state, job.counts.cancelled), (JobState::Cancelled, 2));
            // A line of them, by different people, lends no authority.
            let mut parent = job;
            for who in ["tester", "mallory"] {
                let again = ledger.retry(&parent, &by(who), 60_000).await.expect("asked").queued().expect("retried");
                let again = Work::on(&ledger, &ledger.job(again).await.expect("asked").expect("there")).until_idle().await;
                assert_eq!((again.state, &again.gate), (JobState::AwaitingApproval, &parent.gate));
                let until = again.approval_until.expect("a time");
                assert!(until <= again.created_at + 60_000);
                assert_ne!(again.seal, parent.seal);
                for old in [&parent, &stopped] {
                    let refused = ledger.approve(&again, old.hash_to_approve(), &by("boss")).await.expect("asked").done();
                    assert_eq!(refused, Err(DecisionRefused::OtherPlan));
                }
                assert!(ledger.cancel(again.seq, &by(who)).await.expect("asked"));
                parent = reload(&ledger, &again).await;
            }
            last = Some(parent);
        }
        assert_eq!(deleted(&ledger).await, 0);
        let again = ledger.retry(&last.expect("one"), &by("tester"), 60_000).await.expect("asked").queued().expect("retried");
        let again = ledger.job(again).await.expect("asked").expect("there");
        assert!(ledger.is_as_sealed(&again).await.expect("asked"));
        approve(&again).await;
        let again = Work::on(&ledger, &again).until_idle().await;
        assert_eq!((again.state, again.counts.applied, deleted(&ledger).await), (JobState::Completed, 2, 2));
    }
}
