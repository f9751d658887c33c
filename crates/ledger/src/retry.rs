//! Retrying: a new job over the rows of an ended one that failed or were cancelled. The old rows keep
//! their outcomes; the new job reads the same spooled blocks and takes its share of their rows.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::audit::{self, Action, AuditEntry, JOB_COLUMNS};
use super::chunk_state::ChunkState;
use super::{Actor, Job, JobId, JobState, Ledger, Outcome};
use tenantry_foundation::db::{DbError, Tx};

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
    /// What it had done elsewhere was taken back, and a retry would take it for done.
    #[error("the job was taken back by job {0}; submit the file again")]
    TakenBack(String),
    /// Its rows have been tried again.
    #[error("job {0} has tried these rows again; retry that one")]
    Retried(String),
    /// It needed approval and has none; a retry must not be a way around that.
    #[error("the job needed approval and never got it; submit the file again")]
    NotApproved,
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
    /// Queues a job over the rows of `job` that failed or were cancelled.
    pub async fn retry(&self, job: &Job, by: &Actor) -> Result<Retrying, DbError> {
        if !job.state.is_final() {
            return Ok(Retrying::Refused(RetryRefused::NotEnded));
        }
        if job.counts.failed + job.counts.cancelled == 0 {
            return Ok(Retrying::Refused(RetryRefused::NothingToRetry));
        }
        let id = JobId(self.clock.fresh_id());
        let parent = job.id;
        let needs_approval = !job.gate.is_empty();
        let is_elsewhere = job.parameters.store.is_some();
        let (now, old, input, by) = (self.clock.now_millis(), job.seq, job.input, by.clone());
        self.db
            .write(move |tx| {
                // Who else asks for the same waits, and then finds what was made.
                let lock = format!("SELECT 1 FROM jobs WHERE seq = $1{}", tx.dialect().for_update());
                tx.query(&lock, &[old.into()])?;
                if needs_approval && !is_approved(tx, parent)? {
                    return Ok(Retrying::Refused(RetryRefused::NotApproved));
                }
                if tx.query("SELECT 1 FROM every_block WHERE input = $1 LIMIT 1", &[input.into()])?.is_empty() {
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
                       checks_drift)
                     SELECT $2, kind, parameters, 'queued', input, seq, $3, $5, $4, undo_of, plan_hash, checks_drift FROM jobs WHERE seq = $1 RETURNING seq",
                    &[old.into(), id.to_string().into(), by.name.into(), now.into(), by.via.as_str().into()],
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
                    let retried = AuditEntry {
                        note: Some(format!("retries job {parent}")),
                        ..audit::of_job(Action::Retried, &queued, 0)?
                    };
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

/// Whether somebody has approved the job. `decided_by` does not tell that from a rejection.
fn is_approved(tx: &mut dyn Tx, job: JobId) -> Result<bool, DbError> {
    let approved = tx.query_first(
        "SELECT 1 FROM audit WHERE job = $1 AND action = $2 LIMIT 1",
        &[job.to_string().into(), Action::Approved.as_str().into()],
    )?;
    Ok(approved.is_some())
}

/// The jobs a job's rows follow from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Descent {
    /// The job whose failed and cancelled rows it tries again.
    pub retry_of: Option<i64>,
    /// The job whose applied rows it takes back.
    pub undo_of: Option<i64>,
}

/// Rows of a chunk that are a job's; `None` means all of them.
pub fn selected_rows(tx: &mut dyn Tx, of: Descent, chunk: i64) -> Result<Option<HashSet<u64>>, DbError> {
    let (Some(parent), retried) = (match of.retry_of {
        Some(parent) => (Some(parent), true),
        None => (of.undo_of, false),
    }) else {
        return Ok(None);
    };
    let Some(parent) = ParentChunk::load(tx, parent, chunk)? else {
        return Ok(Some(HashSet::new()));
    };
    Ok(Some(if retried {
        parent.unfinished()
    } else {
        parent.effective()
    }))
}

/// A chunk of a job that another one follows from.
struct ParentChunk {
    /// Rows that were the parent's.
    rows: Vec<u64>,
    state: ChunkState,
    outcomes: HashMap<u64, Outcome>,
    /// Rows that have had steps done in a store that is no database.
    stepped: HashSet<u64>,
}

impl ParentChunk {
    fn load(tx: &mut dyn Tx, job: i64, chunk: i64) -> Result<Option<Self>, DbError> {
        let found = tx.query_first(
            "SELECT j.retry_of, j.undo_of, c.state, c.first_row, c.rows FROM jobs j
             CROSS JOIN (SELECT state, first_row, rows FROM every_chunk WHERE job = $1 AND chunk = $2) c WHERE j.seq = $1",
            &[job.into(), chunk.into()],
        )?;
        let Some(found) = found else { return Ok(None) };
        let (first, last) = (found.int(3)?, found.int(3)? + found.int(4)? - 1);
        let descent = Descent {
            retry_of: found.opt_int(0)?,
            undo_of: found.opt_int(1)?,
        };
        let had = selected_rows(tx, descent, chunk)?;
        let recorded = tx.query(
            "SELECT row, outcome FROM row_outcomes WHERE job = $1 AND row BETWEEN $2 AND $3",
            &[job.into(), first.into(), last.into()],
        )?;
        let stepped = tx.query(
            "SELECT DISTINCT row FROM intents WHERE job = $1 AND row BETWEEN $2 AND $3 AND state = 'done'",
            &[job.into(), first.into(), last.into()],
        )?;
        let outcome = |row: &tenantry_foundation::db::Row| Ok((row.int(0)? as u64, Outcome::parse(row.text(1)?)?));
        Ok(Some(Self {
            rows: (first as u64..=last as u64)
                .filter(|row| had.as_ref().is_none_or(|had| had.contains(row)))
                .collect(),
            state: ChunkState::parse(found.text(2)?)?,
            stepped: stepped
                .iter()
                .map(|row| row.int(0).map(|row| row as u64))
                .collect::<Result<_, DbError>>()?,
            outcomes: recorded.iter().map(outcome).collect::<Result<_, DbError>>()?,
        }))
    }

    /// Rows that failed or were cancelled. One without a record shares its chunk's end.
    fn unfinished(&self) -> HashSet<u64> {
        let ended = matches!(self.state, ChunkState::Failed | ChunkState::Cancelled);
        let is_unfinished = |outcome: &Outcome| matches!(outcome, Outcome::Failed | Outcome::Cancelled);
        let is = |row: &u64| self.outcomes.get(row).map_or(ended, is_unfinished);
        self.rows.iter().copied().filter(is).collect()
    }

    /// Rows that changed something: those that were applied, and those that came halfway.
    fn effective(&self) -> HashSet<u64> {
        let done = self.state == ChunkState::Done;
        let is = |row: &u64| match self.outcomes.get(row) {
            Some(Outcome::Applied) => true,
            Some(Outcome::Failed | Outcome::Cancelled) => self.stepped.contains(row),
            Some(Outcome::Unchanged | Outcome::Rejected) => false,
            None => done || self.stepped.contains(row),
        };
        self.rows.iter().copied().filter(is).collect()
    }
}

/// The rows of a chunk that an undo takes back.
#[derive(Debug)]
pub struct ChunkSelection {
    /// Where the chunk begins.
    pub first_row: u64,
    /// How many rows it has.
    pub rows: u64,
    /// Those to take back, in order.
    pub selected: Vec<u64>,
}

/// The rows of a chunk of `job` that an undo would take back; `None` once its input is kept no more.
pub fn undoable_rows(tx: &mut dyn Tx, input: i64, job: i64, chunk: i64) -> Result<Option<ChunkSelection>, DbError> {
    let kept = "SELECT 1 FROM every_block WHERE input = $1 AND block = $2";
    if tx.query(kept, &[input.into(), chunk.into()])?.is_empty() {
        return Ok(None);
    }
    let of = tx.query_first(
        "SELECT first_row, rows FROM every_chunk WHERE job = $1 AND chunk = $2",
        &[job.into(), chunk.into()],
    )?;
    let (first_row, rows) = of.map_or(Ok((0, 0)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64)))?;
    let undone = Descent {
        retry_of: None,
        undo_of: Some(job),
    };
    let mut selected: Vec<u64> = selected_rows(tx, undone, chunk)?
        .unwrap_or_default()
        .into_iter()
        .collect();
    selected.sort_unstable();
    Ok(Some(ChunkSelection {
        first_row,
        rows,
        selected,
    }))
}
