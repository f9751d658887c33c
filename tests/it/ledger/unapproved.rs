//! Jobs that were let go without the approval they wait for, as somebody can who writes to the ledger's database: what is destructive of them
//! is refused row by row, and by a worker that trusts nothing but signatures all of it is.

use std::time::Duration;

use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::runner::{GateSettings, RunnerSettings};
use tenantry::testing::submit::{Rules, Submitted};
use tenantry::testing::undo::UndoRequest;
use tenantry_foundation::db::{Tx, Value};
use tenantry_ledger::{Actor, Decided, Job, JobState, Ledger, Via};
use tenantry_store::Stores;

use super::approval::deleted;
use super::reload;
use super::signed::Person;
use crate::place::{On, Place, TestJob, Work, apply, by, column, on_both, outcomes, settings, tables};

const LIMITS: Limits = Limits {
    approval: true,
    approval_expires_after: Duration::from_secs(3600),
    own_undo_within: Duration::from_secs(3600),
    user_share: 0.5,
    destructive_rows: 0,
    ..Limits::NONE
};

/// A worker that is held to the limits; to those keys besides.
fn held(keys: &[&Person]) -> RunnerSettings {
    RunnerSettings {
        gates: GateSettings {
            policy_holds: false,
            limits: LIMITS,
            keys: keys.iter().map(|one| one.public.clone()).collect(),
        },
        ..settings(2)
    }
}

async fn waiting(ledger: &Ledger, kind: &str, csv: &str) -> Job {
    let rules = Rules {
        chunk_rows: 5,
        limits: LIMITS,
    };
    match TestJob::new(ledger, kind, csv).rules(rules).submit().await {
        Submitted::AwaitingApproval(id) => ledger.job(id).await.expect("asked").expect("there"),
        _ => panic!("the job does not wait for approval"),
    }
}

/// Lets a job go as if it needed no approval.
async fn let_go(ledger: &Ledger, job: &Job) -> Job {
    let seq: Value = job.seq.into();
    let sql = "UPDATE jobs SET state = 'queued', gate = NULL, seal = NULL, approval_until = NULL, checks_drift = 0 WHERE seq = $1";
    ledger
        .db()
        .write(move |tx: &mut dyn Tx| tx.exec(sql, &[seq]))
        .await
        .expect("written");
    reload(ledger, job).await
}

const USERS: &str = "customer,user_principal_name,display_name,roles\n";

async fn with_users(ledger: &Ledger) -> Job {
    apply(ledger, "add-customer", crate::place::CUSTOMERS).await;
    let rows: String = (0..4)
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,User {n},\n"))
        .collect();
    apply(
        ledger,
        "bulk-add-users",
        &format!("{USERS}{rows}A-1,root@alpha.onmicrosoft.com,Root,Global Administrator\n"),
    )
    .await
}

