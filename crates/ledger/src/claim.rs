//! Claims: which chunks are worked on next, and by whom.
//!
//! A chunk of few rows costs a worker more to claim than to carry out. So a worker that claims one also claims equally small
//! ones of the jobs that come next, up to the size of one large chunk. Chunks that have gathered are done together, a lone
//! job waits for no other, and the cost of a claim is shared. A chunk that failed before is claimed apart from others, so that
//! it does not fail them too. Some chunks fail for good if their worker dies once more. A worker with nothing else in hand claims
//! such a chunk, so that it does not answer for its neighbour.
//!
//! What is claimed has a [turn](super::batches): it takes effect in the order of claims.

mod left;

use std::sync::Arc;

use super::batches::{self, BatchTurn, ChangeSet, HeldBatch};
use super::chunk_state::ChunkState;
use super::job::json;
use super::trial::{Next, Trial};
use super::{JobId, Ledger, Parameters, inputs};
use left::Left;
use tenantry_foundation::db::{Alone, DbError, Row, Tx, Value};

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
    pub created_at: i64,
    /// When it was approved, if it had to be.
    pub approved_at: Option<i64>,
    /// When its first chunk was claimed.
    pub started_at: i64,
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
    /// When it takes effect; `None` if another store carries it out.
    pub turn: Option<BatchTurn>,
    /// How many chunks were claimed together.
    pub together: usize,
    /// Nobody waits for it.
    pub apart: bool,
    /// Whether other workers had anything else in hand when it was claimed.
    pub has_others: bool,
    /// How it is to be tried.
    pub trial: Trial,
    /// The row that comes next is at fault: its worker died this often in a row over it.
    pub died: Option<u64>,
    /// One more death and a row fails: the worker takes nothing else meanwhile.
    pub alone: bool,
    pub owner: String,
    /// Whether rows of it have waited before.
    pub waited: bool,
    /// What the plan expects of the rows, encoded; `None` where the job goes by no plan.
    pub expected: Option<Vec<u8>>,
}

/// Jobs looked at per claim; several, since the chunks of the first may all be held when workers race.
const CANDIDATES: u64 = 8;

/// What is claimed together.
#[derive(Debug, Clone)]
pub struct Together {
    /// The kinds of jobs whose chunks can be carried out in one transaction.
    pub kinds: Arc<[&'static str]>,
    /// Chunks at most.
    pub chunks: usize,
    /// Rows, more or less.
    pub rows: u64,
}

/// Who claims, and what.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// Names the worker in leases.
    pub owner: String,
    /// Kinds of jobs whose chunks wait for others, and nobody for them.
    pub apart: Arc<[&'static str]>,
    /// Of which jobs.
    pub scope: Scope,
    /// But of none of these.
    pub besides: Vec<i64>,
    /// Whether it has something in hand already.
    pub busy: bool,
    /// How long the lease is for, in milliseconds.
    pub lease_millis: i64,
    /// Deaths of its worker in a row that put a chunk, or one row, to the test; `None` if a lease may have run out although
    /// its worker lives, since the ledger was away.
    pub deaths: Option<u32>,
}

/// A chunk with rows as there can be; what is altered into another one nobody claims.
const SOUND: &str =
    "c.first_row BETWEEN 1 AND 4294967295 AND c.rows BETWEEN 0 AND 1048576 AND c.pending BETWEEN 0 AND c.rows";

/// A chunk that is ready: never begun, given back and due again, or its worker's lease has run out, or was given by a clock
/// that has been put back since, by more than workers differ in what time it is. One that has a turn is of a batch, and is
/// taken up with that.
const READY: &str = "c.turn IS NULL AND ((c.state IN ('queued', 'waiting') AND c.not_before <= $1)
    OR (c.state = 'running' AND (c.lease_until < $1 OR c.lease_until > $1 + 2 * c.lease_length + 10000)))";

/// As [`READY`], and those that are taken up with what somebody left.
const DUE: &str = "((c.state IN ('queued', 'waiting') AND c.not_before <= $1)
    OR (c.state = 'running' AND (c.lease_until < $1 OR c.lease_until > $1 + 2 * c.lease_length + 10000)))";

/// `SELECT … FROM jobs j` of those with a ready chunk, the next first. The chunk is looked for job by job, in the order of the
/// index: a join would go by what statistics say, and they may be of another time. `$1` is the time, `$2` the job asked for.
fn ready_jobs(select: &str, scope: Scope, more: &str) -> String {
    jobs_with(READY, select, scope, more)
}

/// As [`ready_jobs`], with those that are to be taken up, and each with how many such chunks it has, counted up to `$3`.
pub(super) fn due_jobs(select: &str, scope: Scope) -> String {
    let select = format!(
        "{select}, (SELECT COUNT(*) FROM (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
           AND {SOUND} AND {DUE} LIMIT $3) AS ready)"
    );
    jobs_with(DUE, &select, scope, "")
}

