//! Jobs of few rows, recorded whole: planned before anything of them is written, and queued in one transaction, many of them
//! as cheaply as one.
//!
//! They are recorded in the order in which they are handed in, so that jobs about the same record are carried out in that
//! order. A worker that takes them in may carry them out in the same transaction, see [`at_once`].

use std::collections::HashMap;
use std::sync::Arc;

use super::allowances::{Allowances, takes_note};
use super::at_once::{self, AtOnce, DoneAtOnce};
use super::audit::{self, Action, AuditEntry};
use super::closing::Closing;
use super::images::{self, RowImage};
use super::job::to_json;
use super::plan::{KNOWN_KEY, SHORT_PRINT, SameWork, UNFINISHED, submitted_note};
use super::rows::record_outcomes;
use super::whole::WholeJob;
use super::{
    Claim, Committed, Counts, EndedJob, JobId, JobState, Ledger, NewJob, Origin, Outcome, Parameters, ReplyTo, digest,
    origin, replies,
};
use tenantry_foundation::db::{DbError, Row, Tx, Value};

impl Ledger {
    /// Records jobs and queues them, each unless the same work is queued already. The outcome of each, in their order.
    pub async fn record_all(&self, jobs: Vec<WholeJob>) -> Result<Vec<Committed>, DbError> {
        const AGAIN: usize = 5;
        for _ in 0..AGAIN {
            match self.try_to_record(jobs.clone(), None).await {
                // The same was recorded at the same moment; now it can be seen.
                Err(DbError::Conflict(_) | DbError::Contended(_)) => {}
                other => return other.map(|recorded| recorded.committed),
            }
        }
        Ok(self.try_to_record(jobs, None).await?.committed)
    }

    /// As [`record_all`](Self::record_all); `worker` carries out the new ones in the same transaction, if there is nothing before them.
    /// It is tried once: where anything goes wrong with it, they are to be queued, and the worker that claims them finds out what.
    pub async fn record_at_once(&self, jobs: Vec<WholeJob>, worker: Arc<dyn AtOnce>) -> Result<RecordedJobs, DbError> {
        self.try_to_record(jobs, Some(worker)).await
    }

    async fn try_to_record(
        &self,
        jobs: Vec<WholeJob>,
        worker: Option<Arc<dyn AtOnce>>,
    ) -> Result<RecordedJobs, DbError> {
        let (now, policy) = (self.clock.now_millis(), self.policy().number);
        self.db
            .write(move |tx| record(tx, &jobs, worker.as_deref(), (now, policy)))
            .await
    }
}

/// The outcome of jobs that were recorded together.
#[derive(Debug)]
pub struct RecordedJobs {
    /// Of each, in their order.
    pub committed: Vec<Committed>,
    /// Those that have ended already.
    pub done: DoneAtOnce,
}

