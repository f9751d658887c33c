//! A chunk that failed, and what follows.
//!
//! What is wrong with the surroundings waits: an error that passes is tried again here and now, one that does not is tried
//! later, and no row ever fails for it. What is wrong with rows counts ([`Trial`](crate::ledger::Trial)): after a few failures in a row the chunk
//! is tried in halves, until the row that is at fault fails alone, with the reason. What nobody can read fails as a whole.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::backoff::Backoff;
use crate::db::DbError;
use crate::ledger::closing::EndedJobs;
use crate::ledger::{Cause, Claim, SetBack};
use crate::metrics::ChunkFailure;
use crate::store::remote::{ApplyError, StoreError};

/// How often in a row an error that passes is tried again at once, and how long the pauses are.
const AT_ONCE: u32 = 40;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(4), Duration::from_millis(250));
/// How long what other jobs are changing is tried again at once. Each try may wait for locks, so that a number of tries alone
/// would be no end; after it, the chunk waits as for any surroundings.
const CONTENDED_FOR: Duration = Duration::from_secs(60);
/// Conflicts with unique keys are races the first few times; then the row is at fault.
const RACES: u32 = 3;
/// How long what is to be recorded of a chunk is tried to be recorded.
const RECORD_WITHIN: Duration = Duration::from_secs(60);

/// How often a chunk was tried at once, by what it failed of: one cause does not use up the tries of another.
#[derive(Debug, Default)]
struct Tries {
    all: u32,
    unavailable: u32,
    contended: u32,
    raced: u32,
    contended_since: Option<Instant>,
}

impl Tries {
    /// Counts a try that failed at `now`. Whether it is tried again at once.
    fn may_go_on(&mut self, error: &ApplyError, now: Instant) -> bool {
        self.all += 1;
        match error {
            ApplyError::Db(DbError::Conflict(_)) => {
                self.raced += 1;
                self.raced <= RACES
            }
            ApplyError::Db(DbError::Contended(_)) => {
                self.contended += 1;
                let since = *self.contended_since.get_or_insert(now);
                self.contended <= AT_ONCE && now.saturating_duration_since(since) < CONTENDED_FOR
            }
            ApplyError::Db(error) if error.passes() => {
                self.unavailable += 1;
                self.unavailable <= AT_ONCE
            }
            ApplyError::Db(_) | ApplyError::Store(_) | ApplyError::Io { .. } => false,
        }
    }
}

/// Whether it is something besides the rows, which waits and fails none of them.
pub(super) fn is_of_the_surroundings(error: &ApplyError) -> bool {
    match error {
        ApplyError::Store(error) => !matches!(error, StoreError::Rejected(_)),
        ApplyError::Io { .. } => true,
        ApplyError::Db(error) => error.is_of_the_surroundings(),
    }
}

impl Runner {
    /// Applies chunks, again and again while errors pass by themselves: a connection that was lost, another job that changes
    /// the same records. Nothing of it counts.
    pub(super) async fn persist(
        &self,
        claims: &[Claim],
        leaving: &CancellationToken,
    ) -> Result<Option<EndedJobs>, ApplyError> {
        let mut tries = Tries::default();
        loop {
            let error = match self.apply(claims, leaving).await {
                Ok(ended) => return Ok(ended),
                Err(error) => error,
            };
            let again = tries.may_go_on(&error, Instant::now());
            // Rows that are carried out elsewhere are recorded one by one, and the claim knows of none of them.
            let elsewhere = claims.iter().any(|claim| claim.parameters.store.is_some());
            if !again || elsewhere || leaving.is_cancelled() {
                return Err(error);
            }
            if let ApplyError::Db(DbError::Unavailable(_)) = error {
                self.outage.note();
            }
            tracing::debug!(chunks = claims.len(), %error, "what was claimed is tried again");
            tokio::time::sleep(BACKOFF.jittered(tries.all.into(), self.ledger.clock())).await;
        }
    }

    /// Records that a chunk failed.
    pub(super) async fn record_failure(&self, claim: &Claim, error: &ApplyError, leaving: &CancellationToken) {
        self.chunks_failed(error);
        let (id, chunk, retry) = (claim.job_id, claim.chunk, self.settings.retry);
        let rows = Cause::Rows {
            most: retry.attempts.into(),
        };
        let cause = match error {
            ApplyError::Db(DbError::Damaged(_)) => {
                tracing::error!(job.id = %id, chunk, %error, "chunk {chunk} of job {id} is given up");
                let give_up = || self.ledger.give_up(claim, format!("given up: {error}"));
                if let Some(failed) = self.recorded(claim, leaving, give_up).await {
                    self.rows_failed(claim, &failed);
                }
                return;
            }
            error if is_of_the_surroundings(error) => Cause::Surroundings,
            _ => rows,
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
                tracing::warn!(job.id = %id, chunk, %error, "chunk {chunk} of job {id} failed; trying again in {delay:?}");
            }
            Some(SetBack::RowFailed(failed)) => {
                tracing::error!(job.id = %id, chunk, %error, "a row of chunk {chunk} of job {id} is given up");
                self.rows_failed(claim, &failed);
            }
            None => {}
        }
    }

    /// Fails the row that a chunk's workers died over.
    pub(super) async fn condemn(&self, claim: &Claim, deaths: u64, leaving: &CancellationToken) {
        let (id, chunk) = (claim.job_id, claim.chunk);
        tracing::error!(job.id = %id, chunk, "a row of chunk {chunk} of job {id} is given up: its worker died {deaths} times");
        let why = format!("its worker died {deaths} times");
        self.metrics.chunk_failed(ChunkFailure::Died);
        let failed = self.recorded(claim, leaving, || self.ledger.fail_row(claim, why.clone()));
        if let Some(failed) = failed.await {
            self.rows_failed(claim, &failed);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn contended() -> ApplyError {
        ApplyError::Db(DbError::Contended("another job is changing the customer".to_owned()))
    }

    #[test]
    fn a_contended_chunk_is_tried_at_once_for_a_time_and_a_number_of_tries() {
        let began = Instant::now();
        let mut quick = Tries::default();
        let tried = (0..2 * AT_ONCE)
            .take_while(|_| quick.may_go_on(&contended(), began))
            .count();
        assert_eq!(tried, AT_ONCE as usize);
        let mut slow = Tries::default();
        assert!(slow.may_go_on(&contended(), began));
        assert!(slow.may_go_on(&contended(), began + CONTENDED_FOR / 2));
        assert!(!slow.may_go_on(&contended(), began + CONTENDED_FOR));
    }

    #[test]
    fn one_cause_does_not_use_up_the_tries_of_another() {
        let began = Instant::now();
        let mut tries = Tries::default();
        for _ in 0..AT_ONCE {
            assert!(tries.may_go_on(&contended(), began));
            assert!(tries.may_go_on(&ApplyError::Db(DbError::Unavailable("away".to_owned())), began));
        }
        let conflict = ApplyError::Db(DbError::Conflict("a key".to_owned()));
        let raced = (0..10).take_while(|_| tries.may_go_on(&conflict, began)).count();
        assert_eq!(raced, RACES as usize);
    }
}
