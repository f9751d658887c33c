//! The one door in: a submission is read, checked, spooled, recorded and announced, no matter which intake brings it.
//!
//! The file is read once. If all of it is one block, nothing is written before it is checked. Otherwise its blocks go into the
//! spool meanwhile, under a job that is `planned` and that no user sees; a fault throws them away again unless the
//! submitter wants invalid rows skipped. Then one transaction queues the job, or finds that the same one is queued already,
//! and workers are notified.
//!
//! Submissions that are handed in together are looked up together and, as far as each is one block, recorded in one transaction,
//! in their order. What is wrong with one of them is its own: the others are none the worse. A worker that takes them in carries them
//! out in that very transaction where it may ([`Hand`]).
//!
//! - `recording`: what they come to, recorded in their order.
//! - `spooling`: where the blocks of one submission go.
//! - `waiting`: submissions for which a limit of the day leaves too little.

mod recording;
mod spooling;
mod waiting;

use tenantry_jobs::JobKind;
use thiserror::Error;

use crate::db::DbError;
use crate::input::StreamHasher;
use crate::ledger::{Actor, Commit, Committed, Draft, JobId, Ledger, NewJob, Origin, Parameters, ReplyTo, WholeJob};
use crate::plan::file::{PlanFile, PlanFileError};
use crate::plan::{
    Against, DailyUsage, Drained, FaultLog, KeepError, KeptHead, Limits, PlanError, PlanInput, Planning, RowSource,
    Totals, Whole, check_first,
};
use crate::queue::Queue;
use crate::store::Stores;
use crate::summary::how_to_undo;
pub(crate) use recording::RecordTurnEnd;
pub use recording::{Hand, RecordTurn};
use recording::{Recording, lost};
use spooling::{Spooled, Spooling};
use waiting::IfOverLimit;

/// Tickets sent for one job at most: as many as may be answered at once. Who answers one goes on while there is more.
const MOST_TICKETS: usize = 32;

/// Small submissions that are taken in together at most, and carried out in one transaction. What a transaction costs by itself is little for
/// each then. One worker at a time takes them in, so no other waits for the records that they touch. Each takes some
/// tens of KiB of memory while it is planned.
pub(crate) const JOBS_TOGETHER: usize = 400;

/// What somebody wants done.
pub struct Submission {
    /// The kind.
    pub kind: &'static dyn JobKind,
    /// What is the same for every row.
    pub parameters: Parameters,
    /// The rows.
    pub source: RowSource,
    /// The submitter's own key: a second submission with it is the same job.
    pub idempotency_key: Option<String>,
    /// Who.
    pub submitted_by: Actor,
    /// What brought it, if no person did.
    pub origin: Option<Origin>,
    /// When its work is to begin, if not at once. Rows that are no longer as they were planned are rejected then.
    pub not_before: Option<i64>,
    /// Who is told the outcome, of this job or of the one that is the same.
    pub reply_to: Option<ReplyTo>,
    /// Why somebody has to approve it whatever the limits say.
    pub approval: Option<String>,
    /// Directory on this machine that results are written to.
    pub out_dir: Option<String>,
    /// The plan to go by: rows that are no longer as it says are rejected.
    pub plan: Option<PlanFile>,
}

/// What submissions are held to.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Rows in a chunk.
    pub chunk_rows: usize,
    /// What needs approval.
    pub limits: Limits,
}

/// How a submission ended.
pub enum Submitted {
    /// A new job.
    Queued(JobId),
    /// A new job that somebody else has to approve before it runs.
    AwaitingApproval(JobId),
    /// A job that was there before and stands for the same work.
    Same(JobId),
    /// The file has faults, and nothing was recorded.
    Refused(Box<FileRefusal>),
}

/// Why a file was refused.
pub struct FileRefusal {
    /// Every fault.
    pub faults: FaultLog,
    /// What would have happened to the rows.
    pub totals: Totals,
    /// Whether the file could be read to its end; if not, the last fault says why, and there may be more behind it.
    pub whole: bool,
}

