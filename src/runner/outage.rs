//! When this worker could not reach the ledger last.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The last time the ledger was away, as far as this worker has noticed.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Instant>>);

impl Outage {
    /// The ledger is away now.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it was within this time. Leases may have run out then although their workers live.
    pub(super) fn was_within(&self, time: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < time)
    }
}
