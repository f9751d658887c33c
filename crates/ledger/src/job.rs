//! Jobs as they are read back.

use serde::{Deserialize, Serialize};

use super::inputs::{BYTES, HEADER, JOIN, NAME, NOTES, NUMBER, ROWS, SHA256, SHEET};
use super::{JobId, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// What is the same for every row of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The one customer of all rows, where the file has no `customer` column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Whether rows may name that customer as well. Those that name another one are rejected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checks_customer: bool,
    /// The store that carries rows out, where that is not the ledger's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Apply the good rows of a file that has bad ones.
    #[serde(default)]
    pub skip_invalid: bool,
    /// Leave out columns that the store does not keep.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_not_kept: bool,
    /// Public keys that passwords are sealed to; without any, none are handed out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seal_to: Vec<String>,
    /// Whether that is a key of the submitter's command alone, which writes them in the clear: they are in no other file then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_the_clear: bool,
    /// Whether a sender over Redis is told the rows that were not applied, together with the outcome.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reply_rows: bool,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Its file is being read and checked.
    Planned,
    /// Planned, and waiting for somebody other than its submitter to approve the plan.
    AwaitingApproval,
    /// Ready to run.
    Queued,
    /// At least one chunk has been claimed.
    Running,
    /// Waiting to try a chunk again.
    Retryable,
    /// Stopped until somebody resumes it.
    Paused,
    /// Every row has its outcome.
    Completed,
    /// Every row has its outcome; some could not be carried out.
    Failed,
    /// Stopped by request; rows that had not begun are `cancelled`.
    Cancelled,
}

impl JobState {
    /// The word in the ledger and on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Planned => "planned",
            JobState::AwaitingApproval => "awaiting-approval",
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Retryable => "retryable",
            JobState::Paused => "paused",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// Whether every row has its outcome.
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Completed | JobState::Failed | JobState::Cancelled)
    }

    /// Every state, in the order of a job's life.
    pub const ALL: [JobState; 9] = [
        Self::Planned,
        Self::AwaitingApproval,
        Self::Queued,
        Self::Running,
        Self::Retryable,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The state of that word.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, DbError> {
        Self::named(text).ok_or_else(|| DbError::Broken(format!("`{text}` is no job state")))
    }
}

/// How many rows ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the outcomes")]
pub struct Counts {
    pub applied: u64,
    pub unchanged: u64,
    pub rejected: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// All rows, those without an outcome yet included.
    pub total: u64,
}

impl Counts {
    /// Adds those of others.
    pub(crate) fn add(&mut self, other: &Self) {
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.total += other.total;
    }

    /// Rows that have their outcome.
    pub fn finished(&self) -> u64 {
        self.applied + self.unchanged + self.rejected + self.failed + self.cancelled
    }
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedJob {
    /// The word for its last state.
    pub state: String,
    /// How its rows ended.
    pub counts: Counts,
}

/// What has become of taking a job back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The last job that was to take it back.
    pub by: JobId,
    /// Where that one stands.
    pub state: JobState,
    /// Rows that have been taken back, by all such jobs.
    pub rows: u64,
    /// Whether what one of them did was taken back again.
    pub is_redone: bool,
}

/// A job as the ledger knows it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct Job {
    pub seq: i64,
    pub id: JobId,
    pub kind: String,
    pub parameters: Parameters,
    pub state: JobState,
    pub counts: Counts,
    pub submitted_by: String,
    /// The way it came in, with the account it was asked from.
    pub submitted_via: Option<String>,
    pub retry_of: Option<i64>,
    /// The job this one takes back.
    pub undo_of: Option<i64>,
    /// Its id.
    pub undo_of_id: Option<JobId>,
    /// What has been taken back of it, or is going to be.
    pub undone: Option<Undone>,
    /// Whether its rows are still there, without which nothing is taken back.
    pub keeps_rows: bool,
    /// Hash of what the job was planned to do.
    pub plan_hash: Option<String>,
    /// Hash of all that decides what it does, where it needs approval.
    pub seal: Option<String>,
    /// Why it needs approval.
    pub gate: Vec<String>,
    /// Until when it can be approved.
    pub approval_until: Option<i64>,
    /// Who approved or rejected it.
    pub decided_by: Option<String>,
    /// Rows that wait for a partner or a service.
    pub waiting: u64,
    /// Files that rows have made.
    pub files: Vec<String>,
    /// What the first of them waits for.
    pub waits_for: Option<String>,
    /// When those are looked at next, in milliseconds since the epoch.
    pub next_look: Option<i64>,
    /// Whether a chunk could go on now, or as soon as somebody takes it.
    pub has_work: bool,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub cancel_requested: bool,
    pub message: Option<String>,
    /// Where results are written to, or were.
    pub out_dir: Option<String>,
    /// As what, where a command has said so or written some.
    pub out_format: Option<String>,
    pub delivered_at: Option<i64>,
    pub input: i64,
    pub input_name: String,
    pub input_sha256: String,
    pub input_bytes: u64,
    pub input_rows: u64,
    /// What is to be said of the file, a sentence each.
    pub input_notes: Vec<String>,
    /// The sheet that was read, where the file is a workbook.
    pub input_sheet: Option<String>,
    /// The file's header, cell by cell.
    pub header: Vec<String>,
}

