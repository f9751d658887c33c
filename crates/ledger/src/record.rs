//! Jobs of few rows, recorded whole: planned before anything of them is written, and queued in one transaction, many of them
//! as cheaply as one.
//!
//! They are recorded in the order in which they are handed in, so that jobs about the same record are carried out in that
//! order.

use std::collections::HashMap;

use super::audit::{self, Action, AuditEntry};
use super::job::to_json;
use super::plan::{KNOWN_KEY, SameWork, UNFINISHED, submitted_note};
use super::rows::record_outcomes;
use super::{
    Commit, Committed, Counts, JobId, JobState, Ledger, NewChunk, NewJob, Origin, RowOutcome, origin, replies,
};
use tenantry_foundation::db::{DbError, Tx, Value};

/// A job whose rows are all in one chunk.
#[derive(Debug, Clone)]
pub struct WholeJob {
    /// The id that it will have.
    pub id: JobId,
    /// What was known before its file was read.
    pub new: NewJob,
    /// What is known now. It needs no approval.
    pub commit: Commit,
    /// Its rows; `None` of a file that has none.
    pub chunk: Option<NewChunk>,
    /// Rows that it rejects.
    pub rejects: Vec<RowOutcome>,
}

impl WholeJob {
    /// Rows that are left to be carried out.
    fn pending(&self) -> u64 {
        let pending = self.chunk.as_ref().map_or(0, |chunk| chunk.pending);
        pending - self.rejects.len() as u64
    }
}

impl Ledger {
    /// Records jobs and queues them, each unless the same work is queued already. What became of each, in their order.
    pub async fn record_all(&self, jobs: Vec<WholeJob>) -> Result<Vec<Committed>, DbError> {
        const AGAIN: usize = 5;
        for _ in 0..AGAIN {
            match self.try_to_record(jobs.clone()).await {
                // The same was recorded at the same moment; now it can be seen.
                Err(DbError::Conflict(_) | DbError::Contended(_)) => {}
                other => return other,
            }
        }
        self.try_to_record(jobs).await
    }

    async fn try_to_record(&self, jobs: Vec<WholeJob>) -> Result<Vec<Committed>, DbError> {
        let now = self.clock.now_millis();
        self.db.write(move |tx| record(tx, &jobs, now)).await
    }
}

fn record(tx: &mut dyn Tx, jobs: &[WholeJob], now: i64) -> Result<Vec<Committed>, DbError> {
    let origins: Vec<Option<Origin>> = jobs.iter().map(|job| job.commit.origin).collect();
    let settled = origin::settled(tx, &origins)?;
    let mut known = Known::find(tx, jobs)?;
    let mut links = Vec::new();
    let (mut committed, mut new) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
    let mut asked = Vec::new();
    for (job, settled) in jobs.iter().zip(settled) {
        if let Some(settled) = settled {
            committed.push(settled.into());
            continue;
        }
        let same = known.same(job);
        if same.is_none() {
            known.add(job);
            new.push(job);
        }
        let stands_for = match &same {
            None => Some(job.id),
            Some(Committed::Same(other)) => Some(*other),
            Some(_) => None,
        };
        asked.extend(stands_for.zip(job.commit.reply_to.as_ref()));
        links.extend(stands_for.and_then(|of| job.commit.link_to(of)));
        committed.push(same.unwrap_or(Committed::Queued));
    }
    insert(tx, &new, now)?;
    origin::link(tx, &links)?;
    replies::ask_all(tx, &asked)?;
    let mut entries = Vec::with_capacity(new.len());
    let origins: Vec<Option<Origin>> = new.iter().map(|job| job.commit.origin).collect();
    let notes = origin::notes(tx, &origins)?;
    for (job, origin) in new.into_iter().zip(notes) {
        let submitted = entry(job, origin);
        let ended = (job.pending() == 0).then(|| AuditEntry {
            action: Action::Applied,
            note: Some(JobState::Completed.as_str().to_owned()),
            ..submitted.clone()
        });
        entries.push(submitted);
        entries.extend(ended);
    }
    audit::append_all(tx, now, &entries)?;
    Ok(committed)
}

/// Jobs that stand for the same work as those at hand.
#[derive(Default)]
struct Known {
    /// By idempotency key, with their fingerprints.
    by_key: HashMap<String, (JobId, Option<String>)>,
    /// Those that have not ended, by fingerprint.
    unfinished: HashMap<String, JobId>,
}

impl Known {
    fn find(tx: &mut dyn Tx, jobs: &[WholeJob]) -> Result<Self, DbError> {
        let mut known = Self::default();
        let keys: Vec<&String> = jobs
            .iter()
            .filter_map(|job| job.commit.idempotency_key.as_ref())
            .collect();
        let wanted: Vec<Vec<Value>> = keys.iter().map(|key| vec![key.as_str().into()]).collect();
        for (key, found) in keys.into_iter().zip(tx.query_each(KNOWN_KEY, &wanted)?) {
            if let Some(row) = found.first() {
                let fingerprint = row.opt_text(1)?.map(str::to_owned);
                known.by_key.insert(key.clone(), (JobId::read(row, 0)?, fingerprint));
            }
        }
        let prints: Vec<&String> = jobs.iter().map(|job| &job.commit.fingerprint).collect();
        let wanted: Vec<Vec<Value>> = prints.iter().map(|print| vec![print.as_str().into()]).collect();
        for (print, found) in prints.into_iter().zip(tx.query_each(UNFINISHED, &wanted)?) {
            if let Some(row) = found.first() {
                known.unfinished.insert(print.clone(), JobId::read(row, 0)?);
            }
        }
        Ok(known)
    }

