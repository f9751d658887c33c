//! Somebody who can write whatever they like to the ledger's database, and what a worker does then: nothing that was not approved. Each attempt
//! leaves the job given up, whose rows have `failed` with the reason, and nobody deleted.

use std::sync::Arc;

use tenantry::testing::plan::Limits;
use tenantry::testing::runner::{GateSettings, RunnerSettings};
use tenantry_foundation::db::{Dialect, Tx, Value};
use tenantry_ledger::audit::{self, Action, AuditEntry};
use tenantry_ledger::{Counts, Decided, Job, JobState, Ledger};

use super::approval::{awaiting, deleted};
use super::reload;
use super::signed::Person;
use crate::place::{On, Place, Work, by, on_both, settings};

/// What somebody does to a job that waits, or was approved.
#[derive(Debug, Clone, Copy)]
enum Attack {
    /// Lets it run.
    Queue,
    /// The same, as if it needed no approval.
    QueueUngated,
    /// The same, with a record of an approval.
    Forge,
    /// The same, with a key of the attacker's own enrolled, and its signature.
    EnrolAndSign,
    /// Gets it approved, and then changes its rows.
    Rows,
    /// The same for what the plan expects of them.
    Expected,
    /// The same for both, and for all that the ledger says of them.
    RowsAndSeals,
    /// The same for the recipients of passwords.
    Recipients,
    /// The same for its submitter.
    Submitter,
    /// The same for its kind.
    Kind,
    /// The same for the plan that was approved.
    Header,
    /// Gets it approved, and lets it run although it was cancelled since.
    Cancelled,
    /// Gets it approved, and removes its approvers.
    NoApprovers,
}

const ALL: [Attack; 13] = [
    Attack::Queue,
    Attack::QueueUngated,
    Attack::Forge,
    Attack::EnrolAndSign,
    Attack::Rows,
    Attack::Expected,
    Attack::RowsAndSeals,
    Attack::Recipients,
    Attack::Submitter,
    Attack::Kind,
    Attack::Header,
    Attack::Cancelled,
    Attack::NoApprovers,
];

impl Attack {
    fn comes_after_approval(self) -> bool {
        !matches!(
            self,
            Self::Queue | Self::QueueUngated | Self::Forge | Self::EnrolAndSign
        )
    }

