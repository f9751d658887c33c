//! Undo: the job that takes another one back, planned and gated like any other.
//!
//! Its rows are the rows that the other job applied, under the same numbers and from the same spooled blocks, so
//! that results of both can be laid side by side. What each did is known from its before-images.
//!
//! The submitter of a job may take it back for a while without an approver, however destructive that is. Nothing of it may have been
//! edited since; the other limits hold. The operating system says who the submitter is, so it is for the command line alone. A job that
//! was approved, and an undo, are taken back like those of others. A record that was deleted with an approval, and brought back, is not
//! deleted again without one.

use futures::{StreamExt, TryStreamExt, stream};
use tenantry_jobs::{Subject, Undo, code};
use thiserror::Error;

use crate::db::DbError;
use crate::ledger::intents::done_steps;
use crate::ledger::{
    Actor, AllowanceTaking, Commit, Committed, Draft, Gate, Job, JobId, Ledger, NewChunk, TakenToday, Undoes, Via,
    undoable_rows,
};
use crate::plan::{
    ChunkSubjects, DailyUsage, Impact, KeepError, Keeping, KeptHead, Limits, NO_JOB, PlanHash, Subjects, Totals,
    settled,
};
use crate::queue::Queue;
use crate::store::remote::{ApplyError, RemoteSession, RemoteStore, StoreEnv};
use crate::store::sql::{self, Context, Prepared};
use crate::store::{Expected, Preview, Stores, Verdict, state};

/// Why a job cannot be taken back.
#[derive(Debug, Error)]
pub enum UndoError {
    /// It is still at work.
    #[error("job {0} is {1}; cancel it first, or wait")]
    NotEnded(JobId, &'static str),
    /// It changed nothing.
    #[error("job {0} applied no row, so there is nothing to undo")]
    NothingApplied(JobId),
    /// It read, or copied what somebody else has.
    #[error("`{0}` leaves nothing of its own to undo")]
    NothingToUndo(String),
    /// It was done elsewhere.
    #[error("job {0} was carried out in the store `{1}`, which is not the one configured here")]
    OtherStore(JobId, String),
    /// The store cannot be asked.
    #[error("{0}")]
    Store(String),
    /// What it left behind was altered.
    #[error(
        "what is recorded of the rows of job {0} is not what it ended with, so that nobody can say what they did; `tenantry audit verify --deep` names what was altered"
    )]
    Altered(JobId),
    /// The rows are no longer kept.
    #[error("the rows of job {0} are no longer kept (`spool.retention`)")]
    RowsGone(JobId),
    /// The plan that is to be approved cannot be kept.
    #[error("a temporary file cannot be written: {0}")]
    Temporary(std::io::Error),
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<KeepError> for UndoError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Db(error) => Self::Db(error),
            KeepError::Temporary(error) => Self::Temporary(error),
        }
    }
}

/// What an undo would do, or is going to.
#[derive(Debug, Default)]
pub struct UndoPlan {
    /// Rows by what happens to them: `change` are undone, `unchanged` need nothing, `reject` stay as they are.
    pub totals: Totals,
    /// Who is touched.
    pub impact: Impact,
    /// Hash of the plan.
    pub hash: String,
    /// Why it needs approval.
    pub gate: Option<Gate>,
    /// Whether it would, if anybody but the submitter of the job asked for it.
    pub is_own: bool,
    /// What it takes from limits of the day.
    takings: Vec<AllowanceTaking>,
}

/// An undo that was recorded.
#[derive(Debug)]
pub struct Undoing {
    /// The new job, or the one that was doing the same.
    pub job: JobId,
    /// What it is going to do.
    pub plan: UndoPlan,
}

/// A row of an undo, as it is shown.
pub(crate) struct UndoRow<'r> {
    /// What would become of it.
    pub preview: &'r Preview,
    rows: Option<&'r ChunkSubjects>,
}

impl UndoRow<'_> {
    /// Whom or what it is about.
    pub(crate) fn subject(&self) -> Option<Subject> {
        self.rows?.subject(self.preview.row)
    }

    /// The line that it began on in the file of the job that is undone.
    pub(crate) fn line(&self) -> Option<u64> {
        self.rows?.line(self.preview.row)
    }
}