fn jobs_with(ready: &str, select: &str, scope: Scope, more: &str) -> String {
    let of = match scope {
        // The parameter is there for either.
        Scope::All => "CAST($2 AS BIGINT) = 0",
        Scope::Job(_) => "j.seq = $2",
    };
    format!(
        "SELECT {select} FROM jobs j
         WHERE {of} AND j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0 {more}
         AND COALESCE((SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
           AND {SOUND} AND {ready} LIMIT 1), 0) = 1
         ORDER BY j.priority DESC, j.claimed_at, j.seq"
    )
}

impl Scope {
    pub(super) fn number(self) -> i64 {
        match self {
            Scope::All => 0,
            Scope::Job(seq) => seq,
        }
    }
}

/// How often a claim is tried again whose jobs were paused or cancelled at that moment.
const AGAIN: usize = 5;

impl Ledger {
    /// Leases the next chunk that is ready or orphaned, of the job that was served least recently.
    pub async fn claim(&self, claimant: Claimant) -> Result<Option<Claim>, DbError> {
        Ok(self.claim_together(claimant, None).await?.pop())
    }

    /// As [`claim`](Self::claim), and others with it, in the order of their jobs; none if there is nothing to do.
    pub async fn claim_together(&self, claimant: Claimant, together: Option<Together>) -> Result<Vec<Claim>, DbError> {
        for _ in 0..AGAIN {
            let (now, claimant, together) = (self.clock.now_millis(), claimant.clone(), together.clone());
            let claimed = self
                .db
                .write(move |tx| claim(tx, &claimant, together.as_ref(), now))
                .await;
            match claimed {
                Err(DbError::Contended(_)) => {}
                other => return other,
            }
        }
        Ok(Vec::new())
    }
}

impl Claimant {
    fn is_apart(&self, found: &Found) -> bool {
        self.apart.contains(&found.job.kind.as_str())
    }
}

/// What a claim has to know of a job.
struct Candidate {
    seq: i64,
    id: JobId,
    kind: String,
    parameters: Parameters,
    retry_of: Option<i64>,
    input: i64,
    undo_of: Option<i64>,
    checks_drift: bool,
    created_at: i64,
    started_at: Option<i64>,
    approved_at: Option<i64>,
    /// Pending rows of the chunk that comes next, as far as that can be told before it is locked.
    pending: u64,
}

/// What [`Candidate::read`] reads, of `jobs j`.
const CANDIDATE: &str = "j.seq, j.id, j.kind, j.parameters, j.retry_of, j.input, j.undo_of, j.checks_drift, j.created_at, j.started_at, j.decided_at";

impl Candidate {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            seq: row.int(0)?,
            id: JobId::read(row, 1)?,
            kind: row.text(2)?.to_owned(),
            parameters: json(row.text(3)?)?,
            retry_of: row.opt_int(4)?,
            input: row.int(5)?,
            undo_of: row.opt_int(6)?,
            checks_drift: row.int(7)? != 0,
            created_at: row.int(8)?,
            started_at: row.opt_int(9)?,
            approved_at: row.opt_int(10)?,
            pending: row.opt_int(11)?.unwrap_or_default() as u64,
        })
    }

    fn fits(&self, together: &Together) -> bool {
        self.parameters.store.is_none() && together.kinds.contains(&self.kind.as_str())
    }
}

/// A chunk that was ready and is locked.
struct Found {
    job: Candidate,
    chunk: i64,
    first_row: u64,
    rows: u64,
    pending: u64,
    attempt: i64,
    trial: Trial,
    state: ChunkState,
    expected: Option<Vec<u8>>,
    waited: bool,
    died: Option<u64>,
    alone: bool,
}

/// The next chunk of the job `$2` that is `ready`, locked. `$1` is the time.
fn next_chunk(tx: &dyn Tx, ready: &str, more: &str) -> String {
    format!(
        "SELECT c.chunk, c.first_row, c.rows, c.pending, c.attempt, c.failures, c.suspects, c.state, c.expected,
           CASE WHEN EXISTS (SELECT 1 FROM waiting_rows w WHERE w.job = c.job AND w.row >= c.first_row
             AND w.row < c.first_row + c.rows) THEN 1 ELSE 0 END AS waited
         FROM chunks c
         WHERE c.state IN ('queued', 'running', 'waiting') AND {SOUND} AND {ready} AND c.job = $2 {more} ORDER BY c.chunk{} LIMIT 1",
        tx.dialect().for_update_skip_locked()
    )
}