on_both! {
    async fn rows_that_are_destructive_are_refused_and_the_others_are_not(place: Place) {
        let ledger = place.ledger().await;
        let made = with_users(&ledger).await;
        let users = format!("{USERS}A-1,eve@alpha.onmicrosoft.com,Eve,Global Administrator\nA-1,ben@alpha.onmicrosoft.com,Ben,\nA-1,root@alpha.onmicrosoft.com,Root,Global Administrator\n");
        let reset = "customer,user_principal_name\nA-1,root@alpha.onmicrosoft.com\nA-1,user0@alpha.onmicrosoft.com\n";
        for (kind, csv, ends) in [
            ("bulk-add-users", users.as_str(), ["rejected not-approved", "applied", "unchanged"].as_slice()),
            ("reset-passwords", reset, &["rejected not-approved", "applied"]),
        ] {
            let job = let_go(&ledger, &waiting(&ledger, kind, csv).await).await;
            let done = Work::on(&ledger, &job).settings(held(&[])).until_ended().await;
            let mut all: Vec<String> = (0..done.counts.total).map(|_| "applied".to_owned()).collect();
            for (row, outcome, code) in outcomes(&ledger, &done).await {
                format!("{outcome} {code}").trim().clone_into(&mut all[row as usize - 1]);
            }
            assert_eq!(all, ends, "{kind}");
        }
        let undo = UndoRequest { ledger: &ledger, stores: &Stores::default(), limits: &LIMITS, job: &made };
        let undo = undo.submit(&Queue::embedded(), &by("tester")).await.expect("it waits").job;
        let undo = let_go(&ledger, &ledger.job(undo).await.expect("asked").expect("there")).await;
        let done = Work::on(&ledger, &undo).settings(held(&[])).until_ended().await;
        assert_eq!((done.counts.rejected, done.counts.applied, deleted(&ledger).await), (5, 0, 0));
        let roles = column(ledger.db(), "SELECT user_principal_name FROM users WHERE roles <> ''").await;
        assert_eq!(roles, ["root@alpha.onmicrosoft.com"]);
    }

    async fn submitters_undo_their_own_jobs_alone(place: Place) {
        let ledger = place.ledger().await;
        let tester = Actor::new("tester", Via::Cli).from_account("tester@here".to_owned());
        with_users(&ledger).await;
        let row = format!("{USERS}A-1,new@alpha.onmicrosoft.com,New,\n");
        let made = TestJob::new(&ledger, "bulk-add-users", &row).submitted_by(tester.clone()).run().await;
        let undo = UndoRequest { ledger: &ledger, stores: &Stores::default(), limits: &LIMITS, job: &made };
        let undoing = undo.submit(&Queue::embedded(), &tester).await.expect("it runs");
        assert!(undoing.plan.is_own && undoing.plan.gate.is_none());
        let undo = ledger.job(undoing.job).await.expect("asked").expect("there");
        let done = Work::on(&ledger, &undo).settings(held(&[&Person::new("anna", 1)])).until_ended().await;
        assert_eq!((done.state, done.counts.applied, deleted(&ledger).await), (JobState::Completed, 1, 1));
    }

    async fn jobs_that_contradict_the_record_do_nothing(place: Place) {
        let ledger = place.ledger().await;
        let anna = Person::new("anna", 1);
        with_users(&ledger).await;
        anna.enrol(&ledger, true, None).await.expect("the first one");
        // More than half of the users: nothing that is destructive.
        let phones: String = (0..4).map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,+41 44 111 00 0{n}\n")).collect();
        let phones = format!("customer,user_principal_name,mobile_phone\n{phones}");
        let job = let_go(&ledger, &waiting(&ledger, "update-users", &phones).await).await;
        let ended = Work::on(&ledger, &job).settings(held(&[&anna])).until_ended().await;
        let why = ended.message.unwrap_or_default();
        assert!(ended.counts.applied == 0 && why.contains("it was submitted for approval"), "{why}");
        // One that was submitted where nothing needs approval is held to the limits of this worker.
        let TestQueued(job) = TestQueued::submit(&ledger, "update-users", &phones).await;
        let ended = Work::on(&ledger, &job).settings(held(&[&anna])).until_ended().await;
        let why = ended.message.unwrap_or_default();
        assert!(ended.counts.applied == 0 && why.contains("it needs approval (4 of the 5 users"), "{why}");
        let few = "customer,user_principal_name,mobile_phone\nA-1,user0@alpha.onmicrosoft.com,+41 44 111 00 00\n";
        let TestQueued(job) = TestQueued::submit(&ledger, "update-users", few).await;
        let done = Work::on(&ledger, &job).settings(held(&[&anna])).until_ended().await;
        assert_eq!(done.counts.applied, 1);
        // What has ended is done once.
        for again in [done, job_done_by_approval(&ledger, &anna).await] {
            let seq: Value = again.seq.into();
            let replay = move |tx: &mut dyn Tx| {
                let jobs = "UPDATE jobs SET state = 'queued', finished_at = NULL, applied = 0, chunks_left = (SELECT COUNT(*) FROM chunks WHERE job = $1) WHERE seq = $1";
                tx.exec(jobs, std::slice::from_ref(&seq))?;
                tx.exec("UPDATE chunks SET state = 'queued', pending = rows WHERE job = $1", &[seq])
            };
            ledger.db().write(replay).await.expect("written");
            let ended = Work::on(&ledger, &reload(&ledger, &again).await).settings(held(&[&anna])).until_ended().await;
            let why = ended.message.unwrap_or_default();
            assert!(ended.counts.applied == 0 && why.contains("it has ended"), "{why}");
        }
    }

    async fn a_decision_under_a_former_name_holds_under_the_present_one(place: Place) {
        let ledger = place.ledger().await;
        let anna = Person::new("anna", 1);
        anna.enrol(&ledger, true, None).await.expect("the first one");
        let text = ledger.text_of_decision("approval.within", Some("3d")).await.expect("asked");
        let signed = anna.sign(&text);
        ledger.set_policy("approval.within", Some("3d"), &by("root"), Some(&signed)).await.expect("asked").expect("decided");
        tables::set_meta(ledger.db(), "schema_version", "39").await;
        ledger.close().await;

        let ledger = place.ledger().await;
        let held = ledger.clone().trusting([anna.public.clone()].into()).await.expect("held");
        for ledger in [&ledger, &held] {
            let values = ledger.refresh_policy().await.expect("asked").values;
            assert_eq!(values.get("approval.expires_after").map(String::as_str), Some("3d"));
            assert_eq!(values.len(), 1, "{values:?}");
        }
        drop(held);
        ledger.close().await;
        place.tenantry(&["audit", "verify", "--deep"]).ends(0);
        let answer = place.tenantry(&["policy", "set", "approval.within", "1d"]).ends(2);
        assert!(answer.err.contains("`approval.within` is called `approval.expires_after` now"), "{}", answer.err);
    }

    async fn a_decision_is_the_one_that_was_signed(place: Place) {
        let ledger = place.ledger().await;
        let (anna, eve) = (Person::new("anna", 1), Person::new("eve", 9));
        let set = async |value: &str, signer: Option<&Person>| {
            let text = ledger.text_of_decision("limits.rows", Some(value)).await.expect("asked");
            let signature = signer.map(|one| one.sign(&text));
            ledger.set_policy("limits.rows", Some(value), &by("root"), signature.as_deref()).await.expect("asked").expect("decided");
        };
        set("5", None).await;
        anna.enrol(&ledger, true, None).await.expect("the first one");
        let held = ledger.clone().trusting([anna.public.clone()].into()).await.expect("held");
        let now = async |ledger: &Ledger| ledger.refresh_policy().await.expect("asked").values.get("limits.rows").cloned();
        assert_eq!((now(&ledger).await.as_deref(), now(&held).await), (Some("5"), None), "nobody had signed it");
        for value in ["7", "9"] {
            set(value, Some(&anna)).await;
        }
        assert_eq!(now(&held).await.as_deref(), Some("9"));
        // In the table, and in the record, without a signature, with one of somebody else, and with one of before.
        let notes = ledger.audit_log(None, 10).await.expect("asked");
        let of_before = notes.iter().find_map(|one| one.note.clone().filter(|note| note.contains("is 7"))).expect("a note");
        let forged = format!("policy limits.rows is 50\nsigned by anna x\n{}", eve.sign("anything"));
        let forge = move |tx: &mut dyn Tx| {
            tx.exec("UPDATE policy SET value = '50' WHERE key = 'limits.rows'", &[])?;
            for note in ["policy limits.rows is 50".to_owned(), forged.clone(), of_before.clone()] {
                let entry = tenantry_ledger::audit::AuditEntry::own(tenantry_ledger::audit::Action::Decided, note);
                tenantry_ledger::audit::append(tx, 1, &entry)?;
            }
            Ok(())
        };
        ledger.db().write(forge).await.expect("forged");
        assert_eq!((now(&ledger).await.as_deref(), now(&held).await.as_deref()), (Some("50"), Some("9")));
        // What is decided later counts all the same.
        set("3", Some(&anna)).await;
        assert_eq!(now(&held).await.as_deref(), Some("3"));
    }
}