/// A job that is to be taken back.
pub struct UndoRequest<'u> {
    /// Where it is recorded.
    pub ledger: &'u Ledger,
    /// Where it was carried out.
    pub stores: &'u Stores,
    /// What its undo is held to.
    pub limits: &'u Limits,
    /// The job.
    pub job: &'u Job,
}

impl UndoRequest<'_> {
    /// Shows what the undo would do if that person asked for it; `each` is told of every row.
    pub(crate) async fn plan(
        &self,
        by: &Actor,
        each: &mut (dyn FnMut(&UndoRow<'_>) -> std::io::Result<()> + Send),
    ) -> Result<UndoPlan, UndoError> {
        let (ledger, job) = (self.ledger, self.job);
        check(job)?;
        if !ledger.is_as_ended(job).await? {
            return Err(UndoError::Altered(job.id));
        }
        let source = CarriedOut::of(ledger, self.stores, job)?;
        let mut planning = UndoTotals::default();
        let subjects = Subjects::of(ledger, job).await?;
        for (chunk, _) in ledger.chunk_states(job.seq).await? {
            let part = source.preview(job, chunk).await?;
            let rows = match &subjects {
                Some(subjects) => subjects.chunk(chunk, None).await?,
                None => None,
            };
            for preview in &part.previews {
                let row = UndoRow {
                    preview,
                    rows: rows.as_ref(),
                };
                each(&row).map_err(|error| DbError::Broken(error.to_string()))?;
            }
            planning.add(&part);
        }
        let asker = Asker { request: self, by };
        let plan = planning.finish(&asker, TakenToday::new())?;
        let counters = plan.takings.iter().map(|taking| taking.counter.clone()).collect();
        let taken = ledger.taken_today(counters).await?;
        planning.finish(&asker, taken)
    }

    /// Records the undo and notifies workers of it.
    pub async fn submit(&self, queue: &Queue, by: &Actor) -> Result<Undoing, UndoError> {
        let (ledger, job) = (self.ledger, self.job);
        check(job)?;
        if !ledger.is_as_ended(job).await? {
            return Err(UndoError::Altered(job.id));
        }
        let source = CarriedOut::of(ledger, self.stores, job)?;
        let begun = ledger.begin_undo(job, by, None).await?;
        let recorded = record(&Asker { request: self, by }, &source, begun).await;
        let (plan, committed) = match recorded {
            Ok(recorded) => recorded,
            Err(error) => {
                // The sweep removes it too, in time; the error at hand is the one to tell.
                let _ = ledger.discard(begun).await;
                return Err(error);
            }
        };
        let id = match committed {
            Committed::Same(id) | Committed::KeyReused(id) => id,
            Committed::AwaitingApproval => begun.id,
            // Nothing but a person brings an undo.
            Committed::OriginLost => return Err(DbError::LeaseLost.into()),
            Committed::OverLimit(_) => {
                return Err(DbError::Broken("a job that waits was held to limits".to_owned()).into());
            }
            Committed::Queued => {
                queue.notify(begun.id, 1).await;
                begun.id
            }
        };
        Ok(Undoing { job: id, plan })
    }
}

/// Who asks for what to be taken back.
struct Asker<'a> {
    request: &'a UndoRequest<'a>,
    by: &'a Actor,
}

impl Asker<'_> {
    /// Whether it is a job of their own, and one that they may take back by themselves if nothing of it was edited since.
    fn may_alone(&self) -> bool {
        let (job, limits) = (self.request.job, self.request.limits);
        let within = i64::try_from(limits.own_undo_within.as_millis()).unwrap_or(i64::MAX);
        let now = self.request.ledger.clock().now_millis();
        let is_own =
            self.by.via == Via::Cli && self.by.account.is_some() && job.submitted_via.as_ref() == Some(&self.by.way());
        is_own
            && job.gate.is_empty()
            && job.undo_of.is_none()
            && job.finished_at.is_some_and(|ended| within > 0 && now - ended <= within)
    }
}

