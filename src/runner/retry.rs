//! Retry times of failed chunks.

use crate::backoff::Backoff;

/// How often, and how soon.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Failures in a row that put a chunk, or one row, to the test.
    pub attempts: u32,
    /// Deaths of its worker in a row that do.
    pub deaths: u32,
    /// How long to wait after a failure, or while something is away.
    pub backoff: Backoff,
}
