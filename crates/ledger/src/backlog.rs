//! The backlog and its workers, for monitoring: jobs that are open, counted, and workers. Each question has an index
//! that holds what is open alone, so that history costs nothing.

use super::workers::{self, Worker};
use super::{JobState, Ledger};
use tenantry_foundation::db::{DbError, Dialect, Row, Tx, Value};

/// Jobs of one kind in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJobs {
    /// The state.
    pub state: JobState,
    /// The kind.
    pub kind: String,
    /// How many.
    pub jobs: u64,
    /// Rows of theirs without an outcome.
    pub rows: u64,
    /// Since when the oldest of them is there, in milliseconds since the epoch.
    pub since: i64,
}

/// What is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs, by state and kind.
    pub jobs: Vec<OpenJobs>,
    /// Rows that wait for a partner or a service.
    pub rows_waiting: u64,
    /// Workers, each with its last sign of life.
    pub workers: Vec<Worker>,
    /// Bytes of rows that are kept, as they lie there.
    pub spool_bytes: u64,
    /// Calls to other stores whose outcome nobody knows, of jobs that nobody has in hand.
    pub intents_unknown: u64,
    /// Records in the audit record, ever.
    pub audit_records: u64,
}

/// What open jobs there are, each once and with the very condition of the index that holds them.
const OPEN: [&str; 5] = [
    "state IN ('queued', 'running', 'retryable') AND cancel_requested = 0",
    "state = 'awaiting-approval'",
    "state = 'paused'",
    "state = 'planned'",
    "cancel_requested = 1 AND finished_at IS NULL AND state IN ('queued', 'running', 'retryable')",
];

/// Counts the open jobs of one condition. The expressions keep the planner from grouping by an index of all jobs.
fn counted(open: &str) -> String {
    format!(
        "SELECT state, kind, COUNT(*), CAST(SUM(total - applied - unchanged - rejected - failed - cancelled) AS BIGINT), MIN(created_at)
         FROM jobs WHERE {open} GROUP BY state || '', kind || '', state, kind"
    )
}

impl Ledger {
    /// What is open.
    pub async fn backlog(&self) -> Result<Backlog, DbError> {
        let now = self.clock.now_millis();
        self.db
            .read(move |tx| {
                let mut backlog = Backlog::default();
                for open in OPEN {
                    for row in tx.query(&counted(open), &[])? {
                        backlog.add(OpenJobs::read(&row)?);
                    }
                }
                backlog.rows_waiting = number(tx, "SELECT COUNT(*) FROM waiting_rows", &[])?;
                backlog.workers = workers::all(tx, now)?;
                let spool = match tx.dialect() {
                    // Lengths are known without what they are of. Rows that lie with their jobs are few bytes each, and not looked for.
                    Dialect::Sqlite => "SELECT COALESCE(SUM(LENGTH(data)), 0) FROM spool",
                    Dialect::Postgres => "SELECT pg_total_relation_size('spool')",
                };
                backlog.spool_bytes = number(tx, spool, &[])?;
                let unknown = "SELECT COUNT(*) FROM intents i WHERE i.state = 'open'
                    AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job = i.job AND c.state = 'running' AND c.lease_until > $1)";
                backlog.intents_unknown = number(tx, unknown, &[now.into()])?;
                backlog.audit_records = number(tx, "SELECT COALESCE(MAX(seq), 0) FROM audit", &[])?;
                Ok(backlog)
            })
            .await
    }
}

fn number(tx: &mut dyn Tx, sql: &str, params: &[Value]) -> Result<u64, DbError> {
    let row = tx.query_first(sql, params)?;
    Ok(row.map_or(Ok(0), |row| row.int(0))?.max(0) as u64)
}

impl OpenJobs {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            state: JobState::parse(row.text(0)?)?,
            kind: row.text(1)?.to_owned(),
            jobs: row.int(2)? as u64,
            rows: row.int(3)?.max(0) as u64,
            since: row.int(4)?,
        })
    }
}

impl Backlog {
    /// Jobs that are about to be cancelled are asked for apart, so the same state and kind can come twice.
    fn add(&mut self, more: OpenJobs) {
        let same = |one: &&mut OpenJobs| one.state == more.state && one.kind == more.kind;
        match self.jobs.iter_mut().find(same) {
            Some(one) => {
                one.jobs += more.jobs;
                one.rows += more.rows;
                one.since = one.since.min(more.since);
            }
            None => self.jobs.push(more),
        }
    }
}
