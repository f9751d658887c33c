//! Leases: who works on which chunk, and the fence that keeps everyone else's writes out.

use super::audit::{self, Action, Entry, JOB_COLUMNS};
use super::job::json;
use super::rows::record_outcomes;
use super::{JobId, Ledger, Outcome, Parameters, RowOutcome};
use crate::db::{DbError, Tx, Value};
use crate::store::RowWait;

/// Which jobs a worker takes chunks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every job.
    All,
    /// This job only.
    Job(i64),
}

/// A chunk, leased.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct Claim {
    pub job: i64,
    pub job_id: JobId,
    pub kind: String,
    pub parameters: Parameters,
    pub retry_of: Option<i64>,
    /// The job this one takes back: its sequence number and its kind.
    pub undo_of: Option<(i64, String)>,
    pub input: i64,
    pub header: Vec<String>,
    pub chunk: i64,
    pub first_row: u64,
    pub rows: u64,
    /// Rows that have no outcome yet.
    pub pending: u64,
    /// The fence: grows with every claim of the chunk.
    pub attempt: i64,
    /// Claims of this chunk that came to nothing.
    pub failures: i64,
    pub owner: String,
    /// Whether rows of it have waited before.
    pub waited: bool,
    /// What the plan expects of the rows, encoded; `None` where the job goes by no plan.
    pub expected: Option<Vec<u8>>,
}

/// How a chunk's rows ended, or do not yet.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// Outcomes. A row that has none and does not wait was applied.
    pub outcomes: Vec<RowOutcome>,
    /// Rows that wait, and when to look at them again.
    pub waits: Vec<RowWait>,
    /// When that is, in milliseconds since the epoch.
    pub next_look: i64,
}

/// How many rows of a job may go wrong while it runs before it is paused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorLimit {
    /// Share of the finished rows that may be rejected or failed.
    pub rate: f64,
    /// Rows that have to be finished before the share means anything.
    pub from_rows: u64,
}

/// Jobs looked at per claim; several, since the chunks of the first may all be held when workers race.
const CANDIDATES: u64 = 8;

impl Ledger {
    /// Leases the next chunk that is ready or orphaned, of the job that was served least recently.
    pub async fn claim(&self, owner: &str, scope: Scope, lease_millis: i64) -> Result<Option<Claim>, DbError> {
        let now = self.clock.now_millis();
        let owner = owner.to_owned();
        self.db
            .write(move |tx| claim(tx, owner, scope, now, now + lease_millis))
            .await
    }

    /// Prolongs the leases of the chunks given as (job, chunk, attempt).
    pub async fn renew(&self, owner: &str, held: &[(i64, i64, i64)], lease_millis: i64) -> Result<(), DbError> {
        let until = self.clock.now_millis() + lease_millis;
        let params: Vec<Vec<Value>> = held
            .iter()
            .map(|(job, chunk, attempt)| {
                vec![
                    (*job).into(),
                    (*chunk).into(),
                    (*attempt).into(),
                    owner.into(),
                    until.into(),
                ]
            })
            .collect();
        self.db
            .write(move |tx| {
                tx.exec_each(
                    "UPDATE chunks SET lease_until = $5
                     WHERE job = $1 AND chunk = $2 AND attempt = $3 AND lease_owner = $4 AND state = 'running'",
                    &params,
                )
                .map(drop)
            })
            .await
    }

    /// Gives a chunk back, to be claimed again from `not_before` on. `failure` is why, when something went
    /// wrong; `None` when the worker is merely leaving.
    pub async fn release(&self, claim: &Claim, not_before: i64, failure: Option<String>) -> Result<(), DbError> {
        let claim = claim.clone();
        self.db
            .write(move |tx| {
                fence(tx, &claim)?;
                tx.exec(
                    "UPDATE chunks SET state = 'queued', lease_owner = NULL, lease_until = NULL, not_before = $3,
                       failures = failures + $4, message = COALESCE($5, message)
                     WHERE job = $1 AND chunk = $2",
                    &[
                        claim.job.into(),
                        claim.chunk.into(),
                        not_before.into(),
                        i64::from(failure.is_some()).into(),
                        failure.clone().into(),
                    ],
                )?;
                if let Some(failure) = failure {
                    tx.exec(
                        "UPDATE jobs SET message = $2, state = CASE WHEN EXISTS
                           (SELECT 1 FROM chunks WHERE job = $1 AND state = 'running') OR state = 'paused'
                           THEN state ELSE 'retryable' END
                         WHERE seq = $1",
                        &[claim.job.into(), failure.into()],
                    )?;
                }
                Ok(())
            })
            .await
    }

