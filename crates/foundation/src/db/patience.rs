//! Waiting for a database that is away.

use crate::backoff::Backoff;
use std::future::Future;
use std::time::{Duration, Instant};

use super::DbError;

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// A caller that waits longer than this is told so.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// Repeats `ask` while its errors pass by themselves, for as long as `patience`.
pub async fn patiently<T, F>(patience: Duration, mut ask: impl FnMut() -> F) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let (began, mut times, mut is_said) = (Instant::now(), 1, false);
    loop {
        match ask().await {
            Err(error) if error.passes() && began.elapsed() < patience => {
                if !is_said && began.elapsed() >= SAID_AFTER {
                    is_said = true;
                    tracing::warn!(%error, "waiting for the ledger, for up to {} s", patience.as_secs());
                }
                tracing::debug!(%error, "the ledger is unavailable; asking again");
                tokio::time::sleep(BACKOFF.after(times)).await;
                times += 1;
            }
            answer => return answer,
        }
    }
}
