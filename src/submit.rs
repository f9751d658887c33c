//! The one door in: a submission is read, checked, spooled, recorded and announced, whoever brings it.
//!
//! The file is read once. Its blocks go into the spool while it is checked, under a job that is `planned` and
//! that nobody sees; a fault throws them away again unless the submitter wants invalid rows skipped. Then
//! one transaction queues the job, or finds that the same one is queued already, and the queue is rung.

use tenantry_jobs::JobKind;
use thiserror::Error;

use crate::db::DbError;
use crate::input::Meter;
use crate::ledger::{
    Actor, Commit, Committed, Draft, JobId, Ledger, NewChunk, NewJob, Parameters, ReplyTo, RowOutcome,
};
use crate::plan::file::{PlanFile, PlanFileError};
use crate::plan::held::HeldRows;
use crate::plan::{
    Against, CheckedBlock, Drained, FaultLog, KeepError, Keeping, KeptHead, Limits, PlanError, Planning, Repeated,
    RowFault, RowSource, Sink, Totals, Whole,
};
use crate::queue::Queue;
use crate::store::{Stores, rejected};

/// Tickets rung for one job at most: as many as may be answered at once. Who answers one goes on while there is more.
const MOST_TICKETS: usize = 32;
/// Late rejections written per transaction.
const LATE_BATCH: usize = 2_000;

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
    /// Who is told the outcome, of this job or of the one that is the same.
    pub reply_to: Option<ReplyTo>,
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
    pub rules: &'s Rules,
}

impl Submitter<'_> {
    /// Takes a submission. `progress` is told how many rows have been checked.
    pub async fn submit(
        &self,
        submission: Submission,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Submitted, SubmitError> {
        let ledger = self.ledger;
        let Submission {
            kind,
            mut parameters,
            source,
            mut plan,
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
        let store = Some(Against {
            ledger: ledger.clone(),
            stores: self.stores.clone(),
            reads_all: plan.is_some(),
        });
        let planning = Planning::open(source, kind, &parameters, store, self.rules.chunk_rows, true).await?;
        let (part, sheet) = (planning.part(), planning.sheet().map(str::to_owned));
        let job = ledger
            .begin(NewJob {
                kind: kind.kind().to_owned(),
                parameters: parameters.clone(),
                submitted_by: submission.submitted_by,
                input_name: input_name.clone(),
                header: planning.header().to_vec(),
                out_host: submission.out_dir.is_some().then(crate::machine::host_name),
                out_dir: submission.out_dir,
            })
            .await?;
        crate::failpoint::hit("planning");
        let mut spooling = Spooling {
            ledger,
            job,
            plan: plan.as_mut(),
            skip_invalid: parameters.skip_invalid,
            progress,
            keeping: Keeping::new()?,
            destructive: HeldRows::default(),
            faults: FaultLog::default(),
            late: Vec::new(),
            chunks: 0,
        };
        let drained = match spooling.all(planning).await {
            Ok(drained) => drained,
            Err(error) => {
                // The sweep removes it too, in time; the error at hand is the one to tell.
                let _ = ledger.discard(job).await;
                return Err(error);
            }
        };
        let Spooling {
            chunks,
            faults,
            keeping,
            destructive,
            ..
        } = spooling;
        let Drained { totals, hash, whole } = drained;
        let fingerprint = |sha256: &str| fingerprint(kind.kind(), &parameters, sha256, part.as_deref());
        let (digest, impact) = match whole {
            Some(Whole { digest, impact }) if faults.is_empty() => (digest, impact),
            whole => {
                ledger.discard(job).await?;
                // What a job at work has done so far may be what speaks against its file now.
                let same = match &whole {
                    Some(Whole { digest, .. }) => ledger.unfinished(fingerprint(digest.sha256.as_str())).await?,
                    None => None,
                };
                if let (Some(same), Some(reply)) = (same, submission.reply_to) {
                    ledger.reply_too(same, reply).await?;
                }
                let refusal = FileRefusal {
                    faults,
                    totals,
                    whole: whole.is_some(),
                };
                return Ok(same.map_or(Submitted::Refused(Box::new(refusal)), Submitted::Same));
            }
        };
        let plan_hash = match &plan {
            None => hash.finish(kind.kind(), &parameters, part.as_deref(), digest.sha256.as_str()),
            Some(plan) if plan.tail.sha256.as_deref() == Some(digest.sha256.as_str()) => {
                plan.tail.hash.clone().unwrap_or_default()
            }
            Some(_) => {
                ledger.discard(job).await?;
                return Err(SubmitError::OtherContent(input_name));
            }
        };
        let commit = Commit {
            fingerprint: fingerprint(digest.sha256.as_str()),
            sha256: digest.sha256.to_string(),
            bytes: digest.bytes,
            rows: digest.rows,
            notes: digest.notes,
            sheet,
            idempotency_key: submission.idempotency_key,
            reply_to: submission.reply_to,
            plan_hash,
            checks_drift: plan.is_some(),
            undoes: None,
            gate: self.rules.limits.gate(Some(kind), &totals, &impact),
        };
        if commit.gate.is_some() {
            let head = KeptHead {
                kind: kind.kind().to_owned(),
                parameters,
                part,
                content: commit.sha256.clone(),
            };
            let kept = match &plan {
                Some(plan) => Keeping::of_file(plan, destructive).map_err(KeepError::from),
                None => Ok(keeping),
            };
            let kept = match kept {
                Ok(keeping) => keeping.keep(ledger, job, &head).await,
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                let _ = ledger.discard(job).await;
                return Err(error.into());
            }
        }
        self.record(job, commit, chunks).await
    }

    /// Records what was planned, and rings for it.
    async fn record(&self, job: Draft, commit: Commit, chunks: usize) -> Result<Submitted, SubmitError> {
        let committed = self.ledger.commit(job, commit).await?;
        crate::failpoint::hit("after-record");
        match committed {
            Committed::Queued => {
                self.queue.ring(job.id, chunks.min(MOST_TICKETS)).await;
                Ok(Submitted::Queued(job.id))
            }
            Committed::AwaitingApproval => Ok(Submitted::AwaitingApproval(job.id)),
            Committed::Same(id) => Ok(Submitted::Same(id)),
            Committed::KeyReused(id) => Err(SubmitError::KeyReused(id)),
        }
    }
}

/// Spools a file while it is checked.
struct Spooling<'s> {
    ledger: &'s Ledger,
    job: Draft,
    plan: Option<&'s mut PlanFile>,
    skip_invalid: bool,
    progress: &'s (dyn Fn(u64) + Sync),
    /// The plan, in case it has to be approved.
    keeping: Keeping,
    /// Rows that are destructive, where there is a plan to go by, whose hash does not cover it.
    destructive: HeldRows,
    /// What the file is refused for.
    faults: FaultLog,
    /// Rejections of rows that turned out to repeat others, with the numbers of their chunks.
    late: Vec<(i64, RowOutcome)>,
    chunks: usize,
}