/// Why a submission could not be carried through.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// The file cannot be read or does not fit the kind.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The key was used before for something else.
    #[error("the idempotency key belongs to job {0}, whose kind, parameters or content differ")]
    KeyReused(JobId),
    /// What brought it is not the submitter's any more.
    #[error("another worker has taken over what brought this submission; nothing was recorded")]
    OriginLost,
    /// The plan to go by cannot be read.
    #[error(transparent)]
    PlanFile(#[from] PlanFileError),
    /// The file is not the one that was planned.
    #[error("{0} has changed since the plan was made; plan it again")]
    OtherContent(String),
    /// The plan was made for another store.
    #[error("the plan was made for another store than the configured one; plan it again")]
    OtherStore,
    /// Faults could not be kept.
    #[error("a temporary file cannot be written: {0}")]
    Temporary(#[from] std::io::Error),
}

impl From<KeepError> for SubmitError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Db(error) => Self::Db(error),
            KeepError::Temporary(error) => Self::Temporary(error),
        }
    }
}

/// Takes submissions into one ledger.
pub struct Submitter<'s> {
    /// Where jobs are recorded.
    pub ledger: &'s Ledger,
    /// What changes are previewed against.
    pub stores: &'s Stores,
    /// What workers are told through.
    pub queue: &'s Queue,
    /// What submissions are held to.
    pub rules: Rules,
    /// Whether a worker takes them in, that may carry them out at once.
    pub hand: Option<&'s dyn Hand>,
}

/// A submission whose header was recognised.
struct Opened {
    kind: &'static dyn JobKind,
    new: NewJob,
    plan: Option<PlanFile>,
    idempotency_key: Option<String>,
    reply_to: Option<ReplyTo>,
    origin: Option<Origin>,
    not_before: Option<i64>,
    approval: Option<String>,
    planning: Planning,
}

/// A submission that was read to its end.
enum Planned {
    /// One to be recorded whole.
    Whole(Box<WholeJob>, Option<Box<IfOverLimit>>),
    /// One whose blocks are in the spool already, so many of them.
    Drafted(Draft, Box<Commit>, usize, Option<Box<IfOverLimit>>),
    /// One of which nothing is left to be recorded.
    Ended(Submitted),
}

