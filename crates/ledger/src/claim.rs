//! Claims: which chunk is worked on next, and by whom.

use super::chunk_state::ChunkState;
use super::job::json;
use super::trial::{Next, Trial};
use super::{JobId, Ledger, Parameters};
use tenantry_foundation::db::{DbError, Tx};

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
    /// How it is to be tried.
    pub trial: Trial,
    /// The row that comes next is at fault: its worker died this often in a row over it.
    pub died: Option<u64>,
    pub owner: String,
    /// Whether rows of it have waited before.
    pub waited: bool,
    /// What the plan expects of the rows, encoded; `None` where the job goes by no plan.
    pub expected: Option<Vec<u8>>,
}

/// Jobs looked at per claim; several, since the chunks of the first may all be held when workers race.
const CANDIDATES: u64 = 8;

/// Who claims, and what.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// Names the worker in leases.
    pub owner: String,
    /// Of which jobs.
    pub scope: Scope,
    /// But of none of these.
    pub besides: Vec<i64>,
    /// How long the lease is for, in milliseconds.
    pub lease_millis: i64,
    /// Deaths of its worker in a row that put a chunk, or one row, to the test; `None` if a lease may have run out although
    /// its worker lives, since the ledger was away.
    pub deaths: Option<u32>,
}

/// A chunk that is ready: never begun, given back and due again, or its worker's lease has run out, or was given by a clock
/// that has been put back since, by more than workers differ in what time it is.
const READY: &str = "((c.state IN ('queued', 'waiting') AND c.not_before <= $1)
    OR (c.state = 'running' AND (c.lease_until < $1 OR c.lease_until > $1 + 2 * c.lease_length + 10000)))";

/// `SELECT … FROM jobs j` of those with a ready chunk, the next first. The chunk is looked for job by job, in the order of the
/// index: a join would go by what statistics say, and they may be of another time. `$1` is the time, `$2` the job asked for.
pub(super) fn ready_jobs(select: &str, scope: Scope, more: &str) -> String {
    let of = match scope {
        // The parameter is there for either.
        Scope::All => "CAST($2 AS BIGINT) = 0",
        Scope::Job(_) => "j.seq = $2",
    };
    format!(
        "SELECT {select} FROM jobs j
         WHERE {of} AND j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0 {more}
         AND COALESCE((SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
           AND {READY} LIMIT 1), 0) = 1
         ORDER BY j.priority DESC, j.claimed_at, j.seq"
    )
}

/// How many chunks of the job are ready, counted up to `$3`.
pub(super) fn ready_chunks() -> String {
    format!(
        "(SELECT COUNT(*) FROM (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
           AND {READY} LIMIT $3) AS ready)"
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

impl Ledger {
    /// Leases the next chunk that is ready or orphaned, of the job that was served least recently.
    pub async fn claim(&self, claimant: Claimant) -> Result<Option<Claim>, DbError> {
        let now = self.clock.now_millis();
        self.db.write(move |tx| claim(tx, &claimant, now)).await
    }
}

fn claim(tx: &mut dyn Tx, claimant: &Claimant, now: i64) -> Result<Option<Claim>, DbError> {
    let (owner, until) = (claimant.owner.clone(), now + claimant.lease_millis);
    let besides: Vec<String> = claimant.besides.iter().map(|job| format!(",{job},")).collect();
    let jobs = tx.query(
        &format!(
            "{} LIMIT $3",
            ready_jobs(
                "j.seq",
                claimant.scope,
                "AND $4 NOT LIKE '%,' || CAST(j.seq AS TEXT) || ',%'"
            )
        ),
        &[
            now.into(),
            claimant.scope.number().into(),
            CANDIDATES.into(),
            besides.concat().into(),
        ],
    )?;
    for job in jobs {
        let job = job.int(0)?;
        let sql = format!(
            "SELECT c.chunk, c.first_row, c.rows, c.pending, c.attempt, c.failures, c.suspects, c.state, c.expected,
               CASE WHEN EXISTS (SELECT 1 FROM waiting_rows w WHERE w.job = c.job AND w.row >= c.first_row
                 AND w.row < c.first_row + c.rows) THEN 1 ELSE 0 END
             FROM chunks c
             WHERE c.state IN ('queued', 'running', 'waiting') AND {READY} AND c.job = $2 ORDER BY c.chunk LIMIT 1{}",
            tx.dialect().for_update_skip_locked()
        );
        let Some(row) = tx.query_first(&sql, &[now.into(), job.into()])? else {
            continue;
        };
        let orphaned = ChunkState::parse(row.text(7)?)? == ChunkState::Running;
        let waited = row.int(9)? != 0;
        let (chunk, attempt, pending) = (row.int(0)?, row.int(4)? + 1, row.int(3)? as u64);
        let (mut trial, mut died) = (Trial::read(&row, 5)?, None);
        if let Some(deaths) = claimant.deaths.filter(|_| orphaned) {
            match trial.failed(pending, deaths.into()) {
                Next::Again(next) => trial = next,
                Next::RowFails => {
                    died = Some(trial.failures + 1);
                }
            }
        }
        tx.exec(
            "UPDATE chunks SET state = 'running', attempt = $3, failures = $4, suspects = $5, lease_owner = $6, lease_until = $7,
               lease_length = $8
             WHERE job = $1 AND chunk = $2",
            &[
                job.into(),
                chunk.into(),
                attempt.into(),
                trial.failures.into(),
                trial.suspects.into(),
                owner.as_str().into(),
                until.into(),
                claimant.lease_millis.into(),
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
        let expected = match (of.int(6)?, row.opt_blob(8)?) {
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
            pending,
            attempt,
            trial,
            died,
            owner,
            expected,
            waited,
        }));
    }
    Ok(None)
}
