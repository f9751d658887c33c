//! The end of chunks and their rows: outcomes are recorded, the job's counts grow, and its end is recorded.

use super::audit::{self, Action, AuditEntry, JOB_COLUMNS};
use super::chunk_state::ChunkState;
use super::digest::{self, ClosedChunk};
use super::images::RowImage;
use super::intents::HANDED_OUT;
use super::rows::{RowWait, record_outcomes, record_outcomes_of};
use super::trial::Trial;
use super::{Claim, EndedJob, JobState, Outcome, RowOutcome, fence};
use std::collections::BTreeMap;

use tenantry_foundation::db::{DbError, Tx, Value};

/// How a chunk's rows ended, or do not yet.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// Outcomes. A row that has none and does not wait was applied.
    pub outcomes: Vec<RowOutcome>,
    /// Rows that wait, and when to look at them again.
    pub waits: Vec<RowWait>,
    /// When that is, in milliseconds since the epoch.
    pub next_look: i64,
    /// The before-images that its rows have left.
    pub images: Vec<RowImage>,
}

/// Jobs that ended, by number, and how.
pub type EndedJobs = Vec<(i64, EndedJob)>;

/// How many rows of a job may go wrong while it runs before it is paused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorLimit {
    /// Share of the finished rows that may be rejected or failed.
    pub rate: f64,
    /// Rows that have to be finished before the share means anything.
    pub min_rows: u64,
}

/// Records the outcomes of a fenced chunk and closes it; every pending row of it that is not named was applied.
/// A chunk with rows that wait stays open, for a later look. Last in the transaction. Returns how the job ended if that
/// ended it.
pub fn close(
    tx: &mut dyn Tx,
    claim: &Claim,
    closing: &Closing,
    limit: Option<ErrorLimit>,
    now: i64,
) -> Result<Option<EndedJob>, DbError> {
    let ended = close_all(tx, &[(claim, closing)], limit, now)?;
    Ok(ended.into_iter().next().map(|(_, job)| job))
}

/// As [`close`] for several chunks of one worker, each with how it ended: as many statements as for one. Returns the jobs that
/// this ended, by number, and how.
pub fn close_all(
    tx: &mut dyn Tx,
    chunks: &[(&Claim, &Closing)],
    limit: Option<ErrorLimit>,
    now: i64,
) -> Result<EndedJobs, DbError> {
    let done = || chunks.iter().filter(|(_, closing)| closing.waits.is_empty());
    forget_implied(tx, done().map(|(claim, _)| *claim))?;
    let closed = done().map(|(claim, closing)| ClosedChunk {
        claim,
        outcomes: &closing.outcomes,
        images: &closing.images,
    });
    let mut digests = digest::of_closed(tx, &closed.collect::<Vec<_>>())?.into_iter();
    let mut outcomes = Vec::new();
    let mut ends = Vec::with_capacity(chunks.len());
    let mut counts = CountsByJob::new();
    for (claim, closing) in chunks {
        outcomes.extend(closing.outcomes.iter().map(|one| (claim.job, one)));
        let waiting = closing.waits.len() as u64;
        let unnamed = claim.pending - closing.outcomes.len() as u64 - waiting;
        let end = if waiting == 0 {
            PartEnd::Done(digests.next().flatten())
        } else {
            PartEnd::Waiting(closing.next_look)
        };
        ends.push((*claim, end, waiting));
        let count = counts.entry(claim.job).or_default();
        count.add(tally(&closing.outcomes, unnamed), u64::from(waiting == 0));
    }
    record_outcomes(tx, &outcomes)?;
    for (claim, closing) in chunks {
        if claim.waited || !closing.waits.is_empty() {
            record_waits(tx, claim, &closing.waits, now)?;
        }
    }
    set_ends(tx, ends)?;
    fence::leave(tx, &chunks.iter().map(|(claim, _)| *claim).collect::<Vec<_>>())?;
    let worker = chunks.first().map_or("", |(claim, _)| claim.owner.as_str());
    finish(tx, &counts, worker, limit, now)
}

