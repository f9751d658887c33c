//! What happens only because time passes, with a clock that moves when the test says so: approvals that nobody
//! gives, requests that nobody answers, and users that can no longer be brought back.

use std::time::Duration;

use tenantry::testing::plan::Limits;
use tenantry::testing::submit::{Rules, Submitted};
use tenantry_foundation::clock::Clock;
use tenantry_ledger::{DecisionRefused, Job, JobState, Ledger};

use super::{sample, undo};
use crate::counterpart::{self, Answer, TheirRequest};
use crate::place::{On, Place, TestJob, Work, apply, by, column, on_both, outcomes};

/// 2027-01-15, 08:00 UTC.
const START: i64 = 1_800_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// The last day of what takes thirty days from the start.
const THIRTY_DAYS_ON: &str = "2027-02-14";

const LUC: &str = "customer,user_principal_name\nCRM-1001,luc.perrin@alpenblickhotels.onmicrosoft.com\n";
const SEAN: &str = "customer,user_principal_name\nCRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com\n";

/// A ledger with the sample customers and what `kinds` give them.
async fn prepared(place: &Place, clock: &Clock, kinds: &[&str]) -> Ledger {
    let ledger = place.ledger_at(clock).await;
    for kind in [&["add-customer"], kinds].concat() {
        let job = apply(&ledger, kind, sample(kind)).await;
        assert_eq!(job.counts.applied, job.counts.total, "{kind}");
    }
    ledger
}

/// A deletion that waits for approval, for a week.
async fn awaiting(ledger: &Ledger, csv: &str) -> Job {
    let rules = Rules {
        chunk_rows: 5,
        limits: Limits {
            approval: true,
            approval_expires_after: Duration::from_secs(7 * 24 * 60 * 60),
            ..Limits::NONE
        },
    };
    match TestJob::new(ledger, "delete-users", csv).rules(rules).submit().await {
        Submitted::AwaitingApproval(id) => ledger.job(id).await.expect("asked").expect("there"),
        _ => panic!("the job does not wait for approval"),
    }
}

/// What is said of the first row of a job.
async fn said(ledger: &Ledger, job: &Job) -> (&'static str, String, String) {
    let rows = ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
    let record = rows.record(1, 2);
    (
        record.outcome.map_or("", |outcome| outcome.as_str()),
        record.code,
        record.message,
    )
}

/// What was done to a job and by whom, oldest first.
async fn audited(ledger: &Ledger, job: &Job) -> Vec<(String, String)> {
    let records = ledger.audit_log(Some(job.id), 100).await.expect("asked");
    records
        .into_iter()
        .rev()
        .map(|record| (record.action, record.actor))
        .collect()
}

async fn transfers(ledger: &Ledger) -> Vec<String> {
    column(
        ledger.db(),
        "SELECT status FROM transfers ORDER BY created_at, subscription_id",
    )
    .await
}

