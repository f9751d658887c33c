//! From a submission to a queued job: begin, append block after block, commit.
//!
//! While a file is read its job is `planned`: invisible to workers, kept alive by each appended block, and
//! removed by the sweep when its submitter died. Sealing makes it `queued` in one transaction, unless the
//! same work is queued already. A file whose rows are all in one chunk needs none of that, see [`record`](super::record).

use super::allowances::{AllowanceTaking, Allowances, TakenToday, takes_note};
use super::audit::{self, AWAITS, Action, AuditEntry, JOB_COLUMNS};
use super::job::to_json;
use super::origin::{JobLink, Settled};
use super::replies;
use super::rows::{BETWEEN, record_outcomes_of};
use super::{Actor, Job, JobId, JobState, Ledger, Origin, Parameters, ReplyTo, RowOutcome, digest, origin, seal};
use tenantry_foundation::db::{DbError, Tx, Value};
use tenantry_jobs::printable;

/// A planned job whose submitter has shown no life for this long is removed.
pub(super) const PLANNING_LEASE_MILLIS: i64 = 120_000;

/// What is known of a job before its file is read.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct NewJob {
    pub kind: String,
    pub parameters: Parameters,
    pub submitted_by: Actor,
    pub input_name: String,
    pub header: Vec<String>,
    /// Directory on `out_host` that results are to be written to.
    pub out_dir: Option<String>,
    pub out_host: Option<String>,
}

/// A range of rows of a job being planned.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// Its number, from 0.
    pub number: i64,
    /// Row number of its first row.
    pub first_row: u64,
    /// How many rows there are.
    pub rows: u64,
    /// Rows that are the job's to do, those it rejects at once included.
    pub pending: u64,
    /// The rows; `None` where another job has spooled them.
    pub block: Option<Vec<u8>>,
    /// What the plan expects of them.
    pub expected: Vec<u8>,
}

/// A job being planned.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct Draft {
    pub id: JobId,
    pub seq: i64,
    pub input: i64,
}

/// What is known of a job once its file has been read.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Lower-case hex of the file's bytes.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Data rows.
    pub rows: u64,
    /// What is to be said of the file, a sentence each.
    pub notes: Vec<String>,
    /// The sheet that was read, where the file is a workbook.
    pub sheet: Option<String>,
    /// The submitter's own key.
    pub idempotency_key: Option<String>,
    /// Who is told how the job ends, or the one that is the same.
    pub reply_to: Option<ReplyTo>,
    /// What brought the job, if no person did.
    pub origin: Option<Origin>,
    /// When its work is to begin, if not at once.
    pub not_before: Option<i64>,
    /// Hash of kind, parameters and content.
    pub fingerprint: String,
    /// Hash of what the job would do to the store as it was.
    pub plan_hash: String,
    /// Whether rows whose state is no longer as planned are refused.
    pub checks_drift: bool,
    /// The job that this one takes back.
    pub undoes: Option<Undoes>,
    /// Why the job has to be approved first; `None` when it may run.
    pub gate: Option<Gate>,
    /// What it takes from limits of the day, if it need not be approved.
    pub takings: Vec<AllowanceTaking>,
}

/// What an undo takes back.
#[derive(Debug, Clone, Copy)]
pub struct Undoes {
    /// The job.
    pub job: JobId,
    /// Whether it would have to be approved if anybody but the submitter of that job asked for it.
    pub is_own: bool,
}

impl std::fmt::Display for Undoes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = if self.is_own {
            ", without approval for the person who submitted it"
        } else {
            ""
        };
        write!(f, "undoes job {}{own}", self.job)
    }
}

impl From<Settled> for Committed {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Linked(job) => Self::Same(job),
            Settled::Lost => Self::OriginLost,
        }
    }
}

impl Commit {
    /// How what brought the job is to be linked to that one.
    pub(super) fn link_to(&self, job: JobId) -> Option<JobLink<'_>> {
        self.origin.map(|origin| JobLink {
            origin,
            job,
            sha256: &self.sha256,
        })
    }
}

/// A job that needs approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Why, each in a phrase.
    pub reasons: Vec<String>,
    /// How long there is to approve it.
    pub expires_millis: i64,
}

