//! Log lines and counters of chunks and jobs that have ended.

use std::time::Duration;

use tracing::Span;

use super::Runner;
use super::failure::is_of_the_surroundings;
use crate::db::DbError;
use crate::ledger::{Claim, EndedJob, FailedRows};
use crate::metrics::{ChunkFailure, RowTally};
use crate::store::remote::ApplyError;

/// What log lines about work on these chunks have in common: the job and the chunk, unless there are several.
pub(super) fn span_of(claims: &[Claim]) -> Span {
    match claims {
        [claim] => tracing::info_span!(
            "chunk", job.id = %claim.job_id, job.kind = claim.kind, chunk = claim.chunk, attempt = claim.attempt
        ),
        claims => tracing::info_span!("chunks", together = claims.len()),
    }
}

impl Runner {
    /// A job ended with this chunk of it, and the submitters that want a reply are told.
    pub(super) fn job_ended(&self, claim: &Claim, how: &EndedJob) {
        self.say_ended(claim, how);
        self.told.one_ended();
    }

    /// A job ended with this chunk of it.
    pub(super) fn say_ended(&self, claim: &Claim, how: &EndedJob) {
        let now = self.ledger.clock().now_millis();
        let (id, state, counts) = (claim.job_id, &how.state, &how.counts);
        let (waited_ms, duration_ms) = (claim.started_at - claim.created_at, now - claim.started_at);
        tracing::info!(
            job.id = %id, job.kind = claim.kind, state, rows = counts.total, applied = counts.applied, unchanged = counts.unchanged,
            rejected = counts.rejected, failed = counts.failed, cancelled = counts.cancelled, waited_ms, duration_ms,
            "job {id} ended: {state}"
        );
        if let Some(anchors) = &self.settings.anchors {
            anchors.job_ended();
        }
        self.metrics
            .finished(&claim.kind, how, [claim.created_at, claim.started_at, now]);
        if let Some(approved_at) = claim.approved_at {
            self.metrics.approved_after(approved_at - claim.created_at);
        }
    }

    /// Chunks were carried out together, which took this long.
    pub(super) fn chunks_done(&self, claims: &[Claim], took: Duration) {
        for claim in claims {
            tracing::debug!(job.id = %claim.job_id, chunk = claim.chunk, "chunk {} of job {} done", claim.chunk, claim.job_id);
            self.metrics.chunk(&claim.kind, self.store_of(claim), took);
        }
    }

    /// Where a chunk is carried out. Stores have names of the program's own.
    fn store_of(&self, claim: &Claim) -> &'static str {
        match &claim.parameters.store {
            None => "sql",
            Some(name) => self.stores.named(name).map_or("other", |store| store.name()),
        }
    }

    /// Rows of a chunk were given up.
    pub(super) fn rows_failed(&self, claim: &Claim, failed: &FailedRows) {
        self.metrics.rows(&RowTally::of_failed(claim, failed.rows));
        if let Some(how) = &failed.job {
            self.job_ended(claim, how);
        }
    }

    /// Chunks failed.
    pub(super) fn chunks_failed(&self, error: &ApplyError) {
        self.metrics.chunk_failed(match error {
            ApplyError::Db(DbError::Damaged(_)) => ChunkFailure::Damaged,
            error if is_of_the_surroundings(error) => ChunkFailure::Surroundings,
            _ => ChunkFailure::Rows,
        });
    }
}