    /// Gives a chunk back and stops its job until somebody resumes it, since no row can be carried out as things are.
    pub async fn park(&self, claim: &Claim, why: String) -> Result<(), DbError> {
        let (claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence(tx, &claim)?;
                tx.exec(
                    "UPDATE chunks SET state = 'queued', lease_owner = NULL, lease_until = NULL, not_before = 0
                     WHERE job = $1 AND chunk = $2",
                    &[claim.job.into(), claim.chunk.into()],
                )?;
                let paused = tx.query_first(
                    &format!(
                        "UPDATE jobs SET state = 'paused', message = $2 WHERE seq = $1 AND state <> 'paused'
                         AND cancel_requested = 0 RETURNING {JOB_COLUMNS}"
                    ),
                    &[claim.job.into(), format!("paused: {why}; `resume` goes on").into()],
                )?;
                let Some(row) = paused else { return Ok(()) };
                let entry = Entry {
                    note: Some(why),
                    ..audit::of_job(Action::Paused, &row, 0)?
                };
                audit::append(tx, now, &entry)
            })
            .await
    }

    /// Ends a chunk that cannot be carried out: its rows without an outcome are `failed`.
    pub async fn give_up(&self, claim: &Claim, why: String) -> Result<(), DbError> {
        let (claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence(tx, &claim)?;
                let ended = end_chunk(tx, claim.job, claim.chunk, Outcome::Failed, Some(&why), now)?;
                audit::ended(tx, ended, Some(&claim.owner), now).map(drop)
            })
            .await
    }

    /// Asks a job to stop, for `by`: chunks nobody works on are cancelled now, the others finish. `false` when
    /// it had ended before.
    pub async fn cancel(&self, job: i64, by: &str) -> Result<bool, DbError> {
        let (now, by) = (self.clock.now_millis(), by.to_owned());
        self.db
            .write(move |tx| {
                let sql = format!(
                    "SELECT chunk FROM chunks WHERE job = $1 AND state IN ('queued', 'waiting') ORDER BY chunk{}",
                    tx.dialect().for_update()
                );
                let idle = tx.query(&sql, &[job.into()])?;
                let open = tx.query_first(
                    &format!(
                        "UPDATE jobs SET cancel_requested = 1 WHERE seq = $1
                         AND state IN ('queued', 'running', 'retryable', 'paused', 'awaiting-approval')
                         RETURNING {JOB_COLUMNS}"
                    ),
                    &[job.into()],
                )?;
                let mut ended = None;
                for row in idle {
                    ended = end_chunk(tx, job, row.int(0)?, Outcome::Cancelled, None, now)?.or(ended);
                }
                if let Some(open) = &open {
                    // What became of the rows is for the record of the job's end to say.
                    let asked = Entry {
                        actor: by,
                        counts: None,
                        note: None,
                        ..audit::of_job(Action::Cancelled, open, 0)?
                    };
                    audit::append(tx, now, &asked)?;
                }
                audit::ended(tx, ended, None, now)?;
                Ok(open.is_some())
            })
            .await
    }
}

/// The chunk's row is locked and its lease is still `claim`'s, or [`DbError::LeaseLost`]. First in every
/// transaction that writes results.
pub fn fence(tx: &mut dyn Tx, claim: &Claim) -> Result<(), DbError> {
    let sql = format!(
        "SELECT 1 FROM chunks WHERE job = $1 AND chunk = $2 AND attempt = $3 AND lease_owner = $4
         AND state = 'running'{}",
        tx.dialect().for_update()
    );
    let params = [
        claim.job.into(),
        claim.chunk.into(),
        claim.attempt.into(),
        claim.owner.as_str().into(),
    ];
    if tx.query(&sql, &params)?.is_empty() {
        Err(DbError::LeaseLost)
    } else {
        Ok(())
    }
}

