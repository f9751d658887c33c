//! What happens because time passes: waking what nobody was told of, clearing up after the dead, replies, and
//! letting go of old rows.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::db::DbError;
use crate::ledger::Scope;
use crate::queue::Queue;
use crate::summary::JobSummary;

/// How often another process' write to an SQLite ledger is looked for.
const WATCH_EVERY: Duration = Duration::from_millis(25);
/// Old rows are looked for once in this many sweeps.
const PRUNE_EVERY: u64 = 120;

impl Runner {
    /// Sweeps until `stop`. A sweep that fails is tried again at the next.
    pub(super) async fn sweep(self, stop: CancellationToken) {
        let mut sweeps: u64 = 0;
        let mut was_out = false;
        loop {
            match self.sweep_once(sweeps).await {
                Ok(()) if was_out => {
                    tracing::info!("the ledger can be reached again");
                    was_out = false;
                }
                Ok(()) => {}
                Err(error) => {
                    if !was_out {
                        tracing::warn!(%error, "the sweep failed; trying again");
                    }
                    was_out = true;
                }
            }
            sweeps += 1;
            if stop
                .run_until_cancelled(tokio::time::sleep(self.settings.sweep_every))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    async fn sweep_once(&self, sweeps: u64) -> Result<(), DbError> {
        self.ledger.clear_up().await?;
        self.wake_claimable().await?;
        if self.scope == Scope::All {
            self.reply().await?;
            self.ledger.expire_approvals().await?;
            if sweeps.is_multiple_of(PRUNE_EVERY) {
                self.ledger.purge_deleted_users().await?;
                self.ledger
                    .prune_spool(self.settings.spool_keep.as_millis() as i64)
                    .await?;
            }
        }
        Ok(())
    }

    async fn wake_claimable(&self) -> Result<(), DbError> {
        let (usual, held) = (self.settings.concurrency as u64, self.held.len());
        let mut free = usual.saturating_sub(held);
        let mut spare = (usual + self.spare() as u64).saturating_sub(held.max(usual));
        for (job, chunks) in self.ledger.claimable(self.scope).await? {
            let mut tickets = chunks.min(free);
            free -= tickets;
            if tickets == 0 && spare > 0 && !self.held.has(job) {
                (tickets, spare) = (1, spare - 1);
            }
            if tickets == 0 {
                continue;
            }
            if let Err(error) = self.queue.wake(job, tickets as usize).await {
                // Told of by the queue already. Chunks in hand go on, and each is followed by the next.
                tracing::debug!(%error, "the queue could not be rung");
            }
        }
        Ok(())
    }

    /// Tells submitters over Redis how their jobs ended. At least once: a crash in between tells it again.
    async fn reply(&self) -> Result<(), DbError> {
        let Queue::Redis(_) = &self.queue else { return Ok(()) };
        for reply in self.ledger.unreplied().await? {
            let Some(job) = self.ledger.job(reply.job).await? else {
                continue;
            };
            let outcome = JobSummary::of(&job).to_json();
            match crate::intake::inbox::reply(&self.queue, &reply.reply_to, &outcome).await {
                Ok(()) => self.ledger.replied(reply.seq).await?,
                Err(error) => {
                    tracing::warn!(job.id = %reply.job, %error, "job {}: its outcome could not be told to {}", reply.job, reply.reply_to);
                }
            }
        }
        Ok(())
    }

    /// Rings at once when another process has written to an SQLite ledger, which is how a job that was
    /// submitted elsewhere reaches a worker with the embedded queue.
    pub(super) async fn watch(self, stop: CancellationToken) {
        let mut seen = self.ledger.db().change_mark().unwrap_or_default();
        if seen.is_none() {
            return;
        }
        while stop
            .run_until_cancelled(tokio::time::sleep(WATCH_EVERY))
            .await
            .is_some()
        {
            let Ok(mark) = self.ledger.db().change_mark() else {
                continue;
            };
            if mark != seen {
                seen = mark;
                if let Err(error) = self.wake_claimable().await {
                    tracing::debug!(%error, "the ledger could not be asked for work");
                }
            }
        }
    }
}