impl Found {
    fn read(job: Candidate, row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            chunk: row.int(0)?,
            first_row: row.int(1)? as u64,
            rows: row.int(2)? as u64,
            pending: row.int(3)? as u64,
            attempt: row.int(4)?,
            trial: Trial::read(row, 5)?,
            state: ChunkState::parse(row.text(7)?)?,
            expected: job
                .checks_drift
                .then(|| row.opt_blob(8).map(|expected| expected.unwrap_or_default().to_vec()))
                .transpose()?,
            waited: row.int(9)? != 0,
            died: None,
            alone: false,
            job,
        })
    }

    /// Whether nothing is known against it.
    fn is_sound(&self) -> bool {
        self.died.is_none() && !self.alone && self.trial == Trial::default()
    }

    /// Counts the death of its last worker, if it has died, and tells whether it is to be carried out alone.
    fn judge(&mut self, deaths: Option<u32>) {
        let Some(deaths) = deaths else {
            self.alone = self.trial.failures > 0;
            return;
        };
        if self.state == ChunkState::Running {
            match self.trial.failed(self.pending, deaths.into()) {
                Next::Again(next) => self.trial = next,
                Next::RowFails => {
                    self.died = Some(self.trial.failures + 1);
                    return;
                }
            }
        }
        self.alone = self.trial.failed(self.pending, deaths.into()) == Next::RowFails;
    }
}

fn claim(tx: &mut dyn Tx, claimant: &Claimant, together: Option<&Together>, now: i64) -> Result<Vec<Claim>, DbError> {
    // Who claims sees what was claimed before, so that turns are in the order of jobs. A claim that is lost was never made: the
    // fence refuses all that follows from it.
    tx.alone_with(Alone::Claims)?;
    tx.commit_soon()?;
    let in_hand = batches::in_hand(tx)?;
    match left::of_dead(tx, claimant, together, &in_hand, now)? {
        Left::Nothing => {}
        Left::Elsewhere => return Ok(Vec::new()),
        Left::Here(found, _) if found.iter().any(|one| one.alone) && claimant.busy => return Ok(Vec::new()),
        Left::Here(found, turn) => return lease(tx, claimant, found, (&in_hand, Some(turn)), now),
    }
    let first = next(tx, claimant, now)?;
    let Some(first) = first.filter(|found| !found.alone || !claimant.busy) else {
        return Ok(Vec::new());
    };
    let is_sound = first.is_sound();
    let mut found = vec![first];
    if let Some(together) = together
        && is_sound
        && found[0].job.fits(together)
        && found[0].pending < together.rows
        && together.chunks > 1
    {
        let more = others(tx, claimant, together, &found[0], now)?;
        found.extend(more);
    }
    lease(tx, claimant, found, (&in_hand, None), now)
}

