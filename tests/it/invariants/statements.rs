//! The statements. Each lists what is wrong, and nothing when all is well; the text is the same for both databases.
//!
//! They are about a ledger at rest: every job has ended and no worker is in between. Jobs of another store, which
//! name it in their parameters, and stores that are copied into, are left out.

use tenantry_foundation::db::{Db, DbError, Tx};

/// Jobs that have ended, in this store.
const ENDED: &str = "j.state IN ('completed', 'failed', 'cancelled') AND j.parameters NOT LIKE '%\"store\":%'";

/// Jobs whose applied rows need no record: what they made says it.
const SILENT: &str = "(j.kind IN ('bulk-add-users', 'add-customer') AND j.undo_of IS NULL)";

/// Jobs all of whose chunks' rows are theirs.
const WHOLE: &str = "j.retry_of IS NULL AND j.undo_of IS NULL";

/// Recorded outcomes of a job, counted.
const RECORDED: &str = "SELECT job, COUNT(*) AS rows,
   CAST(SUM(CASE WHEN outcome = 'applied' THEN 1 ELSE 0 END) AS BIGINT) AS applied,
   CAST(SUM(CASE WHEN outcome = 'unchanged' THEN 1 ELSE 0 END) AS BIGINT) AS unchanged,
   CAST(SUM(CASE WHEN outcome = 'rejected' THEN 1 ELSE 0 END) AS BIGINT) AS rejected,
   CAST(SUM(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed,
   CAST(SUM(CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END) AS BIGINT) AS cancelled
 FROM row_outcomes GROUP BY job";

/// Rows of a job's chunks, by how the chunks ended.
const COVERED: &str = "SELECT job, CAST(SUM(rows) AS BIGINT) AS rows,
   CAST(SUM(CASE WHEN state = 'failed' THEN rows ELSE 0 END) AS BIGINT) AS failed,
   CAST(SUM(CASE WHEN state = 'cancelled' THEN rows ELSE 0 END) AS BIGINT) AS cancelled
 FROM chunks GROUP BY job";

/// Recorded outcomes of a job's rows in chunks that ended in one state.
fn recorded_in(state: &str) -> String {
    format!(
        "(SELECT COUNT(*) FROM row_outcomes x JOIN chunks d ON d.job = x.job AND d.state = '{state}'
           AND x.row >= d.first_row AND x.row < d.first_row + d.rows WHERE x.job = j.seq)"
    )
}

fn is_missing(table: &str, job: &str) -> String {
    format!("SELECT '{table}', {job} FROM {table} WHERE {job} NOT IN (SELECT seq FROM jobs) GROUP BY {job}")
}

/// Names and statements, of the ledger.
fn of_the_ledger() -> Vec<(&'static str, String)> {
    let left = [
        "chunks",
        "row_outcomes",
        "waiting_rows",
        "before_images",
        "sealed_passwords",
        "artifacts",
        "artifact_blocks",
        "intents",
        "copying",
        "plan_parts",
        "replies",
    ];
    let mut orphans: Vec<String> = left.iter().map(|table| is_missing(table, "job")).collect();
    for (table, input) in [("spool", "input"), ("inputs", "id")] {
        orphans.push(format!(
            "SELECT '{table}', {input} FROM {table}
             WHERE {input} NOT IN (SELECT input FROM jobs WHERE input IS NOT NULL) GROUP BY {input}"
        ));
    }
    orphans.push("SELECT 'jobs', seq FROM jobs WHERE state = 'planned'".to_owned());
    vec![
        (
            "counters",
            format!(
                "SELECT j.seq, j.kind, j.total, j.applied, j.unchanged, j.rejected, j.failed, j.cancelled FROM jobs j
                 WHERE {ENDED} AND j.total <> j.applied + j.unchanged + j.rejected + j.failed + j.cancelled"
            ),
        ),
        (
            "state",
            "SELECT j.seq, j.kind, j.state, j.failed, j.cancelled FROM jobs j
             WHERE j.state IN ('completed', 'failed', 'cancelled') AND j.state <> CASE
               WHEN j.failed > 0 THEN 'failed' WHEN j.cancelled > 0 THEN 'cancelled' ELSE 'completed' END"
                .to_owned(),
        ),
        (
            "chunks left",
            "SELECT j.seq, j.kind, j.state, j.chunks_left, COUNT(c.chunk) FROM jobs j
             LEFT JOIN chunks c ON c.job = j.seq AND c.state NOT IN ('done', 'failed', 'cancelled')
             GROUP BY j.seq, j.kind, j.state, j.chunks_left
             HAVING j.chunks_left <> COUNT(c.chunk)
               OR (j.chunks_left > 0 AND j.state IN ('completed', 'failed', 'cancelled'))"
                .to_owned(),
        ),
        (
            "lease",
            "SELECT job, chunk, state, lease_owner, lease_until FROM chunks
             WHERE state = 'running' OR lease_owner IS NOT NULL OR lease_until IS NOT NULL"
                .to_owned(),
        ),
        (
            "stray outcome",
            "SELECT o.job, o.row, o.outcome, COUNT(c.chunk) FROM row_outcomes o
             LEFT JOIN chunks c ON c.job = o.job AND o.row >= c.first_row AND o.row < c.first_row + c.rows
             GROUP BY o.job, o.row, o.outcome HAVING COUNT(c.chunk) <> 1"
                .to_owned(),
        ),
        (
            "recorded outcomes",
            format!(
                "SELECT j.seq, j.kind, r.applied, j.applied, r.unchanged, j.unchanged, r.rejected, j.rejected,
                   r.failed, j.failed, r.cancelled, j.cancelled
                 FROM jobs j JOIN ({RECORDED}) r ON r.job = j.seq
                 WHERE {ENDED} AND (r.unchanged <> j.unchanged OR r.rejected <> j.rejected OR r.failed > j.failed
                   OR r.cancelled > j.cancelled OR r.applied > j.applied)"
            ),
        ),
        (
            "unrecorded outcomes",
            // Of a whole job: what its chunks' ends imply of the rows without a record makes up the counters.
            format!(
                "SELECT j.seq, j.kind, j.total, c.rows, j.failed, c.failed, j.cancelled, c.cancelled
                 FROM jobs j JOIN ({COVERED}) c ON c.job = j.seq LEFT JOIN ({RECORDED}) r ON r.job = j.seq
                 WHERE {ENDED} AND {WHOLE} AND (c.rows <> j.total
                   OR j.failed <> COALESCE(r.failed, 0) + c.failed - {failed}
                   OR j.cancelled <> COALESCE(r.cancelled, 0) + c.cancelled - {cancelled})",
                failed = recorded_in("failed"),
                cancelled = recorded_in("cancelled"),
            ),
        ),
        (
            "applied without a record",
            format!(
                "SELECT j.seq, j.kind, j.applied, COALESCE(r.applied, 0) FROM jobs j
                 LEFT JOIN ({RECORDED}) r ON r.job = j.seq
                 WHERE {ENDED} AND NOT {SILENT} AND j.applied <> COALESCE(r.applied, 0)"
            ),
        ),
        (
            "rows side by side",
            format!(
                "SELECT c.job, c.chunk, c.first_row, c.rows FROM chunks c JOIN jobs j ON j.seq = c.job
                 WHERE {WHOLE} AND c.first_row <> (SELECT COALESCE(CAST(SUM(d.rows) AS BIGINT), 0) FROM chunks d
                   WHERE d.job = c.job AND d.chunk < c.chunk)
                   + (SELECT MIN(e.first_row) FROM chunks e WHERE e.job = c.job)"
            ),
        ),
        ("left of nobody", orphans.join(" UNION ALL ")),
        (
            "waiting rows",
            "SELECT w.job, w.row FROM waiting_rows w WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job = w.job
               AND c.state = 'waiting' AND w.row >= c.first_row AND w.row < c.first_row + c.rows)"
                .to_owned(),
        ),
        (
            "audit chain",
            "SELECT a.seq, a.action FROM audit a LEFT JOIN audit b ON b.seq = a.seq - 1
             WHERE a.seq <> 1 AND (b.seq IS NULL OR b.hash <> a.prev)"
                .to_owned(),
        ),
        (
            "audit head",
            "SELECT h.seq, h.hash FROM audit_head h LEFT JOIN audit a ON a.seq = h.seq
             WHERE h.seq <> (SELECT COALESCE(MAX(seq), 0) FROM audit) OR (h.seq > 0 AND h.hash <> a.hash)"
                .to_owned(),
        ),
        (
            "audit of a job",
            "SELECT j.seq, j.kind, j.state, COUNT(a.seq) FROM jobs j LEFT JOIN audit a ON a.job = j.id
             GROUP BY j.seq, j.kind, j.state
             HAVING SUM(CASE WHEN a.action IN ('submitted', 'retried', 'undone') THEN 1 ELSE 0 END) <> 1
               OR SUM(CASE WHEN a.action = 'applied' THEN 1 ELSE 0 END)
                 <> CASE WHEN j.state IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END"
                .to_owned(),
        ),
    ]
}

