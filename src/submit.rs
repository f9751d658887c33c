//! The one door in: a submission is read, checked, spooled, recorded and announced, whoever brings it.
//!
//! The file is read once. If all of it is one block, nothing is written before it is checked. Otherwise its blocks go into the
//! spool meanwhile, under a job that is `planned` and that nobody sees; a fault throws them away again unless the
//! submitter wants invalid rows skipped. Then one transaction queues the job, or finds that the same one is queued already,
//! and the queue is rung.
//!
//! Submissions that are handed in together are looked up together and, as far as each is one block, recorded in one transaction,
//! in their order. What is wrong with one of them is its own: the others are none the worse. A worker that takes them in carries them
//! out in that very transaction where it may ([`Hand`]).
//!
//! - `spooling`: where the blocks of one submission go.

mod spooling;

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tenantry_jobs::JobKind;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::db::DbError;
use crate::input::Meter;
use crate::ledger::{
    Actor, AtOnce, Commit, Committed, DoneAtOnce, Draft, JobId, Ledger, NewJob, Origin, Parameters, RecordedJobs,
    ReplyTo, WholeJob,
};
use crate::plan::file::{PlanFile, PlanFileError};
use crate::plan::{
    Against, Drained, FaultLog, KeepError, KeptHead, Limits, PlanError, PlanInput, Planning, RowSource, Totals, Whole,
    check_first,
};
use crate::queue::Queue;
use crate::store::Stores;
use spooling::{Spooled, Spooling};

/// Tickets rung for one job at most: as many as may be answered at once. Who answers one goes on while there is more.
const MOST_TICKETS: usize = 32;
/// Tickets rung for jobs that were recorded together: who answers one claims many of them at once.
const TICKETS_TOGETHER: usize = 4;

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

/// The hand of a worker that takes submissions in, and carries out in the transaction that records them what it may.
pub trait Hand: Send + Sync {
    /// How many rows of the job there are to be carried out so, if it may be.
    fn takes(&self, job: &WholeJob) -> Option<u64>;

    /// Jobs, and rows of them, that are carried out in one transaction at most.
    fn most(&self) -> (usize, u64);

    /// Takes a place for them, until it is dropped; `None` if the worker may have nothing else in hand now.
    fn begin(&self) -> BoxFuture<'_, Option<Box<dyn Send>>>;

    /// What carries them out.
    fn worker(&self) -> Arc<dyn AtOnce>;

    /// Jobs have ended; that has been going on since then.
    fn done(&self, done: DoneAtOnce, since: Instant);
}

/// The turn of submissions that are read and planned beside others, and recorded after them.
#[derive(Clone)]
pub struct RecordTurn(Option<Shared<oneshot::Receiver<()>>>);

/// Lets the next turn come when it is dropped.
pub struct RecordTurnEnd(#[expect(dead_code, reason = "it is there to be dropped")] oneshot::Sender<()>);

impl RecordTurn {
    /// Of submissions that come after no others.
    pub const NOW: Self = Self(None);

    /// The turn that comes once what is returned with it was dropped.
    pub fn after() -> (RecordTurnEnd, Self) {
        let (end, ended) = oneshot::channel();
        (RecordTurnEnd(end), Self(Some(ended.shared())))
    }

    async fn comes(&mut self) {
        if let Some(ended) = self.0.take() {
            // The end sends nothing.
            let _ = ended.await;
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
    Whole(Box<WholeJob>),
    /// One whose blocks are in the spool already, so many of them.
    Drafted(Draft, Box<Commit>, usize),
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

    /// Takes several submissions, recorded in their order when it is their turn. What became of each.
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
                Ok(Planned::Whole(job)) => recording.whole.push(*job),
                Ok(Planned::Drafted(job, commit, chunks)) => {
                    let committed = self.ledger.commit(job, *commit).await;
                    crate::failpoint::hit("after-record");
                    recording.add(job.id, chunks.min(MOST_TICKETS), committed).await;
                }
                Ok(Planned::Ended(submitted)) => {
                    recording.whole_so_far().await;
                    recording.submitted.push(Ok(submitted));
                }
                Err(error) => {
                    recording.whole_so_far().await;
                    recording.submitted.push(Err(error));
                }
            }
        }
        recording.whole_so_far().await;
        recording.submitted
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
        let fingerprint = |sha256: &str| fingerprint(&new.kind, &new.parameters, sha256, part.as_deref());
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
            gate: self.rules.limits.gate_too(approval, Some(kind), &totals, &impact),
        };
        if commit.gate.is_some() {
            let head = KeptHead {
                kind: new.kind.clone(),
                parameters: new.parameters.clone(),
                part,
                content: commit.sha256.clone(),
            };
            if let Err(error) = spooling.keep_plan(&head).await {
                let _ = spooling.discard().await;
                return Err(error);
            }
        }
        let chunks = spooling.chunks;
        Ok(match spooling.spooled() {
            Spooled::Drafted(job) => Planned::Drafted(job, Box::new(commit), chunks),
            Spooled::Held(chunk, rejects) => Planned::Whole(Box::new(WholeJob {
                id: JobId(ledger.clock().fresh_id()),
                new,
                commit,
                chunk,
                rejects,
            })),
        })
    }
}

