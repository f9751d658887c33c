//! A job worked on here, or waited for, until its results are written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tenantry_jobs::printable;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::{Service, ServiceError};
use crate::db::DbError;
use crate::delivery::{self, DeliveryError, Destination, MayHold};
use crate::ledger::{Job, JobId, JobState, Scope};
use crate::receipt::Form;
use crate::runner::ServeError;
use tracing::Instrument;

/// How often it is looked at how far a job is: often enough for a progress bar, one short question each.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks at a job for one look for workers.
const WORKERS_EVERY: u32 = 20;

/// Is told how far a job is.
pub trait Progress: Sync {
    /// So many of its rows are over.
    fn at(&self, finished: u64, total: u64);

    /// The job waits for a worker, and there is none; or there is one now.
    fn has_worker(&self, _has: bool) {}
}

/// How a job is worked on here.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions<'r> {
    /// Where its results are to go, and as what.
    pub(crate) out: Destination<'r>,
    /// Chunks worked on at once, other than configured.
    pub concurrency: Option<usize>,
    /// Cancelled to stop after what is in hand.
    pub stop: &'r CancellationToken,
}

/// Why a job could not be run here, or waited for.
#[derive(Debug, Error)]
pub enum RunError {
    /// Its results could not be written. The job is in the ledger, and its results are.
    #[error("{error}; {}", advice(*job, *has_ended))]
    Results {
        /// The job.
        job: JobId,
        /// Whether it has ended.
        has_ended: bool,
        /// Why.
        error: Box<DeliveryError>,
    },
    /// Its results could not be read.
    #[error(transparent)]
    Delivery(DeliveryError),
    /// The worker ended.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The ledger.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

fn advice(job: JobId, has_ended: bool) -> String {
    let way =
        format!("`tenantry results {job}` prints them, and a worker on this machine writes them once that is possible");
    if has_ended {
        format!("job {job} has ended and its results are in the ledger: {way}")
    } else {
        format!(
            "job {job} is in the ledger and goes on where it was with a worker or with `tenantry apply {job}`; its \
             results are there as well: {way}"
        )
    }
}

/// Results cannot be written where they are to go.
#[derive(Debug, Error)]
#[error("results cannot be written to {}: {error}", printable(&dir.display().to_string()))]
pub(crate) struct ResultsError {
    /// The directory.
    pub(crate) dir: PathBuf,
    /// Why.
    pub(crate) error: DeliveryError,
}

/// Whether somebody works on a job that is waited for.
#[derive(Default)]
struct Help {
    looks: u32,
    is_missing: bool,
}

impl Help {
    /// Looks every now and then whether there is a worker, and tells when that has changed. A job whose chunks are in hand has one.
    async fn look_for(&mut self, service: &Service, job: &Job, progress: &dyn Progress) -> Result<(), DbError> {
        let is_due = self.looks.is_multiple_of(WORKERS_EVERY);
        self.looks += 1;
        if !is_due {
            return Ok(());
        }
        let waits = matches!(job.state, JobState::Queued | JobState::Retryable);
        let is_missing = waits && !service.patiently(|| service.ledger.has_workers()).await?;
        if is_missing != self.is_missing {
            self.is_missing = is_missing;
            progress.has_worker(!is_missing);
        }
        Ok(())
    }
}

impl Service {
    /// Makes sure that results can be written to `out`, or where they usually go, before there is a job that has some.
    pub(crate) fn try_results(&self, out: Option<&Path>, holds: MayHold) -> Result<(), ResultsError> {
        let dir = out.unwrap_or(&self.settings.results);
        let named = |error| ResultsError {
            dir: dir.to_owned(),
            error,
        };
        if out.is_some() {
            holds.check(dir).map_err(named)?;
        }
        delivery::try_dir(dir).map_err(named)
    }

