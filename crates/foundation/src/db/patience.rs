//! Waiting for a database that is away.

use crate::backoff::Backoff;
use std::future::Future;
use std::time::{Duration, Instant};

use super::DbError;

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// Repeats `ask` while its errors pass by themselves, for as long as `patience`.
pub async fn patiently<T, F>(patience: Duration, mut ask: impl FnMut() -> F) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let (began, mut times) = (Instant::now(), 1);
    loop {
        match ask().await {
            Err(error) if error.passes() && began.elapsed() < patience => {
                tracing::debug!(%error, "the ledger is unavailable; asking again");
                tokio::time::sleep(BACKOFF.after(times)).await;
                times += 1;
            }
            answer => return answer,
        }
    }
}
