//! Leases: who works on which chunk, for how long, and what follows when it fails.

use std::time::Duration;

use super::audit::{self, Action, AuditEntry, JOB_COLUMNS};
use super::batches;
use super::closing::{self, end_chunk};
use super::fence::{self, pending_rows};
use super::trial::{Next, Trial};
use super::workers::{self, WorkerSign};
use super::{Actor, Claim, EndedJob, Ledger, Outcome, RowOutcome};
use tenantry_foundation::db::{DbError, Tx, Value};

/// Why a chunk failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Something is away that it needs. It waits, however often.
    Surroundings,
    /// Something is wrong with it. `most` times in a row are enough to look for the row that is at fault.
    Rows {
        /// See above.
        most: u64,
    },
}

/// The outcome of a chunk that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetBack {
    /// It is tried again after this long.
    Again(Duration),
    /// A row of it was at fault and failed.
    RowFailed(FailedRows),
}

/// What a row that is given up has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRows {
    /// Rows that have failed: this one, or all that were left.
    pub rows: u64,
    /// How the job ended, if that ended it.
    pub job: Option<EndedJob>,
}

impl Ledger {
    /// Prolongs the leases of the chunks given as (job, chunk, attempt), and of the batches of these turns. One that a transaction
    /// is at work on is passed over: nobody else can claim it meanwhile, and waiting for it would let the others run out. The
    /// worker's sign of life, if it gives one, goes with them.
    pub async fn renew(
        &self,
        owner: &str,
        (held, turns): (&[(i64, i64, i64)], &[i64]),
        lease_millis: i64,
        sign: Option<WorkerSign>,
    ) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        let until = now + lease_millis;
        let params: Vec<Vec<Value>> = held
            .iter()
            .map(|(job, chunk, attempt)| {
                vec![
                    (*job).into(),
                    (*chunk).into(),
                    (*attempt).into(),
                    owner.into(),
                    until.into(),
                    lease_millis.into(),
                ]
            })
            .collect();
        let (owner, turns) = (owner.to_owned(), turns.to_vec());
        self.db
            .write_apart(move |tx| {
                batches::renew(tx, &owner, &turns, until, lease_millis)?;
                let sql = format!(
                    "UPDATE chunks SET lease_until = $5, lease_length = $6 WHERE job = $1 AND chunk IN
                       (SELECT chunk FROM chunks WHERE job = $1 AND chunk = $2 AND attempt = $3 AND lease_owner = $4
                        AND state = 'running'{})",
                    tx.dialect().for_update_skip_locked()
                );
                tx.send_all(&sql, params)?;
                sign.map_or(Ok(()), |sign| workers::record(tx, &sign, now))
            })
            .await
    }

    /// Gives a chunk back, to be claimed again at once; its worker is merely leaving.
    pub async fn release(&self, claim: &Claim) -> Result<(), DbError> {
        let (claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                tx.send(
                    "UPDATE chunks SET state = 'queued', turn = NULL, lease_owner = NULL, lease_until = NULL, not_before = $3
                     WHERE job = $1 AND chunk = $2",
                    &[claim.job.into(), claim.chunk.into(), now.into()],
                )?;
                fence::leave(tx, &[&claim])
            })
            .await
    }

    /// Gives chunks back that were claimed together, with their turn: they are the next to be claimed. Those that have passed to
    /// another worker stay there.
    pub async fn give_back(&self, claims: &[Claim]) -> Result<(), DbError> {
        let (mut claims, now) = (claims.to_vec(), self.clock.now_millis());
        let batch = claims
            .first()
            .and_then(|claim| Some((claim.turn?, claim.owner.clone())));
        claims.sort_unstable_by_key(|claim| (claim.job, claim.chunk));
        self.db
            .write(move |tx| {
                let chunks = claims.iter().map(|claim| {
                    let mut params = fence::key(claim);
                    params.push(now.into());
                    params
                });
                tx.send_all(
                    "UPDATE chunks SET state = 'queued', lease_owner = NULL, lease_until = NULL, not_before = $5
                     WHERE job = $1 AND chunk = $2 AND attempt = $3 AND lease_owner = $4 AND state = 'running'",
                    chunks.collect(),
                )?;
                match &batch {
                    Some((turn, owner)) => batches::leave(tx, *turn, owner, now),
                    None => Ok(()),
                }
            })
            .await
    }

    /// Gives a chunk back that failed because of `why`, to be tried again after a delay, which depends on how often in
    /// a row that was so. If a row of it is at fault, that one fails.
    pub async fn set_back(
        &self,
        claim: &Claim,
        cause: Cause,
        delay: impl Fn(u64) -> Duration + Send + 'static,
        why: String,
    ) -> Result<SetBack, DbError> {
        let (mut claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                // Some of its rows may have been recorded since it was claimed.
                let row = tx.query_first(
                    "SELECT failures, suspects, pending, setbacks FROM chunks WHERE job = $1 AND chunk = $2",
                    &[claim.job.into(), claim.chunk.into()],
                )?;
                let row = row.ok_or(DbError::LeaseLost)?;
                claim.pending = row.int(2)? as u64;
                let mut setbacks = row.int(3)? as u64;
                let mut trial = Trial::read(&row, 0)?;
                let pause = match cause {
                    Cause::Surroundings => {
                        setbacks += 1;
                        delay(setbacks)
                    }
                    Cause::Rows { most } => match trial.failed(claim.pending, most) {
                        Next::RowFails => {
                            let why = format!("given up after {most} attempts: {why}");
                            return fail_row(tx, claim, why, now).map(SetBack::RowFailed);
                        }
                        Next::Again(next) => {
                            trial = next;
                            match trial.suspects {
                                Some(_) => Duration::ZERO,
                                None => delay(trial.failures),
                            }
                        }
                    },
                };
                tx.send(
                    "UPDATE chunks SET state = 'queued', turn = NULL, lease_owner = NULL, lease_until = NULL, not_before = $3,
                       failures = $4, suspects = $5, setbacks = $6, message = $7
                     WHERE job = $1 AND chunk = $2",
                    &[
                        claim.job.into(),
                        claim.chunk.into(),
                        (now + pause.as_millis() as i64).into(),
                        trial.failures.into(),
                        trial.suspects.into(),
                        setbacks.into(),
                        why.as_str().into(),
                    ],
                )?;
                tx.send(
                    "UPDATE jobs SET message = $2, state = CASE WHEN EXISTS
                       (SELECT 1 FROM chunks WHERE job = $1 AND state = 'running') OR state = 'paused'
                       THEN state ELSE 'retryable' END
                     WHERE seq = $1",
                    &[claim.job.into(), why.into()],
                )?;
                fence::leave(tx, &[&claim])?;
                Ok(SetBack::Again(pause))
            })
            .await
    }

    /// Fails the row that comes next, which is at fault, and gives the chunk back, to go on without it.
    pub async fn fail_row(&self, claim: &Claim, why: String) -> Result<FailedRows, DbError> {
        let (claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                fail_row(tx, claim, why, now)
            })
            .await
    }

    /// Gives a chunk back and stops its job until somebody resumes it, since no row can be carried out as things are.
    pub async fn park(&self, claim: &Claim, why: String) -> Result<(), DbError> {
        let (claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                tx.send(
                    "UPDATE chunks SET state = 'queued', turn = NULL, lease_owner = NULL, lease_until = NULL, not_before = 0
                     WHERE job = $1 AND chunk = $2",
                    &[claim.job.into(), claim.chunk.into()],
                )?;
                fence::leave(tx, &[&claim])?;
                let paused = tx.query_first(
                    &format!(
                        "UPDATE jobs SET state = 'paused', message = $2 WHERE seq = $1 AND state <> 'paused'
                         AND cancel_requested = 0 RETURNING {JOB_COLUMNS}"
                    ),
                    &[claim.job.into(), format!("paused: {why}; `resume` goes on").into()],
                )?;
                let Some(row) = paused else { return Ok(()) };
                let entry = AuditEntry {
                    note: Some(why),
                    ..audit::of_job(Action::Paused, &row, 0)?
                };
                audit::append(tx, now, &entry)
            })
            .await
    }

    /// Ends a chunk that cannot be carried out: its rows without an outcome are `failed`.
    pub async fn give_up(&self, claim: &Claim, why: String) -> Result<FailedRows, DbError> {
        let (claim, now) = (claim.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                say_of_job(tx, claim.job, &why)?;
                fail_rest(tx, &claim, &why, now)
            })
            .await
    }

    /// Asks a job to stop, for `by`: chunks nobody works on are cancelled now, the others finish. `false` when
    /// it had ended before.
    pub async fn cancel(&self, job: i64, by: &Actor) -> Result<bool, DbError> {
        self.cancel_also(job, by, |_, _, _| Ok(None)).await
    }

    /// As [`cancel`](Self::cancel); before anything of the job is touched, `also` is done for it in the same transaction, and
    /// what it says is recorded with it. It is given the job and the time.
    pub async fn cancel_also(&self, job: i64, by: &Actor, also: AlsoDone) -> Result<bool, DbError> {
        let (now, by) = (self.clock.now_millis(), by.clone());
        self.db
            .write(move |tx| {
                let note = also(tx, job, now)?;
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
                    ended = end_chunk(tx, (job, row.int(0)?), Outcome::Cancelled, None, now)?.or(ended);
                }
                if let Some(open) = &open {
                    // The outcome of the rows is for the record of the job's end to say.
                    let asked = AuditEntry {
                        counts: None,
                        note,
                        ..audit::of_job(Action::Cancelled, open, 0)?
                    };
                    audit::append(tx, now, &asked.by(&by))?;
                }
                audit::ended(tx, ended, None, now)?;
                Ok(open.is_some())
            })
            .await
    }
}

