//! `[limits]`, each met from both sides: what is just within runs, what is just beyond waits for somebody else; and a
//! job of which too much goes wrong stops by itself.

use tenantry::testing::app;
use tenantry::testing::config::Config;
use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::runner::RunnerSettings;
use tenantry::testing::submit::{Rules, Submitted};
use tenantry::testing::undo::UndoRequest;
use tenantry_ledger::{ErrorLimit, Job, JobState, Ledger};
use tenantry_store::Stores;

use crate::place::{CUSTOMERS, On, Place, TestJob, Work, apply, by, column, on_both, outcomes, settings};

/// The limits that a policy with these keys under `limits` makes, where the configuration leaves it to that.
pub(super) fn limits(keys: &[(&str, u64)]) -> Limits {
    let config = Config::from_layers(None, [], Vec::new()).expect("a sound configuration");
    let values = keys
        .iter()
        .map(|(key, value)| (format!("limits.{key}"), value.to_string()));
    app::limits_by(&values.collect(), &config)
}

pub(super) fn users(numbers: std::ops::Range<usize>) -> String {
    let rows: String = numbers
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,F{n},L\n"))
        .collect();
    format!("customer,user_principal_name,first_name,last_name\n{rows}")
}

/// New passwords for some of the users.
pub(super) fn resets(numbers: std::ops::Range<usize>) -> String {
    let rows: String = numbers
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com\n"))
        .collect();
    format!("customer,user_principal_name\n{rows}")
}

/// Why the job waits for approval; nothing if it does not.
async fn reasons(ledger: &Ledger, kind: &str, csv: &str, limits: Limits) -> Vec<String> {
    let rules = Rules { chunk_rows: 4, limits };
    match TestJob::new(ledger, kind, csv).rules(rules).submit().await {
        Submitted::Queued(id) => {
            let job = ledger.job(id).await.expect("asked").expect("there");
            assert_eq!(Work::on(ledger, &job).until_idle().await.state, JobState::Completed);
            Vec::new()
        }
        Submitted::AwaitingApproval(id) => {
            let job = ledger.job(id).await.expect("asked").expect("there");
            assert_eq!(job.state, JobState::AwaitingApproval);
            assert!(ledger.cancel(job.seq, &by("tester")).await.expect("asked"));
            job.gate
        }
        _ => panic!("neither queued nor waiting"),
    }
}

async fn undo_gate(ledger: &Ledger, job: &Job, limits: &Limits) -> Vec<String> {
    let undoing = UndoRequest {
        ledger,
        stores: &Stores::default(),
        limits,
        job,
    }
    .submit(&Queue::embedded(), &by("tester"))
    .await;
    let id = undoing.expect("an undo").job;
    let undo = Work::on(ledger, &ledger.job(id).await.expect("asked").expect("there"))
        .until_idle()
        .await;
    assert_eq!(undo.state == JobState::AwaitingApproval, !undo.gate.is_empty());
    undo.gate
}

/// A worker that does one chunk after the other and minds these errors.
fn minding(rate: f64, min_rows: u64) -> RunnerSettings {
    RunnerSettings {
        errors: Some(ErrorLimit { rate, min_rows }),
        ..settings(1)
    }
}

