//! The audit record: what is recorded, that it cannot be changed quietly, and what `tenantry audit` says of it.

mod anchors;
mod command;
mod tampering;

use tenantry::testing::submit::Submitted;
use tenantry_foundation::db::{DbError, Tx};
use tenantry_ledger::audit::{self, Action, AuditEntry, AuditRecord, ChainFault, ChainReport};
use tenantry_ledger::{Counts, JobState, Ledger, Parameters, Via};

use crate::place::{CUSTOMERS, On, Place, TestJob, Work, apply, by, claimant, on_both, tables};

const USERS: &str = "customer,user_principal_name,first_name,last_name\n\
    A-1,a@alpha.onmicrosoft.com,A,A\nA-1,b@alpha.onmicrosoft.com,B,B\n";

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

fn entry(n: u64) -> AuditEntry {
    AuditEntry {
        actor: format!("actor {n}"),
        // Every other one as an earlier version recorded it.
        via: (n % 2 == 1).then(|| Via::Inbox.as_str().to_owned()),
        action: Action::Applied,
        job: None,
        kind: Some("add-customer".to_owned()),
        plan_hash: Some(format!("{n:064x}")),
        counts: n.is_multiple_of(2).then(|| Counts {
            applied: n,
            total: n,
            ..Counts::default()
        }),
        note: n.is_multiple_of(3).then(|| format!("3:a;,\u{e9}\n{n}")),
        digest: n.is_multiple_of(5).then(|| format!("{n:032x}")),
    }
}

async fn append(ledger: &Ledger, count: u64) {
    let append = move |tx: &mut dyn Tx| (1..=count).try_for_each(|n| audit::append(tx, n as i64, &entry(n)));
    ledger.db().write(append).await.expect("recorded");
}

async fn records(ledger: &Ledger) -> Vec<AuditRecord> {
    ledger.audit_page(None, 0).await.expect("read")
}

async fn verify(ledger: &Ledger) -> ChainReport {
    ledger.verify_audit(None).await.expect("verified")
}

async fn run(ledger: &Ledger, sql: &[&str]) -> Result<(), DbError> {
    let sql: Vec<String> = sql.iter().map(|&sql| sql.to_owned()).collect();
    let work = move |tx: &mut dyn Tx| sql.iter().try_for_each(|sql| tx.exec(sql, &[]).map(drop));
    ledger.db().write(work).await
}

