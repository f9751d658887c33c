//! Replies to submitters: the outcome of their job.

use crate::queue::redis::failed;
use crate::queue::{Queue, QueueError, RedisQueue};

/// Entries kept in a stream that others are to read, roughly: one that nobody reads must not fill Redis.
pub(crate) const KEPT: usize = 10_000;

/// Characters of a stream's name at most.
const LONGEST_NAME: usize = 200;

/// Whether `stream` can be told outcomes: it is none of ours, whose keys begin with `prefix`.
pub(crate) fn is_reply_stream(stream: &str, prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":._{}-".contains(c);
    let ours = stream
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|name| ["tickets", "inbox", "pace", "doctor"].contains(&name.split(':').next().unwrap_or(name)));
    (1..=LONGEST_NAME).contains(&stream.len()) && stream.chars().all(plain) && !ours
}

/// Tells an outcome, a JSON object, to the readers of the stream `reply_to`.
pub async fn reply(queue: &Queue, reply_to: &str, outcome: &str) -> Result<(), QueueError> {
    let Queue::Redis(queue) = queue else {
        return Err(QueueError::Refused("there is no Redis to reply over".to_owned()));
    };
    tell(queue, reply_to, outcome).await
}

/// As [`reply`], over this Redis.
pub(crate) async fn tell(queue: &RedisQueue, reply_to: &str, outcome: &str) -> Result<(), QueueError> {
    // What the ledger says is not believed to be a stream of somebody else's.
    if !is_reply_stream(reply_to, queue.prefix()) {
        tracing::error!("an outcome cannot be told: {reply_to:?} is no stream that replies go to");
        return Ok(());
    }
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