/// As [`close`] for the part of a chunk that was tried; the rest is tried next. Every row of the part is named: an outcome, or
/// a wait.
pub fn close_part(
    tx: &mut dyn Tx,
    claim: &Claim,
    closing: &Closing,
    limit: Option<ErrorLimit>,
    now: i64,
) -> Result<Option<EndedJob>, DbError> {
    record_outcomes_of(tx, claim.job, &closing.outcomes)?;
    note_waits(tx, claim, &closing.waits, now)?;
    let pending = claim.pending - closing.outcomes.len() as u64;
    let end = if pending == 0 {
        forget_implied(tx, std::iter::once(claim))?;
        let last = claim.first_row + claim.rows - 1;
        PartEnd::Done(digest::read_back(tx, claim.job, claim.first_row, last)?)
    } else if fence::pending_rows(tx, claim)?.is_empty() {
        PartEnd::Waiting(closing.next_look)
    } else {
        PartEnd::Next(claim.trial.passed())
    };
    set_ends(tx, vec![(claim, end, pending)])?;
    fence::leave(tx, &[claim])?;
    let mut count = Count::default();
    count.add(tally(&closing.outcomes, 0), u64::from(pending == 0));
    let counts = CountsByJob::from([(claim.job, count)]);
    let ended = finish(tx, &counts, &claim.owner, limit, now)?;
    Ok(ended.into_iter().next().map(|(_, job)| job))
}

/// The code of a row that was applied and has a record only because the rest of its chunk is not over.
pub const IMPLIED: &str = "implied";

/// What follows for a chunk once some of its rows are over.
enum PartEnd {
    /// All are over, and this is the hash over them.
    Done(Option<String>),
    /// All that is left waits, to be looked at then.
    Waiting(i64),
    /// Others are tried next.
    Next(Trial),
}

/// What was done of chunks in parts they say themselves once they are done, as if it had been done at once.
fn forget_implied<'c>(tx: &mut dyn Tx, done: impl Iterator<Item = &'c Claim>) -> Result<(), DbError> {
    let in_parts = done.filter(|claim| claim.pending < claim.rows);
    let params = in_parts.map(|claim| {
        vec![
            claim.job.into(),
            claim.first_row.into(),
            (claim.first_row + claim.rows).into(),
            IMPLIED.into(),
        ]
    });
    tx.send_all(
        "DELETE FROM row_outcomes WHERE job = $1 AND row >= $2 AND row < $3 AND code = $4",
        params.collect(),
    )
}

/// Ends the work on chunks: how, and with how many rows pending.
fn set_ends(tx: &mut dyn Tx, ends: Vec<(&Claim, PartEnd, u64)>) -> Result<(), DbError> {
    let mut params = Vec::with_capacity(ends.len());
    for (claim, end, pending) in ends {
        let steps = match end {
            PartEnd::Done(_) if claim.parameters.store.is_some() => {
                digest::of_steps(tx, claim.job, claim.first_row, claim.first_row + claim.rows - 1)?
            }
            _ => None,
        };
        let (state, not_before, trial, digest) = match end {
            PartEnd::Done(digest) => (ChunkState::Done, 0, Trial::default(), digest),
            PartEnd::Waiting(next_look) => (ChunkState::Waiting, next_look, Trial::default(), None),
            PartEnd::Next(trial) => (ChunkState::Queued, 0, trial, None),
        };
        params.push(vec![
            claim.job.into(),
            claim.chunk.into(),
            state.as_str().into(),
            pending.into(),
            not_before.into(),
            trial.failures.into(),
            trial.suspects.into(),
            digest::of_both(digest, steps.as_deref()).into(),
            steps.into(),
        ]);
    }
    tx.send_all(
        "UPDATE chunks SET state = $3, turn = NULL, pending = $4, not_before = $5, lease_owner = NULL, lease_until = NULL,
           failures = $6, suspects = $7, digest = $8, steps = $9, setbacks = 0, message = NULL
         WHERE job = $1 AND chunk = $2",
        params,
    )
}