    /// Works on one job here until it has ended, or rests, or is stopped, and writes its results as it goes. The job
    /// as it is then.
    pub async fn run(&self, id: JobId, options: RunOptions<'_>, progress: &dyn Progress) -> Result<Job, RunError> {
        let RunOptions { out, concurrency, stop } = options;
        let job = self.job(id).await?;
        let (dir, form) = self.claim_results(&job, out).await?;
        if job.is_idle() && !job.state.is_final() {
            return Ok(job);
        }
        let runner = self.runner(Scope::Job(job.seq), concurrency);
        let work_over = stop.child_token();
        let working = {
            let work_over = work_over.clone();
            let span = tracing::info_span!("job", job.id = %id, job.kind = job.kind);
            async move { runner.serve(work_over).await }.instrument(span)
        };
        let watching = async {
            let watched = stop.run_until_cancelled(self.watch(id, &dir, form, progress)).await;
            work_over.cancel();
            watched.unwrap_or(Ok(()))
        };
        let (worked, watched) = tokio::join!(working, watching);
        worked?;
        watched?;
        Ok(self.job(id).await?)
    }

    /// Waits until a job that workers have in hand has ended, or rests; the job as it is then.
    pub(crate) async fn wait_for(&self, id: JobId, progress: &dyn Progress) -> Result<Job, ServiceError> {
        let mut help = Help::default();
        loop {
            let job = self.job(id).await?;
            progress.at(job.counts.finished(), job.counts.total);
            if job.is_idle() {
                return Ok(job);
            }
            help.look_for(self, &job, progress).await.map_err(ServiceError::from)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a job that workers have in hand has ended, or rests, and writes its results.
    pub(crate) async fn wait(&self, id: JobId, out: Destination<'_>, progress: &dyn Progress) -> Result<(), RunError> {
        let job = self.wait_for(id, progress).await?;
        let (dir, form) = self.claim_results(&job, out).await?;
        if job.state.is_final() {
            self.deliver(id, &dir, form).await?;
        }
        Ok(())
    }

    async fn claim_results(&self, job: &Job, out: Destination<'_>) -> Result<(PathBuf, Form), RunError> {
        let (usual, form) = (self.settings.results.as_path(), self.settings.form);
        match delivery::claim(&self.ledger, job, out, (usual, &self.settings.runner.roots), form).await {
            Ok(claimed) => Ok(claimed),
            Err(error) => Err(self.unwritten(job.id, error).await),
        }
    }

    async fn deliver(&self, id: JobId, dir: &Path, form: Form) -> Result<(), RunError> {
        let patience = self.settings.patience;
        // Boxed, as it is large and would be carried in every future around it.
        match Box::pin(delivery::deliver_to(&self.ledger, id, dir, form, patience)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.unwritten(id, error).await),
        }
    }

    /// Tells progress and writes results until the job has ended or rests.
    async fn watch(&self, id: JobId, dir: &Path, form: Form, progress: &dyn Progress) -> Result<(), RunError> {
        let showing = async {
            loop {
                let job = self.job(id).await?;
                progress.at(job.counts.finished(), job.counts.total);
                if job.is_idle() {
                    return Ok::<_, RunError>(job);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let (mut showing, mut writing) = (std::pin::pin!(showing), Box::pin(self.deliver(id, dir, form)));
        tokio::select! {
            shown = &mut showing => {
                // A job that only rests writes its results when it ends; who ends it sees to that.
                if shown?.state.is_final() {
                    writing.await?;
                }
            }
            written = &mut writing => {
                written?;
                showing.await?;
            }
        }
        Ok(())
    }

    async fn unwritten(&self, job: JobId, error: DeliveryError) -> RunError {
        if !matches!(
            error,
            DeliveryError::File(_) | DeliveryError::Directory { .. } | DeliveryError::Taken { .. }
        ) {
            return RunError::Delivery(error);
        }
        let now = self.ledger.job(job).await;
        RunError::Results {
            job,
            has_ended: now.is_ok_and(|job| job.is_some_and(|job| job.state.is_final())),
            error: Box::new(error),
        }
    }
}
