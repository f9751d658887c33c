//! Invariants of every ledger, as statements that list violations: the text is the same for both databases.
//!
//! They look at whole tables, so they are for the operator of a ledger and for tests, not for a worker at work. Jobs of
//! another store, which name it in their parameters, are left out of what is said about outcomes: their rows are carried out
//! one by one.

use super::retention::{BY_JOB, BY_ROW};
use tenantry_foundation::db::{DbError, Row, Tx};

/// Something that is true of every ledger.
#[derive(Debug, Clone)]
pub struct Invariant {
    /// What it is about, in a word or two.
    pub name: &'static str,
    /// What is wrong where it is not true.
    pub wrong: &'static str,
    /// Lists where it is not true.
    pub sql: String,
}

/// Where something is not true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What it is about.
    pub name: &'static str,
    /// What is wrong.
    pub wrong: &'static str,
    /// What the statement lists of it.
    pub row: String,
}

impl Invariant {
    /// Where it is not true, as this transaction sees it.
    pub fn violations(&self, tx: &mut dyn Tx) -> Result<Vec<Violation>, DbError> {
        let rows = tx.query(&self.sql, &[])?;
        let violation = |row: &Row| Violation {
            name: self.name,
            wrong: self.wrong,
            row: row.to_string(),
        };
        Ok(rows.iter().map(violation).collect())
    }
}

/// Invariants of these names, of what is wrong without them, and of their statements.
pub fn of<const N: usize>(all: [(&'static str, &'static str, String); N]) -> Vec<Invariant> {
    let invariant = |(name, wrong, sql)| Invariant { name, wrong, sql };
    all.into_iter().map(invariant).collect()
}

/// Jobs that have ended, in the ledger's own database.
pub const ENDED: &str = "j.state IN ('completed', 'failed', 'cancelled') AND j.parameters NOT LIKE '%\"store\":%'";

/// Jobs whose applied rows need no record: what they made says it.
pub const SILENT: &str = "(j.kind IN ('bulk-add-users', 'add-customer') AND j.undo_of IS NULL)";

/// Jobs all of whose chunks' rows are theirs.
const WHOLE: &str = "j.retry_of IS NULL AND j.undo_of IS NULL";

