//! Rows that copy from another store: page by page, each in a transaction of its own under the chunk's fence and with
//! the row's progress. So a worker that takes over after a crash goes on where the row was. Between pages the job can be
//! paused or cancelled, and the worker stopped.

use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::ledger::{Claim, Outcome, RowOutcome, fence, job};
use crate::plan::preview_sync;
use crate::store::remote::{ApplyError, StoreError};
use crate::store::sql::sync::{Originals, Settling, SyncProgress, SyncRequest};
use crate::store::{Expected, drifted, rejected, unchanged};

impl Runner {
    /// Carries out the rows of a chunk, one after the other; `None` when the job or the worker is to stop.
    pub(super) async fn sync(
        &self,
        claim: &Claim,
        requests: &[SyncRequest],
        expected: Option<&Expected>,
        leaving: &CancellationToken,
    ) -> Result<Option<Vec<RowOutcome>>, ApplyError> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            match self.sync_one(claim, request, expected, leaving).await {
                Ok(Some(outcome)) => outcomes.push(outcome),
                // The job was paused or cancelled, or the worker is to stop, in the middle of a row.
                Ok(None) => {
                    self.ledger.release(claim).await?;
                    return Ok(None);
                }
                Err(why) => {
                    self.halt(claim, why).await?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(outcomes))
    }

    /// Stops working on a chunk: somebody has to resume the job, or the chunk is tried again.
    pub(super) async fn halt(&self, claim: &Claim, why: ApplyError) -> Result<(), ApplyError> {
        match why {
            ApplyError::Store(StoreError::Unauthorized(why)) => Ok(self.ledger.park(claim, why).await?),
            other => Err(other),
        }
    }

    async fn sync_one(
        &self,
        claim: &Claim,
        request: &SyncRequest,
        expected: Option<&Expected>,
        leaving: &CancellationToken,
    ) -> Result<Option<RowOutcome>, ApplyError> {
        let (job, row) = (claim.job, request.row);
        let begun = self
            .ledger
            .db()
            .read(move |tx| SyncProgress::load(tx, job, row))
            .await?;
        if let (None, Some(expected)) = (&begun, expected) {
            let verdict = preview_sync(&self.ledger, &self.stores.sources, request).await?;
            if !expected.meets(row, &verdict) {
                return Ok(Some(drifted(row, &verdict)));
            }
        }
        let mut originals = match crate::plan::sync_source(&self.ledger, &self.stores.sources, request).await {
            Ok(found) => found,
            Err(error) => return Ok(Some(rejected(row, &error.rejection()?))),
        };
        let mut progress = begun.unwrap_or_else(SyncProgress::begin);
        while !progress.is_done() {
            if leaving.is_cancelled() {
                return Ok(None);
            }
            match self.copy_page(claim, request, &mut originals, progress).await? {
                Some(further) => progress = further,
                None => return Ok(None),
            }
            crate::failpoint::hit("after-page");
        }
        if let Some(problem) = progress.refusal(request) {
            return Ok(Some(rejected(row, &problem)));
        }
        let message = progress.message();
        Ok(Some(if progress.is_unchanged() {
            unchanged(row, String::new())
        } else {
            RowOutcome {
                row,
                outcome: Outcome::Applied,
                code: String::new(),
                message,
                target: String::new(),
                columns: Vec::new(),
            }
        }))
    }

    /// Copies the page that comes next; `None` when the job is to stop.
    async fn copy_page(
        &self,
        claim: &Claim,
        request: &SyncRequest,
        originals: &mut Originals,
        mut progress: SyncProgress,
    ) -> Result<Option<SyncProgress>, ApplyError> {
        let here = self.ledger.db();
        let Some(page) = originals.next(here, request, &progress).await? else {
            return Ok(Some(progress));
        };
        let (claim, request, now) = (claim.clone(), request.clone(), self.ledger.clock().now_millis());
        let origin = originals.origin();
        let written = here.write(move |tx| {
            if job::is_to_stop(tx, claim.job)? {
                return Ok(None);
            }
            let mut settling = Settling::writing(origin, claim.job, now);
            settling.settle(tx, &page, &request, &mut progress)?;
            // Behind the locks of the store, while it waits for which the chunk's lease can be renewed.
            fence::check(tx, &claim)?;
            progress.save(tx, claim.job, request.row)?;
            fence::progressed(tx, &claim)?;
            Ok(Some(progress))
        });
        Ok(written.await?)
    }
}