async fn record(asker: &Asker<'_>, source: &CarriedOut<'_>, begun: Draft) -> Result<(UndoPlan, Committed), UndoError> {
    let (ledger, job) = (asker.request.ledger, asker.request.job);
    let mut planning = UndoTotals::default();
    let mut keeping = Keeping::default();
    for (chunk, _) in ledger.chunk_states(job.seq).await? {
        let part = source.preview(job, chunk).await?;
        planning.add(&part);
        for preview in &part.previews {
            keeping.row(preview).map_err(KeepError::from)?;
        }
        if part.previews.is_empty() {
            continue;
        }
        let new = NewChunk {
            number: chunk,
            first_row: part.first_row,
            rows: part.rows,
            pending: part.previews.len() as u64,
            block: None,
            expected: part.expected,
        };
        ledger.append(begun, new, Vec::new()).await?;
    }
    let plan = planning.finish(asker, TakenToday::new())?;
    if plan.gate.is_none() {
        match ledger.commit(begun, plan.commit(job)).await? {
            Committed::OverLimit(taken) => {
                let mut plan = planning.finish(asker, taken)?;
                plan.gate.get_or_insert_with(|| {
                    asker
                        .request
                        .limits
                        .gate_for(vec!["limits of the day leave too little".to_owned()])
                });
                return keep(ledger, keeping, job, begun, plan).await;
            }
            committed => return Ok((plan, committed)),
        }
    }
    keep(ledger, keeping, job, begun, plan).await
}

/// Records an undo that waits for approval, with its plan.
async fn keep(
    ledger: &Ledger,
    keeping: Keeping,
    job: &Job,
    begun: Draft,
    plan: UndoPlan,
) -> Result<(UndoPlan, Committed), UndoError> {
    let head = KeptHead {
        kind: "undo".to_owned(),
        parameters: job.parameters.clone(),
        part: None,
        content: job.id.to_string(),
    };
    keeping.keep(ledger, begun, &head).await?;
    let committed = ledger.commit(begun, plan.commit(job)).await?;
    Ok((plan, committed))
}

impl UndoPlan {
    fn commit(&self, job: &Job) -> Commit {
        let takings = match self.gate {
            None => self.takings.clone(),
            Some(_) => Vec::new(),
        };
        Commit {
            notes: Vec::new(),
            sheet: None,
            sha256: job.input_sha256.clone(),
            bytes: job.input_bytes,
            rows: self.totals.rows,
            idempotency_key: None,
            origin: None,
            not_before: None,
            fingerprint: format!("undo {}", job.id),
            plan_hash: self.hash.clone(),
            checks_drift: false,
            reply_to: None,
            undoes: Some(Undoes {
                job: job.id,
                is_own: self.is_own,
            }),
            gate: self.gate.clone(),
            takings,
        }
    }
}

fn check(job: &Job) -> Result<(), UndoError> {
    if !job.state.is_final() {
        return Err(UndoError::NotEnded(job.id, job.state.as_str()));
    }
    if tenantry_jobs::find(&job.kind).is_ok_and(|kind| kind.policy().undo == Undo::Nothing) {
        return Err(UndoError::NothingToUndo(job.kind.clone()));
    }
    let partially_applied = if job.parameters.store.is_some() {
        job.counts.failed + job.counts.cancelled
    } else {
        0
    };
    if job.counts.applied + partially_applied == 0 {
        return Err(UndoError::NothingApplied(job.id));
    }
    Ok(())
}

/// The rows of one chunk, previewed.
struct Part {
    first_row: u64,
    rows: u64,
    previews: Vec<Preview>,
    expected: Vec<u8>,
}

/// Where a job's rows were carried out, and will be taken back.
enum CarriedOut<'s> {
    Here(&'s Ledger),
    Remote(&'s Ledger, &'s dyn RemoteStore, Box<dyn RemoteSession>),
}

impl<'s> CarriedOut<'s> {
    fn of(ledger: &'s Ledger, stores: &'s Stores, job: &Job) -> Result<Self, UndoError> {
        let Some(name) = &job.parameters.store else {
            return Ok(Self::Here(ledger));
        };
        let other = || UndoError::OtherStore(job.id, name.clone());
        let store = stores.named(name).ok_or_else(other)?.as_ref();
        Ok(Self::Remote(ledger, store, store.open(StoreEnv::new(ledger), &[])))
    }

    async fn preview(&self, job: &Job, chunk: i64) -> Result<Part, UndoError> {
        let part = match self {
            Self::Here(ledger) => preview_here(ledger, job, chunk).await?,
            Self::Remote(ledger, store, session) => {
                preview_remotely(ledger, *store, session.as_ref(), job, chunk).await?
            }
        };
        part.ok_or(UndoError::RowsGone(job.id))
    }
}

