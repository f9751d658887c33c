//! Results whose writer died: a `run` that was killed left a job that others finished, and a directory on this
//! machine that waits for its results.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::backoff::Backoff;
use crate::db::DbError;
use crate::delivery;
use crate::ledger::JobId;
use crate::machine::host_name;

/// When a delivery that failed is tried again, first and at most; a full disk may be cleared.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(600));

/// Deliveries that failed, with when to try again and how often they have.
#[derive(Default)]
struct Failed(HashMap<JobId, (Instant, u64)>);

impl Failed {
    fn is_due(&self, job: JobId) -> bool {
        self.0.get(&job).is_none_or(|(at, _)| *at <= Instant::now())
    }

    fn note(&mut self, job: JobId) {
        let times = self.0.get(&job).map_or(0, |(_, times)| *times) + 1;
        self.0.insert(job, (Instant::now() + BACKOFF.after(times), times));
    }
}

impl Runner {
    /// Delivers until `stop`. Files that are being written then are given up, and the next worker writes them anew.
    pub(super) async fn deliveries(self, stop: CancellationToken) {
        let mut failed = Failed::default();
        let delivering = async {
            loop {
                if let Err(error) = self.deliver_due(&mut failed).await {
                    // The sweep tells of a ledger that cannot be asked.
                    tracing::debug!(%error, "the ledger could not be asked for results to write");
                }
                tokio::time::sleep(self.settings.sweep_interval).await;
            }
        };
        stop.run_until_cancelled(delivering).await;
    }

    /// Writes the results that wait for a writer on this machine, each once; how many could not be written. An error if the
    /// ledger cannot be asked which those are.
    pub async fn deliver(&self) -> Result<usize, DbError> {
        let mut failed = Failed::default();
        self.deliver_due(&mut failed).await?;
        Ok(failed.0.len())
    }

    async fn deliver_due(&self, failed: &mut Failed) -> Result<(), DbError> {
        // A worker that drains must not leave while its own other round is still writing.
        let _turn = self.delivering.lock().await;
        let waiting = self.ledger.undelivered(&host_name()).await?;
        for id in waiting.into_iter().filter(|id| failed.is_due(*id)).collect::<Vec<_>>() {
            if let Err(error) = delivery::deliver(&self.ledger, id, self.settings.form, &self.settings.roots).await {
                tracing::error!(job.id = %id, %error, "job {id}: its results could not be written");
                failed.note(id);
            }
        }
        Ok(())
    }
}