on_both! {
    async fn a_job_s_life_is_recorded_in_order(place: Place) {
        let ledger = place.ledger().await;
        let customers = apply(&ledger, "add-customer", CUSTOMERS).await;
        let users = TestJob::new(&ledger, "bulk-add-users", USERS).parameters(STRICT).chunks(1).run().await;
        let seen: Vec<_> = records(&ledger).await.into_iter().map(|one| (one.seq, one.actor, one.action, one.job, one.kind)).collect();
        let expected: Vec<_> = [(1, "submitted", &customers), (2, "applied", &customers), (3, "submitted", &users), (4, "applied", &users)]
            .into_iter()
            .map(|(seq, action, job)| (seq, "tester".to_owned(), action.to_owned(), Some(job.id.to_string()), Some(job.kind.clone())))
            .collect();
        assert_eq!(seen, expected);
        let records = records(&ledger).await;
        assert_eq!(records[2].note, Some(format!("bulk-add-users.csv, sha256 {}", users.input_sha256)));
        assert!(records[3].note.as_ref().is_some_and(|note| note.starts_with("completed, last worker ")), "{records:?}");
        assert_eq!(records[3].counts.as_deref(), Some(r#"{"applied":2,"cancelled":0,"failed":0,"rejected":0,"total":2,"unchanged":0}"#));
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count, report.last), (4, 0, Some(4)), "{report:?}");
        // Asking for the same work again records nothing, nor does a job of which nothing became.
        TestJob::new(&ledger, "bulk-add-users", &USERS.replace("A-1", "A-9")).parameters(STRICT).submit().await;
        assert_eq!(verify(&ledger).await.records, 4);
    }

    async fn the_way_in_is_recorded_and_part_of_the_hash(place: Place) {
        let ledger = place.ledger().await;
        let job = apply(&ledger, "add-customer", CUSTOMERS).await;
        let by_itself = AuditEntry { via: None, ..entry(1) };
        ledger.db().write(move |tx| audit::append(tx, 3, &by_itself)).await.expect("recorded");
        let told = records(&ledger).await;
        let ways: Vec<_> = told.iter().map(|one| one.via.as_deref()).collect();
        // The record of a job's end has the way in of its submission.
        assert_eq!(ways, [Some("cli"), Some("cli"), None], "{job:?}");
        assert_eq!(verify(&ledger).await.fault_count, 0);
        // A record without a way has the hash that earlier versions gave it.
        let mut with = told[2].clone();
        with.via = Some(String::new());
        assert_ne!(with.computed(), told[2].hash);
        let line = told[2].to_json();
        assert!(!line.contains("via"), "{line}");
        assert_eq!(AuditRecord::from_json(&told[0].to_json()), Ok(told[0].clone()));
    }

    async fn stopping_repeating_and_having_nothing_to_do_are_recorded(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", USERS).parameters(STRICT).chunks(1).submit().await else { panic!("not queued") };
        let job = ledger.job(id).await.expect("asked").expect("there");
        assert!(ledger.cancel(job.seq, &by("bea")).await.expect("cancelled"));
        assert!(!ledger.cancel(job.seq, &by("bea")).await.expect("it has ended"));
        let job = ledger.job(id).await.expect("asked").expect("there");
        let again = ledger.retry(&job, &by("cy"), 60_000).await.expect("asked").queued().expect("retried");
        Work::on(&ledger, &ledger.job(again).await.expect("asked").expect("there")).until_idle().await;
        let rejected = apply(&ledger, "bulk-add-users", &USERS.replace("A-1", "A-9")).await;
        assert_eq!(rejected.state, JobState::Completed);
        let seen: Vec<_> = records(&ledger).await.split_off(2).into_iter().map(|one| (one.actor, one.action, one.job.unwrap_or_default())).collect();
        let expected = [
            ("tester", "submitted", id), ("bea", "cancelled", id), ("tester", "applied", id),
            ("cy", "retried", again), ("cy", "applied", again),
            ("tester", "submitted", rejected.id), ("tester", "applied", rejected.id),
        ];
        assert_eq!(seen, expected.map(|(actor, action, job)| (actor.to_owned(), action.to_owned(), job.to_string())));
        let notes: Vec<_> = records(&ledger).await.into_iter().map(|one| one.note.unwrap_or_default()).collect();
        assert_eq!((notes[4].as_str(), notes[5].as_str(), notes[8].as_str()), ("cancelled", format!("retries job {id}").as_str(), "completed"));
        assert_eq!(verify(&ledger).await.fault_count, 0);
    }

    async fn a_job_given_up_or_left_behind_is_recorded_as_ended(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        TestJob::new(&ledger, "bulk-add-users", USERS).parameters(STRICT).submit().await;
        let claim = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
        ledger.give_up(&claim, "hopeless".to_owned()).await.expect("given up");
        TestJob::new(&ledger, "bulk-add-users", USERS).parameters(STRICT).submit().await;
        let claim = ledger.claim(claimant("w", -1)).await.expect("asked").expect("a chunk");
        ledger.cancel(claim.job, &by("bea")).await.expect("cancelled");
        ledger.clear_up_cancelled().await.expect("swept");
        let notes: Vec<_> = records(&ledger).await.split_off(2).into_iter().map(|one| (one.action, one.note.unwrap_or_default())).collect();
        assert_eq!(notes[1], ("applied".to_owned(), "failed, last worker w".to_owned()));
        assert_eq!(notes[4], ("applied".to_owned(), "cancelled".to_owned()));
        assert_eq!(verify(&ledger).await.fault_count, 0);
    }

    async fn nothing_recorded_can_be_changed_by_mistake(place: Place) {
        let ledger = place.ledger().await;
        append(&ledger, 3).await;
        for sql in [
            "UPDATE audit SET actor = 'x' WHERE seq = 2",
            "DELETE FROM audit WHERE seq = 3",
            "DELETE FROM audit_head",
            "UPDATE audit_head SET seq = 2",
            "UPDATE audit_head SET seq = 4, hash = 'x'",
            "INSERT INTO audit_head (id, seq, hash) VALUES (2, 0, '')",
            "INSERT INTO audit (seq, at, actor, action, prev, hash) SELECT 9, 1, 'x', 'x', hash, 'x' FROM audit_head",
            "INSERT INTO audit (seq, at, actor, action, prev, hash) VALUES (4, 1, 'x', 'x', 'x', 'x')",
            // Several in one statement: the second follows on another one than the first, or not at once.
            "INSERT INTO audit (seq, at, actor, action, prev, hash) SELECT 4, 1, 'x', 'x', hash, 'y' FROM audit_head
               UNION ALL SELECT 5, 1, 'x', 'x', 'x', 'z' ORDER BY 1",
            "INSERT INTO audit (seq, at, actor, action, prev, hash) SELECT 4, 1, 'x', 'x', hash, 'y' FROM audit_head
               UNION ALL SELECT 6, 1, 'x', 'x', 'y', 'z' ORDER BY 1",
        ] {
            let refused = run(&ledger, &[sql]).await.expect_err(sql).to_string();
            assert!(refused.contains("audit record"), "{sql}: {refused}");
        }
        assert_eq!(verify(&ledger).await.fault_count, 0);
    }

    async fn a_transaction_that_fails_leaves_no_record(place: Place) {
        let ledger = place.ledger().await;
        append(&ledger, 1).await;
        let failed = ledger.db().write(|tx| { audit::append(tx, 1, &entry(2))?; Err::<(), _>(DbError::LeaseLost) }).await;
        assert!(failed.is_err());
        append(&ledger, 1).await;
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count), (2, 0));
    }

    async fn many_at_once_make_one_chain(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let mut submitters = tokio::task::JoinSet::new();
        for n in 0..8 {
            // Each with connections of its own, as processes would have.
            let ledger = place.ledger().await;
            submitters.spawn(async move {
                for m in 0..4 {
                    let users = USERS.replace("a@", &format!("a{n}-{m}@")).replace("b@", &format!("b{n}-{m}@"));
                    TestJob::new(&ledger, "bulk-add-users", &users).parameters(STRICT).chunks(1).run().await;
                }
            });
        }
        submitters.join_all().await;
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count), (2 + 8 * 4 * 2, 0), "{report:?}");
    }

    async fn a_chain_of_many_pages_is_followed_to_its_end(place: Place) {
        let ledger = place.ledger().await;
        assert_eq!(verify(&ledger).await.fault_count, 0, "an empty one is intact");
        append(&ledger, 2_000).await;
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count, report.last), (2_000, 0, Some(2_000)), "{report:?}");
        tables::set_meta(ledger.db(), "installation", "7").await;
        let report = verify(&place.ledger().await).await;
        assert_eq!(report.faults, [ChainFault::WrongStart { seq: 1 }]);
    }
}