fn record(
    tx: &mut dyn Tx,
    jobs: &[WholeJob],
    worker: Option<&dyn AtOnce>,
    (now, policy): (i64, i64),
) -> Result<RecordedJobs, DbError> {
    let mut allowances = Allowances::lock(tx, now, jobs.iter().flat_map(|job| &job.commit.takings))?;
    let origins: Vec<Option<Origin>> = jobs.iter().map(|job| job.commit.origin).collect();
    let settled = origin::settled(tx, &origins)?;
    let (mut known, before) = Known::find(tx, jobs, now)?;
    let worker = match worker {
        Some(worker) if at_once::is_nothing_before(&before)? => Some(worker),
        _ => None,
    };
    let mut links = Vec::new();
    let mut committed = Vec::with_capacity(jobs.len());
    // Those that are new, each with the documents that ask how it ends; and documents that ask of others.
    let mut new: Vec<(&WholeJob, Vec<&ReplyTo>)> = Vec::with_capacity(jobs.len());
    let (mut places, mut asked) = (HashMap::new(), Vec::new());
    for (job, settled) in jobs.iter().zip(settled) {
        if let Some(settled) = settled {
            committed.push(settled.into());
            continue;
        }
        let same = known.same(job);
        if same.is_none() {
            if let Err(taken) = allowances.take(&job.commit.takings) {
                committed.push(Committed::OverLimit(taken));
                continue;
            }
            known.add(job);
            places.insert(job.id, new.len());
            new.push((job, Vec::new()));
        }
        let stands_for = match &same {
            None => Some(job.id),
            Some(Committed::Same(other)) => Some(*other),
            Some(_) => None,
        };
        if let (Some(of), Some(reply)) = (stands_for, &job.commit.reply_to) {
            match places.get(&of) {
                Some(at) => new[*at].1.push(reply),
                None => asked.push((of, reply)),
            }
        }
        links.extend(stands_for.and_then(|of| job.commit.link_to(of)));
        committed.push(same.unwrap_or(Committed::Queued));
    }
    allowances.write(tx)?;
    let done = insert(tx, &new, worker, now)?;
    origin::link(tx, &links)?;
    replies::ask_all(tx, &asked)?;
    let mut entries = Vec::with_capacity(2 * new.len());
    let origins: Vec<Option<Origin>> = new.iter().map(|(job, _)| job.commit.origin).collect();
    let notes = origin::notes(tx, &origins)?;
    let mut ends = done.claims.iter().zip(done.ended.iter().zip(&done.closings)).peekable();
    for ((job, _), origin) in new.into_iter().zip(notes) {
        let submitted = entry(job, origin, policy);
        if let Some((claim, ((_, how), closing))) = ends.next_if(|(claim, _)| claim.job_id == job.id) {
            let came = submitted.note.as_deref().unwrap_or_default();
            entries.push(AuditEntry {
                action: Action::CarriedOut,
                counts: Some(how.counts),
                digest: digest_of(job, closing),
                note: Some(format!("{came}; {}, last worker {}", how.state, claim.owner)),
                ..submitted
            });
            continue;
        }
        let ended = (job.pending() == 0).then(|| AuditEntry {
            action: Action::Applied,
            note: Some(JobState::Completed.as_str().to_owned()),
            digest: digest_of(job, &Closing::default()),
            ..submitted.clone()
        });
        entries.push(submitted);
        entries.extend(ended);
    }
    // What one actor had carried out stands together. The others end in their order.
    entries.sort_by_cached_key(|entry| {
        (entry.action == Action::CarriedOut).then(|| (entry.actor.clone(), entry.via.clone()))
    });
    audit::append_all(tx, now, &entries)?;
    Ok(RecordedJobs { committed, done })
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
    /// Those there are, and what is [before](at_once::BEFORE) whatever comes in now.
    fn find(tx: &mut dyn Tx, jobs: &[WholeJob], now: i64) -> Result<(Self, Vec<Row>), DbError> {
        let mut known = Self::default();
        let keys: Vec<&String> = jobs
            .iter()
            .filter_map(|job| job.commit.idempotency_key.as_ref())
            .collect();
        let of_keys: Vec<Vec<Value>> = keys.iter().map(|key| vec![key.as_str().into()]).collect();
        let prints: Vec<&String> = jobs.iter().map(|job| &job.commit.fingerprint).collect();
        let of_prints: Vec<Vec<Value>> = prints.iter().map(|print| vec![print.as_str().into()]).collect();
        let found = tx.query_all(&[
            (KNOWN_KEY, &of_keys),
            (UNFINISHED, &of_prints),
            (at_once::BEFORE, &[vec![now.into()]]),
        ])?;
        let mut found = found.into_iter().map(Vec::into_iter);
        let mut next = || found.next().unwrap_or_default();
        for (key, found) in keys.into_iter().zip(next()) {
            if let Some(row) = found.first() {
                let fingerprint = row.opt_text(1)?.map(str::to_owned);
                known.by_key.insert(key.clone(), (JobId::read(row, 0)?, fingerprint));
            }
        }
        for (print, found) in prints.into_iter().zip(next()) {
            if let Some(row) = found.first() {
                known.unfinished.insert(print.clone(), JobId::read(row, 0)?);
            }
        }
        Ok((known, next().next().unwrap_or_default()))
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

/// The hash over the outcome of the rows of a job that ends as it is recorded.
fn digest_of(job: &WholeJob, closing: &Closing) -> Option<String> {
    let outcomes = closing.outcomes.iter().chain(&job.rejects).collect();
    let digest = digest::of_chunk(outcomes, closing.images.iter().collect())?;
    digest::of_job(&[(job.chunk.as_ref().map_or(0, |chunk| chunk.number), digest)])
}

/// What is recorded of a job that was handed in.
fn entry(job: &WholeJob, origin: Option<String>, policy: i64) -> AuditEntry {
    let NewJob { kind, submitted_by, .. } = &job.new;
    AuditEntry {
        actor: submitted_by.name.clone(),
        via: Some(submitted_by.way()),
        action: Action::Submitted,
        job: Some(job.id),
        kind: Some(kind.clone()),
        plan_hash: Some(job.commit.plan_hash.clone()),
        counts: Some(job.counts()),
        note: Some(
            submitted_note(&job.new.input_name, &job.commit.sha256, origin, policy) + &takes_note(&job.commit.takings),
        ),
        digest: None,
    }
}

/// Inserts jobs, and has those carried out that `worker` may.
fn insert(
    tx: &mut dyn Tx,
    new: &[(&WholeJob, Vec<&ReplyTo>)],
    worker: Option<&dyn AtOnce>,
    now: i64,
) -> Result<DoneAtOnce, DbError> {
    if new.is_empty() {
        return Ok(DoneAtOnce::default());
    }
    let worker = worker.filter(|_| new.iter().all(|(job, _)| job.may_end_at_once()));
    let (seqs, mut inputs, mut done) = number_and_carry_out(tx, new, worker, now)?;
    let told_until = now + replies::REPLY_WITHIN;
    let (mut of_inputs, mut of_jobs) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(new.len()));
    let (mut of_spool, mut of_chunks) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
    let (mut asked, mut outcomes, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for (at, ((job, replies), seq)) in new.iter().zip(&seqs).enumerate() {
        let (seq, ended) = (*seq, done.end_of(*seq));
        let end = match ended {
            Some(how) => Some(how.counts),
            None if job.pending() == 0 => Some(job.counts()),
            None => None,
        };
        let told = replies.first().map(|reply| reply.stream.as_str());
        asked.extend(replies.iter().map(|reply| (seq, *reply)));
        let closing = done.closings.get(at).filter(|_| ended.is_some());
        if let Some(closing) = closing.filter(|_| is_kept_whole(ended)) {
            let kept = RowKept::of(job, closing);
            outcomes.extend(
                closing
                    .outcomes
                    .iter()
                    .filter(|_| kept.target.is_none())
                    .map(|one| (seq, one)),
            );
            images.extend(
                closing
                    .images
                    .iter()
                    .filter(|_| kept.image.is_none())
                    .map(|one| (seq, one)),
            );
            let mut columns = values(job, (seq, None), end, (now, told, told_until));
            columns.extend(kept.values(job));
            of_jobs.push(columns);
            continue;
        }
        let input = inputs.next().unwrap_or_default();
        outcomes.extend(
            closing
                .iter()
                .flat_map(|closing| &closing.outcomes)
                .map(|one| (seq, one)),
        );
        images.extend(closing.iter().flat_map(|closing| &closing.images).map(|one| (seq, one)));
        of_inputs.push(input_of(job, input));
        let mut columns = values(job, (seq, Some(input)), end, (now, told, told_until));
        columns.resize(columns.len() + RowKept::COLUMNS, Value::Null);
        of_jobs.push(columns);
        let Some(chunk) = &job.chunk else { continue };
        if let Some(block) = &chunk.block {
            of_spool.push(vec![input.into(), chunk.number.into(), block.clone().into()]);
        }
        let expected = Some(chunk.expected.clone()).filter(|expected| !expected.is_empty());
        let (state, pending) = match (end, job.commit.not_before) {
            (Some(_), _) => ("done", 0),
            (None, Some(_)) => ("waiting", job.pending()),
            (None, None) => ("queued", job.pending()),
        };
        of_chunks.push(vec![
            seq.into(),
            chunk.number.into(),
            chunk.first_row.into(),
            chunk.rows.into(),
            pending.into(),
            state.into(),
            expected.into(),
            job.commit.not_before.unwrap_or(0).into(),
            i64::from(ended.is_some()).into(),
        ]);
    }
    tx.send_all(
        "INSERT INTO inputs (id, name, header, sha256, bytes, rows, notes, sheet) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        of_inputs,
    )?;
    tx.send_all(
        "INSERT INTO jobs (seq, id, kind, parameters, state, input, submitted_by, submitted_via, created_at, out_dir, out_host,
           idempotency_key, fingerprint, plan_hash, checks_drift, total, refused, chunks_left, started_at, finished_at, claimed_at,
           applied, unchanged, rejected, failed, reply_to, reply_until, carried_out, block, input_name, input_header, input_sha256,
           input_bytes, input_notes, input_sheet, target, image_object, image_target, image_before, image_after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19, $20, $21, $22, $23,
           $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39)",
        of_jobs,
    )?;
    tx.send_all("INSERT INTO spool (input, block, data) VALUES ($1, $2, $3)", of_spool)?;
    tx.send_all(
        "INSERT INTO chunks (job, chunk, first_row, rows, pending, state, expected, not_before, attempt)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        of_chunks,
    )?;
    record_outcomes(tx, &outcomes)?;
    images::insert(tx, images.into_iter())?;
    replies::insert(tx, &asked)?;
    if worker.is_some() {
        done.take_replies(new, told_until);
    }
    Ok(done)
}

/// Gives jobs their numbers, and has those carried out that `worker` may; the numbers of the jobs, and of the inputs of those that do not keep
/// theirs with themselves.
fn number_and_carry_out(
    tx: &mut dyn Tx,
    new: &[(&WholeJob, Vec<&ReplyTo>)],
    worker: Option<&dyn AtOnce>,
    now: i64,
) -> Result<(Vec<i64>, std::vec::IntoIter<i64>, DoneAtOnce), DbError> {
    const JOBS: (&str, &str) = ("jobs", "seq");
    const INPUTS: (&str, &str) = ("inputs", "id");
    let keys = |tx: &mut dyn Tx, of: &[_], count| Ok::<_, DbError>(tx.fresh_keys_of(of, count)?.into_iter());
    let of_all: &[_] = if worker.is_some() { &[JOBS] } else { &[JOBS, INPUTS] };
    let mut of_all = keys(tx, of_all, new.len())?;
    let (seqs, inputs) = (of_all.next().unwrap_or_default(), of_all.next().unwrap_or_default());
    let rejects = new.iter().zip(&seqs);
    let rejects = rejects.flat_map(|((job, _), seq)| job.rejects.iter().map(|one| (*seq, one)));
    record_outcomes(tx, &rejects.collect::<Vec<_>>())?;
    let Some(worker) = worker else {
        return Ok((seqs, inputs.into_iter(), DoneAtOnce::default()));
    };
    let jobs: Vec<(&WholeJob, i64)> = new.iter().zip(&seqs).map(|((job, _), seq)| (*job, *seq)).collect();
    let mut done = at_once::carry_out(tx, worker, &jobs, now)?;
    let ended = done.claims.iter_mut().zip(&done.ended);
    let apart: Vec<&mut Claim> = ended
        .filter(|(_, (_, how))| !is_kept_whole(Some(how)))
        .map(|(claim, _)| claim)
        .collect();
    let inputs = match apart.len() {
        0 => Vec::new(),
        count => keys(tx, &[INPUTS], count)?.next().unwrap_or_default(),
    };
    for (claim, input) in apart.into_iter().zip(&inputs) {
        claim.input = *input;
    }
    Ok((seqs, inputs.into_iter(), done))
}

/// Whether a job keeps its input with itself. What has failed can be tried again, chunk by chunk.
fn is_kept_whole(ended: Option<&EndedJob>) -> bool {
    ended.is_some_and(|how| how.counts.failed == 0)
}

/// What a job keeps with itself of its only row, where that is all there is to be said of it.
struct RowKept<'k> {
    /// What the row was applied to.
    target: Option<&'k str>,
    image: Option<&'k RowImage>,
}