/// How committing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// The job is queued (or finished, when no row was left to do).
    Queued,
    /// The job waits for approval.
    AwaitingApproval,
    /// This job was asked for before; the new one is gone.
    Same(JobId),
    /// The idempotency key belongs to a job with other content; nothing was queued.
    KeyReused(JobId),
    /// What brought it is not the submitter's any more; nothing was queued.
    OriginLost,
    /// A limit of the day leaves too little for it, of which that much was taken; nothing was queued. It has to be approved.
    OverLimit(TakenToday),
}

/// A job that has no rows yet.
struct PlannedJob {
    id: JobId,
    kind: String,
    parameters: String,
    by: Actor,
    now: i64,
    undo_of: Option<i64>,
    out_dir: Option<String>,
    out_host: Option<String>,
}

impl PlannedJob {
    fn insert(self, tx: &mut dyn Tx, input: i64) -> Result<Draft, DbError> {
        let job = tx.query(
            "INSERT INTO jobs (id, kind, parameters, state, input, submitted_by, submitted_via, created_at,
               planning_until, undo_of, out_dir, out_host)
             VALUES ($1, $2, $3, 'planned', $4, $5, $6, $7, $8, $9, $10, $11) RETURNING seq",
            &[
                self.id.to_string().into(),
                self.kind.into(),
                self.parameters.into(),
                input.into(),
                self.by.name.as_str().into(),
                self.by.way().into(),
                self.now.into(),
                (self.now + PLANNING_LEASE_MILLIS).into(),
                self.undo_of.into(),
                self.out_dir.into(),
                self.out_host.into(),
            ],
        )?;
        Ok(Draft {
            id: self.id,
            seq: only(&job)?,
            input,
        })
    }
}

impl Ledger {
    /// Records a job in state `planned`.
    pub async fn begin(&self, new: NewJob) -> Result<Draft, DbError> {
        let mut planned = self.planned(new.kind, &new.parameters, new.submitted_by);
        (planned.out_dir, planned.out_host) = (new.out_dir, new.out_host);
        self.db
            .write(move |tx| {
                let input = tx.query(
                    "INSERT INTO inputs (name, header) VALUES ($1, $2) RETURNING id",
                    &[new.input_name.into(), to_json(&new.header).into()],
                )?;
                planned.insert(tx, only(&input)?)
            })
            .await
    }

    /// Records a job in state `planned` that takes another one back, row by row.
    pub async fn begin_undo(&self, of: &Job, by: &Actor, out: Option<(String, String)>) -> Result<Draft, DbError> {
        // Rows are taken back where they were carried out.
        let parameters = Parameters {
            store: of.parameters.store.clone(),
            ..Parameters::default()
        };
        let mut planned = self.planned("undo".to_owned(), &parameters, by.clone());
        planned.undo_of = Some(of.seq);
        (planned.out_dir, planned.out_host) = out.unzip();
        let input = of.input;
        self.db.write(move |tx| planned.insert(tx, input)).await
    }

    fn planned(&self, kind: String, parameters: &Parameters, by: Actor) -> PlannedJob {
        PlannedJob {
            id: JobId(self.clock.fresh_id()),
            kind,
            parameters: to_json(parameters),
            by,
            now: self.clock.now_millis(),
            undo_of: None,
            out_dir: None,
            out_host: None,
        }
    }

    /// Appends the block of one chunk with its rejected rows and what the plan expects of the others, and shows
    /// that the submitter lives.
    pub async fn append(&self, job: Draft, chunk: NewChunk, rejects: Vec<RowOutcome>) -> Result<(), DbError> {
        let until = self.clock.now_millis() + PLANNING_LEASE_MILLIS;
        self.db
            .write(move |tx| {
                let alive = tx.exec(
                    "UPDATE jobs SET planning_until = $2 WHERE seq = $1 AND state = 'planned'",
                    &[job.seq.into(), until.into()],
                )?;
                if alive == 0 {
                    return Err(DbError::LeaseLost);
                }
                if let Some(block) = chunk.block {
                    tx.exec(
                        "INSERT INTO spool (input, block, data) VALUES ($1, $2, $3)",
                        &[job.input.into(), chunk.number.into(), block.into()],
                    )?;
                }
                let expected = Some(chunk.expected).filter(|expected| !expected.is_empty());
                tx.send(
                    "INSERT INTO chunks (job, chunk, first_row, rows, pending, state, expected)
                     VALUES ($1, $2, $3, $4, $5, 'queued', $6)",
                    &[
                        job.seq.into(),
                        chunk.number.into(),
                        chunk.first_row.into(),
                        chunk.rows.into(),
                        (chunk.pending - rejects.len() as u64).into(),
                        expected.into(),
                    ],
                )?;
                record_outcomes_of(tx, job.seq, &rejects)
            })
            .await
    }