    fn same(&self, job: &WholeJob) -> Option<Committed> {
        let commit = &job.commit;
        SameWork {
            by_key: commit.idempotency_key.as_ref().and_then(|key| self.by_key.get(key)),
            unfinished: self.unfinished.get(&commit.fingerprint).copied(),
        }
        .committed(&commit.fingerprint)
    }

    /// A job that is recorded now, for those that come after it.
    fn add(&mut self, job: &WholeJob) {
        let print = &job.commit.fingerprint;
        if let Some(key) = &job.commit.idempotency_key {
            self.by_key.insert(key.clone(), (job.id, Some(print.clone())));
        }
        if job.pending() > 0 {
            self.unfinished.insert(print.clone(), job.id);
        }
    }
}

/// What is recorded of a job that was handed in.
fn entry(job: &WholeJob, origin: Option<String>) -> AuditEntry {
    let NewJob { kind, submitted_by, .. } = &job.new;
    let rejected = job.rejects.len() as u64;
    AuditEntry {
        actor: submitted_by.name.clone(),
        via: Some(submitted_by.via),
        action: Action::Submitted,
        job: Some(job.id),
        kind: Some(kind.clone()),
        plan_hash: Some(job.commit.plan_hash.clone()),
        counts: Some(Counts {
            rejected,
            total: job.commit.rows,
            ..Counts::default()
        }),
        note: Some(submitted_note(&job.new.input_name, &job.commit.sha256, origin)),
    }
}

fn insert(tx: &mut dyn Tx, new: &[&WholeJob], now: i64) -> Result<(), DbError> {
    if new.is_empty() {
        return Ok(());
    }
    let inputs = tx.fresh_keys("inputs", "id", new.len())?;
    let seqs = tx.fresh_keys("jobs", "seq", new.len())?;
    let (mut of_inputs, mut of_jobs) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
    let (mut of_spool, mut of_chunks) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
    let mut rejects = Vec::new();
    for ((job, input), seq) in new.iter().zip(&inputs).zip(&seqs) {
        of_inputs.push(input_of(job, *input));
        of_jobs.push(values(job, *seq, *input, now));
        rejects.extend(job.rejects.iter().map(|reject| (*seq, reject)));
        let Some(chunk) = &job.chunk else { continue };
        if let Some(block) = &chunk.block {
            of_spool.push(vec![(*input).into(), chunk.number.into(), block.clone().into()]);
        }
        let expected = Some(chunk.expected.clone()).filter(|expected| !expected.is_empty());
        let state = match (job.pending(), job.commit.not_before) {
            (0, _) => "done",
            (_, Some(_)) => "waiting",
            (_, None) => "queued",
        };
        of_chunks.push(vec![
            (*seq).into(),
            chunk.number.into(),
            chunk.first_row.into(),
            chunk.rows.into(),
            job.pending().into(),
            state.into(),
            expected.into(),
            job.commit.not_before.unwrap_or(0).into(),
        ]);
    }
    tx.send_all(
        "INSERT INTO inputs (id, name, header, sha256, bytes, rows, notes, sheet) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        of_inputs,
    )?;
    tx.send_all(
        "INSERT INTO jobs (seq, id, kind, parameters, state, input, submitted_by, submitted_via, created_at, out_dir, out_host,
           idempotency_key, fingerprint, plan_hash, checks_drift, total, rejected, refused, chunks_left, started_at, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18, $19, $19)",
        of_jobs,
    )?;
    tx.send_all("INSERT INTO spool (input, block, data) VALUES ($1, $2, $3)", of_spool)?;
    tx.send_all(
        "INSERT INTO chunks (job, chunk, first_row, rows, pending, state, expected, not_before)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        of_chunks,
    )?;
    record_outcomes(tx, &rejects)
}

fn input_of(job: &WholeJob, input: i64) -> Vec<Value> {
    let WholeJob { new, commit, .. } = job;
    vec![
        input.into(),
        new.input_name.as_str().into(),
        to_json(&new.header).into(),
        commit.sha256.as_str().into(),
        commit.bytes.into(),
        commit.rows.into(),
        (!commit.notes.is_empty()).then(|| to_json(&commit.notes)).into(),
        commit.sheet.clone().into(),
    ]
}

fn values(job: &WholeJob, seq: i64, input: i64, now: i64) -> Vec<Value> {
    let WholeJob { id, new, commit, .. } = job;
    let left = u64::from(job.pending() > 0);
    let (state, ended) = match left {
        0 => (JobState::Completed, Some(now)),
        _ => (JobState::Queued, None),
    };
    vec![
        seq.into(),
        id.to_string().into(),
        new.kind.as_str().into(),
        to_json(&new.parameters).into(),
        state.as_str().into(),
        input.into(),
        new.submitted_by.name.as_str().into(),
        new.submitted_by.via.as_str().into(),
        now.into(),
        new.out_dir.clone().into(),
        new.out_host.clone().into(),
        commit.idempotency_key.clone().into(),
        commit.fingerprint.as_str().into(),
        commit.plan_hash.as_str().into(),
        i64::from(commit.checks_drift).into(),
        commit.rows.into(),
        (job.rejects.len() as u64).into(),
        left.into(),
        ended.into(),
    ]
}