/// Counts on jobs, and says what that has led to: those that ended, and how.
fn finish(
    tx: &mut dyn Tx,
    counts: &CountsByJob,
    worker: &str,
    limit: Option<ErrorLimit>,
    now: i64,
) -> Result<EndedJobs, DbError> {
    let (mut ended, mut entries) = (Vec::new(), Vec::new());
    for (job, end) in count(tx, counts, now)? {
        match (end, limit) {
            (Some(end), _) => {
                let (entry, how) = end.of_an_end(Some(worker));
                entries.push(entry);
                ended.push((job, how));
            }
            (None, Some(limit)) => entries.extend(pause_if_failing(tx, job, limit)?),
            (None, None) => {}
        }
    }
    audit::append_all(tx, now, &entries)?;
    Ok(ended)
}

/// Records the outcomes of some rows of a fenced chunk that goes on. Every row is named, since a row that is not is
/// not over.
pub fn record(
    tx: &mut dyn Tx,
    claim: &mut Claim,
    outcomes: &[RowOutcome],
    limit: Option<ErrorLimit>,
    now: i64,
) -> Result<(), DbError> {
    record_outcomes_of(tx, claim.job, outcomes)?;
    claim.pending -= outcomes.len() as u64;
    // What gets done starts every count anew.
    claim.trial.failures = 0;
    tx.send(
        "UPDATE chunks SET pending = $3, failures = 0, setbacks = 0 WHERE job = $1 AND chunk = $2",
        &[claim.job.into(), claim.chunk.into(), claim.pending.into()],
    )?;
    count_chunk(tx, claim.job, tally(outcomes, 0), 0, now)?;
    let paused = limit.map(|limit| pause_if_failing(tx, claim.job, limit)).transpose()?;
    match paused.flatten() {
        Some(paused) => audit::append(tx, now, &paused),
        None => Ok(()),
    }
}

/// How the rows of a chunk ended that does not wait.
pub(super) fn tally_of(claim: &Claim, closing: &Closing) -> Tally {
    tally(&closing.outcomes, claim.pending - closing.outcomes.len() as u64)
}

fn tally(outcomes: &[RowOutcome], unnamed: u64) -> Tally {
    let count = |wanted: Outcome| outcomes.iter().filter(|one| one.outcome == wanted).count() as u64;
    Tally {
        applied: unnamed + count(Outcome::Applied),
        unchanged: count(Outcome::Unchanged),
        rejected: count(Outcome::Rejected),
        failed: count(Outcome::Failed),
        cancelled: 0,
    }
}

/// Notes which rows of the chunk wait now, and for what.
fn record_waits(tx: &mut dyn Tx, claim: &Claim, waits: &[RowWait], now: i64) -> Result<(), DbError> {
    let last = claim.first_row + claim.rows - 1;
    let before = tx.query(
        "SELECT row FROM waiting_rows WHERE job = $1 AND row BETWEEN $2 AND $3",
        &[claim.job.into(), claim.first_row.into(), last.into()],
    )?;
    for row in before {
        let row = row.int(0)?;
        if !waits.iter().any(|wait| wait.row as i64 == row) {
            tx.send(
                "DELETE FROM waiting_rows WHERE job = $1 AND row = $2",
                &[claim.job.into(), row.into()],
            )?;
        }
    }
    note_waits(tx, claim, waits, now)
}

fn note_waits(tx: &mut dyn Tx, claim: &Claim, waits: &[RowWait], now: i64) -> Result<(), DbError> {
    let params: Vec<Vec<Value>> = waits
        .iter()
        .map(|wait| {
            vec![
                claim.job.into(),
                wait.row.into(),
                wait.message.as_str().into(),
                wait.target.as_str().into(),
                now.into(),
            ]
        })
        .collect();
    tx.exec_each(
        "INSERT INTO waiting_rows (job, row, message, target, since) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (job, row) DO UPDATE SET message = excluded.message, target = excluded.target",
        &params,
    )
    .map(drop)
}

