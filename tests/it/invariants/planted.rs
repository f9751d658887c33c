//! Every statement finds what it is there to find: a fault is planted by SQL in a ledger that has none, named, and
//! taken out again with its transaction.

use std::collections::BTreeSet;
use std::sync::mpsc;

use tenantry_foundation::db::DbError;
use tenantry_ledger::Ledger;

use super::statements::{all, seen};
use super::violations;
use crate::place::{CUSTOMERS, On, Place, apply, on_both};

/// What finds it, and how it comes about. Customer 1 is made by job 1, seats by job 2, users by job 3, of whom the
/// first was given another licence by job 4 and the second deleted by job 5.
const PLANTED: &[(&str, &[&str])] = &[
    ("counters", &["UPDATE jobs SET applied = applied + 1 WHERE seq = 3"]),
    ("counters", &["UPDATE jobs SET total = 9 WHERE seq = 5"]),
    ("state", &["UPDATE jobs SET state = 'failed' WHERE seq = 1"]),
    ("state", &["UPDATE jobs SET failed = 1 WHERE seq = 1"]),
    ("chunks left", &["UPDATE jobs SET chunks_left = 1 WHERE seq = 2"]),
    (
        "chunks left",
        &[
            "UPDATE jobs SET chunks_left = 1 WHERE seq = 2",
            "UPDATE chunks SET state = 'queued' WHERE job = 2",
        ],
    ),
    ("lease", &["UPDATE chunks SET lease_owner = 'somebody' WHERE job = 3"]),
    ("lease", &["UPDATE chunks SET state = 'running' WHERE job = 3"]),
    (
        "turn",
        &["UPDATE chunks SET state = 'queued', turn = 4711 WHERE job = 3"],
    ),
    (
        "running",
        &["UPDATE chunks SET state = 'running', lease_owner = 'somebody', lease_until = 1 WHERE job = 3"],
    ),
    (
        "left of nobody",
        &[
            "INSERT INTO drops (id, folder, name, state, fence, job, seen_at) VALUES ('x', 'f', 'n', 'submitted', 1, 99, 0)",
        ],
    ),
    (
        "stray outcome",
        &["INSERT INTO row_outcomes (job, row, outcome) VALUES (3, 4711, 'rejected')"],
    ),
    (
        "recorded outcomes",
        &["UPDATE row_outcomes SET outcome = 'unchanged' WHERE job = 4"],
    ),
    (
        "unrecorded outcomes",
        &["DELETE FROM chunks WHERE job = 3 AND chunk = 1"],
    ),
    (
        "unrecorded outcomes",
        &["UPDATE chunks SET state = 'failed' WHERE job = 3 AND chunk = 1"],
    ),
    (
        "unrecorded outcomes",
        &["UPDATE chunks SET state = 'cancelled' WHERE job = 3 AND chunk = 1"],
    ),
    ("applied without a record", &["DELETE FROM row_outcomes WHERE job = 5"]),
    (
        "rows side by side",
        &["UPDATE chunks SET first_row = first_row + 1 WHERE job = 3 AND chunk = 1"],
    ),
    (
        "left of nobody",
        &["INSERT INTO row_outcomes (job, row, outcome) VALUES (99, 1, 'rejected')"],
    ),
    (
        "left of nobody",
        &["INSERT INTO spool (input, block, data) SELECT 99, block, data FROM spool WHERE input = 1"],
    ),
    (
        "left of nobody",
        &["INSERT INTO inputs (name, header) VALUES ('x', 'y')"],
    ),
    (
        "planned",
        &[
            "INSERT INTO jobs (id, kind, parameters, state, submitted_by, created_at) VALUES ('x', 'y', '{}', 'planned', 'z', 0)",
        ],
    ),
    (
        "waiting rows",
        &[
            "INSERT INTO waiting_rows (job, row, message, since) SELECT job, first_row, 'x', 0 FROM chunks WHERE job = 3",
        ],
    ),
    (
        "audit chain",
        &["DROP TRIGGER audit_no_delete", "DELETE FROM audit WHERE seq = 2"],
    ),
    (
        "audit chain",
        &[
            "DROP TRIGGER audit_no_update",
            "UPDATE audit SET hash = 'x' WHERE seq = 2",
        ],
    ),
    (
        "audit head",
        &[
            "DROP TRIGGER audit_no_delete",
            "DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)",
        ],
    ),
    (
        "audit of a job",
        &[
            "DROP TRIGGER audit_no_update",
            "UPDATE audit SET action = 'approved' WHERE action = 'submitted' AND seq > 3",
        ],
    ),
    (
        "audit of a job",
        &[
            "DROP TRIGGER audit_no_update",
            "UPDATE audit SET action = 'applied' WHERE action = 'submitted' AND seq > 3",
        ],
    ),
    (
        "users made",
        &["DELETE FROM users WHERE id = (SELECT MAX(id) FROM users)"],
    ),
    ("users made", &["DELETE FROM deleted_users"]),
    (
        "customers made",
        &["UPDATE customers SET id = id + 4294967296 WHERE domain LIKE 'alpha%'"],
    ),
    (
        "there and deleted",
        &["UPDATE deleted_users SET id = (SELECT MIN(id) FROM users)"],
    ),
    ("user count", &["UPDATE customers SET user_count = user_count - 1"]),
    (
        "seats assigned",
        &["UPDATE subscribed_skus SET assigned = assigned + 1 WHERE part_number = 'SPB'"],
    ),
    (
        "seats assigned",
        &["UPDATE users SET licenses = NULL WHERE id = (SELECT MIN(id) FROM users)"],
    ),
    (
        "seats there",
        &["UPDATE subscribed_skus SET seats = 1 WHERE part_number = 'SPB'"],
    ),
    (
        "seats there",
        &["UPDATE subscribed_skus SET assigned = -1 WHERE part_number = 'EMS'"],
    ),
    (
        "licence without seats",
        &["DELETE FROM subscribed_skus WHERE part_number = 'EMS'"],
    ),
    ("customer version", &["UPDATE customers SET version = version + 1"]),
    (
        "customer version",
        &["DELETE FROM before_images WHERE object = 'customer'"],
    ),
    (
        "user version",
        &["UPDATE users SET version = version - 1 WHERE version > 1"],
    ),
    ("user version", &["UPDATE deleted_users SET version = version + 1"]),
    ("seats version", &["UPDATE subscribed_skus SET version = version + 1"]),
    (
        "seats version",
        &["DELETE FROM before_images WHERE object = 'seats' AND before IS NULL"],
    ),
    ("applied without image", &["DELETE FROM before_images WHERE job = 4"]),
    (
        "applied without image",
        &["UPDATE before_images SET row = row + 7 WHERE job = 5"],
    ),
    (
        "image without applied",
        &["UPDATE row_outcomes SET outcome = 'rejected' WHERE job = 4"],
    ),
    ("changed by", &["UPDATE users SET changed_by = 2 WHERE version = 1"]),
    ("changed by", &["UPDATE deleted_users SET changed_by = 4"]),
    ("changed by", &["UPDATE customers SET changed_by = 2"]),
    ("changed by", &["UPDATE subscribed_skus SET changed_by = 4"]),
    (
        "of no customer",
        &["UPDATE users SET customer = 5 WHERE id = (SELECT MAX(id) FROM users)"],
    ),
    ("of no customer", &["UPDATE deleted_users SET customer = 5"]),
];