impl Job {
    /// The hash that is approved.
    pub fn hash_to_approve(&self) -> &str {
        self.seal.as_deref().or(self.plan_hash.as_deref()).unwrap_or_default()
    }

    /// Whether nothing more happens until somebody does something: it has ended, or it waits for a person.
    pub fn is_idle(&self) -> bool {
        self.state.is_final()
            || matches!(self.state, JobState::AwaitingApproval | JobState::Paused)
            || (self.waiting > 0 && !self.has_work)
    }
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// Only jobs of this kind.
    pub kind: Option<String>,
    /// At most this many, newest first.
    pub limit: u64,
}

/// Jobs of a kind that are few among those of years. Of more, some are among the newest, or not far behind.
const FEW: u64 = 5_000;

/// The word for where a job stands. A job that has begun is queued again while no worker holds a lease on any of it, however the
/// last worker left.
fn state(now: &str) -> String {
    format!(
        "CASE WHEN j.state = 'running' AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq
           AND (c.state = 'waiting' OR (c.state = 'running' AND c.lease_until >= CAST({now} AS BIGINT))))
         THEN 'queued' ELSE j.state END"
    )
}

/// The beginning of a query for jobs, `now` being the parameter for the time.
pub(super) fn select(now: &str) -> String {
    format!(
        "SELECT j.seq, j.id, j.kind, j.parameters, {}, {}",
        state(now),
        selected()
    )
}

fn selected() -> String {
    format!(
        "j.applied, j.unchanged, j.rejected,
    j.failed, j.cancelled, j.total, j.submitted_by, j.retry_of, j.created_at, j.started_at, j.finished_at,
    j.cancel_requested, j.message, j.out_dir, j.delivered_at, {NUMBER}, {NAME}, {SHA256}, {BYTES}, {ROWS}, {HEADER},
    j.undo_of, j.plan_hash, j.gate, j.approval_until, j.decided_by,
    CASE WHEN j.finished_at IS NULL THEN (SELECT COUNT(*) FROM waiting_rows w WHERE w.job = j.seq) ELSE 0 END,
    CASE WHEN EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running')) THEN 1 ELSE 0 END,
    (SELECT u.id FROM jobs u WHERE u.seq = j.undo_of), {NOTES},
    CASE WHEN j.finished_at IS NULL THEN
      (SELECT w.message FROM waiting_rows w WHERE w.job = j.seq ORDER BY w.row LIMIT 1) END,
    CASE WHEN j.finished_at IS NULL THEN
      (SELECT MIN(c.not_before) FROM chunks c WHERE c.job = j.seq AND c.state = 'waiting') END, {SHEET}, j.out_format,
    CASE WHEN j.block IS NOT NULL OR EXISTS (SELECT 1 FROM spool s WHERE s.input = j.input)
      OR k.block IS NOT NULL OR EXISTS (SELECT 1 FROM jobs o WHERE o.input = j.input AND o.block IS NOT NULL) THEN 1 ELSE 0 END,
    (SELECT u.id FROM jobs u WHERE u.undo_of = j.seq AND u.state <> 'planned' ORDER BY u.seq DESC LIMIT 1),
    (SELECT u.state FROM jobs u WHERE u.undo_of = j.seq AND u.state <> 'planned' ORDER BY u.seq DESC LIMIT 1),
    (SELECT CAST(COALESCE(SUM(u.applied), 0) AS BIGINT) FROM jobs u WHERE u.undo_of = j.seq),
    CASE WHEN EXISTS (SELECT 1 FROM jobs u JOIN jobs r ON r.undo_of = u.seq WHERE u.undo_of = j.seq AND r.applied > 0)
      THEN 1 ELSE 0 END, j.seal, j.submitted_via
    FROM jobs j {JOIN}"
    )
}