/// Recorded outcomes of a job, counted.
const RECORDED: &str = "SELECT job, COUNT(*) AS rows,
   CAST(SUM(CASE WHEN outcome = 'applied' THEN 1 ELSE 0 END) AS BIGINT) AS applied,
   CAST(SUM(CASE WHEN outcome = 'unchanged' THEN 1 ELSE 0 END) AS BIGINT) AS unchanged,
   CAST(SUM(CASE WHEN outcome = 'rejected' THEN 1 ELSE 0 END) AS BIGINT) AS rejected,
   CAST(SUM(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed,
   CAST(SUM(CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END) AS BIGINT) AS cancelled
 FROM every_outcome GROUP BY job";

/// Rows of a job's chunks, by how the chunks ended.
const COVERED: &str = "SELECT job, CAST(SUM(rows) AS BIGINT) AS rows,
   CAST(SUM(CASE WHEN state = 'failed' THEN rows ELSE 0 END) AS BIGINT) AS failed,
   CAST(SUM(CASE WHEN state = 'cancelled' THEN rows ELSE 0 END) AS BIGINT) AS cancelled
 FROM every_chunk GROUP BY job";

/// Recorded outcomes of a job's rows in chunks that ended in one state.
fn recorded_in(state: &str) -> String {
    format!(
        "(SELECT COUNT(*) FROM row_outcomes x JOIN chunks d ON d.job = x.job AND d.state = '{state}'
           AND x.row >= d.first_row AND x.row < d.first_row + d.rows WHERE x.job = j.seq)"
    )
}

fn is_missing(table: &str, job: &str) -> String {
    format!(
        "SELECT '{table}', {job} FROM {table} WHERE {job} NOT IN (SELECT seq FROM jobs)
           AND {job} NOT IN (SELECT job FROM removals) GROUP BY {job}"
    )
}

/// What is true of a ledger whatever goes on in it.
pub fn always() -> Vec<Invariant> {
    let left = BY_ROW.iter().chain(&BY_JOB).chain(&["drops", "fires"]);
    let mut orphans: Vec<String> = left.map(|table| is_missing(table, "job")).collect();
    for (table, input) in [("spool", "input"), ("inputs", "id")] {
        orphans.push(format!(
            "SELECT '{table}', {input} FROM {table}
             WHERE {input} NOT IN (SELECT input FROM jobs WHERE input IS NOT NULL)
               AND {input} NOT IN (SELECT input FROM removals WHERE input IS NOT NULL) GROUP BY {input}"
        ));
    }
    of([
        (
            "counters",
            "the outcomes of an ended job do not add up to its rows",
            format!(
                "SELECT j.seq, j.kind, j.total, j.applied, j.unchanged, j.rejected, j.failed, j.cancelled FROM jobs j
                 WHERE {ENDED} AND j.total <> j.applied + j.unchanged + j.rejected + j.failed + j.cancelled"
            ),
        ),
        (
            "state",
            "the state of an ended job is not what its outcomes make it",
            "SELECT j.seq, j.kind, j.state, j.failed, j.cancelled FROM jobs j
             WHERE j.state IN ('completed', 'failed', 'cancelled') AND j.state <> CASE
               WHEN j.failed > 0 THEN 'failed' WHEN j.cancelled > 0 THEN 'cancelled' ELSE 'completed' END"
                .to_owned(),
        ),
        (
            "chunks left",
            "the number of chunks that a job has left is not that of its open chunks",
            "SELECT j.seq, j.kind, j.state, j.chunks_left, COUNT(c.chunk) FROM jobs j
             LEFT JOIN chunks c ON c.job = j.seq AND c.state NOT IN ('done', 'failed', 'cancelled')
             WHERE j.state <> 'planned' GROUP BY j.seq, j.kind, j.state, j.chunks_left
             HAVING j.chunks_left <> COUNT(c.chunk)
               OR (j.chunks_left > 0 AND j.state IN ('completed', 'failed', 'cancelled'))"
                .to_owned(),
        ),
        (
            "lease",
            "a chunk is held by nobody, or one that is at rest is held",
            "SELECT job, chunk, state, lease_owner, lease_until FROM chunks
             WHERE (state = 'running') <> (lease_owner IS NOT NULL) OR (state = 'running') <> (lease_until IS NOT NULL)"
                .to_owned(),
        ),
        (
            "turn",
            "a chunk has the turn of a batch that is not there",
            "SELECT job, chunk, state, turn FROM chunks WHERE turn IS NOT NULL AND state IN ('queued', 'running')
               AND turn NOT IN (SELECT turn FROM batches)"
                .to_owned(),
        ),
        (
            "stray outcome",
            "an outcome belongs to no chunk, or to several",
            "SELECT o.job, o.row, o.outcome, COUNT(c.chunk) FROM every_outcome o
             LEFT JOIN every_chunk c ON c.job = o.job AND o.row >= c.first_row AND o.row < c.first_row + c.rows
             GROUP BY o.job, o.row, o.outcome HAVING COUNT(c.chunk) <> 1"
                .to_owned(),
        ),
        (
            "recorded outcomes",
            "the recorded outcomes of a job are not those it counts",
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
            "the ends of a job's chunks do not make up its counts",
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
            "a job counts applied rows that have no record",
            format!(
                "SELECT j.seq, j.kind, j.applied, COALESCE(r.applied, 0) FROM jobs j
                 LEFT JOIN ({RECORDED}) r ON r.job = j.seq
                 WHERE {ENDED} AND NOT {SILENT} AND j.applied <> COALESCE(r.applied, 0)"
            ),
        ),
        (
            "rows side by side",
            "the chunks of a job leave rows out, or overlap",
            format!(
                "SELECT c.job, c.chunk, c.first_row, c.rows FROM chunks c JOIN jobs j ON j.seq = c.job
                 WHERE {WHOLE} AND c.first_row <> (SELECT COALESCE(CAST(SUM(d.rows) AS BIGINT), 0) FROM chunks d
                   WHERE d.job = c.job AND d.chunk < c.chunk)
                   + (SELECT MIN(e.first_row) FROM chunks e WHERE e.job = c.job)"
            ),
        ),
        ("left of nobody", "records belong to a job or an input that is not there", orphans.join(" UNION ALL ")),
        (
            "waiting rows",
            "a row waits in a chunk that does not",
            "SELECT w.job, w.row FROM waiting_rows w WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job = w.job
               AND c.state IN ('waiting', 'running') AND w.row >= c.first_row AND w.row < c.first_row + c.rows)"
                .to_owned(),
        ),
        (
            "audit chain",
            "an audit record does not follow the one before it",
            "SELECT a.seq, a.action FROM audit a LEFT JOIN audit b ON b.seq = a.seq - 1
             WHERE a.seq <> 1 AND (b.seq IS NULL OR b.hash <> a.prev)"
                .to_owned(),
        ),
        (
            "audit head",
            "the audit record does not end where it is said to",
            "SELECT h.seq, h.hash FROM audit_head h LEFT JOIN audit a ON a.seq = h.seq
             WHERE h.seq <> (SELECT COALESCE(MAX(seq), 0) FROM audit) OR (h.seq > 0 AND h.hash <> a.hash)"
                .to_owned(),
        ),
        (
            "audit of a job",
            "a job was not recorded as submitted once, and as ended once it has ended",
            // One that was carried out at once, and among others, has ended at the moment of the record of them all.
            "SELECT j.seq, j.kind, j.state, COUNT(a.seq) FROM jobs j LEFT JOIN audit a ON a.job = j.id
             WHERE j.state <> 'planned' GROUP BY j.seq, j.kind, j.state, j.created_at, j.finished_at
             HAVING CASE WHEN SUM(CASE WHEN a.action IN ('submitted', 'retried', 'undone', 'applied', 'carried-out') THEN 1 ELSE 0 END) = 0
               THEN j.created_at <> COALESCE(j.finished_at, 0)
                 OR NOT EXISTS (SELECT 1 FROM audit o WHERE o.jobs IS NOT NULL AND o.at = j.finished_at)
               ELSE SUM(CASE WHEN a.action IN ('submitted', 'retried', 'undone', 'carried-out') THEN 1 ELSE 0 END) <> 1
                 OR SUM(CASE WHEN a.action IN ('applied', 'carried-out') THEN 1 ELSE 0 END)
                   <> CASE WHEN j.state IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END END"
                .to_owned(),
        ),
    ])
}

/// What is true as well of a ledger in which nobody is at work.
pub fn at_rest() -> Vec<Invariant> {
    of([
        (
            "planned",
            "a job was never recorded as submitted",
            "SELECT seq, kind FROM jobs WHERE state = 'planned'".to_owned(),
        ),
        (
            "running",
            "a chunk is held though nobody is at work",
            "SELECT job, chunk, lease_owner FROM chunks WHERE state = 'running'".to_owned(),
        ),
    ])
}
