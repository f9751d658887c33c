//! Retrying: a new job over the rows of an ended one that failed or were cancelled. The old rows keep
//! their outcomes; the new job reads the same spooled blocks and takes its share of their rows.

use std::collections::HashSet;

use thiserror::Error;

use super::audit::{self, Action, Entry, JOB_COLUMNS};
use super::{Job, JobId, Ledger};
use crate::db::{DbError, Tx};

/// Why a job cannot be retried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RetryRefused {
    /// It is still at work.
    #[error("the job has not ended; cancel it first, or wait")]
    NotEnded,
    /// No row failed or was cancelled.
    #[error(
        "no row of the job failed or was cancelled, so there is nothing to retry; rejected rows are mended in rejects.csv and submitted again"
    )]
    NothingToRetry,
    /// The rows are no longer kept.
    #[error("the job's rows are no longer kept (`spool.keep`); submit the file again")]
    RowsGone,
}

impl Ledger {
    /// Queues a job over the rows of `job` that failed or were cancelled.
    pub async fn retry(&self, job: &Job, by: &str) -> Result<Result<JobId, RetryRefused>, DbError> {
        if !job.state.is_final() {
            return Ok(Err(RetryRefused::NotEnded));
        }
        if job.counts.failed + job.counts.cancelled == 0 {
            return Ok(Err(RetryRefused::NothingToRetry));
        }
        let id = JobId(self.clock.fresh_id());
        let parent = job.id;
        let (now, old, input, by) = (self.clock.now_millis(), job.seq, job.input, by.to_owned());
        self.db
            .write(move |tx| {
                if tx.query("SELECT 1 FROM spool WHERE input = $1 LIMIT 1", &[input.into()])?.is_empty() {
                    return Ok(Err(RetryRefused::RowsGone));
                }
                let made = tx.query(
                    "INSERT INTO jobs (id, kind, parameters, state, input, retry_of, submitted_by, created_at)
                     SELECT $2, kind, parameters, 'queued', input, seq, $3, $4 FROM jobs WHERE seq = $1 RETURNING seq",
                    &[old.into(), id.to_string().into(), by.into(), now.into()],
                )?;
                let seq = made.first().map_or(Ok(0), |row| row.int(0))?;
                let failed_rows = "(SELECT COUNT(*) FROM row_outcomes r WHERE r.job = c.job AND r.outcome = 'failed'
                    AND r.row BETWEEN c.first_row AND c.first_row + c.rows - 1)";
                tx.exec(
                    &format!(
                        "INSERT INTO chunks (job, chunk, first_row, rows, pending, state)
                         SELECT $2, c.chunk, c.first_row, c.rows,
                           {failed_rows} + CASE WHEN c.state IN ('failed', 'cancelled') THEN c.pending ELSE 0 END, 'queued'
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
                    let retried = Entry {
                        note: Some(format!("retries job {parent}")),
                        ..audit::of_job(Action::Retried, &queued, 0)?
                    };
                    audit::append(tx, now, &retried)?;
                }
                Ok(Ok(id))
            })
            .await
    }
}

/// Rows of a chunk that a job retrying `parent` takes; `None` (no parent) means all of them.
pub(crate) fn selected_rows(tx: &mut dyn Tx, parent: Option<i64>, chunk: i64) -> Result<Option<HashSet<u64>>, DbError> {
    let Some(parent) = parent else { return Ok(None) };
    let of = tx.query(
        "SELECT j.retry_of, c.state, c.first_row, c.rows FROM jobs j JOIN chunks c ON c.job = j.seq
         WHERE j.seq = $1 AND c.chunk = $2",
        &[parent.into(), chunk.into()],
    )?;
    let Some(of) = of.first() else {
        return Ok(Some(HashSet::new()));
    };
    let (first, last) = (of.int(2)?, of.int(2)? + of.int(3)? - 1);
    let found = tx.query(
        "SELECT row, outcome FROM row_outcomes WHERE job = $1 AND row BETWEEN $2 AND $3",
        &[parent.into(), first.into(), last.into()],
    )?;
    let mut selected = HashSet::new();
    let mut settled = HashSet::new();
    for row in &found {
        let into = if row.text(1)? == "failed" {
            &mut selected
        } else {
            &mut settled
        };
        into.insert(row.int(0)? as u64);
    }
    if matches!(of.text(1)?, "failed" | "cancelled") {
        // Every row the parent had in this chunk and recorded nothing for shares the chunk's end.
        let had = selected_rows(tx, of.opt_int(0)?, chunk)?;
        let open = (first as u64..=last as u64)
            .filter(|row| had.as_ref().is_none_or(|had| had.contains(row)) && !settled.contains(row));
        selected.extend(open);
    }
    Ok(Some(selected))
}