impl Ledger {
    /// The job of that id.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, DbError> {
        Ok(self.jobs_of(vec![id]).await?.pop().flatten())
    }

    /// Several jobs by their ids, in that order; `None` for one that is not there.
    pub async fn jobs_of(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, DbError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now_millis();
        self.db
            .read(move |tx| {
                let ids: Vec<Vec<Value>> = ids.iter().map(|id| vec![id.to_string().into(), now.into()]).collect();
                let found = tx.query_each(&format!("{} WHERE j.id = $1", select("$2")), &ids)?;
                let jobs = found
                    .iter()
                    .map(|rows| rows.first().map(|row| read_job(row, now)).transpose());
                let mut jobs: Vec<Option<Job>> = jobs.collect::<Result<_, _>>()?;
                let seqs: Vec<Vec<Value>> = jobs.iter().flatten().map(|job| vec![job.seq.into()]).collect();
                let files = "SELECT name FROM artifacts WHERE job = $1 ORDER BY row, name";
                for (job, files) in jobs.iter_mut().flatten().zip(tx.query_each(files, &seqs)?) {
                    for row in files {
                        job.files.push(row.text(0)?.to_owned());
                    }
                }
                Ok(jobs)
            })
            .await
    }

    /// Jobs, newest first.
    pub async fn jobs(&self, filter: JobFilter) -> Result<Vec<Job>, DbError> {
        let now = self.clock.now_millis();
        self.db
            .read(move |tx| {
                if let Some(seqs) = rare(tx, &filter)? {
                    let sets: Vec<Vec<Value>> = seqs.into_iter().map(|seq| vec![seq.into(), now.into()]).collect();
                    let found = tx.query_each(&format!("{} WHERE j.seq = $1", select("$2")), &sets)?;
                    return found.iter().flatten().map(|row| read_job(row, now)).collect();
                }
                let state = filter.state.map_or("", JobState::as_str);
                let found = tx.query(
                    &newest(filter.state, filter.limit),
                    &[state.into(), filter.kind.unwrap_or_default().into(), now.into()],
                )?;
                found.iter().map(|row| read_job(row, now)).collect()
            })
            .await
    }
}

/// Numbers of the newest jobs of a kind of which there are few, so that nobody walks back through the jobs of years for them; `None` if
/// there are many, or another index is asked.
fn rare(tx: &mut dyn Tx, filter: &JobFilter) -> Result<Option<Vec<i64>>, DbError> {
    let (Some(kind), None | Some(JobState::Completed)) = (&filter.kind, filter.state) else {
        return Ok(None);
    };
    // For sets, since then rows are found by index.
    let sql = format!("SELECT seq, state FROM jobs WHERE kind = $1 LIMIT {FEW}");
    let of_kind = tx.query_each(&sql, &[vec![kind.as_str().into()]])?;
    let of_kind = of_kind.into_iter().next().unwrap_or_default();
    if of_kind.len() as u64 == FEW {
        return Ok(None);
    }
    let mut seqs = Vec::with_capacity(of_kind.len());
    for row in &of_kind {
        let state = JobState::parse(row.text(1)?)?;
        if filter
            .state
            .map_or(state != JobState::Planned, |wanted| wanted == state)
        {
            seqs.push(row.int(0)?);
        }
    }
    seqs.sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
    seqs.truncate(filter.limit as usize);
    Ok(Some(seqs))
}

/// The newest jobs in state `$1`, or any, and of kind `$2`, if that is not empty; `$3` is the time.
///
/// Whatever is rare among the jobs of years has an index of its own and is asked for by it, and how many are wanted is written
/// out: otherwise a plan may come of it that reads all jobs.
fn newest(wanted: Option<JobState>, limit: u64) -> String {
    let among = match wanted {
        Some(JobState::Queued | JobState::Running | JobState::Retryable) => {
            "SELECT seq FROM jobs WHERE state IN ('queued', 'running', 'retryable') AND cancel_requested = 0
             UNION ALL SELECT seq FROM jobs WHERE cancel_requested = 1 AND finished_at IS NULL"
        }
        Some(JobState::AwaitingApproval) => "SELECT seq FROM jobs WHERE state = 'awaiting-approval'",
        Some(JobState::Paused) => "SELECT seq FROM jobs WHERE state = 'paused'",
        Some(JobState::Failed | JobState::Cancelled) => {
            "SELECT seq FROM jobs WHERE state IN ('failed', 'cancelled') AND state = $1 AND ($2 = '' OR kind = $2)"
        }
        Some(JobState::Completed | JobState::Planned) | None => {
            "SELECT seq FROM jobs WHERE state <> 'planned' AND ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2)"
        }
    };
    // Open jobs are not many, and their state is not all that is in the record.
    let (some, all) = match wanted {
        Some(JobState::Failed | JobState::Cancelled | JobState::Completed | JobState::Planned) | None => {
            (format!(" ORDER BY seq DESC LIMIT {limit}"), String::new())
        }
        Some(_) => (String::new(), format!(" LIMIT {limit}")),
    };
    format!(
        "WITH among AS MATERIALIZED ({among}{some}) {} JOIN among ON among.seq = j.seq
         WHERE ($1 = '' OR {} = $1) AND ($2 = '' OR j.kind = $2) ORDER BY j.seq DESC{all}",
        select("$3"),
        state("$3"),
    )
}

