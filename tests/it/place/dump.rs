//! The store and the ledger as text, to compare two ways of getting there.

use tenantry::db::Db;

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
            "SELECT job, row, outcome, code, message FROM row_outcomes ORDER BY job, row",
        ),
        (
            "images",
            "SELECT job, row, step, object, target, part, before, after FROM before_images ORDER BY job, row, step",
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
