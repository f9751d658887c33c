//! The leases in hand. Only these are renewed, so a chunk whose work ended in a panic is let go of.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::ledger::Claim;

/// (job, chunk, attempt) of every chunk being worked on here.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashSet<(i64, i64, i64)>>);

impl Held {
    /// Holds a claim until the guard is dropped.
    pub(super) fn hold(self: &Arc<Self>, claim: &Claim) -> Hold {
        let key = (claim.job, claim.chunk, claim.attempt);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Hold {
            held: self.clone(),
            key,
        }
    }

    /// How many chunks are in hand.
    pub(super) fn len(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn all(&self) -> Vec<(i64, i64, i64)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }
}

pub(super) struct Hold {
    held: Arc<Held>,
    key: (i64, i64, i64),
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

impl Runner {
    /// Renews the leases in hand until `finished`.
    pub(super) async fn heartbeat(self, finished: CancellationToken) {
        while finished
            .run_until_cancelled(tokio::time::sleep(self.settings.heartbeat))
            .await
            .is_some()
        {
            let held = self.held.all();
            if held.is_empty() {
                continue;
            }
            if let Err(error) = self
                .ledger
                .renew(&self.owner, &held, self.settings.lease.as_millis() as i64)
                .await
            {
                tracing::warn!(%error, "leases could not be renewed; the fence keeps their chunks safe");
            }
        }
    }
}