/// A ledger in which every kind of trace is found that the statements look at.
async fn sound(place: &Place) -> Ledger {
    let ledger = place.ledger().await;
    let users: String = (0..8)
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,F{n},L,GB,SPB\n"))
        .collect();
    let user = |n: usize| format!("A-1,user{n}@alpha.onmicrosoft.com");
    let jobs = [
        ("add-customer", CUSTOMERS.to_owned()),
        ("set-seats", "customer,sku,seats\nA-1,SPB,10\nA-1,EMS,10\n".to_owned()),
        (
            "bulk-add-users",
            format!("customer,user_principal_name,first_name,last_name,usage_location,licenses\n{users}"),
        ),
        (
            "assign-licenses",
            format!("customer,user_principal_name,assign\n{},EMS\n", user(0)),
        ),
        ("delete-users", format!("customer,user_principal_name\n{}\n", user(1))),
        ("update-account", "customer,city\nA-1,Leeds\n".to_owned()),
        ("set-seats", "customer,sku,seats\nA-1,SPB,12\n".to_owned()),
        (
            "restore-users",
            format!("customer,user_principal_name\n{}\n{}\n", user(1), user(2)),
        ),
        ("delete-users", format!("customer,user_principal_name\n{}\n", user(1))),
    ];
    for (number, (kind, csv)) in (1..).zip(jobs) {
        let job = apply(&ledger, kind, &csv).await;
        assert_eq!((job.seq, job.counts.failed), (number, 0));
    }
    ledger
}

on_both! {
    async fn a_sound_ledger_violates_nothing(place: Place) {
        let ledger = sound(&place).await;
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    }

    async fn another_stores_jobs_are_not_judged_by_this_one(place: Place) {
        let ledger = sound(&place).await;
        let elsewhere = "UPDATE jobs SET parameters = '{\"store\":\"partner-center\"}', applied = applied + 1 WHERE seq = 3";
        ledger.db().write(move |tx| tx.exec(elsewhere, &[]).map(drop)).await.expect("planted");
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_fault_is_named() {
    let place = Place::new(On::Sqlite).await;
    let ledger = sound(&place).await;
    let mut unseen = Vec::new();
    for (name, plant) in PLANTED {
        let (tell, told) = mpsc::channel();
        let rolled_back = ledger.db().write(move |tx| -> Result<(), DbError> {
            let mut changed = 0;
            for sql in *plant {
                changed += tx.exec(sql, &[])?;
            }
            assert!(changed > 0, "{plant:?} plants nothing");
            tell.send(seen(tx)?)
                .map_err(|error| DbError::Broken(error.to_string()))?;
            Err(DbError::Broken("not to be kept".to_owned()))
        });
        let error = rolled_back.await.expect_err("it is rolled back");
        let found = told.try_recv().unwrap_or_else(|_| panic!("{plant:?}: {error}"));
        if !found.iter().any(|line| line.split(':').next() == Some(*name)) {
            unseen.push(format!("`{name}` does not see {plant:?}, which gives {found:#?}"));
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
    assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
}

#[test]
fn no_statement_goes_without_a_fault_to_find() {
    let tried: BTreeSet<&str> = PLANTED.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = all().iter().map(|invariant| invariant.name).collect();
    assert_eq!(tried, there);
}