/// Records the outcomes of a fenced chunk and closes it; every pending row of it that is not named was applied.
/// A chunk with rows that wait stays open, for a later look. Last in the transaction. Returns the job's state if that
/// ended it.
pub fn close(
    tx: &mut dyn Tx,
    claim: &Claim,
    closing: &Closing,
    limit: Option<ErrorLimit>,
    now: i64,
) -> Result<Option<String>, DbError> {
    record_outcomes(tx, claim.job, &closing.outcomes)?;
    if claim.waited || !closing.waits.is_empty() {
        record_waits(tx, claim, &closing.waits, now)?;
    }
    let waiting = closing.waits.len() as u64;
    let unnamed = claim.pending - closing.outcomes.len() as u64 - waiting;
    let tally = tally(&closing.outcomes, unnamed);
    let (state, not_before) = if waiting == 0 {
        ("done", 0)
    } else {
        ("waiting", closing.next_look)
    };
    tx.exec(
        "UPDATE chunks SET state = $3, pending = $4, not_before = $5, lease_owner = NULL, lease_until = NULL,
           failures = 0, message = NULL
         WHERE job = $1 AND chunk = $2",
        &[
            claim.job.into(),
            claim.chunk.into(),
            state.into(),
            waiting.into(),
            not_before.into(),
        ],
    )?;
    let ended = count_chunk(tx, claim.job, tally, u64::from(waiting == 0), now)?;
    let paused = match (&ended, limit) {
        (None, Some(limit)) => pause_if_failing(tx, claim.job, limit)?,
        _ => None,
    };
    if let Some(paused) = paused {
        audit::append(tx, now, &paused)?;
    }
    audit::ended(tx, ended, Some(&claim.owner), now)
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
    record_outcomes(tx, claim.job, outcomes)?;
    claim.pending -= outcomes.len() as u64;
    tx.exec(
        "UPDATE chunks SET pending = $3 WHERE job = $1 AND chunk = $2",
        &[claim.job.into(), claim.chunk.into(), claim.pending.into()],
    )?;
    count_chunk(tx, claim.job, tally(outcomes, 0), 0, now)?;
    let paused = limit.map(|limit| pause_if_failing(tx, claim.job, limit)).transpose()?;
    match paused.flatten() {
        Some(paused) => audit::append(tx, now, &paused),
        None => Ok(()),
    }
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
            tx.exec(
                "DELETE FROM waiting_rows WHERE job = $1 AND row = $2",
                &[claim.job.into(), row.into()],
            )?;
        }
    }
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
fn pause_if_failing(tx: &mut dyn Tx, job: i64, limit: ErrorLimit) -> Result<Option<Entry>, DbError> {
    let counted = tx.query_first(
        "SELECT rejected + failed - refused, applied + unchanged + rejected + failed - refused, state
         FROM jobs WHERE seq = $1",
        &[job.into()],
    )?;
    let Some(row) = counted else { return Ok(None) };
    let (wrong, finished) = (row.int(0)? as f64, row.int(1)? as f64);
    if finished < limit.from_rows.max(1) as f64 || wrong / finished <= limit.rate || row.text(2)? == "paused" {
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
        Ok(Entry {
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
    job: i64,
    chunk: i64,
    outcome: Outcome,
    why: Option<&str>,
    now: i64,
) -> Result<Option<Entry>, DbError> {
    let ended = tx.query(
        "UPDATE chunks SET state = $3, lease_owner = NULL, lease_until = NULL, message = COALESCE($4, message)
         WHERE job = $1 AND chunk = $2 AND state IN ('queued', 'running', 'waiting') RETURNING pending, first_row, rows",
        &[job.into(), chunk.into(), outcome.as_str().into(), why.into()],
    )?;
    let Some(row) = ended.first() else { return Ok(None) };
    let pending = row.int(0)? as u64;
    let (first, end) = (row.int(1)?, row.int(1)? + row.int(2)?);
    if outcome == Outcome::Cancelled {
        // What they waited for goes on without them, and is said of each.
        tx.exec(
            "INSERT INTO row_outcomes (job, row, outcome, code, message, target)
             SELECT job, row, $4, '', 'it was begun, and nobody waits for it any more: ' || message, target
             FROM waiting_rows WHERE job = $1 AND row >= $2 AND row < $3 ON CONFLICT DO NOTHING",
            &[job.into(), first.into(), end.into(), outcome.as_str().into()],
        )?;
    }
    tx.exec(
        "DELETE FROM waiting_rows WHERE job = $1 AND row >= $2 AND row < $3",
        &[job.into(), first.into(), end.into()],
    )?;
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
struct Tally {
    applied: u64,
    unchanged: u64,
    rejected: u64,
    failed: u64,
    cancelled: u64,
}

/// Adds a closed chunk to its job's counters; the last one ends the job. One statement, so that two
/// chunks closing at once cannot both believe the other is still open. Returns what is to be recorded if that
/// ended the job: the caller does so last, for the audit record comes after all other locks.
fn count_chunk(tx: &mut dyn Tx, job: i64, tally: Tally, closed: u64, now: i64) -> Result<Option<Entry>, DbError> {
    let sql = format!(
        "UPDATE jobs SET applied = applied + $2, unchanged = unchanged + $3, rejected = rejected + $4,
           failed = failed + $5, cancelled = cancelled + $6, chunks_left = chunks_left - $8,
           started_at = COALESCE(started_at, $7),
           finished_at = CASE WHEN chunks_left = $8 THEN $7 ELSE finished_at END,
           message = CASE WHEN chunks_left = $8 AND failed + $5 = 0 AND cancelled + $6 = 0 THEN NULL ELSE message END,
           state = CASE WHEN chunks_left > $8 THEN state WHEN failed + $5 > 0 THEN 'failed'
             WHEN cancelled + $6 > 0 THEN 'cancelled' ELSE 'completed' END
         WHERE seq = $1 RETURNING chunks_left, {JOB_COLUMNS}"
    );
    let counted = tx.query_first(
        &sql,
        &[
            job.into(),
            tally.applied.into(),
            tally.unchanged.into(),
            tally.rejected.into(),
            tally.failed.into(),
            tally.cancelled.into(),
            now.into(),
            closed.into(),
        ],
    )?;
    match counted {
        Some(job) if job.int(0)? == 0 => audit::of_job(Action::Applied, &job, 1).map(Some),
        _ => Ok(None),
    }
}

fn claim(tx: &mut dyn Tx, owner: String, scope: Scope, now: i64, until: i64) -> Result<Option<Claim>, DbError> {
    const READY: &str = "((c.state IN ('queued', 'waiting') AND c.not_before <= $1)
        OR (c.state = 'running' AND c.lease_until < $1))";
    let only = match scope {
        Scope::All => 0,
        Scope::Job(seq) => seq,
    };
    let jobs = tx.query(
        &format!(
            "SELECT j.seq FROM jobs j WHERE j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0
             AND ($2 = 0 OR j.seq = $2)
             AND EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting') AND {READY})
             ORDER BY j.priority DESC, j.claimed_at, j.seq LIMIT $3"
        ),
        &[now.into(), only.into(), CANDIDATES.into()],
    )?;
    for job in jobs {
        let job = job.int(0)?;
        let sql = format!(
            "SELECT c.chunk, c.first_row, c.rows, c.pending, c.attempt, c.failures, c.state, c.expected FROM chunks c
             WHERE c.state IN ('queued', 'running', 'waiting') AND {READY} AND c.job = $2 ORDER BY c.chunk LIMIT 1{}",
            tx.dialect().for_update_skip_locked()
        );
        let Some(row) = tx.query_first(&sql, &[now.into(), job.into()])? else {
            continue;
        };
        let orphaned = i64::from(row.text(6)? == "running");
        let waited = row.int(3)? < row.int(2)?;
        let (chunk, attempt, failures) = (row.int(0)?, row.int(4)? + 1, row.int(5)? + orphaned);
        tx.exec(
            "UPDATE chunks SET state = 'running', attempt = $3, failures = $4, lease_owner = $5, lease_until = $6
             WHERE job = $1 AND chunk = $2",
            &[
                job.into(),
                chunk.into(),
                attempt.into(),
                failures.into(),
                owner.as_str().into(),
                until.into(),
            ],
        )?;
        let taken = tx.query(
            "UPDATE jobs SET state = 'running', started_at = COALESCE(started_at, $2), claimed_at = $2
             WHERE seq = $1 RETURNING id, kind, parameters, retry_of, input, undo_of, checks_drift",
            &[job.into(), now.into()],
        )?;
        let Some(of) = taken.first() else { continue };
        let undo_of = match of.opt_int(5)? {
            Some(undone) => {
                let kind = tx.query_first("SELECT kind FROM jobs WHERE seq = $1", &[undone.into()])?;
                Some((
                    undone,
                    kind.map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))?,
                ))
            }
            None => None,
        };
        let expected = match (of.int(6)?, row.opt_blob(7)?) {
            (0, _) => None,
            (_, expected) => Some(expected.unwrap_or_default().to_vec()),
        };
        let input = of.int(4)?;
        let header = tx.query("SELECT header FROM inputs WHERE id = $1", &[input.into()])?;
        let header = header.first().map_or(Ok("[]"), |row| row.text(0))?;
        return Ok(Some(Claim {
            job,
            job_id: of
                .text(0)?
                .parse()
                .map_err(|_| DbError::Broken("a job's id is no UUID".to_owned()))?,
            kind: of.text(1)?.to_owned(),
            parameters: json(of.text(2)?)?,
            retry_of: of.opt_int(3)?,
            undo_of,
            input,
            header: json(header)?,
            chunk,
            first_row: row.int(1)? as u64,
            rows: row.int(2)? as u64,
            pending: row.int(3)? as u64,
            attempt,
            failures,
            owner,
            expected,
            waited,
        }));
    }
    Ok(None)
}