/// A job that was submitted where nothing needs approval.
struct TestQueued(Job);

impl TestQueued {
    async fn submit(ledger: &Ledger, kind: &str, csv: &str) -> Self {
        match TestJob::new(ledger, kind, csv).submit().await {
            Submitted::Queued(id) => Self(ledger.job(id).await.expect("asked").expect("there")),
            _ => panic!("the job is not queued"),
        }
    }
}

async fn job_done_by_approval(ledger: &Ledger, anna: &Person) -> Job {
    let job = waiting(
        ledger,
        "delete-users",
        "customer,user_principal_name\nA-1,user0@alpha.onmicrosoft.com\n",
    )
    .await;
    assert_eq!(anna.approve(ledger, &job).await, Decided::Done);
    let done = Work::on(ledger, &job).settings(held(&[anna])).until_ended().await;
    assert_eq!(done.state, JobState::Completed);
    done
}

on_both! {
    async fn a_job_that_follows_from_itself_is_given_up(place: Place) {
        let ledger = place.ledger().await;
        with_users(&ledger).await;
        let few = "customer,user_principal_name,mobile_phone\nA-1,user0@alpha.onmicrosoft.com,+41 44 111 00 00\n";
        for column in ["retry_of", "undo_of"] {
            let TestQueued(job) = TestQueued::submit(&ledger, "update-users", few).await;
            let seq: Value = job.seq.into();
            let sql = format!("UPDATE jobs SET {column} = seq WHERE seq = $1");
            ledger.db().write(move |tx: &mut dyn Tx| tx.exec(&sql, &[seq])).await.expect("written");
            let ended = Work::on(&ledger, &reload(&ledger, &job).await).until_ended().await;
            let why = ended.message.unwrap_or_default();
            assert!(ended.state == JobState::Failed && why.contains("follow from itself"), "{column}: {why}");
        }
    }
}