    async fn commit(self, ledger: &Ledger, job: &Job, eve: &Person) {
        let sql: &[&str] = match self {
            Self::Queue | Self::Forge => &["UPDATE jobs SET state = 'queued', decided_by = 'anna', decided_at = 1 WHERE seq = $1"],
            Self::QueueUngated => &["UPDATE jobs SET state = 'queued', gate = NULL, seal = NULL, approval_until = NULL, checks_drift = 0 WHERE seq = $1"],
            Self::EnrolAndSign => &[],
            Self::Rows => &["UPDATE spool SET data = (SELECT s.data FROM spool s WHERE s.input <> spool.input AND s.block = 0 LIMIT 1)
                WHERE input = (SELECT input FROM jobs WHERE seq = $1)"],
            Self::Expected => &["UPDATE chunks SET expected = NULL WHERE job = $1"],
            Self::RowsAndSeals => &[
                "UPDATE spool SET data = (SELECT s.data FROM spool s WHERE s.input <> spool.input AND s.block = 0 LIMIT 1)
                 WHERE input = (SELECT input FROM jobs WHERE seq = $1)",
                "UPDATE chunks SET seal = '00' WHERE job = $1",
            ],
            Self::Recipients => &["UPDATE jobs SET parameters = '{\"skip_invalid\":false,\"seal_to\":[\"age1x\"]}' WHERE seq = $1"],
            Self::Submitter => &["UPDATE jobs SET submitted_by = 'somebody' WHERE seq = $1"],
            Self::Kind => &["UPDATE jobs SET kind = 'restore-users' WHERE seq = $1"],
            Self::Header => &["UPDATE inputs SET header = '[\"user_principal_name\",\"customer\"]' WHERE id = (SELECT input FROM jobs WHERE seq = $1)"],
            Self::Cancelled => &[
                "UPDATE jobs SET state = 'queued', cancel_requested = 0, cancelled = 0, chunks_left = 2, finished_at = NULL WHERE seq = $1",
                "UPDATE chunks SET state = 'queued', pending = 1 WHERE job = $1",
            ],
            Self::NoApprovers => &["DELETE FROM approvers WHERE $1 > 0"],
        };
        let seq: Value = job.seq.into();
        let exec = move |tx: &mut dyn Tx| {
            sql.iter()
                .try_for_each(|sql| tx.exec(sql, std::slice::from_ref(&seq)).map(drop))
        };
        ledger.db().write(exec).await.expect("written");
        let approved = AuditEntry {
            actor: "anna".to_owned(),
            via: None,
            action: Action::Approved,
            job: Some(job.id),
            kind: Some(job.kind.clone()),
            plan_hash: job.seal.clone(),
            counts: Some(Counts::default()),
            note: None,
            digest: None,
        };
        match self {
            Self::Forge => {
                ledger
                    .db()
                    .write(move |tx| audit::append(tx, 1, &approved))
                    .await
                    .expect("forged");
            }
            Self::EnrolAndSign => {
                let (name, key) = (eve.name, eve.public.clone());
                let enrol = move |tx: &mut dyn Tx| {
                    tx.exec(
                        "INSERT INTO approvers (name, key, added_at) VALUES ($1, $2, 1)",
                        &[name.into(), key.into()],
                    )
                };
                ledger.db().write(enrol).await.expect("enrolled");
                assert_eq!(eve.approve(ledger, job).await, Decided::Done);
            }
            _ => {}
        }
    }
}

/// A worker whose configuration names the one whose signature counts.
fn guarded(anna: &Person) -> RunnerSettings {
    RunnerSettings {
        gates: GateSettings {
            policy_holds: true,
            limits: Limits {
                approval: true,
                ..Limits::NONE
            },
            keys: Arc::new([anna.public.clone()]),
        },
        ..settings(2)
    }
}

on_both! {
    async fn a_worker_does_nothing_that_was_not_approved(place: Place) {
        let ledger = place.ledger().await;
        let (anna, eve) = (Person::new("anna", 1), Person::new("eve", 9));
        anna.enrol(&ledger, true, None).await.expect("the first one");
        for attack in ALL {
            let job = awaiting(&ledger).await;
            if attack.comes_after_approval() {
                assert_eq!(anna.approve(&ledger, &job).await, Decided::Done, "{attack:?}");
            }
            if matches!(attack, Attack::Cancelled) {
                assert!(ledger.cancel(job.seq, &by("anna")).await.expect("asked"));
            }
            attack.commit(&ledger, &job, &eve).await;
            let ended = Work::on(&ledger, &reload(&ledger, &job).await).settings(guarded(&anna)).until_ended().await;
            assert_eq!((ended.state, ended.counts.applied, deleted(&ledger).await), (JobState::Failed, 0, 0), "{attack:?}");
            let why = ended.message.unwrap_or_default();
            assert!(why.contains("not as it was approved"), "{attack:?}: {why}");
            if matches!(attack, Attack::NoApprovers) {
                continue;
            }
            let gone = |tx: &mut dyn Tx| tx.exec("DELETE FROM approvers WHERE name = 'eve'", &[]);
            ledger.db().write(gone).await.expect("removed");
        }
    }
}

/// A statement, the one that takes it back, and what is said of it.
type Tampering = (&'static str, &'static str, &'static str);

/// On the job that changed users, `$1`.
const OF_CHANGES: [Tampering; 10] = [
    (
        "UPDATE jobs SET submitted_by = 'bob' WHERE seq = $1",
        "UPDATE jobs SET submitted_by = 'tester' WHERE seq = $1",
        "it says that bob submitted it, and tester did",
    ),
    (
        "UPDATE jobs SET applied = applied + 1 WHERE seq = $1",
        "UPDATE jobs SET applied = applied - 1 WHERE seq = $1",
        "the counts of its rows are not those it ended with",
    ),
    (
        "UPDATE jobs SET state = 'failed' WHERE seq = $1",
        "UPDATE jobs SET state = 'completed' WHERE seq = $1",
        "it is failed, and ended as completed",
    ),
    (
        "UPDATE row_outcomes SET outcome = 'unchanged' WHERE job = $1",
        "UPDATE row_outcomes SET outcome = 'applied' WHERE job = $1",
        "the outcomes of its rows, or the images",
    ),
    (
        "UPDATE before_images SET before = replace(before, '111', '666') WHERE job = $1",
        "UPDATE before_images SET before = replace(before, '666', '111') WHERE job = $1",
        "the outcomes of its rows, or the images",
    ),
    (
        "UPDATE jobs SET decided_by = 'anna' WHERE seq = $1",
        "UPDATE jobs SET decided_by = NULL WHERE seq = $1",
        "it says that anna decided about it, and no decision is on record",
    ),
    (
        "UPDATE jobs SET undo_of = (SELECT MIN(seq) FROM jobs) WHERE seq = $1",
        "UPDATE jobs SET undo_of = NULL WHERE seq = $1",
        "it takes back or tries again another job than it was submitted for",
    ),
    (
        "UPDATE jobs SET total = total + 14 WHERE seq = $1",
        "UPDATE jobs SET total = total - 14 WHERE seq = $1",
        "it has 15 rows, and was submitted with 1",
    ),
    (
        "UPDATE inputs SET name = 'x' || name WHERE id = (SELECT input FROM jobs WHERE seq = $1)",
        "UPDATE inputs SET name = substr(name, 2) WHERE id = (SELECT input FROM jobs WHERE seq = $1)",
        "its file is not the one it was submitted with",
    ),
    (
        "UPDATE jobs SET state = 'odd' WHERE seq = $1",
        "UPDATE jobs SET state = 'completed' WHERE seq = $1",
        "it cannot be read: ",
    ),
];

/// On a job that waits, or on nothing.
const OF_WAITING: [Tampering; 8] = [
    (
        "UPDATE jobs SET state = 'queued' WHERE seq = $1",
        "UPDATE jobs SET state = 'awaiting-approval' WHERE seq = $1",
        "it is queued, and may not be: the audit record has no approval of it",
    ),
    (
        "UPDATE jobs SET parameters = replace(parameters, '{', '{\"customer\":\"x\",') WHERE seq = $1",
        "UPDATE jobs SET parameters = replace(parameters, '\"customer\":\"x\",', '') WHERE seq = $1",
        "are not those that were submitted for approval",
    ),
    (
        "UPDATE jobs SET seal = '00' || seal WHERE seq = $1",
        "UPDATE jobs SET seal = substr(seal, 3) WHERE seq = $1",
        "its plan is not the one it was submitted with",
    ),
    (
        "INSERT INTO policy (key, value) SELECT 'limits.rows', '9' WHERE $1 > 0",
        "DELETE FROM policy WHERE $1 > 0",
        "the policy is not the one that was decided on",
    ),
    (
        "INSERT INTO approvers (name, key, added_at) SELECT 'eve', 'ssh-ed25519 AAAA', 1 WHERE $1 > 0",
        "DELETE FROM approvers WHERE $1 > 0",
        "the approvers are not those whose keys were enrolled",
    ),
    (
        "UPDATE jobs SET state = 'completed', applied = 3, finished_at = created_at WHERE seq = $1",
        "UPDATE jobs SET state = 'awaiting-approval', applied = 0, finished_at = NULL WHERE seq = $1",
        "it is completed, and no end of it is on record",
    ),
    // As if it had never needed an approval.
    (
        "UPDATE jobs SET state = 'queued', plan_hash = seal, seal = NULL, message = plan_hash WHERE seq = $1",
        "UPDATE jobs SET state = 'awaiting-approval', seal = plan_hash, plan_hash = message, message = NULL WHERE seq = $1",
        "it waited for approval, and none is on record",
    ),
    (
        "INSERT INTO jobs (id, kind, parameters, state, submitted_by, created_at, finished_at, carried_out)
         SELECT '01a22d07-73f9-76c1-a57e-24ded6d6a20e', kind, parameters, 'completed', 'anna', created_at, created_at, 1 FROM jobs WHERE seq = $1",
        "DELETE FROM jobs WHERE carried_out = 1 AND id = '01a22d07-73f9-76c1-a57e-24ded6d6a20e' AND $1 > 0",
        "1 of the jobs that say they were carried out as they came in are not on record",
    ),
];

on_both! {
    async fn every_change_in_the_ledger_is_named(place: Place) {
        let ledger = place.ledger().await;
        let waiting = awaiting(&ledger).await;
        let phones = |number: &str| format!("customer,user_principal_name,mobile_phone\nA-1,user5@alpha.onmicrosoft.com,+41 44 {number} 00 00\n");
        crate::place::apply(&ledger, "update-users", &phones("111")).await;
        let changed = crate::place::apply(&ledger, "update-users", &phones("222")).await;
        let exec = async |sql: &'static str, job: &Job| {
            let seq: Value = job.seq.into();
            ledger.db().write(move |tx| tx.exec(sql, &[seq])).await.expect("written")
        };
        let named = async || {
            let report = ledger.verify_deep().await.expect("held against the record");
            assert_eq!(report.fault_count, report.faults.len() as u64);
            report.faults.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(named().await, [] as [&str; 0]);
        let all = OF_CHANGES.iter().map(|one| (one, &changed)).chain(OF_WAITING.iter().map(|one| (one, &waiting)));
        for ((tamper, back, said), job) in all {
            assert!(exec(tamper, job).await > 0, "{tamper}");
            let faults = named().await;
            assert!(!faults.is_empty() && faults.iter().any(|fault| fault.contains(said)), "{tamper}: {faults:?}");
            if tamper.contains("before_images") {
                use tenantry::testing::plan::Limits;
                use tenantry::testing::queue::Queue;
                use tenantry::testing::undo::{UndoError, UndoRequest};

                let stores = tenantry_store::Stores::default();
                let request = UndoRequest { ledger: &ledger, stores: &stores, limits: &Limits::NONE, job: &changed };
                let refused = request.submit(&Queue::embedded(), &by("tester")).await;
                assert!(matches!(refused, Err(UndoError::Altered(_))), "{refused:?}");
            }
            exec(back, job).await;
            assert_eq!(named().await, [] as [&str; 0], "{back}");
        }
        // Where it is noted when the first hash was made, anybody may write who may write images.
        let (note, unnote) = (
            "UPDATE meta SET value = '999999' WHERE key = 'digests_after' AND $1 > 0",
            "UPDATE meta SET value = '0' WHERE key = 'digests_after' AND $1 > 0",
        );
        let (tamper, back, said) = OF_CHANGES[4];
        exec(note, &changed).await;
        assert_eq!(named().await, [] as [&str; 0]);
        exec(tamper, &changed).await;
        let faults = named().await;
        assert!(faults.iter().any(|fault| fault.contains(said)), "{faults:?}");
        assert!(!ledger.is_as_ended(&changed).await.expect("asked"), "{faults:?}");
        exec(back, &changed).await;
        exec(unnote, &changed).await;
        exec("UPDATE jobs SET input = NULL WHERE seq = $1", &changed).await;
        exec("DELETE FROM jobs WHERE seq = $1", &changed).await;
        let faults = named().await;
        assert!(faults.iter().any(|fault| fault.contains("is gone without having been removed on record")), "{faults:?}");
        let unguard = match ledger.db().dialect() {
            Dialect::Sqlite => "DROP TRIGGER audit_no_update",
            Dialect::Postgres => "DROP TRIGGER audit_no_change ON audit",
        };
        ledger.db().write(move |tx| tx.exec(unguard, &[])).await.expect("dropped");
        let faults = named().await;
        assert!(faults.iter().any(|fault| fault.contains("the audit record is not guarded, as triggers are missing (audit_no_")), "{faults:?}");
    }
}
