//! Decisions about jobs, and look-ups. Whatever makes work ready notifies workers of it here.

use thiserror::Error;

use super::{NoRecipient, Service};
use crate::db::DbError;
use crate::ledger::{Actor, DecisionRefused, Job, JobFilter, JobId, JobLookup, RetryRefused};
use crate::store::sql::cancelling;
use crate::submit::SubmitError;
use crate::undo::UndoError;

/// Why something was not done.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The submission.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// There is nobody to seal its passwords to.
    #[error(transparent)]
    NoRecipient(#[from] NoRecipient),
    /// The job is not such that this can be decided about it, or not by this caller.
    #[error(transparent)]
    Decision(#[from] DecisionRefused),
    /// There is nothing to try again.
    #[error(transparent)]
    Retry(#[from] RetryRefused),
    /// It cannot be taken back.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// No job is meant, or several.
    #[error("{0}")]
    NoSuchJob(String),
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Service {
    /// The job as it is now.
    pub async fn job(&self, id: JobId) -> Result<Job, ServiceError> {
        let job = self.patiently(|| self.ledger.job(id)).await?;
        job.ok_or_else(|| ServiceError::NoSuchJob(format!("job {id} is gone from the ledger")))
    }

    /// Several jobs as they are now, in the order of their ids; `None` for one that is gone.
    pub async fn jobs_of(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, ServiceError> {
        Ok(self.patiently(|| self.ledger.jobs_of(ids.clone())).await?)
    }

    /// The job with that id, or whose id alone begins or ends so.
    pub async fn find(&self, text: &str) -> Result<Job, ServiceError> {
        match self.patiently(|| self.ledger.find_job(text)).await? {
            JobLookup::Found(job) => Ok(*job),
            JobLookup::Removed(id) => Err(ServiceError::NoSuchJob(format!(
                "job {id} ended so long ago that it was removed (`retention.jobs`); `tenantry audit log --job {id}` has its record"
            ))),
            JobLookup::NotFound(why) => Err(ServiceError::NoSuchJob(why)),
        }
    }

    /// As [`find`](Self::find) for what the audit record has of a job, which may have been removed.
    pub async fn find_recorded(&self, text: &str) -> Result<JobId, ServiceError> {
        match self.patiently(|| self.ledger.find_job(text)).await? {
            JobLookup::Found(job) => Ok(job.id),
            JobLookup::Removed(id) => Ok(id),
            JobLookup::NotFound(why) => Err(ServiceError::NoSuchJob(why)),
        }
    }

    /// The newest jobs of the filter, newest first.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, ServiceError> {
        Ok(self.patiently(|| self.ledger.jobs(filter.clone())).await?)
    }

    /// The store that a job is for, if it is none that is configured here.
    pub fn lacked_store<'j>(&self, job: &'j Job) -> Option<&'j str> {
        let name = job.parameters.store.as_deref()?;
        self.stores.named(name).is_none().then_some(name)
    }

    /// Lets a job run whose plan has that hash, by the signature of an approver where one is needed, and tells the workers.
    pub async fn approve(
        &self,
        by: &Actor,
        job: &Job,
        hash: &str,
        signature: Option<&str>,
    ) -> Result<Job, ServiceError> {
        self.ledger.approve_signed(job, hash, by, signature).await?.done()?;
        self.queue.notify(job.id, 1).await;
        self.job(job.id).await
    }

    /// Refuses to let a job run.
    pub async fn reject(&self, by: &Actor, job: &Job, reason: &str) -> Result<Job, ServiceError> {
        self.ledger.reject_plan(job, by, reason).await?.done()?;
        self.job(job.id).await
    }

    /// Stops a job after the chunks in hand.
    pub async fn pause(&self, by: &Actor, job: &Job) -> Result<Job, ServiceError> {
        self.ledger.pause(job, by).await?.done()?;
        self.job(job.id).await
    }

    /// Lets a paused job go on, and tells the workers.
    pub async fn resume(&self, by: &Actor, job: &Job) -> Result<Job, ServiceError> {
        self.ledger.resume(job, by).await?.done()?;
        self.queue.notify(job.id, 1).await;
        self.job(job.id).await
    }

    /// Asks a job to stop, and withdraws what its rows have asked of other partners in the database. The job, and whether it had not ended before.
    pub async fn cancel(&self, by: &Actor, job: &Job) -> Result<(Job, bool), ServiceError> {
        let is_stopped = cancelling::cancel(&self.ledger, job.seq, by).await?;
        Ok((self.job(job.id).await?, is_stopped))
    }

    /// Queues a job over the rows that failed or were cancelled, and tells the workers. Its id.
    pub async fn retry(&self, by: &Actor, job: &Job) -> Result<JobId, ServiceError> {
        let within = self.rules().limits.approval_expires_after.as_millis() as i64;
        let id = self.ledger.retry(job, by, within).await?.queued()?;
        self.queue.notify(id, 1).await;
        Ok(id)
    }
}