/// The first chunk there is to claim. One that is to be carried out alone is left by a worker that is busy, which takes nothing
/// else then either, and so has nothing in hand soon.
fn next(tx: &mut dyn Tx, claimant: &Claimant, now: i64) -> Result<Option<Found>, DbError> {
    let besides: Vec<String> = claimant.besides.iter().map(|job| format!(",{job},")).collect();
    let sql = format!(
        "{} LIMIT $3",
        ready_jobs(
            &format!("{CANDIDATE}, 0"),
            claimant.scope,
            "AND $4 NOT LIKE '%,' || CAST(j.seq AS TEXT) || ',%'"
        )
    );
    let params = [
        now.into(),
        claimant.scope.number().into(),
        CANDIDATES.into(),
        besides.concat().into(),
    ];
    for job in tx.query(&sql, &params)? {
        let job = Candidate::read(&job)?;
        let sql = next_chunk(tx, READY, "");
        if let Some(row) = tx.query_first(&sql, &[now.into(), job.seq.into()])? {
            let mut found = Found::read(job, &row)?;
            found.judge(claimant.deaths);
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Chunks to be carried out with the first one, of other jobs.
fn others(
    tx: &mut dyn Tx,
    claimant: &Claimant,
    together: &Together,
    first: &Found,
    now: i64,
) -> Result<Vec<Found>, DbError> {
    let select = format!(
        "{CANDIDATE}, (SELECT c.pending FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
           AND {READY} ORDER BY c.chunk LIMIT 1)"
    );
    let sql = format!("{} LIMIT $3", ready_jobs(&select, claimant.scope, "AND j.seq <> $4"));
    let params = [
        now.into(),
        claimant.scope.number().into(),
        (together.chunks as u64 - 1).into(),
        first.job.seq.into(),
    ];
    let (mut wanted, mut room) = (Vec::new(), together.rows - first.pending);
    for job in tx.query(&sql, &params)? {
        let job = Candidate::read(&job)?;
        // What is carried out elsewhere has nothing to do with these.
        if job.parameters.store.is_some() {
            continue;
        }
        // What does not fit comes next, and is not overtaken by what is behind it.
        let Some(left) = room.checked_sub(job.pending).filter(|_| job.fits(together)) else {
            break;
        };
        room = left;
        wanted.push(job);
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // What comes next of a job and is not sound is claimed by itself.
    let sql = next_chunk(
        tx,
        READY,
        "AND c.state <> 'running' AND c.failures = 0 AND c.suspects IS NULL AND c.pending <= $3",
    );
    let params: Vec<Vec<Value>> = wanted
        .iter()
        .map(|job| vec![now.into(), job.seq.into(), job.pending.into()])
        .collect();
    let locked = tx.query_each(&sql, &params)?;
    let found = wanted.into_iter().zip(locked).filter_map(|(job, rows)| {
        let row = rows.into_iter().next()?;
        Some(Found::read(job, &row))
    });
    found.collect()
}

/// Leases chunks that are locked.
fn lease(
    tx: &mut dyn Tx,
    claimant: &Claimant,
    found: Vec<Found>,
    (in_hand, turn): (&[HeldBatch], Option<BatchTurn>),
    now: i64,
) -> Result<Vec<Claim>, DbError> {
    let job = match found.as_slice() {
        [one] => Some(one.job.seq),
        _ => None,
    };
    let has_others = in_hand
        .iter()
        .any(|batch| batch.is_of_others(&claimant.owner, job, now));
    let until = now + claimant.lease_millis;
    let turn = match found.as_slice() {
        _ if turn.is_some() => turn,
        [first, ..] if first.job.parameters.store.is_some() => None,
        [first, ..] => {
            let chunks: Vec<(i64, i64)> = found.iter().map(|one| (one.job.seq, one.chunk)).collect();
            let places = claimant.is_apart(first).then(ChangeSet::none);
            Some(batches::begin(
                tx,
                &claimant.owner,
                &chunks,
                (until, claimant.lease_millis),
                places,
            )?)
        }
        [] => None,
    };
    let chunks: Vec<Vec<Value>> = found
        .iter()
        .map(|one| {
            vec![
                one.job.seq.into(),
                one.chunk.into(),
                (one.attempt + 1).into(),
                one.trial.failures.into(),
                one.trial.suspects.into(),
                claimant.owner.as_str().into(),
                until.into(),
                claimant.lease_millis.into(),
                turn.map(|turn| turn.number).into(),
            ]
        })
        .collect();
    tx.send_all(
        "UPDATE chunks SET state = 'running', attempt = $3, failures = $4, suspects = $5, lease_owner = $6, lease_until = $7,
           lease_length = $8, turn = $9
         WHERE job = $1 AND chunk = $2",
        chunks,
    )?;
    let mut jobs: Vec<i64> = found.iter().map(|one| one.job.seq).collect();
    jobs.sort_unstable();
    let params: Vec<Vec<Value>> = jobs.iter().map(|job| vec![(*job).into(), now.into()]).collect();
    tx.send_each(
        // Written so that no index of open jobs seems to fit, where there may be many: the number is all it takes.
        "UPDATE jobs SET state = 'running', started_at = COALESCE(started_at, $2), claimed_at = $2
         WHERE seq = $1 AND CASE WHEN state IN ('queued', 'running', 'retryable') AND cancel_requested = 0 THEN 1 ELSE 0 END = 1",
        params,
        || DbError::Contended("a job was paused or cancelled".to_owned()),
    )?;
    let headers = inputs::headers(tx, &found.iter().map(|one| one.job.input).collect::<Vec<_>>())?;
    let together = found.len();
    let mut claims = Vec::with_capacity(together);
    for (one, header) in found.into_iter().zip(headers) {
        let kind = one.job.kind;
        let undo_of = one.job.undo_of.map(|undone| kind_of(tx, undone)).transpose()?;
        claims.push(Claim {
            job: one.job.seq,
            job_id: one.job.id,
            parameters: one.job.parameters,
            created_at: one.job.created_at,
            approved_at: one.job.approved_at,
            started_at: one.job.started_at.unwrap_or(now),
            retry_of: one.job.retry_of,
            undo_of,
            input: one.job.input,
            header: json(&header)?,
            chunk: one.chunk,
            first_row: one.first_row,
            rows: one.rows,
            pending: one.pending,
            attempt: one.attempt + 1,
            apart: claimant.apart.contains(&kind.as_str()),
            kind,
            turn,
            together,
            has_others,
            trial: one.trial,
            died: one.died,
            alone: one.alone,
            owner: claimant.owner.clone(),
            expected: one.expected,
            waited: one.waited,
        });
    }
    Ok(claims)
}

/// A job that is taken back, and its kind.
fn kind_of(tx: &mut dyn Tx, undone: i64) -> Result<(i64, String), DbError> {
    let kind = tx.query_first("SELECT kind FROM jobs WHERE seq = $1", &[undone.into()])?;
    let kind = kind.map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))?;
    Ok((undone, kind))
}