/// What is done together with something else to a job, at a time in milliseconds since the epoch; what is to be recorded of it.
pub type AlsoDone = fn(&mut dyn Tx, i64, i64) -> Result<Option<String>, DbError>;

/// The code of a row that failed alone after its chunk had.
pub(super) const AT_FAULT: &str = "at-fault";

fn say_of_job(tx: &mut dyn Tx, job: i64, what: &str) -> Result<(), DbError> {
    tx.send(
        "UPDATE jobs SET message = $2 WHERE seq = $1",
        &[job.into(), what.into()],
    )
}

/// In a transaction that is fenced. If a few rows of the chunk have failed so, it is no fault of single rows, and all that are
/// left fail with this one.
fn fail_row(tx: &mut dyn Tx, mut claim: Claim, why: String, now: i64) -> Result<FailedRows, DbError> {
    const MOST_ROWS: i64 = 5;
    let alike = tx.query_first(
        "SELECT COUNT(*) FROM row_outcomes WHERE job = $1 AND row >= $2 AND row < $3 AND code = $4",
        &[
            claim.job.into(),
            claim.first_row.into(),
            (claim.first_row + claim.rows).into(),
            AT_FAULT.into(),
        ],
    )?;
    let next = pending_rows(tx, &claim)?.into_iter().next();
    say_of_job(tx, claim.job, &why)?;
    let many = alike.map_or(Ok(0), |row| row.int(0))? >= MOST_ROWS;
    let Some(row) = next.filter(|_| !many && claim.pending > 1) else {
        return fail_rest(tx, &claim, &why, now);
    };
    let failed = RowOutcome {
        row,
        outcome: Outcome::Failed,
        code: AT_FAULT.to_owned(),
        message: why,
        target: String::new(),
        columns: Vec::new(),
    };
    closing::record(tx, &mut claim, &[failed], None, now)?;
    let trial = Trial::without_row(claim.pending);
    tx.send(
        "UPDATE chunks SET state = 'queued', turn = NULL, lease_owner = NULL, lease_until = NULL, not_before = 0, failures = $3, suspects = $4
         WHERE job = $1 AND chunk = $2",
        &[
            claim.job.into(),
            claim.chunk.into(),
            trial.failures.into(),
            trial.suspects.into(),
        ],
    )?;
    fence::leave(tx, &[&claim])?;
    Ok(FailedRows { rows: 1, job: None })
}

/// Fails every row of a fenced chunk that is left.
fn fail_rest(tx: &mut dyn Tx, claim: &Claim, why: &str, now: i64) -> Result<FailedRows, DbError> {
    let ended = end_chunk(tx, (claim.job, claim.chunk), Outcome::Failed, Some(why), now)?;
    fence::leave(tx, &[claim])?;
    let job = audit::ended(tx, ended, Some(&claim.owner), now)?;
    Ok(FailedRows {
        rows: claim.pending,
        job,
    })
}