impl<'k> RowKept<'k> {
    /// How many columns it makes up.
    const COLUMNS: usize = 12;

    fn of(job: &WholeJob, closing: &'k Closing) -> Self {
        let (target, image) = match (job.commit.rows, closing.outcomes.as_slice(), closing.images.as_slice()) {
            (1, [one], images) if one.outcome == Outcome::Applied => {
                let says_more = !one.code.is_empty() || !one.message.is_empty() || !one.columns.is_empty();
                let target = Some(one.target.as_str()).filter(|target| !target.is_empty() && !says_more);
                (target, images)
            }
            (1, _, images) => (None, images),
            _ => (None, &[][..]),
        };
        let image = match image {
            [image] if image.row == 1 && image.step == 0 && image.part.is_empty() => Some(image),
            _ => None,
        };
        Self { target, image }
    }

    /// The columns of the job, beginning with its block.
    fn values(&self, job: &WholeJob) -> impl Iterator<Item = Value> + use<> {
        let WholeJob { new, commit, .. } = job;
        let name = Some(new.input_name.as_str()).filter(|name| commit.idempotency_key.as_deref() != Some(name));
        let of_image = |get: fn(&RowImage) -> Value| self.image.map_or(Value::Null, get);
        [
            job.chunk.as_ref().and_then(|chunk| chunk.block.clone()).into(),
            name.into(),
            to_json(&new.header).into(),
            commit.sha256.as_str().into(),
            commit.bytes.into(),
            (!commit.notes.is_empty()).then(|| to_json(&commit.notes)).into(),
            commit.sheet.clone().into(),
            self.target.into(),
            of_image(|image| image.object.as_ref().into()),
            of_image(|image| image.target.into()),
            of_image(|image| image.before.clone().into()),
            of_image(|image| image.after.clone().into()),
        ]
        .into_iter()
    }
}

