//! What a job ended with, told to whoever submitted it.

use crate::queue::redis::failed;
use crate::queue::{Queue, QueueError, RedisQueue};

/// Entries kept in a stream that others are to read, roughly: one that nobody reads must not fill Redis.
pub(crate) const KEPT: usize = 10_000;

/// Tells an outcome, a JSON object, to whoever reads the stream `reply_to`.
pub async fn reply(queue: &Queue, reply_to: &str, outcome: &str) -> Result<(), QueueError> {
    let Queue::Redis(queue) = queue else {
        return Err(QueueError::Refused("there is no Redis to reply over".to_owned()));
    };
    tell(queue, reply_to, outcome).await
}

/// As [`reply`], over this Redis.
pub(crate) async fn tell(queue: &RedisQueue, reply_to: &str, outcome: &str) -> Result<(), QueueError> {
    let mut connection = queue.connection().await?;
    let told = redis::cmd("XADD")
        .arg(reply_to)
        .arg(&["MAXLEN", "~"])
        .arg(KEPT)
        .arg(&["*", "outcome", outcome])
        .query_async::<()>(&mut connection)
        .await;
    match told {
        // It will be no stream the next time either, and the sender's choice must not keep us busy for ever.
        Err(error) if error.code() == Some("WRONGTYPE") => {
            tracing::error!(reply_to, "an outcome cannot be told: `{reply_to}` is no stream");
            Ok(())
        }
        told => told.map_err(failed),
    }
}