on_both! {
    async fn an_approval_not_given_in_time_expires(place: Place) {
        let clock = Clock::held(START);
        let ledger = prepared(&place, &clock, &["set-seats", "bulk-add-users"]).await;
        let (late, early) = (awaiting(&ledger, sample("delete-users")).await, awaiting(&ledger, LUC).await);
        clock.advance(7 * DAY);
        // The last moment is still in time.
        assert_eq!(ledger.expire_approvals().await.expect("swept"), 0);
        let hash = early.hash_to_approve().to_owned();
        ledger.approve(&early, &hash, &by("boss")).await.expect("asked").done().expect("approved");
        clock.advance(1);
        let hash = late.hash_to_approve().to_owned();
        let refused = ledger.approve(&late, &hash, &by("boss")).await.expect("asked").done().expect_err("refused");
        assert_eq!(refused, DecisionRefused::Expired, "though no sweep has come by");
        assert!(refused.to_string().contains("the time to approve the job ran out"), "{refused}");

        let ended = Work::on(&ledger, &late).beside_other_jobs().until_ended().await;
        assert_eq!((ended.state, ended.counts.cancelled, ended.counts.finished()), (JobState::Cancelled, 3, 3));
        assert_eq!(ended.message.as_deref(), Some("nobody approved the job in time"));
        assert_eq!(said(&ledger, &ended).await.0, "cancelled");
        let refused = ledger.approve(&ended, &hash, &by("boss")).await.expect("asked").done().expect_err("refused");
        assert!(refused.to_string().contains("the job is cancelled"), "{refused}");
        let history = audited(&ledger, &ended).await;
        let expected = [("submitted", "tester"), ("expired", "tenantry"), ("applied", "tester")];
        assert_eq!(history, expected.map(|(action, actor)| (action.to_owned(), actor.to_owned())));
        assert_eq!(ledger.verify_audit(None).await.expect("asked").fault_count, 0);
        // The one that was approved in time ran.
        let early = Work::on(&ledger, &early).until_idle().await;
        assert_eq!((early.state, early.counts.applied), (JobState::Completed, 1));
        assert_eq!(column(ledger.db(), "SELECT user_principal_name FROM deleted_users").await.len(), 1);
    }

    async fn an_unanswered_transfer_expires_after_thirty_days(place: Place) {
        let clock = Clock::held(START);
        let ledger = prepared(&place, &clock, &["set-subscriptions"]).await;
        let asked = TestJob::new(&ledger, "switch-subscription", sample("switch-subscription")).run().await;
        assert_eq!((asked.state, asked.waiting, asked.counts.applied), (JobState::Running, 3, 1));
        let before = column(ledger.db(), "SELECT status FROM subscriptions ORDER BY subscription_id").await;
        clock.advance(30 * DAY);
        let still = Work::on(&ledger, &asked).until_idle().await;
        assert_eq!((still.waiting, transfers(&ledger).await), (3, ["pending", "pending", "on-paper", "pending"].map(str::to_owned).to_vec()));
        let (outcome, code, message) = said(&ledger, &still).await;
        assert_eq!((outcome, code.as_str()), ("", "waiting"));
        assert!(message.contains(&format!("can answer until {THIRTY_DAYS_ON}")), "{message}");

        clock.advance(1000);
        let ended = Work::on(&ledger, &asked).beside_other_jobs().until_ended().await;
        assert_eq!((ended.state, ended.waiting), (JobState::Completed, 0));
        assert_eq!((ended.counts.applied, ended.counts.rejected), (1, 3));
        let codes = outcomes(&ledger, &ended).await;
        assert_eq!(codes, [1, 2, 3].map(|row| (row, "rejected".to_owned(), "transfer-closed".to_owned())));
        let (_, _, message) = said(&ledger, &ended).await;
        assert!(message.contains("Matterhorn Cloud GmbH has not answered within 30 days; the request has expired"), "{message}");
        assert_eq!(transfers(&ledger).await.iter().filter(|status| *status == "expired").count(), 3);
        let after = column(ledger.db(), "SELECT status FROM subscriptions ORDER BY subscription_id").await;
        assert_eq!(after, before, "nothing has changed hands");
        // A new request can be made, as the message says.
        let again = TestJob::new(&ledger, "switch-subscription", sample("switch-subscription")).run().await;
        assert_eq!((again.waiting, again.counts.unchanged), (3, 1));
    }

    async fn an_expired_request_does_not_block_other_jobs(place: Place) {
        const SUSPEND: &str = "customer,subscription_id,reason\nCRM-1001,f41fcb28-e1ec-4229-9aa5-148c01a8c3f5,unpaid\n";
        let clock = Clock::held(START);
        let ledger = prepared(&place, &clock, &["set-subscriptions"]).await;
        let asked = TestJob::new(&ledger, "switch-subscription", sample("switch-subscription")).run().await;
        // Nobody looks at the requests any more.
        assert!(ledger.cancel(asked.seq, &by("tester")).await.expect("asked"));
        clock.advance(30 * DAY);
        let refused = apply(&ledger, "suspend-subscription", SUSPEND).await;
        assert_eq!(outcomes(&ledger, &refused).await, [(1, "rejected".to_owned(), "transfer-open".to_owned())]);
        clock.advance(1);
        let now = clock.now_millis();
        let answered = ledger.db().write(move |tx| counterpart::answer(tx, "f41fcb28-e1ec-4229-9aa5-148c01a8c3f5", Answer::Accept, now)).await;
        assert_eq!(answered.expect("asked"), 0, "the other side is too late too");
        let suspended = apply(&ledger, "suspend-subscription", SUSPEND).await;
        assert_eq!(suspended.counts.applied, 1, "{:?}", said(&ledger, &suspended).await);
    }

    async fn their_request_is_ours_to_answer_for_thirty_days(place: Place) {
        const THEIRS: [&str; 2] = ["f5057fee-4c3e-4459-82dd-21250b729601", "d01e13be-235f-461f-8392-3dd14744f3e0"];
        let clock = Clock::held(START);
        let ledger = prepared(&place, &clock, &["set-subscriptions"]).await;
        for (number, (customer, subscription_id)) in (1..).zip([("alpenblickhotels.onmicrosoft.com", THEIRS[0]), ("graysonlogistics.onmicrosoft.com", THEIRS[1])]) {
            let theirs = TheirRequest {
                customer,
                subscription_id,
                flow: "new-commerce",
                partner_tenant_id: "047e2168-6e50-4ddc-ace8-8f9bcedc842f",
                partner_name: "Matterhorn Cloud GmbH",
            };
            let made = ledger.db().write(move |tx| counterpart::request(tx, &theirs, number, START)).await;
            assert_eq!(made.expect("made"), 1);
        }
        let accept = |customer: &str, id: &str| format!("customer,subscription_id,direction,partner_tenant_id,flow,action\n{customer},{id},out,047e2168-6e50-4ddc-ace8-8f9bcedc842f,new-commerce,accept\n");
        clock.advance(30 * DAY);
        let in_time = apply(&ledger, "switch-subscription", &accept("CRM-1001", THEIRS[0])).await;
        assert_eq!(in_time.counts.applied, 1, "{:?}", said(&ledger, &in_time).await);
        clock.advance(1);
        let late = apply(&ledger, "switch-subscription", &accept("CRM-1003", THEIRS[1])).await;
        let (outcome, code, message) = said(&ledger, &late).await;
        assert_eq!((outcome, code.as_str()), ("rejected", "transfer-closed"));
        assert!(message.contains("the last one is expired"), "{message}");
    }

    async fn a_deleted_user_comes_back_for_thirty_days(place: Place) {
        let clock = Clock::held(START);
        let ledger = prepared(&place, &clock, &["set-seats", "bulk-add-users"]).await;
        let (luc, sean) = (apply(&ledger, "delete-users", LUC).await, apply(&ledger, "delete-users", SEAN).await);
        clock.advance(30 * DAY);
        let undone = undo(&ledger, &luc).await;
        let (outcome, code, _) = said(&ledger, &undone).await;
        assert_eq!((outcome, code.as_str()), ("applied", "undone"));
        clock.advance(1);
        let deadline = format!("could be restored until {THIRTY_DAYS_ON}");
        let late = undo(&ledger, &sean).await;
        let (outcome, code, message) = said(&ledger, &late).await;
        assert_eq!((outcome, code.as_str()), ("rejected", "irreversible"));
        assert!(message.contains(&deadline), "{message}");
        let restored = apply(&ledger, "restore-users", SEAN).await;
        let (_, code, message) = said(&ledger, &restored).await;
        assert!(code == "restore-expired" && message.contains(&deadline), "{code}: {message}");
        // When the store has let go of the user, the deadline is still known.
        assert_eq!(tenantry_store::sql::purge_deleted_users(&ledger).await.expect("swept"), 1);
        let gone = undo(&ledger, &sean).await;
        let (_, code, message) = said(&ledger, &gone).await;
        assert_eq!(code, "irreversible");
        assert!(message.contains("gone for good") && message.contains(&deadline), "{message}");
        assert_eq!(column(ledger.db(), "SELECT user_principal_name FROM users WHERE user_principal_name LIKE 'luc.%' OR user_principal_name LIKE 'sean.%'").await, ["luc.perrin@alpenblickhotels.onmicrosoft.com"]);
    }
}
