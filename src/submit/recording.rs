//! Recording of submissions in their order: many together, carried out by the worker that takes them in where it may.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::oneshot;

use super::waiting::IfOverLimit;
use super::{SubmitError, Submitted, Submitter};
use crate::db::DbError;
use crate::ledger::{AtOnce, Committed, DoneAtOnce, JobId, RecordedJobs, WholeJob};

/// Tickets sent for jobs that were recorded together: who answers one claims many of them at once.
const TICKETS_TOGETHER: usize = 4;

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

/// Lets the next turn come. If it is dropped, the next turn never does.
pub(crate) struct RecordTurnEnd(oneshot::Sender<()>);

impl RecordTurnEnd {
    /// Those before the next turn are recorded, as far as they can be.
    pub(crate) fn comes(self) {
        // Nobody may wait for it.
        let _ = self.0.send(());
    }
}

impl RecordTurn {
    /// Of submissions that come after no others.
    pub const NOW: Self = Self(None);

    /// The turn that comes once what is returned with it says so.
    pub(crate) fn after() -> (RecordTurnEnd, Self) {
        let (end, ended) = oneshot::channel();
        (RecordTurnEnd(end), Self(Some(ended.shared())))
    }

    /// Waits for it. Whether it has come; if not, it never does.
    pub(crate) async fn comes(&self) -> bool {
        match &self.0 {
            Some(ended) => ended.clone().await.is_ok(),
            None => true,
        }
    }
}

/// The outcome of submissions, in their order.
pub(super) struct Recording<'s> {
    pub(super) submitter: &'s Submitter<'s>,
    pub(super) submitted: Vec<Result<Submitted, SubmitError>>,
    /// Those that come next, and are not recorded yet.
    pub(super) whole: Vec<(WholeJob, Option<Box<IfOverLimit>>)>,
    turn: RecordTurn,
}

impl<'s> Recording<'s> {
    pub(super) fn new(submitter: &'s Submitter<'s>, turn: RecordTurn) -> Self {
        Self {
            turn,
            submitter,
            submitted: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// Records those that are to be recorded whole, and notifies workers. Before any job that comes after them is begun, so that
    /// the numbers of jobs are in the order in which they were handed in. If any could not be recorded, none after it is.
    pub(super) async fn whole_so_far(&mut self) -> Result<(), DbError> {
        let has_come = self.turn.comes().await;
        let (mut jobs, mut if_over): (Vec<WholeJob>, Vec<_>) = std::mem::take(&mut self.whole).into_iter().unzip();
        while !jobs.is_empty() {
            if !has_come || self.is_behind() {
                self.submitted.extend(jobs.iter().map(|_| Err(behind().into())));
                break;
            }
            let rest = match self.submitter.hand {
                None => Vec::new(),
                Some(hand) => jobs.split_off(together(hand, &jobs)),
            };
            let rest_if_over = if_over.split_off(jobs.len());
            self.record(jobs, if_over).await;
            (jobs, if_over) = (rest, rest_if_over);
        }
        if has_come && !self.is_behind() {
            Ok(())
        } else {
            Err(behind())
        }
    }

    /// Whether it is unknown of one that was handed in before whether it is recorded.
    fn is_behind(&self) -> bool {
        let mut submitted = self.submitted.iter();
        submitted.any(|one| matches!(one, Err(SubmitError::Db(error)) if error.is_of_the_surroundings()))
    }

    /// Records jobs in one transaction, carried out if they may be.
    async fn record(&mut self, jobs: Vec<WholeJob>, if_over: Vec<Option<Box<IfOverLimit>>>) {
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
                    return self.add_all((jobs, if_over), committed, is_queued).await;
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
                self.add_all((jobs, if_over), committed, true).await;
            }
            // What is wrong with one of them is not the others'.
            Err(error) if jobs.len() > 1 && !error.passes() => {
                tracing::warn!(%error, "{} jobs could not be recorded together and are one by one", jobs.len());
                for (job, if_over) in jobs.into_iter().zip(if_over) {
                    let committed = ledger.record_all(vec![job.clone()]).await;
                    let committed = committed.and_then(|one| one.into_iter().next().ok_or_else(lost));
                    crate::failpoint::hit("after-record");
                    self.add_whole((job, if_over), 1, committed.map_err(SubmitError::from))
                        .await;
                }
            }
            Err(error) => self.submitted.extend(jobs.iter().map(|_| Err(error.clone().into()))),
        }
    }

    /// Adds the outcome of jobs that were recorded together, and notifies workers of those that are new, if they are queued.
    async fn add_all(
        &mut self,
        (jobs, if_over): (Vec<WholeJob>, Vec<Option<Box<IfOverLimit>>>),
        committed: Vec<Committed>,
        is_queued: bool,
    ) {
        let new = committed.iter().filter(|one| is_queued && **one == Committed::Queued);
        let mut tickets = new.count().min(TICKETS_TOGETHER);
        for (job, committed) in jobs.into_iter().zip(if_over).zip(committed) {
            let notified = match committed {
                Committed::Queued => std::mem::take(&mut tickets),
                _ => 0,
            };
            self.add_whole(job, notified, Ok(committed)).await;
        }
    }

    /// As [`add`](Self::add) for one that was to be recorded whole; if a limit leaves too little for it, it is recorded to wait.
    async fn add_whole(
        &mut self,
        (job, if_over): (WholeJob, Option<Box<IfOverLimit>>),
        tickets: usize,
        committed: Result<Committed, SubmitError>,
    ) {
        let id = job.id;
        match (committed, if_over) {
            (Ok(Committed::OverLimit(taken)), Some(if_over)) => {
                // Boxed, as it is large and would be carried in every future around it.
                match Box::pin(if_over.record_whole(self.submitter.ledger, job, taken)).await {
                    Ok((draft, committed)) => self.add(draft.id, 1, Ok(committed)).await,
                    Err(error) => self.submitted.push(Err(error)),
                }
            }
            (committed, _) => self.add(id, tickets, committed).await,
        }
    }

    /// Adds the outcome of one, and notifies workers of it as often as that.
    pub(super) async fn add(&mut self, job: JobId, tickets: usize, committed: Result<Committed, SubmitError>) {
        self.submitted.push(match committed {
            Ok(Committed::Queued) => {
                if tickets > 0 {
                    self.submitter.queue.notify(job, tickets).await;
                }
                Ok(Submitted::Queued(job))
            }
            Ok(Committed::AwaitingApproval) => Ok(Submitted::AwaitingApproval(job)),
            Ok(Committed::OverLimit(_)) => Err(lost().into()),
            Ok(Committed::Same(id)) => Ok(Submitted::Same(id)),
            Ok(Committed::OriginLost) => Err(SubmitError::OriginLost),
            Ok(Committed::KeyReused(id)) => Err(SubmitError::KeyReused(id)),
            Err(error) => Err(error),
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

fn behind() -> DbError {
    DbError::Unavailable("what was handed in before could not be recorded".to_owned())
}

pub(super) fn lost() -> DbError {
    DbError::Broken("nothing is known of a job that was handed in".to_owned())
}