/// Pauses a job of whose rows too many go wrong.
fn pause_if_failing(tx: &mut dyn Tx, job: i64, limit: ErrorLimit) -> Result<Option<AuditEntry>, DbError> {
    let counted = tx.query_first(
        "SELECT rejected + failed - refused, applied + unchanged + rejected + failed - refused, state
         FROM jobs WHERE seq = $1",
        &[job.into()],
    )?;
    let Some(row) = counted else { return Ok(None) };
    let (wrong, finished) = (row.int(0)? as f64, row.int(1)? as f64);
    if finished < limit.min_rows.max(1) as f64
        || wrong / finished <= limit.rate
        || row.text(2)? == JobState::Paused.as_str()
    {
        return Ok(None);
    }
    let message = format!(
        "paused: {wrong} of {finished} rows were rejected or failed, more than {} %; `resume` goes on",
        (limit.rate * 100.0).round()
    );
    let paused = tx.query_first(
        &format!("UPDATE jobs SET state = 'paused', message = $2 WHERE seq = $1 RETURNING {JOB_COLUMNS}"),
        &[job.into(), message.as_str().into()],
    )?;
    let entry = |row| {
        Ok(AuditEntry {
            note: Some(message),
            ..audit::of_job(Action::Paused, &row, 0)?
        })
    };
    paused.map(entry).transpose()
}

/// Ends a chunk whose pending rows all share one outcome, without a record per row. Returns what is to be
/// recorded if that ended the job, see [`audit::ended`].
pub(super) fn end_chunk(
    tx: &mut dyn Tx,
    (job, chunk): (i64, i64),
    outcome: Outcome,
    why: Option<&str>,
    now: i64,
) -> Result<Option<AuditEntry>, DbError> {
    let ended = tx.query(
        "UPDATE chunks SET state = $3, lease_owner = NULL, lease_until = NULL, message = COALESCE($4, message)
         WHERE job = $1 AND chunk = $2 AND state IN ('queued', 'running', 'waiting') RETURNING pending, first_row, rows",
        &[job.into(), chunk.into(), outcome.as_str().into(), why.into()],
    )?;
    let Some(row) = ended.first() else { return Ok(None) };
    let pending = row.int(0)? as u64;
    let (first, end) = (row.int(1)?, row.int(1)? + row.int(2)?);
    // These keep their record, for the chunk says something else.
    tx.send(
        "UPDATE row_outcomes SET code = '' WHERE job = $1 AND row >= $2 AND row < $3 AND code = $4",
        &[job.into(), first.into(), end.into(), IMPLIED.into()],
    )?;
    if outcome == Outcome::Cancelled {
        // What they waited for may go on without them, or have ended since, and is said of each.
        tx.send(
            "INSERT INTO row_outcomes (job, row, outcome, code, message, target)
             SELECT job, row, $4, '', 'it was begun, and no worker looks at it any more; when it was last looked at: ' || message
               || CASE WHEN target <> '' AND EXISTS (SELECT 1 FROM intents i WHERE i.job = $1 AND i.state = 'done')
                  THEN '; `undo` takes it back, `retry` goes on with it' ELSE '' END, target
             FROM waiting_rows WHERE job = $1 AND row >= $2 AND row < $3 ON CONFLICT DO NOTHING",
            &[job.into(), first.into(), end.into(), outcome.as_str().into()],
        )?;
        // A worker died over these, or could not go on.
        tx.send(
            "INSERT INTO row_outcomes (job, row, outcome, code, message, target)
             SELECT job, row, $4, '', 'it was begun and is not finished (steps done: '
               || SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END) || ', perhaps done: '
               || SUM(CASE WHEN state = 'done' THEN 0 ELSE 1 END) || '); `retry` goes on with it', ''
             FROM intents WHERE job = $1 AND row >= $2 AND row < $3 AND step <> $5
             GROUP BY job, row ON CONFLICT DO NOTHING",
            &[
                job.into(),
                first.into(),
                end.into(),
                outcome.as_str().into(),
                HANDED_OUT.into(),
            ],
        )?;
    }
    tx.send(
        "DELETE FROM waiting_rows WHERE job = $1 AND row >= $2 AND row < $3",
        &[job.into(), first.into(), end.into()],
    )?;
    digest::note(tx, (job, chunk), first as u64, end as u64 - 1)?;
    let tally = match outcome {
        Outcome::Failed => Tally {
            failed: pending,
            ..Tally::default()
        },
        _ => Tally {
            cancelled: pending,
            ..Tally::default()
        },
    };
    count_chunk(tx, job, tally, 1, now)
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) applied: u64,
    pub(super) unchanged: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    cancelled: u64,
}