impl Submitter<'_> {
    /// Takes a submission. `progress` is told how many rows have been checked.
    pub async fn submit(
        &self,
        submission: Submission,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Submitted, SubmitError> {
        let opened = self.open(submission).await?;
        let mut submitted = self.submit_opened(vec![Ok(opened)], RecordTurn::NOW, progress).await;
        submitted.pop().unwrap_or_else(|| Err(lost().into()))
    }

    /// Takes several submissions, recorded in their order when it is their turn. The outcome of each.
    pub async fn submit_all(
        &self,
        submissions: Vec<Submission>,
        turn: RecordTurn,
    ) -> Vec<Result<Submitted, SubmitError>> {
        let mut opened = Vec::with_capacity(submissions.len());
        for submission in submissions {
            opened.push(self.open(submission).await);
        }
        self.submit_opened(opened, turn, &|_| ()).await
    }

    async fn open(&self, submission: Submission) -> Result<Opened, SubmitError> {
        let Submission {
            kind,
            mut parameters,
            source,
            plan,
            ..
        } = submission;
        parameters.store = self.stores.name_of(kind);
        if plan
            .as_ref()
            .is_some_and(|plan| plan.head.parameters.store != parameters.store)
        {
            return Err(SubmitError::OtherStore);
        }
        let input_name = source.name();
        let against = Some(Against {
            ledger: self.ledger.clone(),
            stores: self.stores.clone(),
            reads_all: plan.is_some(),
        });
        let planning = Planning::open(PlanInput {
            source,
            kind,
            parameters: &parameters,
            against,
            chunk_rows: self.rules.chunk_rows,
            keep_blocks: true,
        })
        .await?;
        let new = NewJob {
            kind: kind.kind().to_owned(),
            parameters,
            submitted_by: submission.submitted_by,
            input_name,
            header: planning.header().to_vec(),
            out_host: submission.out_dir.is_some().then(crate::machine::host_name),
            out_dir: submission.out_dir,
        };
        Ok(Opened {
            kind,
            new,
            plan,
            idempotency_key: submission.idempotency_key,
            reply_to: submission.reply_to,
            origin: submission.origin,
            not_before: submission.not_before,
            approval: submission.approval,
            planning,
        })
    }

    async fn submit_opened(
        &self,
        mut opened: Vec<Result<Opened, SubmitError>>,
        turn: RecordTurn,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Vec<Result<Submitted, SubmitError>> {
        let mut plannings: Vec<&mut Planning> = opened.iter_mut().flatten().map(|one| &mut one.planning).collect();
        if let Err(error) = check_first(self.ledger, &mut plannings).await {
            let fail = |one: Result<Opened, SubmitError>| one.and_then(|_| Err(error.clone().into()));
            return opened.into_iter().map(fail).collect();
        }
        let mut recording = Recording::new(self, turn);
        for one in opened {
            let planned = match one {
                // Boxed, as it is large and would be carried in every future around it.
                Ok(one) => Box::pin(self.plan(one, &mut recording, progress)).await,
                Err(error) => Err(error),
            };
            match planned {
                Ok(Planned::Whole(job, if_over)) => recording.whole.push((*job, if_over)),
                Ok(Planned::Drafted(job, commit, chunks, if_over)) => {
                    let committed = Box::pin(self.commit(job, *commit, if_over)).await;
                    crate::failpoint::hit("after-record");
                    recording.add(job.id, chunks.min(MOST_TICKETS), committed).await;
                }
                Ok(Planned::Ended(submitted)) => {
                    // Nothing of it is recorded.
                    let _ = recording.whole_so_far().await;
                    recording.submitted.push(Ok(submitted));
                }
                Err(error) => {
                    let _ = recording.whole_so_far().await;
                    recording.submitted.push(Err(error));
                }
            }
        }
        // Their outcome says it.
        let _ = recording.whole_so_far().await;
        recording.submitted
    }

    async fn commit(
        &self,
        job: Draft,
        commit: Commit,
        if_over: Option<Box<IfOverLimit>>,
    ) -> Result<Committed, SubmitError> {
        let Some(if_over) = if_over else {
            return Ok(self.ledger.commit(job, commit).await?);
        };
        match self.ledger.commit(job, commit.clone()).await? {
            Committed::OverLimit(taken) => if_over.record(self.ledger, job, commit, taken).await,
            committed => Ok(committed),
        }
    }

    /// Reads a submission to its end.
    async fn plan(
        &self,
        opened: Opened,
        recording: &mut Recording<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Planned, SubmitError> {
        let Opened {
            kind,
            new,
            mut plan,
            idempotency_key,
            reply_to,
            origin,
            not_before,
            approval,
            planning,
        } = opened;
        let ledger = self.ledger;
        let (part, sheet) = (planning.part(), planning.sheet().map(str::to_owned));
        crate::failpoint::hit("planning");
        let mut spooling = Spooling::new(recording, &new, plan.as_mut(), progress);
        let Drained { totals, hash, whole } = match spooling.all(planning).await {
            Ok(drained) => drained,
            Err(error) => {
                // The sweep removes it too, in time; the error at hand is the one to tell.
                let _ = spooling.discard().await;
                return Err(error);
            }
        };
        let fingerprint = |sha256: &str| fingerprint(&new, sha256, part.as_deref());
        let (digest, impact) = match whole {
            Some(Whole { digest, impact }) if spooling.faults.is_empty() => (digest, impact),
            whole => {
                spooling.discard().await?;
                // What a job at work has done so far may be what speaks against its file now.
                let same = match &whole {
                    Some(Whole { digest, .. }) => ledger.unfinished(fingerprint(digest.sha256.as_str())).await?,
                    None => None,
                };
                if let (Some(same), Some(reply)) = (same, reply_to) {
                    ledger.reply_too(same, reply).await?;
                }
                if let (Some(same), Some(origin), Some(Whole { digest, .. })) = (same, origin, &whole)
                    && !ledger.link(origin, same, digest.sha256.to_string()).await?
                {
                    return Err(SubmitError::OriginLost);
                }
                let refusal = FileRefusal {
                    faults: spooling.faults,
                    totals,
                    whole: whole.is_some(),
                };
                let submitted = same.map_or(Submitted::Refused(Box::new(refusal)), Submitted::Same);
                return Ok(Planned::Ended(submitted));
            }
        };
        let planned = spooling
            .plan
            .as_ref()
            .map(|plan| (plan.tail.sha256.clone(), plan.tail.hash.clone()));
        let plan_hash = match planned {
            None => hash.finish(&new.kind, &new.parameters, part.as_deref(), digest.sha256.as_str()),
            Some((sha256, hash)) if sha256.as_deref() == Some(digest.sha256.as_str()) => hash.unwrap_or_default(),
            Some(_) => {
                spooling.discard().await?;
                return Err(SubmitError::OtherContent(new.input_name));
            }
        };
        let (undo, is_remote) = (kind.policy().undo, new.parameters.store.is_some());
        let misstates =
            |plan: &&mut PlanFile| plan.misstates_whole(totals.rows, how_to_undo(undo, is_remote).as_deref());
        if let Some(misstated) = spooling.plan.as_ref().and_then(misstates) {
            spooling.discard().await?;
            return Err(misstated.into());
        }
        let limits = self.rules.limits;
        let usage = DailyUsage::of(new.submitted_by.way(), new.parameters.store.clone());
        let gate = limits.gate_too(approval, Some(kind), (&totals, &impact), &usage);
        let takings = match gate {
            None => limits.takings((&totals, &impact), &usage),
            Some(_) => Vec::new(),
        };
        let commit = Commit {
            fingerprint: fingerprint(digest.sha256.as_str()),
            sha256: digest.sha256.to_string(),
            bytes: digest.bytes,
            rows: digest.rows,
            notes: digest.notes,
            sheet,
            idempotency_key,
            reply_to,
            origin,
            not_before,
            plan_hash,
            checks_drift: spooling.plan.is_some() || not_before.is_some(),
            undoes: None,
            gate,
            takings,
        };
        let head = || KeptHead {
            kind: new.kind.clone(),
            parameters: new.parameters.clone(),
            part,
            content: commit.sha256.clone(),
        };
        let mut if_over = None;
        if commit.gate.is_some() {
            if let Err(error) = spooling.keep_plan(&head()).await {
                let _ = spooling.discard().await;
                return Err(error);
            }
        } else if !commit.takings.is_empty() {
            if_over = Some(Box::new(IfOverLimit {
                kind,
                limits,
                totals,
                impact,
                usage,
                keeping: spooling.take_plan()?,
                head: head(),
            }));
        }
        let chunks = spooling.chunks;
        Ok(match spooling.spooled() {
            Spooled::Drafted(job) => Planned::Drafted(job, Box::new(commit), chunks, if_over),
            Spooled::Held(chunk, rejects) => {
                let job = WholeJob {
                    id: JobId(ledger.clock().fresh_id()),
                    new,
                    commit,
                    chunk,
                    rejects,
                };
                Planned::Whole(Box::new(job), if_over)
            }
        })
    }
}

fn fingerprint(new: &NewJob, sha256: &str, part: Option<&str>) -> String {
    let (kind, mut parameters) = (&new.kind, new.parameters.clone());
    // The same work is the same work, no matter which recipients can read the passwords.
    parameters.seal_to.clear();
    parameters.in_the_clear = false;
    parameters.reply_rows = false;
    let parameters = serde_json::to_string(&parameters).unwrap_or_default();
    let mut meter = StreamHasher::default();
    meter.pass(format!("{kind}\n{parameters}\n{sha256}").as_bytes());
    if let Some(part) = part {
        meter.pass(format!("\n{part}").as_bytes());
    }
    // A job has its results in one place, so a submitter who wants them in another wants another job.
    if let Some(out) = &new.out_dir {
        meter.pass(format!("\nto {out}").as_bytes());
    }
    meter.sha256().to_string()
}
