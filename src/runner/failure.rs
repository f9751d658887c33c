//! A chunk that came to nothing, and what follows.
//!
//! What is wrong with the surroundings waits: an error that passes is tried again here and now, one that does not is tried
//! later, and no row ever fails for it. What is wrong with rows counts ([`Trial`](crate::ledger::Trial)): after a few failures in a row the chunk
//! is tried in halves, until the row that is at fault fails alone, with the reason. What nobody can read fails as a whole.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::backoff::Backoff;
use crate::db::DbError;
use crate::ledger::{Cause, Claim, SetBack};
use crate::store::remote::{ApplyError, StoreError};

/// How often in a row an error that passes is tried again at once, and how long the pauses are.
const AT_ONCE: u32 = 40;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(4), Duration::from_millis(250));
/// Conflicts with unique keys are races the first few times; then the row is at fault.
const RACES: u32 = 3;
/// How long what is to be recorded of a chunk is tried to be recorded.
const RECORD_WITHIN: Duration = Duration::from_secs(60);

impl Runner {
    /// Applies a chunk, again and again while errors pass by themselves: a connection that was lost, another job that changes
    /// the same records. Nothing of it counts.
    pub(super) async fn persist(
        &self,
        claim: &Claim,
        leaving: &CancellationToken,
    ) -> Result<Option<String>, ApplyError> {
        let mut tries = 0;
        loop {
            let error = match self.apply(claim, leaving).await {
                Ok(ended) => return Ok(ended),
                Err(error) => error,
            };
            tries += 1;
            let again = match &error {
                ApplyError::Db(DbError::Conflict(_)) => tries <= RACES,
                ApplyError::Db(error) => error.passes() && tries <= AT_ONCE,
                ApplyError::Store(_) | ApplyError::Io { .. } => false,
            };
            // Rows that are carried out elsewhere are recorded one by one, and the claim knows of none of them.
            if !again || claim.parameters.store.is_some() || leaving.is_cancelled() {
                return Err(error);
            }
            if let ApplyError::Db(DbError::Unavailable(_)) = error {
                self.outage.note();
            }
            tracing::debug!(job.id = %claim.job_id, chunk = claim.chunk, %error, "chunk {} of job {} is tried again", claim.chunk, claim.job_id);
            tokio::time::sleep(BACKOFF.jittered(tries.into(), self.ledger.clock())).await;
        }
    }

    /// Records that a chunk came to nothing.
    pub(super) async fn came_to_nothing(&self, claim: &Claim, error: &ApplyError, leaving: &CancellationToken) {
        let (id, chunk, retry) = (claim.job_id, claim.chunk, self.settings.retry);
        let rows = Cause::Rows {
            most: retry.attempts.into(),
        };
        let cause = match error {
            ApplyError::Db(DbError::Damaged(_)) => {
                tracing::error!(job.id = %id, chunk, %error, "chunk {chunk} of job {id} is given up");
                let give_up = || self.ledger.give_up(claim, format!("given up: {error}"));
                self.recorded(claim, leaving, give_up).await;
                return;
            }
            ApplyError::Store(StoreError::Rejected(_)) => rows,
            ApplyError::Store(_)
            | ApplyError::Io { .. }
            | ApplyError::Db(
                DbError::Unavailable(_)
                | DbError::Contended(_)
                | DbError::Elsewhere(_)
                | DbError::Replaced(_)
                | DbError::Closed,
            ) => Cause::Surroundings,
            ApplyError::Db(_) => rows,
        };
        // There is nothing to be had before.
        let pause = match error {
            ApplyError::Store(StoreError::Throttled(pause)) => *pause,
            ApplyError::Store(StoreError::Deferred(until)) => {
                let millis = until.saturating_sub(self.ledger.clock().now_millis());
                Duration::from_millis(millis.max(0) as u64)
            }
            _ => Duration::ZERO,
        };
        let why = error.to_string();
        let set_back = || {
            self.ledger.set_back(
                claim,
                cause,
                move |times| retry.backoff.after(times).max(pause),
                why.clone(),
            )
        };
        match self.recorded(claim, leaving, set_back).await {
            Some(SetBack::Again(delay)) => {
                tracing::warn!(job.id = %id, chunk, %error, "chunk {chunk} of job {id} came to nothing; trying again in {delay:?}");
            }
            Some(SetBack::RowFailed) => {
                tracing::error!(job.id = %id, chunk, %error, "a row of chunk {chunk} of job {id} is given up");
            }
            None => {}
        }
    }

    /// Fails the row that a chunk's workers died over.
    pub(super) async fn condemn(&self, claim: &Claim, deaths: u64, leaving: &CancellationToken) {
        let (id, chunk) = (claim.job_id, claim.chunk);
        tracing::error!(job.id = %id, chunk, "a row of chunk {chunk} of job {id} is given up: its worker died {deaths} times");
        let why = format!("its worker died {deaths} times");
        self.recorded(claim, leaving, || self.ledger.fail_row(claim, why.clone()))
            .await;
    }

    /// Records something of a chunk once the ledger can be reached. If it cannot for long, or the worker is to leave, the lease
    /// runs out by itself and somebody claims the chunk again.
    async fn recorded<T, F>(&self, claim: &Claim, leaving: &CancellationToken, record: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, DbError>>,
    {
        let began = Instant::now();
        loop {
            match record().await {
                Ok(recorded) => return Some(recorded),
                Err(DbError::LeaseLost) => return None,
                Err(error) if error.passes() && began.elapsed() < RECORD_WITHIN && !leaving.is_cancelled() => {
                    self.outage.note();
                    tokio::time::sleep(BACKOFF.longest).await;
                }
                Err(error) => {
                    tracing::warn!(job.id = %claim.job_id, chunk = claim.chunk, %error, "that could not be recorded");
                    return None;
                }
            }
        }
    }
}
