//! Invariants of every store in a database, as statements that list violations; see [`tenantry_ledger::invariants`].
//!
//! Records that were copied from another store are as they were there, and left out where that makes a difference. So are users
//! who were deleted for good, 30 days after, and what was changed by jobs that have been removed.

use tenantry_ledger::invariants::{ENDED, Invariant, SILENT, of};

/// Time in milliseconds within which no user that a job made can have been deleted for good.
const KEPT_FOR_SURE: i64 = 29 * 24 * 60 * 60 * 1000;

/// Whether jobs, and with them what they changed, have been removed.
const PRUNED: &str = "EXISTS (SELECT 1 FROM audit WHERE action = 'pruned')";

/// Whether a record of that sort and id was copied from another store.
fn is_copied(object: &str, id: &str) -> String {
    format!("{id} IN (SELECT local FROM copies WHERE object = '{object}')")
}

/// Rows of one job's records: their ids begin with its number.
fn of_job(column: &str) -> String {
    format!("{column} >= j.seq * 4294967296 AND {column} < (j.seq + 1) * 4294967296")
}

/// What is true of the store whatever goes on in it.
pub fn always() -> Vec<Invariant> {
    // What removed jobs changed has no before-images any more.
    let differs =
        |version: &str, counted: &str| format!("({version} < {counted} OR ({version} > {counted} AND NOT {PRUNED}))");
    let made = |table: &str| format!("(SELECT COUNT(*) FROM {table} t WHERE {})", of_job("t.id"));
    let everybody = "(SELECT id, customer, version, changed_by, licenses FROM users
       UNION ALL SELECT id, customer, version, changed_by, licenses FROM deleted_users)";
    let images = "(SELECT object, target, part, COUNT(*) AS n,
         CAST(SUM(CASE WHEN before IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS made,
         CAST(SUM(CASE WHEN after IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS gone
       FROM every_image GROUP BY object, target, part)";
    let has = "(';' || u.licenses || ';') LIKE ('%;' || s.sku_id || ';%')";
    let changed = |table: &str, object: &str, id: &str, part: &str| {
        format!(
            "SELECT '{object}', t.{id}, t.changed_by FROM {table} t WHERE t.changed_by IS NOT NULL AND NOT {copied}
             AND EXISTS (SELECT 1 FROM jobs j WHERE j.seq = t.changed_by)
             AND NOT EXISTS (SELECT 1 FROM every_image b WHERE b.job = t.changed_by AND b.object = '{object}' AND b.target = t.{id}
              AND b.part = {part})",
            // Seats are found by their customer.
            copied = is_copied(if object == "seats" { "customer" } else { object }, &format!("t.{id}"))
        )
    };
    of([
        (
            "users made",
            "a job that made users counts others than are there",
            format!(
                "SELECT j.seq, j.applied, {0} + {1} FROM jobs j
                 WHERE {ENDED} AND {SILENT} AND j.kind = 'bulk-add-users' AND (j.applied < {0} + {1} OR (j.applied <> {0} + {1}
                   AND j.finished_at > (SELECT MAX(at) FROM audit) - {KEPT_FOR_SURE}))",
                made("users"),
                made("deleted_users"),
            ),
        ),
        (
            "customers made",
            "a job that made customers counts others than are there",
            format!(
                "SELECT j.seq, j.applied, {0} FROM jobs j
                 WHERE {ENDED} AND {SILENT} AND j.kind = 'add-customer' AND j.applied <> {0}",
                made("customers")
            ),
        ),
        (
            "there and deleted",
            "a user is there and among the deleted ones",
            "SELECT id, user_principal_name FROM users WHERE id IN (SELECT id FROM deleted_users)".to_owned(),
        ),
        (
            "user count",
            "the number of a customer's users is not right",
            "SELECT c.id, c.domain, c.user_count, COALESCE(u.n, 0) FROM customers c
             LEFT JOIN (SELECT customer, COUNT(*) AS n FROM users GROUP BY customer) u ON u.customer = c.id
             WHERE c.user_count <> COALESCE(u.n, 0)"
                .to_owned(),
        ),
        (
            "seats assigned",
            "the number of assigned seats is not that of the users who have them",
            format!(
                "SELECT s.customer, s.part_number, s.assigned, COUNT(u.id) FROM subscribed_skus s
                 LEFT JOIN users u ON u.customer = s.customer AND {has}
                 GROUP BY s.customer, s.sku_id, s.part_number, s.assigned HAVING s.assigned <> COUNT(u.id)"
            ),
        ),
        (
            "seats there",
            "more seats are assigned than there are",
            format!(
                "SELECT customer, part_number, assigned, seats FROM subscribed_skus
                 WHERE assigned < 0 OR (assigned > seats AND NOT {})",
                is_copied("customer", "customer")
            ),
        ),
        (
            "licence without seats",
            "a user has a licence of which the customer has no seats",
            format!(
                "SELECT c.id, c.domain, l.n, COALESCE(h.n, 0) FROM customers c
                 JOIN (SELECT customer, CAST(SUM(LENGTH(licenses) - LENGTH(REPLACE(licenses, ';', '')) + 1) AS BIGINT) AS n
                   FROM users WHERE licenses <> '' GROUP BY customer) l ON l.customer = c.id
                 LEFT JOIN (SELECT u.customer, COUNT(*) AS n FROM users u
                   JOIN subscribed_skus s ON s.customer = u.customer AND {has} GROUP BY u.customer) h ON h.customer = c.id
                 WHERE l.n <> COALESCE(h.n, 0) AND NOT {}",
                is_copied("customer", "c.id")
            ),
        ),
        (
            "customer version",
            "a customer was changed more or less often than there are before-images",
            format!(
                "SELECT c.id, c.domain, c.version, COALESCE(i.n, 0) FROM customers c
                 LEFT JOIN {images} i ON i.object = 'customer' AND i.target = c.id
                 WHERE {} AND NOT {}",
                differs("c.version", "1 + COALESCE(i.n, 0)"),
                is_copied("customer", "c.id")
            ),
        ),
        (
            "user version",
            "a user was changed more or less often than there are before-images",
            format!(
                "SELECT e.id, e.version, COALESCE(i.n, 0) FROM {everybody} e
                 LEFT JOIN {images} i ON i.object = 'user' AND i.target = e.id
                 WHERE {} AND NOT {}",
                differs("e.version", "1 + COALESCE(i.n, 0)"),
                is_copied("user", "e.id")
            ),
        ),
        (
            // Seats are made as version 1 by the first of their images. Those that went and came again begin anew.
            "seats version",
            "seats were changed more or less often than there are before-images",
            format!(
                "SELECT s.customer, s.part_number, s.version, COALESCE(i.n, 0) FROM subscribed_skus s
                 LEFT JOIN {images} i ON i.object = 'seats' AND i.target = s.customer AND i.part = s.sku_id
                 WHERE ((COALESCE(i.made, 0) <> 1 + COALESCE(i.gone, 0) AND NOT {PRUNED})
                   OR (COALESCE(i.gone, 0) = 0 AND {})) AND NOT {}",
                differs("s.version", "COALESCE(i.n, 0)"),
                is_copied("customer", "s.customer")
            ),
        ),
        (
            "applied without image",
            "an applied row has no before-image",
            format!(
                "SELECT o.job, o.row, j.kind FROM every_outcome o JOIN jobs j ON j.seq = o.job
                 WHERE o.outcome = 'applied' AND {ENDED} AND (j.kind IN ('update-account', 'set-seats',
                     'assign-licenses', 'reset-passwords', 'delete-users', 'restore-users', 'set-subscriptions')
                   OR j.undo_of IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM every_image b WHERE b.job = o.job AND b.row = o.row)"
            ),
        ),
        (
            "image without applied",
            "a before-image belongs to a row that was not applied",
            format!(
                "SELECT b.job, b.row, b.object, o.outcome FROM every_image b JOIN jobs j ON j.seq = b.job
                 LEFT JOIN every_outcome o ON o.job = b.job AND o.row = b.row
                 WHERE {ENDED} AND (o.outcome IS NULL OR o.outcome <> 'applied')"
            ),
        ),
        (
            "changed by",
            "a record was changed by a job that has no before-image of it",
            [
                changed("customers", "customer", "id", "''"),
                changed("users", "user", "id", "''"),
                changed("deleted_users", "user", "id", "''"),
                changed("subscribed_skus", "seats", "customer", "t.sku_id"),
            ]
            .join(" UNION ALL "),
        ),
        (
            "of no customer",
            "a record belongs to a customer that is not there",
            "SELECT 'user', id FROM users WHERE customer NOT IN (SELECT id FROM customers)
             UNION ALL SELECT 'deleted user', id FROM deleted_users WHERE customer NOT IN (SELECT id FROM customers)
             UNION ALL SELECT 'seats', customer FROM subscribed_skus WHERE customer NOT IN (SELECT id FROM customers)"
                .to_owned(),
        ),
    ])
}
