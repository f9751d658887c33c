//! Submitters told over Redis how their jobs ended.
//!
//! Of a job that ended as it came in, the worker has taken on to tell in the same transaction, and knows what to tell: it does so
//! from the commit. All others are looked for when a job has ended here, and every now and then, as of workers that died.
//!
//! That a submitter was told is recorded a moment later, for many at a time. A worker that dies in between leaves them to be
//! told once more: a reader of replies may read one twice, and never misses one.

use std::mem::take;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::db::DbError;
use crate::delivery;
use crate::ledger::{Job, Reply, TakenReplies};
use crate::lock::lock;
use crate::notify;
use crate::summary::JobSummary;

/// Rows that a reply tells of at most, and bytes that they take as JSON.
const MOST_ROWS: usize = 1_000;
const MOST_BYTES: usize = 256 << 10;
/// Submitters told at once, and recorded so in one transaction.
const REPLIES: usize = 500;
/// How long it may take until it is recorded that somebody was told: a fraction of the time after which another worker would.
const RECORD_WITHIN: Duration = Duration::from_millis(250);

/// What is to be told by this worker.
#[derive(Debug, Default)]
pub(super) struct ToBeTold {
    /// Of jobs that it has ended as they came in, with the jobs.
    taken: Mutex<Vec<(TakenReplies, Vec<Job>)>>,
    /// Whether others have ended here.
    others: AtomicBool,
    notified: Notify,
}

impl ToBeTold {
    /// A job has ended here, and somebody may want to know.
    pub(super) fn one_ended(&self) {
        self.others.store(true, Ordering::Relaxed);
        self.notified.notify_one();
    }

    /// Jobs have ended, each with somebody who wants to know.
    pub(super) fn add(&self, replies: TakenReplies, jobs: Vec<Job>) {
        if !replies.replies.is_empty() {
            lock(&self.taken).push((replies, jobs));
            self.notified.notify_one();
        }
    }
}

/// Those who were told, until it is recorded.
#[derive(Default)]
struct ToldReplies {
    replies: Vec<(TakenReplies, Vec<usize>)>,
    count: usize,
    since: Option<Instant>,
}

impl ToldReplies {
    fn add(&mut self, taken: TakenReplies, told: Vec<usize>) {
        self.count += told.len();
        self.since.get_or_insert_with(Instant::now);
        self.replies.push((taken, told));
    }

    /// When it is to be recorded.
    fn until(&self) -> Option<Instant> {
        let within = if self.count < REPLIES {
            RECORD_WITHIN
        } else {
            Duration::ZERO
        };
        self.since.map(|since| since + within)
    }
}

impl Runner {
    /// Tells submitters until `stop`, and records whom it told.
    pub(super) async fn replies(self, stop: CancellationToken) {
        let mut told = ToldReplies::default();
        let telling = async {
            let (mut silent, mut was_out, mut look) = (false, false, Instant::now());
            loop {
                let ended_here = take(&mut *lock(&self.told.taken));
                for (taken, jobs) in ended_here {
                    let jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
                    let by_place = self.tell_all(&taken, &jobs, &mut silent).await;
                    told.add(taken, by_place);
                }
                let mut done = Ok(());
                let has_ended = self.told.others.swap(false, Ordering::Relaxed);
                if has_ended || look <= Instant::now() {
                    done = self.tell_others(has_ended, &mut silent).await;
                    look = Instant::now() + self.settings.sweep_interval * 2;
                }
                if told.until().is_some_and(|until| until <= Instant::now()) {
                    done = done.and(self.record_told(&mut told).await);
                }
                self.tell_of("submitters to be told", done, &mut was_out, &stop);
                let next = told.until().map_or(look, |until| until.min(look));
                let _ = tokio::time::timeout_at(next, self.told.notified.notified()).await;
            }
        };
        stop.run_until_cancelled(telling).await;
        if let Err(error) = self.record_told(&mut told).await {
            tracing::debug!(%error, "whom was told could not be recorded");
        }
    }

    /// Tells those that nobody has taken on to tell. Where a job `has_ended` here, there may be some; else that is asked for first, which
    /// writes nothing.
    async fn tell_others(&self, has_ended: bool, silent: &mut bool) -> Result<(), DbError> {
        if has_ended || self.ledger.has_untold().await? {
            loop {
                let taken = self.ledger.take_replies(REPLIES as u64).await?;
                let ids = taken.replies.iter().map(|reply| reply.job).collect();
                let jobs = self.ledger.jobs_of(ids).await?;
                let told = self.tell_all(&taken, &jobs, silent).await;
                let may_be_more = taken.replies.len() >= REPLIES;
                if !(self.ledger.replied(&[(taken, told)]).await? && may_be_more) {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn record_told(&self, told: &mut ToldReplies) -> Result<(), DbError> {
        let recorded = self.ledger.replied(&told.replies).await;
        if recorded.as_ref().is_err_and(DbError::passes) {
            // Kept while the ledger is away, and not asked for all the time.
            told.since = Some(Instant::now() + RECORD_WITHIN);
        } else {
            *told = ToldReplies::default();
        }
        recorded.map(drop)
    }

    /// Tells some of them; the places of those that were. Each is told by one worker, and once, unless that one dies before it
    /// has recorded so.
    async fn tell_all(&self, taken: &TakenReplies, jobs: &[Option<Job>], silent: &mut bool) -> Vec<usize> {
        let replies = taken.replies.iter().zip(jobs);
        let tried = join_all(replies.map(|(reply, job)| self.tell(reply, job.as_ref()))).await;
        let mut told = Vec::with_capacity(tried.len());
        let mut failed = None;
        for (at, (reply, tried)) in taken.replies.iter().zip(tried).enumerate() {
            match tried {
                Ok(()) => told.push(at),
                Err(error) => failed = Some((reply.job, error)),
            }
        }
        match failed {
            Some((job, error)) if !*silent => {
                tracing::warn!(job.id = %job, error, "outcomes cannot be told, as that of job {job}; trying again until they can");
                *silent = true;
            }
            None if *silent && !told.is_empty() => {
                tracing::info!("outcomes can be told again");
                *silent = false;
            }
            _ => {}
        }
        crate::failpoint::hit("before-replied");
        told
    }

    async fn tell(&self, reply: &Reply, job: Option<&Job>) -> Result<(), String> {
        let Some(job) = job else { return Ok(()) };
        let rows = if reply.to.with_rows {
            let rows = delivery::not_applied(&self.ledger, job, MOST_ROWS, MOST_BYTES).await;
            Some(rows.map_err(|error| error.to_string())?)
        } else {
            None
        };
        let outcome = JobSummary::of(job).to_reply(&reply.to, rows.as_ref());
        notify::reply(&self.queue, &reply.to.stream, &outcome)
            .await
            .map_err(|error| error.to_string())
    }
}
