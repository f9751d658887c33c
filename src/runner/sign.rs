//! Signs of life: that this worker works on the jobs of the ledger, and how much it has in hand. One that has chunks in hand gives
//! them with their leases, an idle one every few seconds; one that works on a single job is nobody others could wait for.

use std::time::Duration;

use tokio::time::Instant;

use super::Runner;
use crate::db::DbError;
use crate::ledger::{Scope, WorkerSign};
use crate::machine::host_name;

/// An idle worker gives a sign once in the time of a lease, and never more often than this.
const SELDOM: Duration = Duration::from_secs(2);
/// How long a worker that ends tries to say so.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the next sign is due.
pub(super) struct Signs {
    host: String,
    due: Instant,
}

impl Runner {
    /// Signs, the first of which is due at once; `None` for a worker that gives none.
    pub(super) fn signs(&self) -> Option<Signs> {
        (self.scope == Scope::All).then(|| Signs {
            host: host_name(),
            due: Instant::now(),
        })
    }

    /// Renews the leases in hand and gives a sign of life, whichever is due.
    pub(super) async fn beat(&self, signs: &mut Option<Signs>) -> Result<(), DbError> {
        let (held, turns) = self.held.all();
        self.metrics.leases_held(held.len());
        let every = self.settings.lease.max(SELDOM);
        let sign = signs.as_ref().map(|signs| WorkerSign {
            id: self.owner.to_string(),
            host: signs.host.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            store: self.store.to_string(),
            concurrency: self.settings.concurrency as u64,
            every_millis: every.as_millis() as i64,
            chunks: held.len() as u64,
        });
        if !held.is_empty() {
            let lease = self.settings.lease.as_millis() as i64;
            self.ledger.renew(&self.owner, (&held, &turns), lease, sign).await?;
        } else if let (Some(sign), true) = (sign, signs.as_ref().is_some_and(|signs| signs.due <= Instant::now())) {
            self.ledger.sign(sign).await?;
        } else {
            return Ok(());
        }
        if let Some(signs) = signs {
            signs.due = Instant::now() + every;
        }
        Ok(())
    }

    /// Says that this worker has ended, as far as the ledger can be reached.
    pub(super) async fn sign_off(&self) {
        if self.scope != Scope::All || self.broken.get().is_some() {
            return;
        }
        match tokio::time::timeout(PATIENCE, self.ledger.sign_off(&self.owner)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the ledger could not be told that this worker ends"),
            Err(_) => tracing::debug!("the ledger could not be told in time that this worker ends"),
        }
    }
}
