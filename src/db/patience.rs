//! Waiting for a database that is away.

use std::future::Future;
use std::time::{Duration, Instant};

use super::DbError;

/// Repeats `ask` while its errors pass by themselves, for as long as `patience`.
pub async fn patiently<T, F>(patience: Duration, mut ask: impl FnMut() -> F) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let began = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.passes() && began.elapsed() < patience => {
                tracing::debug!(%error, "the ledger is unavailable; asking again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answer => return answer,
        }
    }
}