    /// Rejects rows whose blocks were appended before their fault was known: (chunk, outcome). A row that is
    /// rejected already is so for this as well.
    pub async fn reject(&self, job: Draft, rejects: Vec<(i64, RowOutcome)>) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                for (chunk, reject) in &rejects {
                    // One that was rejected before is so for this as well.
                    let known = tx.exec(
                        "UPDATE row_outcomes SET message = message || '; ' || CAST($3 AS TEXT),
                           columns = COALESCE(columns || ';', '') || CAST($4 AS TEXT) WHERE job = $1 AND row = $2",
                        &[
                            job.seq.into(),
                            reject.row.into(),
                            reject.message.as_str().into(),
                            reject.columns.join(BETWEEN).into(),
                        ],
                    )?;
                    if known > 0 {
                        continue;
                    }
                    tx.send(
                        "INSERT INTO row_outcomes (job, row, outcome, code, message, columns) VALUES ($1, $2, $3, $4, $5, $6)",
                        &[
                            job.seq.into(),
                            reject.row.into(),
                            reject.outcome.as_str().into(),
                            reject.code.as_str().into(),
                            reject.message.as_str().into(),
                            reject.columns.join(BETWEEN).into(),
                        ],
                    )?;
                    tx.send(
                        "UPDATE chunks SET pending = pending - 1 WHERE job = $1 AND chunk = $2",
                        &[job.seq.into(), (*chunk).into()],
                    )?;
                }
                Ok(())
            })
            .await
    }

    /// Queues the job, or finds the one that is the same.
    pub async fn commit(&self, job: Draft, commit: Commit) -> Result<Committed, DbError> {
        match self.try_to_commit(job, commit.clone()).await {
            // The same was committed at the same moment; now it can be seen.
            Err(DbError::Conflict(_)) => self.try_to_commit(job, commit).await,
            other => other,
        }
    }

    async fn try_to_commit(&self, job: Draft, commit: Commit) -> Result<Committed, DbError> {
        let (now, policy) = (self.clock.now_millis(), self.policy().number);
        self.db
            .write(move |tx| {
                let mut allowances = Allowances::lock(tx, now, commit.takings.iter())?;
                if let Some(settled) = origin::settled(tx, &[commit.origin])?.pop().flatten() {
                    discard(tx, job)?;
                    return Ok(settled.into());
                }
                if let Some(other) = same_job(tx, &commit)? {
                    if let Committed::Same(other) = other {
                        if let Some(reply) = &commit.reply_to {
                            replies::ask(tx, other, reply)?;
                        }
                        origin::link(tx, commit.link_to(other).as_slice())?;
                    }
                    discard(tx, job)?;
                    return Ok(other);
                }
                if let Err(taken) = allowances.take(&commit.takings) {
                    return Ok(Committed::OverLimit(taken));
                }
                allowances.write(tx)?;
                // Rows that were spooled by another job have been measured.
                tx.send(
                    "UPDATE inputs SET sha256 = $2, bytes = $3, rows = $4, notes = $5, sheet = $6
                     WHERE id = $1 AND sha256 IS NULL",
                    &[
                        job.input.into(),
                        commit.sha256.as_str().into(),
                        commit.bytes.into(),
                        commit.rows.into(),
                        (!commit.notes.is_empty()).then(|| to_json(&commit.notes)).into(),
                        commit.sheet.clone().into(),
                    ],
                )?;
                tx.send(
                    "UPDATE chunks SET state = 'done' WHERE job = $1 AND pending = 0",
                    &[job.seq.into()],
                )?;
                let over = "SELECT chunk, first_row, rows FROM chunks WHERE job = $1 AND state = 'done'";
                for row in tx.query(over, &[job.seq.into()])? {
                    let (first, rows) = (row.int(1)? as u64, row.int(2)? as u64);
                    digest::note(tx, (job.seq, row.int(0)?), first, first + rows.max(1) - 1)?;
                }
                let state = if commit.gate.is_some() {
                    JobState::AwaitingApproval
                } else {
                    JobState::Queued
                };
                let until = commit.gate.as_ref().map(|gate| now + gate.expires_millis);
                let reasons = commit.gate.as_ref().map(|gate| to_json(&gate.reasons));
                let sql = format!(
                    "UPDATE jobs SET planning_until = NULL, total = $2, idempotency_key = $3, fingerprint = $4,
                       rejected = (SELECT COUNT(*) FROM row_outcomes WHERE job = $1),
                       refused = (SELECT COUNT(*) FROM row_outcomes WHERE job = $1),
                       chunks_left = (SELECT COUNT(*) FROM chunks WHERE job = $1 AND state <> 'done'),
                       state = $6, plan_hash = $7, checks_drift = $8, gate = $9, approval_until = $10
                     WHERE seq = $1 AND state = 'planned'
                     RETURNING (SELECT name FROM inputs WHERE id = $5), {JOB_COLUMNS}"
                );
                let queued = tx.query_first(
                    &sql,
                    &[
                        job.seq.into(),
                        commit.rows.into(),
                        commit.idempotency_key.clone().into(),
                        commit.fingerprint.as_str().into(),
                        job.input.into(),
                        state.as_str().into(),
                        commit.plan_hash.as_str().into(),
                        // What is approved is that plan and nothing else.
                        i64::from(commit.checks_drift || commit.gate.is_some()).into(),
                        reasons.into(),
                        until.into(),
                    ],
                )?;
                let Some(queued) = queued else {
                    return Err(DbError::LeaseLost);
                };
                origin::link(tx, commit.link_to(job.id).as_slice())?;
                if let Some(not_before) = commit.not_before {
                    tx.send(
                        "UPDATE chunks SET state = 'waiting', not_before = $2 WHERE job = $1 AND state = 'queued'",
                        &[job.seq.into(), not_before.into()],
                    )?;
                }
                if let Some(reply) = &commit.reply_to {
                    replies::ask(tx, job.id, reply)?;
                }
                let ended = tx.query_first(
                    &format!(
                        "UPDATE jobs SET state = 'completed', started_at = $2, finished_at = $2, gate = NULL
                         WHERE seq = $1 AND chunks_left = 0 RETURNING {JOB_COLUMNS}, {}",
                        digest::OF_ENDED
                    ),
                    &[job.seq.into(), now.into()],
                )?;
                let waits = commit.gate.is_some() && ended.is_none();
                let action = match commit.undoes {
                    Some(_) => Action::Undone,
                    None => Action::Submitted,
                };
                let mut submitted = audit::of_job(action, &queued, 1)?;
                if waits {
                    submitted.plan_hash = Some(seal::seal(tx, job.seq)?);
                }
                submitted.note = Some(if let Some(undone) = commit.undoes {
                    format!("{undone}{}", under(policy))
                } else {
                    let origin = origin::notes(tx, &[commit.origin])?.pop().flatten();
                    submitted_note(queued.text(0)?, &commit.sha256, origin, policy)
                });
                if let Some(note) = submitted.note.as_mut() {
                    note.push_str(&if waits {
                        AWAITS.to_owned()
                    } else {
                        takes_note(&commit.takings)
                    });
                }
                audit::append(tx, now, &submitted)?;
                let ended = match ended {
                    Some(row) => Some(AuditEntry {
                        digest: digest::of_ended(tx, job.seq, &row, 12)?,
                        ..audit::of_job(Action::Applied, &row, 0)?
                    }),
                    None => None,
                };
                audit::ended(tx, ended, None, now)?;
                Ok(if waits {
                    Committed::AwaitingApproval
                } else {
                    Committed::Queued
                })
            })
            .await
    }

    /// Links what brought a submission to a job that stands for the same work. Whether it was still the submitter's.
    pub async fn link(&self, origin: Origin, job: JobId, sha256: String) -> Result<bool, DbError> {
        let linked = self.db.write(move |tx| {
            let link = JobLink {
                origin,
                job,
                sha256: &sha256,
            };
            origin::link(tx, &[link])
        });
        match linked.await {
            Err(DbError::LeaseLost) => Ok(false),
            linked => linked.map(|()| true),
        }
    }

    /// The job that stands for this work and has not ended.
    pub async fn unfinished(&self, fingerprint: String) -> Result<Option<JobId>, DbError> {
        self.db.read(move |tx| unfinished(tx, &fingerprint)).await
    }

    /// Removes a planned job and all it had spooled.
    pub async fn discard(&self, job: Draft) -> Result<(), DbError> {
        self.db.write(move |tx| discard(tx, job)).await
    }
}

