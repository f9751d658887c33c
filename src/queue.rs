//! The queue: notifications to workers. It says *there is work*, never what the work is.
//!
//! A ticket carries a job's id and nothing else. Losing one is harmless, since the runner's sweep notifies again of
//! whatever the ledger has ready; a duplicate is harmless, since claiming is conditional. So neither
//! queue acknowledges, retries or schedules anything: that is the ledger's business.
//!
//! - `embedded`: within one process, nothing to install.
//! - `redis`: a list in Redis, for workers on many machines; `redis::address` says how it is reached.
//! - `serve`: an apalis worker over either; both queues feed one [`Backend`](apalis_core::backend::Backend) of ours.

mod backend;
pub(crate) mod bounded;
mod embedded;
pub(crate) mod redis;
mod serve;

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ledger::JobId;
use crate::secret::SecretUrl;

pub(crate) use embedded::EmbeddedQueue;
pub use redis::{QueueOptions, RedisQueue};
pub use serve::serve;

/// Says that a job may have work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The job.
    pub job: JobId,
}

/// Why the queue could not be used.
#[derive(Debug, Clone, Error)]
pub enum QueueError {
    /// The address is invalid.
    #[error("{0}")]
    BadUrl(String),
    /// Redis cannot be reached or did not answer in time.
    #[error("Redis is unavailable: {0}")]
    Unavailable(String),
    /// Redis has no memory left for the command.
    #[error("Redis is full: {0}")]
    Full(String),
    /// What answers is not the Redis that is meant, or does not take us for who we are.
    #[error("Redis is not spoken to: {0}")]
    Untrusted(String),
    /// Redis refused the command.
    #[error("Redis answered: {0}")]
    Refused(String),
    /// The worker around the queue ended by itself.
    #[error("the queue's worker ended: {0}")]
    Ended(String),
}

/// Notifications sent to a queue, and with what result.
#[derive(Debug, Default)]
pub(crate) struct Wakes([AtomicU64; 4]);

impl Wakes {
    const RESULTS: [&'static str; 4] = ["sent", "unavailable", "full", "refused"];

    fn count(&self, notified: &Result<(), QueueError>) {
        let result = match notified {
            Ok(()) => 0,
            Err(QueueError::Unavailable(_)) => 1,
            Err(QueueError::Full(_)) => 2,
            Err(_) => 3,
        };
        self.0[result].fetch_add(1, Ordering::Relaxed);
    }

    /// Each result, and how often there was it.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Self::RESULTS.into_iter().zip(counts)
    }
}

/// A queue; clones share it.
#[derive(Clone)]
pub enum Queue {
    /// Within this process.
    Embedded(EmbeddedQueue),
    /// In Redis.
    Redis(RedisQueue),
}

impl Queue {
    /// The queue at that address. Redis is not asked before it is needed.
    pub fn connect(url: &SecretUrl, options: QueueOptions) -> Result<Self, QueueError> {
        if url.reveal() == "embedded" {
            return Ok(Self::embedded());
        }
        if redis::is_redis(url) {
            return RedisQueue::new(url.reveal(), options).map(Queue::Redis);
        }
        Err(QueueError::BadUrl(
            "the queue's url is neither `embedded` nor `redis://…` or `rediss://…`".to_owned(),
        ))
    }

    /// An embedded queue of its own.
    pub fn embedded() -> Self {
        Queue::Embedded(EmbeddedQueue::default())
    }

    /// Rings `count` times for a job.
    pub async fn wake(&self, job: JobId, count: usize) -> Result<(), QueueError> {
        let notified = match self {
            Queue::Embedded(queue) => {
                queue.push(Ticket { job }, count);
                Ok(())
            }
            Queue::Redis(queue) => queue.push(Ticket { job }, count).await,
        };
        self.wakes().count(&notified);
        notified
    }

    /// Notifications sent from here.
    pub(crate) fn wakes(&self) -> &Wakes {
        match self {
            Queue::Embedded(queue) => queue.wakes(),
            Queue::Redis(queue) => queue.wakes(),
        }
    }

    /// Rings `count` times for a job, for the workers of this process alone.
    pub fn wake_here(&self, job: JobId, count: usize) {
        match self {
            Queue::Embedded(queue) => queue.push(Ticket { job }, count),
            Queue::Redis(queue) => queue.keep_here(Ticket { job }, count),
        }
    }

    /// As [`wake`](Self::wake) for a job that was recorded just now. If the queue cannot be notified it says so, once until it can
    /// again: workers find the job by themselves.
    pub async fn notify(&self, job: JobId, count: usize) {
        let notified = self.wake(job, count).await;
        let Queue::Redis(queue) = self else { return };
        if notified.is_err() {
            self.wake_here(job, count);
        }
        match notified {
            Ok(()) if queue.was_silent(false) => tracing::info!("the queue can be notified again"),
            Ok(()) => {}
            Err(error) if queue.was_silent(true) => {
                tracing::debug!(job.id = %job, %error, "the queue could not be notified");
            }
            Err(error) => {
                tracing::warn!(job.id = %job, %error, "job {job} was recorded; the queue cannot be notified, so workers find it by their sweep");
            }
        }
    }

    /// Whether the queue can be written now, and what it is.
    pub async fn ping(&self) -> Result<String, QueueError> {
        match self {
            Queue::Embedded(_) => Ok("embedded, nothing to reach".to_owned()),
            Queue::Redis(queue) => queue.ping().await,
        }
    }
}