/// What is added to a job's counters, and how many chunks of it were closed.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    tally: Tally,
    closed: u64,
}

/// By job: all transactions count in this order.
type CountsByJob = BTreeMap<i64, Count>;

impl Count {
    fn add(&mut self, tally: Tally, closed: u64) {
        let Tally {
            applied,
            unchanged,
            rejected,
            failed,
            cancelled,
        } = &mut self.tally;
        *applied += tally.applied;
        *unchanged += tally.unchanged;
        *rejected += tally.rejected;
        *failed += tally.failed;
        *cancelled += tally.cancelled;
        self.closed += closed;
    }
}

/// As [`count`] for one job.
fn count_chunk(tx: &mut dyn Tx, job: i64, tally: Tally, closed: u64, now: i64) -> Result<Option<AuditEntry>, DbError> {
    let counted = count(tx, &CountsByJob::from([(job, Count { tally, closed })]), now)?;
    Ok(counted.into_iter().next().and_then(|(_, end)| end))
}

/// Adds closed chunks to their jobs' counters; the last one ends its job. One statement, so that two
/// chunks closing at once cannot both believe the other is still open. Returns for each job what is to be recorded if that
/// ended it: the caller does so last, for the audit record comes after all other locks.
fn count(tx: &mut dyn Tx, counts: &CountsByJob, now: i64) -> Result<Vec<(i64, Option<AuditEntry>)>, DbError> {
    let sql = format!(
        "UPDATE jobs SET applied = applied + $2, unchanged = unchanged + $3, rejected = rejected + $4,
           failed = failed + $5, cancelled = cancelled + $6, chunks_left = chunks_left - $8,
           started_at = COALESCE(started_at, $7),
           finished_at = CASE WHEN chunks_left = $8 THEN $7 ELSE finished_at END,
           message = CASE WHEN chunks_left = $8 AND failed + $5 = 0 AND cancelled + $6 = 0 THEN NULL ELSE message END,
           state = CASE WHEN chunks_left > $8 THEN state WHEN failed + $5 > 0 THEN 'failed'
             WHEN cancelled + $6 > 0 THEN 'cancelled' ELSE 'completed' END
         WHERE seq = $1 RETURNING seq, chunks_left, {JOB_COLUMNS}, {}",
        digest::OF_ENDED
    );
    let params: Vec<Vec<Value>> = counts
        .iter()
        .map(|(job, Count { tally, closed })| {
            vec![
                (*job).into(),
                tally.applied.into(),
                tally.unchanged.into(),
                tally.rejected.into(),
                tally.failed.into(),
                tally.cancelled.into(),
                now.into(),
                (*closed).into(),
            ]
        })
        .collect();
    let mut counted = Vec::with_capacity(counts.len());
    for job in tx.exec_all_returning(&sql, &params)? {
        let end = match job.int(1)? {
            0 => Some(AuditEntry {
                digest: digest::of_ended(tx, job.int(0)?, &job, 14)?,
                ..audit::of_job(Action::Applied, &job, 2)?
            }),
            _ => None,
        };
        counted.push((job.int(0)?, end));
    }
    counted.sort_unstable_by_key(|(job, _)| *job);
    Ok(counted)
}
