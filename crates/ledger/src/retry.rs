//! Retrying: a new job over the rows of an ended one that failed or were cancelled. The old rows keep
//! their outcomes; the new job reads the same spooled blocks and takes its share of their rows.

use thiserror::Error;

use super::audit::{self, AWAITS, Action, AuditEntry, JOB_COLUMNS};
use super::plan::under;
use super::{Actor, Job, JobId, JobState, Ledger, inputs, seal};
use tenantry_foundation::db::{DbError, Tx};

/// Why a job cannot be retried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RetryRefused {
    /// It is still at work.
    #[error("the job has not ended; cancel it first, or wait")]
    NotEnded,
    /// No row failed or was cancelled.
    #[error(
        "no row of the job failed or was cancelled, so there is nothing to retry; rejected rows are fixed in rejects.csv and submitted again"
    )]
    NothingToRetry,
    /// The rows are no longer kept.
    #[error("the job's rows are no longer kept (`spool.retention`); submit the file again")]
    RowsGone,
    /// What it had done elsewhere was taken back, and a retry would take it for done.
    #[error("the job was taken back by job {0}; submit the file again")]
    TakenBack(String),
    /// Its rows have been tried again.
    #[error("job {0} has tried these rows again; retry that one")]
    Retried(String),
}

/// What asking for a retry came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Retrying {
    /// This job does it, made now or by somebody who asked before.
    Queued(JobId),
    /// None does.
    Refused(RetryRefused),
}

impl Retrying {
    /// The job that does it, or why none does.
    pub fn queued(self) -> Result<JobId, RetryRefused> {
        match self {
            Self::Queued(job) => Ok(job),
            Self::Refused(why) => Err(why),
        }
    }
}

impl Ledger {
    /// Queues a job over the rows of `job` that failed or were cancelled. Where that one needed approval, so does this one, within that
    /// time: no approval is for more than the job it was given to.
    pub async fn retry(&self, job: &Job, by: &Actor, approval_expires_after: i64) -> Result<Retrying, DbError> {
        if !job.state.is_final() {
            return Ok(Retrying::Refused(RetryRefused::NotEnded));
        }
        if job.counts.failed + job.counts.cancelled == 0 {
            return Ok(Retrying::Refused(RetryRefused::NothingToRetry));
        }
        let id = JobId(self.clock.fresh_id());
        let parent = job.id;
        let needs_approval = !job.gate.is_empty();
        let state = if needs_approval {
            JobState::AwaitingApproval
        } else {
            JobState::Queued
        };
        let is_elsewhere = job.parameters.store.is_some();
        let policy = self.policy().number;
        let (now, old, input, by) = (self.clock.now_millis(), job.seq, job.input, by.clone());
        self.db
            .write(move |tx| {
                // Who else asks for the same waits, and then finds what was made.
                let lock = format!("SELECT 1 FROM jobs WHERE seq = $1{}", tx.dialect().for_update());
                tx.query(&lock, &[old.into()])?;
                if !inputs::is_kept(tx, input)? {
                    return Ok(Retrying::Refused(RetryRefused::RowsGone));
                }
                let earlier = tx.query_first(
                    "SELECT id, state FROM jobs WHERE retry_of = $1 ORDER BY seq DESC LIMIT 1",
                    &[old.into()],
                )?;
                if let Some(earlier) = earlier {
                    let (id, state) = (earlier.text(0)?, earlier.text(1)?);
                    return match id.parse() {
                        // Asked for twice.
                        Ok(same) if !JobState::parse(state)?.is_final() => Ok(Retrying::Queued(same)),
                        _ => Ok(Retrying::Refused(RetryRefused::Retried(id.to_owned()))),
                    };
                }
                if is_elsewhere && let Some(undo) = undo_of(tx, old)? {
                    return Ok(Retrying::Refused(RetryRefused::TakenBack(undo)));
                }
                let made = tx.query(
                    "INSERT INTO jobs (id, kind, parameters, state, input, retry_of, submitted_by, submitted_via, created_at, undo_of, plan_hash,
                       checks_drift, gate, approval_until)
                     SELECT $2, kind, parameters, $6, input, seq, $3, $5, $4, undo_of, plan_hash, checks_drift, gate, $7 FROM jobs
                     WHERE seq = $1 RETURNING seq",
                    &[
                        old.into(),
                        id.to_string().into(),
                        by.name.as_str().into(),
                        now.into(),
                        by.way().into(),
                        state.as_str().into(),
                        needs_approval.then_some(now + approval_expires_after).into(),
                    ],
                )?;
                let seq = made.first().map_or(Ok(0), |row| row.int(0))?;
                let failed_rows = "(SELECT COUNT(*) FROM row_outcomes r WHERE r.job = c.job AND r.outcome = 'failed'
                    AND r.row BETWEEN c.first_row AND c.first_row + c.rows - 1)";
                tx.exec(
                    &format!(
                        "INSERT INTO chunks (job, chunk, first_row, rows, pending, state, expected)
                         SELECT $2, c.chunk, c.first_row, c.rows,
                           {failed_rows} + CASE WHEN c.state IN ('failed', 'cancelled') THEN c.pending ELSE 0 END, 'queued',
                           c.expected
                         FROM chunks c WHERE c.job = $1 AND (c.state IN ('failed', 'cancelled') OR {failed_rows} > 0)"
                    ),
                    &[old.into(), seq.into()],
                )?;
                let queued = tx.query_first(
                    &format!(
                        "UPDATE jobs SET chunks_left = (SELECT COUNT(*) FROM chunks WHERE job = $1),
                           total = (SELECT CAST(SUM(pending) AS BIGINT) FROM chunks WHERE job = $1)
                         WHERE seq = $1 RETURNING {JOB_COLUMNS}"
                    ),
                    &[seq.into()],
                )?;
                if let Some(queued) = queued {
                    let mut retried = AuditEntry {
                        note: Some(format!(
                            "retries job {parent}{}{}",
                            under(policy),
                            if needs_approval { AWAITS } else { "" }
                        )),
                        ..audit::of_job(Action::Retried, &queued, 0)?
                    };
                    if needs_approval {
                        retried.plan_hash = Some(seal::seal(tx, seq)?);
                    }
                    audit::append(tx, now, &retried)?;
                }
                Ok(Retrying::Queued(id))
            })
            .await
    }
}

/// The job that takes this one back, or one that it tries again, or has done so.
fn undo_of(tx: &mut dyn Tx, job: i64) -> Result<Option<String>, DbError> {
    let found = tx.query_first(
        "WITH RECURSIVE line (job) AS (
           SELECT CAST($1 AS BIGINT)
           UNION SELECT jobs.retry_of FROM jobs JOIN line ON jobs.seq = line.job WHERE jobs.retry_of IS NOT NULL)
         SELECT id FROM jobs JOIN line ON jobs.undo_of = line.job
         WHERE applied > 0 OR state NOT IN ('completed', 'failed', 'cancelled') LIMIT 1",
        &[job.into()],
    )?;
    found.map(|row| row.text(0).map(str::to_owned)).transpose()
}