on_both! {
    async fn a_share_of_a_customers_users_beyond_the_limit_needs_approval(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        // New users are no share of those there are.
        assert!(reasons(&ledger, "bulk-add-users", &users(0..10), limits(&[("user_percent", 29), ("user_percent_min_users", 1)])).await.is_empty());
        let over = reasons(&ledger, "reset-passwords", &resets(0..3), limits(&[("user_percent", 29), ("user_percent_min_users", 3)])).await;
        assert_eq!(over, ["3 of the 10 users of alpha.onmicrosoft.com, more than 29 %"]);
        let few = reasons(&ledger, "reset-passwords", &resets(0..3), limits(&[("user_percent", 29), ("user_percent_min_users", 4)])).await;
        assert!(few.is_empty(), "{few:?}");
        let just = reasons(&ledger, "reset-passwords", &resets(3..6), limits(&[("user_percent", 60), ("user_percent_min_users", 3)])).await;
        assert!(just.is_empty(), "{just:?}");
        // Nothing is done to those who have a new password already.
        let done = reasons(&ledger, "reset-passwords", &resets(0..6), limits(&[("user_percent", 0), ("user_percent_min_users", 1)])).await;
        assert!(done.is_empty(), "{done:?}");
    }

    async fn more_rows_than_the_limit_need_approval(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        assert_eq!(reasons(&ledger, "bulk-add-users", &users(0..6), limits(&[("rows", 5)])).await, ["6 rows, more than 5"]);
        assert!(reasons(&ledger, "bulk-add-users", &users(0..6), limits(&[("rows", 6)])).await.is_empty());
        // All over again there is nothing to do, and nothing to approve.
        assert!(reasons(&ledger, "bulk-add-users", &users(0..6), limits(&[("rows", 5)])).await.is_empty());
        assert!(reasons(&ledger, "bulk-add-users", &users(6..12), Limits { approval: false, ..limits(&[("rows", 5)]) }).await.is_empty());
    }

    async fn more_destructive_rows_than_the_limit_need_approval(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let (three, two) = (apply(&ledger, "bulk-add-users", &users(0..3)).await, apply(&ledger, "bulk-add-users", &users(3..5)).await);
        // To take users back is to delete them, though the kind that made them is not destructive.
        let two_rows = limits(&[("destructive_rows", 2), ("user_percent_min_users", 100)]);
        assert_eq!(undo_gate(&ledger, &three, &two_rows).await, ["3 destructive rows, more than 2"]);
        assert!(undo_gate(&ledger, &two, &two_rows).await.is_empty());
        assert_eq!(column(ledger.db(), "SELECT user_principal_name FROM users").await.len(), 3);
        // Kinds that are destructive as such have no limit.
        let one = reasons(&ledger, "delete-users", &resets(0..1), limits(&[("destructive_rows", 100), ("user_percent_min_users", 100)])).await;
        assert_eq!(one, ["every `delete-users` needs approval"]);
    }

    async fn a_job_of_which_too_much_goes_wrong_stops_until_it_is_resumed(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        // All sound when they are handed in; by the time they are worked on, somebody has taken six of the names: a
        // whole chunk's, and one of the next.
        let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", &users(0..20)).submit().await else {
            panic!("not queued")
        };
        let taken = users(0..6).replace(",F", ",Other");
        assert_eq!(TestJob::new(&ledger, "bulk-add-users", &taken).run().await.counts.applied, 6);
        let job = ledger.job(id).await.expect("asked").expect("there");

        let paused = Work::on(&ledger, &job).settings(minding(0.29, 5)).until_idle().await;
        assert_eq!((paused.state, paused.counts.rejected, paused.counts.finished()), (JobState::Paused, 5, 5));
        assert_eq!(paused.message.as_deref(), Some("paused: 5 of 5 rows were rejected or failed, more than 29 %; `resume` goes on"));
        let history = ledger.audit_log(Some(id), 1).await.expect("asked");
        assert_eq!((history[0].action.as_str(), history[0].note.as_deref()), ("paused", paused.message.as_deref()));
        let idle = Work::on(&ledger, &paused).settings(minding(0.29, 5)).until_idle().await;
        assert_eq!((idle.state, idle.counts.finished()), (JobState::Paused, 5), "it waits for a person");

        ledger.resume(&paused, &by("boss")).await.expect("asked").done().expect("resumed");
        // What went wrong before does not count again, and one in five is just what may.
        let ended = Work::on(&ledger, &paused).settings(minding(0.2, 5)).until_idle().await;
        assert_eq!((ended.state, ended.counts.applied, ended.counts.rejected), (JobState::Completed, 14, 6));
        assert!(outcomes(&ledger, &ended).await.iter().all(|(_, _, code)| code == "user-exists"));
        let refused = ledger.resume(&ended, &by("boss")).await.expect("asked").done().expect_err("refused");
        assert_eq!(refused.to_string(), "the job is completed, which cannot be resumed");
    }
}