/// Parameters as they are kept. What is not said is the default.
fn parameters_of(new: &NewJob) -> String {
    if new.parameters == Parameters::default() {
        return "{}".to_owned();
    }
    to_json(&new.parameters)
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

/// The columns of a job with these numbers, its own and its input's, up to whether it keeps its rows with itself, as one does that has no
/// input. Where it was carried out, its worker has until the later time to tell the readers of the stream `told`.
fn values(
    job: &WholeJob,
    (seq, input): (i64, Option<i64>),
    end: Option<Counts>,
    (now, told, told_until): (i64, Option<&str>, i64),
) -> Vec<Value> {
    let WholeJob { id, new, commit, .. } = job;
    let counts = end.unwrap_or_else(|| job.counts());
    let state = match end {
        None => JobState::Queued,
        Some(end) if end.failed > 0 => JobState::Failed,
        Some(_) => JobState::Completed,
    };
    let carried_out = end.is_some() && job.pending() > 0;
    vec![
        seq.into(),
        id.to_string().into(),
        new.kind.as_str().into(),
        parameters_of(new).into(),
        state.as_str().into(),
        input.into(),
        new.submitted_by.name.as_str().into(),
        new.submitted_by.way().into(),
        now.into(),
        new.out_dir.clone().into(),
        new.out_host.clone().into(),
        commit.idempotency_key.clone().into(),
        commit
            .fingerprint
            .get(..SHORT_PRINT)
            .filter(|_| input.is_none())
            .unwrap_or(&commit.fingerprint)
            .into(),
        commit.plan_hash.as_str().into(),
        i64::from(commit.checks_drift).into(),
        commit.rows.into(),
        (job.rejects.len() as u64).into(),
        i64::from(end.is_none()).into(),
        end.map(|_| now).into(),
        (if carried_out { now } else { 0 }).into(),
        counts.applied.into(),
        counts.unchanged.into(),
        counts.rejected.into(),
        counts.failed.into(),
        told.into(),
        (if carried_out { told_until } else { 0 }).into(),
        input.is_none().then_some(1_i64).into(),
    ]
}