/// The job of an idempotency key.
pub(super) const KNOWN_KEY: &str = "SELECT id, fingerprint FROM jobs WHERE idempotency_key = $1";
/// The job that does some work and has not ended.
pub(super) const UNFINISHED: &str = "SELECT id FROM jobs WHERE fingerprint = $1
   AND state IN ('queued', 'running', 'retryable', 'paused', 'awaiting-approval')";

/// Jobs that stand for the same work: by key whenever there is one, else by content while unfinished.
pub(super) struct SameWork<'w> {
    /// The job of the same key, with its fingerprint.
    pub(super) by_key: Option<&'w (JobId, Option<String>)>,
    pub(super) unfinished: Option<JobId>,
}

impl SameWork<'_> {
    /// What that comes to for work of this fingerprint; `None` if it is new.
    pub(super) fn committed(&self, fingerprint: &str) -> Option<Committed> {
        match self.by_key {
            Some((id, Some(known))) if is_print_of(known, fingerprint) => Some(Committed::Same(*id)),
            Some((id, _)) => Some(Committed::KeyReused(*id)),
            None => self.unfinished.map(Committed::Same),
        }
    }
}

/// Digits of its fingerprint that are kept of a job that has ended as it was recorded: they tell its content from any other, and no
/// index needs the rest.
pub(super) const SHORT_PRINT: usize = 32;