async fn preview_here(ledger: &Ledger, job: &Job, chunk: i64) -> Result<Option<Part>, DbError> {
    let (seq, kind, input) = (job.seq, job.kind.clone(), job.input);
    let context = Context {
        job: NO_JOB,
        kind: kind.clone(),
        now: ledger.clock().now_millis(),
        installation: ledger.installation(),
        expected: None,
        hands_out_passwords: false,
        writes_images: true,
        may_destroy: u64::MAX,
    };
    let previewed = ledger.db().read(move |tx| {
        let Some(chunk) = undoable_rows(tx, input, seq, chunk)? else {
            return Ok(None);
        };
        let mut prepared = Prepared::new(context, 0);
        prepared.take_back(tx, seq, &kind, &chunk.selected)?;
        let previews = sql::preview(tx, &prepared)?.previews;
        Ok(Some(Part::new(chunk.first_row, chunk.rows, previews)))
    });
    previewed.await
}

async fn preview_remotely(
    ledger: &Ledger,
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    job: &Job,
    chunk: i64,
) -> Result<Option<Part>, UndoError> {
    let (seq, input) = (job.seq, job.input);
    let loaded = ledger.db().read(move |tx| {
        let Some(chunk) = undoable_rows(tx, input, seq, chunk)? else {
            return Ok(None);
        };
        let steps = done_steps(tx, seq, chunk.first_row, chunk.first_row + chunk.rows.max(1) - 1)?;
        Ok(Some((chunk, steps)))
    });
    let Some((chunk, steps)) = loaded.await? else {
        return Ok(None);
    };
    let ask = async |row: u64| {
        let done = steps.get(&row).map_or(&[][..], Vec::as_slice);
        loop {
            if let Some(previewed) = settled(session.preview_undo(done).await).await? {
                return Ok(previewed.into_preview(row).0);
            }
        }
    };
    let asked = stream::iter(chunk.selected).map(ask).buffered(store.concurrency());
    let previews: Vec<Preview> = asked.try_collect().await.map_err(|error| match error {
        ApplyError::Db(error) => UndoError::Db(error),
        other => UndoError::Store(other.to_string()),
    })?;
    Ok(Some(Part::new(chunk.first_row, chunk.rows, previews)))
}

impl Part {
    fn new(first_row: u64, rows: u64, previews: Vec<Preview>) -> Self {
        let mut expected = Vec::new();
        for preview in &previews {
            if let Some(state) = state(&preview.verdict) {
                Expected::encode(preview.row, state, &mut expected);
            }
        }
        Self {
            first_row,
            rows,
            previews,
            expected,
        }
    }
}

#[derive(Default)]
struct UndoTotals {
    totals: Totals,
    impact: Impact,
    hash: PlanHash,
    is_edited: bool,
}

impl UndoTotals {
    fn add(&mut self, part: &Part) {
        self.impact.add(&part.previews);
        self.hash.expected(&part.expected);
        self.totals.rows += part.previews.len() as u64;
        for preview in &part.previews {
            match &preview.verdict {
                Verdict::Create => self.totals.create += 1,
                Verdict::Change(_) => self.totals.change += 1,
                Verdict::Unchanged => self.totals.unchanged += 1,
                Verdict::Reject(problem) => {
                    self.totals.reject += 1;
                    self.is_edited |= problem.code == code::EDITED_SINCE;
                }
            }
        }
    }

    /// What it comes to where that much was taken from limits today.
    fn finish(&self, asker: &Asker<'_>, taken: TakenToday) -> Result<UndoPlan, UndoError> {
        let UndoRequest { limits, job, .. } = asker.request;
        if self.totals.rows == 0 {
            return Err(UndoError::NothingApplied(job.id));
        }
        let usage = DailyUsage {
            taken,
            ..DailyUsage::of(asker.by.way(), job.parameters.store.clone())
        };
        let usual = limits.gate(None, (&self.totals, &self.impact), &usage);
        let mut limited = self.impact.clone();
        if !self.is_edited && asker.may_alone() {
            limited = limited.but_destruction();
        }
        let gate = limits.gate(None, (&self.totals, &limited), &usage);
        Ok(UndoPlan {
            hash: self
                .hash
                .clone()
                .finish("undo", &job.parameters, None, &job.id.to_string()),
            totals: self.totals,
            impact: self.impact.clone(),
            is_own: usual.is_some() && gate.is_none(),
            takings: limits.takings((&self.totals, &limited), &usage),
            gate,
        })
    }
}