impl Spooling<'_> {
    async fn all(&mut self, planning: Planning) -> Result<Drained, SubmitError> {
        let drained = planning.drain(self).await?;
        if !self.late.is_empty() {
            self.ledger.reject(self.job, std::mem::take(&mut self.late)).await?;
        }
        Ok(drained)
    }
}

impl Sink for Spooling<'_> {
    type Error = SubmitError;

    async fn block(&mut self, mut checked: CheckedBlock, rows_so_far: u64) -> Result<(), SubmitError> {
        let (first_row, rows) = (checked.block.first_row(), checked.block.len() as u64);
        // Totals, impact and hash are of the file as it was planned; drift only takes rows away.
        // Where there is a plan to go by, that one is kept.
        if self.plan.is_none() {
            self.keeping.block(&checked)?;
        }
        let drifted = match &mut self.plan {
            Some(plan) => {
                for preview in checked.previews.iter().filter(|preview| preview.destructive) {
                    self.destructive.push(preview.row, 0, "")?;
                }
                let planned = plan.up_to(first_row + rows.saturating_sub(1))?;
                checked.drift(&planned)
            }
            None => Vec::new(),
        };
        (self.progress)(rows_so_far);
        if !self.skip_invalid {
            for fault in std::mem::take(&mut checked.rejects).into_values().flatten() {
                self.faults.push(fault)?;
            }
        }
        // A file that will be refused needs no spool; it is read on for its other faults.
        if self.faults.is_empty() {
            let faulty = checked.rejects.values().filter_map(|faults| reject_row(faults));
            let rejects = faulty.chain(drifted).collect();
            let chunk = NewChunk {
                number: self.chunks as i64,
                first_row,
                rows,
                pending: rows,
                expected: checked.expected(),
                block: Some(std::mem::take(&mut checked.encoded)),
            };
            self.ledger.append(self.job, chunk, rejects).await?;
        }
        self.chunks += 1;
        Ok(())
    }

    async fn repeated(&mut self, repeated: Repeated) -> Result<(), SubmitError> {
        if self.plan.is_none() {
            self.keeping.repeated(repeated.fault.row)?;
        }
        let (chunk, fault) = (repeated.chunk, repeated.fault);
        if !self.skip_invalid {
            self.faults.push(fault)?;
            return Ok(());
        }
        let reject = reject_row(std::slice::from_ref(&fault));
        self.late.extend(reject.map(|reject| (chunk, reject)));
        if self.late.len() >= LATE_BATCH {
            self.ledger.reject(self.job, std::mem::take(&mut self.late)).await?;
        }
        Ok(())
    }

    fn broken(&mut self, fault: RowFault) -> Result<(), SubmitError> {
        Ok(self.faults.push(fault)?)
    }
}

/// The outcome of a row that was found faulty: the first code, every message.
fn reject_row(faults: &[RowFault]) -> Option<RowOutcome> {
    let first = faults.first()?;
    let mut outcome = rejected(first.row, &first.problem);
    for fault in &faults[1..] {
        outcome.message.push_str("; ");
        outcome.message.push_str(&fault.problem.to_string());
    }
    Some(outcome)
}

fn fingerprint(kind: &str, parameters: &Parameters, sha256: &str, part: Option<&str>) -> String {
    let mut parameters = parameters.clone();
    // The same work is the same work, whoever can read the passwords.
    parameters.seal_to.clear();
    parameters.in_the_clear = false;
    parameters.reply_rows = false;
    let parameters = serde_json::to_string(&parameters).unwrap_or_default();
    let mut meter = Meter::default();
    meter.pass(format!("{kind}\n{parameters}\n{sha256}").as_bytes());
    if let Some(part) = part {
        meter.pass(format!("\n{part}").as_bytes());
    }
    meter.sha256().to_string()
}