/// What became of submissions, in their order.
struct Recording<'s> {
    submitter: &'s Submitter<'s>,
    submitted: Vec<Result<Submitted, SubmitError>>,
    /// Those that come next, and are not recorded yet.
    whole: Vec<WholeJob>,
    turn: RecordTurn,
}

impl<'s> Recording<'s> {
    fn new(submitter: &'s Submitter<'s>, turn: RecordTurn) -> Self {
        Self {
            turn,
            submitter,
            submitted: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// Records those that are to be recorded whole, and rings for them. Before any job that comes after them is begun, so that
    /// the numbers of jobs are in the order in which they were handed in.
    async fn whole_so_far(&mut self) {
        self.turn.comes().await;
        let mut jobs = std::mem::take(&mut self.whole);
        while !jobs.is_empty() {
            let rest = match self.submitter.hand {
                None => Vec::new(),
                Some(hand) => jobs.split_off(together(hand, &jobs)),
            };
            self.record(jobs).await;
            jobs = rest;
        }
    }

    /// Records jobs in one transaction, carried out if they may be.
    async fn record(&mut self, jobs: Vec<WholeJob>) {
        let ledger = self.submitter.ledger;
        if let Some(hand) = self.submitter.hand
            && jobs.first().is_some_and(|job| hand.takes(job).is_some())
            && let Some(place) = hand.begin().await
        {
            let since = Instant::now();
            match ledger.record_at_once(jobs.clone(), hand.worker()).await {
                Ok(RecordedJobs { committed, done }) => {
                    crate::failpoint::hit("after-record");
                    let is_queued = done.claims.is_empty();
                    hand.done(done, since);
                    drop(place);
                    return self.add_all(&jobs, committed, is_queued).await;
                }
                // Whether it took effect is unknown; who brought them brings them again.
                Err(error @ DbError::Unavailable(_)) => {
                    return self.submitted.extend(jobs.iter().map(|_| Err(error.clone().into())));
                }
                Err(error) => {
                    tracing::debug!(jobs = jobs.len(), %error, "jobs could not be carried out at once and are queued");
                }
            }
        }
        match ledger.record_all(jobs.clone()).await {
            Ok(committed) => {
                crate::failpoint::hit("after-record");
                self.add_all(&jobs, committed, true).await;
            }
            // What is wrong with one of them is not the others'.
            Err(error) if jobs.len() > 1 && !error.passes() => {
                for job in jobs {
                    let id = job.id;
                    let committed = ledger.record_all(vec![job]).await;
                    let committed = committed.and_then(|one| one.into_iter().next().ok_or_else(lost));
                    crate::failpoint::hit("after-record");
                    self.add(id, 1, committed).await;
                }
            }
            Err(error) => self.submitted.extend(jobs.iter().map(|_| Err(error.clone().into()))),
        }
    }

    /// Adds what became of jobs that were recorded together, and rings for those that are new, if they are queued.
    async fn add_all(&mut self, jobs: &[WholeJob], committed: Vec<Committed>, is_queued: bool) {
        let new = committed.iter().filter(|one| is_queued && **one == Committed::Queued);
        let mut tickets = new.count().min(TICKETS_TOGETHER);
        for (job, committed) in jobs.iter().zip(committed) {
            let rung = match committed {
                Committed::Queued => std::mem::take(&mut tickets),
                _ => 0,
            };
            self.add(job.id, rung, Ok(committed)).await;
        }
    }

    /// Adds what became of one, and rings for it as often as that.
    async fn add(&mut self, job: JobId, tickets: usize, committed: Result<Committed, DbError>) {
        self.submitted.push(match committed {
            Ok(Committed::Queued) => {
                if tickets > 0 {
                    self.submitter.queue.ring(job, tickets).await;
                }
                Ok(Submitted::Queued(job))
            }
            Ok(Committed::AwaitingApproval) => Ok(Submitted::AwaitingApproval(job)),
            Ok(Committed::Same(id)) => Ok(Submitted::Same(id)),
            Ok(Committed::OriginLost) => Err(SubmitError::OriginLost),
            Ok(Committed::KeyReused(id)) => Err(SubmitError::KeyReused(id)),
            Err(error) => Err(error.into()),
        });
    }
}

/// How many of the jobs, from the first one on, are recorded in one transaction: as many as the hand can carry out together, or all
/// before the next one that it takes.
fn together(hand: &dyn Hand, jobs: &[WholeJob]) -> usize {
    let (most, mut room) = hand.most();
    let mut count = 0;
    for job in jobs {
        let fits = match (hand.takes(job), hand.takes(&jobs[0])) {
            (Some(rows), Some(_)) => {
                let left = room.checked_sub(rows);
                room = left.unwrap_or(room);
                count < most && left.is_some()
            }
            (None, None) => true,
            _ => false,
        };
        if !fits {
            break;
        }
        count += 1;
    }
    count.max(1)
}

fn lost() -> DbError {
    DbError::Broken("nothing is known of a job that was handed in".to_owned())
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