/// Whether what is kept is that fingerprint, or its beginning.
fn is_print_of(kept: &str, fingerprint: &str) -> bool {
    kept == fingerprint || (kept.len() == SHORT_PRINT && fingerprint.starts_with(kept))
}

fn same_job(tx: &mut dyn Tx, commit: &Commit) -> Result<Option<Committed>, DbError> {
    let by_key = match &commit.idempotency_key {
        Some(key) => tx.query_first(KNOWN_KEY, &[key.as_str().into()])?,
        None => None,
    };
    let by_key = by_key
        .map(|row| Ok::<_, DbError>((JobId::read(&row, 0)?, row.opt_text(1)?.map(str::to_owned))))
        .transpose()?;
    let unfinished = match by_key {
        Some(_) => None,
        None => unfinished(tx, &commit.fingerprint)?,
    };
    let same = SameWork {
        by_key: by_key.as_ref(),
        unfinished,
    };
    Ok(same.committed(&commit.fingerprint))
}

fn unfinished(tx: &mut dyn Tx, fingerprint: &str) -> Result<Option<JobId>, DbError> {
    let found = tx.query_first(UNFINISHED, &[fingerprint.into()])?;
    found.map(|row| JobId::read(&row, 0)).transpose()
}

/// What is recorded of a file that was handed in.
pub(super) fn submitted_note(name: &str, sha256: &str, origin: Option<String>, policy: i64) -> String {
    let origin = origin.map_or_else(String::new, |origin| format!(", via {origin}"));
    let name = printable(name);
    format!("{name}, sha256 {sha256}{origin}{}", under(policy))
}

/// Under which policy a job was submitted; nothing where everything was as usual.
pub(super) fn under(policy: i64) -> String {
    match policy {
        0 => String::new(),
        number => format!(", policy {number}"),
    }
}

/// Removes a planned job; one that is further along is left alone.
pub(super) fn discard(tx: &mut dyn Tx, job: Draft) -> Result<(), DbError> {
    let gone = tx.exec(
        "DELETE FROM jobs WHERE seq = $1 AND state = 'planned'",
        &[job.seq.into()],
    )?;
    if gone == 0 {
        return Ok(());
    }
    let seq: Value = job.seq.into();
    tx.send("DELETE FROM chunks WHERE job = $1", std::slice::from_ref(&seq))?;
    tx.send("DELETE FROM row_outcomes WHERE job = $1", std::slice::from_ref(&seq))?;
    tx.send("DELETE FROM plan_parts WHERE job = $1", std::slice::from_ref(&seq))?;
    // An undo reads the rows of the job it takes back.
    if tx
        .query("SELECT 1 FROM jobs WHERE input = $1 LIMIT 1", &[job.input.into()])?
        .is_empty()
    {
        tx.send("DELETE FROM spool WHERE input = $1", &[job.input.into()])?;
        tx.send("DELETE FROM inputs WHERE id = $1", &[job.input.into()])?;
    }
    Ok(())
}

fn only(rows: &[tenantry_foundation::db::Row]) -> Result<i64, DbError> {
    rows.first().map_or_else(
        || Err(DbError::Broken("an insertion returned no id".to_owned())),
        |row| row.int(0),
    )
}
