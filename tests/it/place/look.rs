//! Looking into the ledger and the store behind the program's back.

use tenantry_foundation::db::Db;
use tenantry_ledger::{Job, Ledger};

use super::tables;

/// (row, outcome, code) of every row that was not applied.
pub(crate) async fn outcomes(ledger: &Ledger, job: &Job) -> Vec<(i64, String, String)> {
    let recorded = tables::recorded(ledger, job).await.into_iter();
    let all = recorded.map(|(row, outcome, code, _)| (row, outcome, code));
    all.filter(|(_, outcome, _)| outcome != "applied").collect()
}

/// One column of a query as text, for looking into the store.
pub(crate) async fn column(db: &Db, sql: &'static str) -> Vec<String> {
    db.read(move |tx| {
        let rows = tx.query(sql, &[])?;
        rows.iter().map(|row| Ok(row.text_or_empty(0)?.to_owned())).collect()
    })
    .await
    .expect("a query")
}

/// Everything in `db` that does not depend on time, chance or who did it.
pub(crate) async fn dump(db: &Db) -> String {
    const TABLES: [(&str, &str); 8] = [
        (
            "deleted users",
            "SELECT id, customer, user_principal_name, licenses, version FROM deleted_users ORDER BY id",
        ),
        (
            "subscriptions",
            "SELECT id, customer, subscription_id, status, suspension_reason, version FROM subscriptions ORDER BY id",
        ),
        (
            "users",
            "SELECT id, customer, user_principal_name, display_name, licenses, roles, flags, version FROM users ORDER BY id",
        ),
        (
            "customers",
            "SELECT id, domain, company_name, email, tags, external_id, relationship, user_count, version FROM customers ORDER BY id",
        ),
        (
            "skus",
            "SELECT customer, sku_id, part_number, seats, assigned FROM subscribed_skus ORDER BY customer, sku_id",
        ),
        (
            "jobs",
            "SELECT seq, kind, state, total, applied, unchanged, rejected, failed, cancelled, chunks_left FROM jobs WHERE state <> 'planned' ORDER BY seq",
        ),
        (
            "outcomes",
            "SELECT job, row, outcome, code, message FROM every_outcome ORDER BY job, row",
        ),
        (
            "images",
            "SELECT job, row, step, object, target, part, before, after FROM every_image ORDER BY job, row, step",
        ),
    ];
    db.read(|tx| {
        let mut text = String::new();
        for (name, sql) in TABLES {
            for row in tx.query(sql, &[])? {
                text.push_str(&format!("{name} {row:?}\n"));
            }
        }
        Ok(text)
    })
    .await
    .expect("a dump")
}

/// The file that the only row of a job made, if it made one.
pub(crate) async fn file(ledger: &Ledger, job: &Job) -> Vec<u8> {
    let made = ledger.artifacts(job).await.expect("asked");
    let [made] = made.as_slice() else {
        panic!("{made:?}: {:?}", outcomes(ledger, job).await)
    };
    let mut data = Vec::new();
    let mut block = 0;
    while let Some(more) = ledger.artifact_block(job, made, block).await.expect("asked") {
        data.extend(more);
        block += 1;
    }
    assert_eq!(data.len() as u64, made.bytes);
    data
}