/// Rows of one job's records: their ids begin with its number.
fn of_job(column: &str) -> String {
    format!("{column} >= j.seq * 4294967296 AND {column} < (j.seq + 1) * 4294967296")
}

/// Names and statements, of the store.
fn of_the_store() -> Vec<(&'static str, String)> {
    let made = |table: &str| format!("(SELECT COUNT(*) FROM {table} t WHERE {})", of_job("t.id"));
    let everybody = "(SELECT id, customer, version, changed_by, licenses FROM users
       UNION ALL SELECT id, customer, version, changed_by, licenses FROM deleted_users)";
    let images = "(SELECT object, target, part, COUNT(*) AS n,
         CAST(SUM(CASE WHEN before IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS made,
         CAST(SUM(CASE WHEN after IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS gone
       FROM before_images GROUP BY object, target, part)";
    let has = "(';' || u.licenses || ';') LIKE ('%;' || s.sku_id || ';%')";
    let changed = |table: &str, object: &str, id: &str, part: &str| {
        format!(
            "SELECT '{object}', t.{id}, t.changed_by FROM {table} t WHERE t.changed_by IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM before_images b WHERE b.job = t.changed_by AND b.object = '{object}' AND b.target = t.{id}
              AND b.part = {part})"
        )
    };
    vec![
        (
            "users made",
            format!(
                "SELECT j.seq, j.applied, {0} + {1} FROM jobs j
                 WHERE {ENDED} AND {SILENT} AND j.kind = 'bulk-add-users' AND j.applied <> {0} + {1}",
                made("users"),
                made("deleted_users")
            ),
        ),
        (
            "customers made",
            format!(
                "SELECT j.seq, j.applied, {0} FROM jobs j
                 WHERE {ENDED} AND {SILENT} AND j.kind = 'add-customer' AND j.applied <> {0}",
                made("customers")
            ),
        ),
        (
            "there and deleted",
            "SELECT id, user_principal_name FROM users WHERE id IN (SELECT id FROM deleted_users)".to_owned(),
        ),
        (
            "user count",
            "SELECT c.id, c.domain, c.user_count, COALESCE(u.n, 0) FROM customers c
             LEFT JOIN (SELECT customer, COUNT(*) AS n FROM users GROUP BY customer) u ON u.customer = c.id
             WHERE c.user_count <> COALESCE(u.n, 0)"
                .to_owned(),
        ),
        (
            "seats assigned",
            format!(
                "SELECT s.customer, s.part_number, s.assigned, COUNT(u.id) FROM subscribed_skus s
                 LEFT JOIN users u ON u.customer = s.customer AND {has}
                 GROUP BY s.customer, s.sku_id, s.part_number, s.assigned HAVING s.assigned <> COUNT(u.id)"
            ),
        ),
        (
            "seats there",
            "SELECT customer, part_number, assigned, seats FROM subscribed_skus WHERE assigned > seats OR assigned < 0"
                .to_owned(),
        ),
        (
            "licence without seats",
            format!(
                "SELECT c.id, c.domain, l.n, COALESCE(h.n, 0) FROM customers c
                 JOIN (SELECT customer, CAST(SUM(LENGTH(licenses) - LENGTH(REPLACE(licenses, ';', '')) + 1) AS BIGINT) AS n
                   FROM users WHERE licenses <> '' GROUP BY customer) l ON l.customer = c.id
                 LEFT JOIN (SELECT u.customer, COUNT(*) AS n FROM users u
                   JOIN subscribed_skus s ON s.customer = u.customer AND {has} GROUP BY u.customer) h ON h.customer = c.id
                 WHERE l.n <> COALESCE(h.n, 0)"
            ),
        ),
        (
            "customer version",
            format!(
                "SELECT c.id, c.domain, c.version, COALESCE(i.n, 0) FROM customers c
                 LEFT JOIN {images} i ON i.object = 'customer' AND i.target = c.id
                 WHERE c.version <> 1 + COALESCE(i.n, 0)"
            ),
        ),
        (
            "user version",
            format!(
                "SELECT e.id, e.version, COALESCE(i.n, 0) FROM {everybody} e
                 LEFT JOIN {images} i ON i.object = 'user' AND i.target = e.id
                 WHERE e.version <> 1 + COALESCE(i.n, 0)"
            ),
        ),
        (
            // Made as version 1 by the first of their images. Those that went and came again begin anew.
            "seats version",
            format!(
                "SELECT s.customer, s.part_number, s.version, COALESCE(i.n, 0) FROM subscribed_skus s
                 LEFT JOIN {images} i ON i.object = 'seats' AND i.target = s.customer AND i.part = s.sku_id
                 WHERE COALESCE(i.made, 0) <> 1 + COALESCE(i.gone, 0)
                   OR (COALESCE(i.gone, 0) = 0 AND s.version <> COALESCE(i.n, 0))"
            ),
        ),
        (
            "applied without image",
            format!(
                "SELECT o.job, o.row, j.kind FROM row_outcomes o JOIN jobs j ON j.seq = o.job
                 WHERE o.outcome = 'applied' AND {ENDED} AND (j.kind IN ('update-account', 'set-seats',
                     'assign-licenses', 'reset-passwords', 'delete-users', 'restore-users', 'set-subscriptions')
                   OR j.undo_of IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM before_images b WHERE b.job = o.job AND b.row = o.row)"
            ),
        ),
        (
            "image without applied",
            format!(
                "SELECT b.job, b.row, b.object, o.outcome FROM before_images b JOIN jobs j ON j.seq = b.job
                 LEFT JOIN row_outcomes o ON o.job = b.job AND o.row = b.row
                 WHERE {ENDED} AND (o.outcome IS NULL OR o.outcome <> 'applied')"
            ),
        ),
        (
            "changed by",
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
            "SELECT 'user', id FROM users WHERE customer NOT IN (SELECT id FROM customers)
             UNION ALL SELECT 'deleted user', id FROM deleted_users WHERE customer NOT IN (SELECT id FROM customers)
             UNION ALL SELECT 'seats', customer FROM subscribed_skus WHERE customer NOT IN (SELECT id FROM customers)"
                .to_owned(),
        ),
    ]
}

/// Every statement with its name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    of_the_ledger().into_iter().chain(of_the_store()).collect()
}

/// What is wrong as this transaction sees it: the name of the statement, a colon, and its columns.
pub(super) fn seen(tx: &mut dyn Tx) -> Result<Vec<String>, DbError> {
    let mut found = Vec::new();
    for (name, sql) in all() {
        let rows = tx.query(&sql, &[])?;
        found.extend(rows.iter().map(|row| format!("{name}: {row:?}")));
    }
    Ok(found)
}

/// Everything that is wrong in there, seen in one snapshot.
pub(crate) async fn violations(db: &Db) -> Vec<String> {
    db.read(seen).await.expect("the statements run")
}
