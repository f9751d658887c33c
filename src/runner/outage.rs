//! The last time at which this worker could not reach the ledger.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock::lock;

/// The last time the ledger was away, as far as this worker has noticed.
#[derive(Debug, Default)]
pub(super) struct LedgerOutage(Mutex<Option<Instant>>);

impl LedgerOutage {
    /// The ledger is away now.
    pub(super) fn note(&self) {
        *lock(&self.0) = Some(Instant::now());
    }

    /// Whether it was within this time. Leases may have run out then although their workers live.
    pub(super) fn was_within(&self, time: Duration) -> bool {
        let last = *lock(&self.0);
        last.is_some_and(|at| at.elapsed() < time)
    }
}