pub(super) fn with_files(tx: &mut dyn Tx, mut job: Job) -> Result<Job, DbError> {
    let files = "SELECT name FROM artifacts WHERE job = $1 ORDER BY row, name";
    for row in tx.query(files, &[job.seq.into()])? {
        job.files.push(row.text(0)?.to_owned());
    }
    Ok(job)
}

/// `now` is the time, in milliseconds since the epoch.
pub(super) fn read_job(row: &Row, now: i64) -> Result<Job, DbError> {
    let next_look = row.opt_int(36)?;
    let undone = match row.opt_text(40)? {
        None => None,
        Some(_) => Some(Undone {
            by: JobId::read(row, 40)?,
            state: JobState::parse(row.text(41)?)?,
            rows: row.int(42)? as u64,
            is_redone: row.int(43)? != 0,
        }),
    };
    let count = |column: usize| row.int(column).map(|value| value as u64);
    Ok(Job {
        seq: row.int(0)?,
        id: JobId::read(row, 1)?,
        kind: row.text(2)?.to_owned(),
        parameters: json(row.text(3)?)?,
        state: JobState::parse(row.text(4)?)?,
        counts: Counts {
            applied: count(5)?,
            unchanged: count(6)?,
            rejected: count(7)?,
            failed: count(8)?,
            cancelled: count(9)?,
            total: count(10)?,
        },
        submitted_by: row.text(11)?.to_owned(),
        submitted_via: row.opt_text(45)?.map(str::to_owned),
        retry_of: row.opt_int(12)?,
        undo_of: row.opt_int(26)?,
        undo_of_id: row.opt_text(33)?.and_then(|id| id.parse().ok()),
        undone,
        keeps_rows: row.int(39)? != 0,
        plan_hash: row.opt_text(27)?.map(str::to_owned),
        seal: row.opt_text(44)?.map(str::to_owned),
        gate: row.opt_text(28)?.map_or(Ok(Vec::new()), json)?,
        approval_until: row.opt_int(29)?,
        decided_by: row.opt_text(30)?.map(str::to_owned),
        waiting: count(31)?,
        files: Vec::new(),
        waits_for: row.opt_text(35)?.map(str::to_owned),
        has_work: row.int(32)? != 0 || next_look.is_some_and(|at| at <= now),
        next_look,
        created_at: row.int(13)?,
        started_at: row.opt_int(14)?,
        finished_at: row.opt_int(15)?,
        cancel_requested: row.int(16)? != 0,
        message: row.opt_text(17)?.map(str::to_owned),
        out_dir: row.opt_text(18)?.map(str::to_owned),
        out_format: row.opt_text(38)?.map(str::to_owned),
        delivered_at: row.opt_int(19)?,
        input: row.int(20)?,
        input_name: row.text(21)?.to_owned(),
        input_sha256: row.text_or_empty(22)?.to_owned(),
        input_bytes: count(23)?,
        input_rows: count(24)?,
        input_notes: row.opt_text(34)?.map_or(Ok(Vec::new()), json)?,
        input_sheet: row.opt_text(37)?.map(str::to_owned),
        header: json(row.text(25)?)?,
    })
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::Broken(format!("the ledger holds damaged JSON: {error}")))
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Whether nothing more of a job is to be begun: it was cancelled or paused.
pub fn is_to_stop(tx: &mut dyn Tx, job: i64) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM jobs WHERE seq = $1 AND (cancel_requested = 1 OR state = 'paused')";
    Ok(!tx.query(sql, &[job.into()])?.is_empty())
}

/// When a job ended, in milliseconds since the epoch.
pub fn ended_at(tx: &mut dyn Tx, job: i64) -> Result<Option<i64>, DbError> {
    let found = tx.query_first("SELECT finished_at FROM jobs WHERE seq = $1", &[job.into()])?;
    Ok(found.map(|row| row.opt_int(0)).transpose()?.flatten())
}

/// The id people know a job by; its number if there is no such job.
pub fn shown_id(tx: &mut dyn Tx, job: i64) -> Result<String, DbError> {
    let found = tx.query_first("SELECT id FROM jobs WHERE seq = $1", &[job.into()])?;
    found.map_or(Ok(job.to_string()), |row| row.text(0).map(str::to_owned))
}
