//! The reader of the inbox: one worker at a time, so that entries are recorded in the order of the stream.
//!
//! A key in Redis names it, and runs out unless its worker goes on to say that it is there. The next worker first takes up the
//! entries that were in its hand. A worker that was stopped for a while does not read before it has said so again. The entries it
//! still had in hand are recorded once, by whichever of the two comes to them first: both go by the order of the stream.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lock::lock;
use crate::queue::redis::failed;
use crate::queue::{QueueError, RedisQueue};

/// However long chunks stay with a worker that may have died: entries wait for the next reader.
const LONGEST: Duration = Duration::from_secs(3);

/// The place of the one reader, as a worker that wants it sees it.
pub(super) struct InboxReader {
    queue: RedisQueue,
    key: String,
    /// Names the worker, in every start anew.
    name: String,
    /// How long it is the reader without saying so again.
    lease: Duration,
    is_refused: AtomicBool,
    /// When Redis was last asked, and answered that this worker is it.
    said: Mutex<Option<Instant>>,
}

impl InboxReader {
    pub(super) fn new(queue: &RedisQueue, lease: Duration) -> Self {
        Self {
            lease: lease.min(LONGEST),
            key: queue.key("inbox:reader"),
            name: uuid::Uuid::now_v7().simple().to_string(),
            queue: queue.clone(),
            is_refused: AtomicBool::new(false),
            said: Mutex::default(),
        }
    }

    /// Whether this worker is the reader from now on, or still. One that may not use the key reads beside the others.
    pub(super) async fn is_this(&self) -> Result<bool, QueueError> {
        let asked = Instant::now();
        let is_this = match self.ask().await {
            Err(error @ QueueError::Refused(_)) => {
                if !self.is_refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(key = self.key, %error, "Redis refuses the key `{}`: workers read the inbox beside each other, and entries are recorded in any order", self.key);
                }
                true
            }
            asked => asked?,
        };
        *lock(&self.said) = is_this.then_some(asked);
        Ok(is_this)
    }

    async fn ask(&self) -> Result<bool, QueueError> {
        match self.is_named().await? {
            Some(true) => {
                let mut connection = self.queue.connection().await?;
                // It may be another one's by now, who then has it a little longer.
                let prolonged = redis::cmd("PEXPIRE")
                    .arg(&self.key)
                    .arg(self.lease.as_millis() as u64)
                    .query_async(&mut connection)
                    .await;
                prolonged.map_err(failed)
            }
            Some(false) => Ok(false),
            None => self.take().await,
        }
    }

    /// Whether the key names this worker, if it names one.
    async fn is_named(&self) -> Result<Option<bool>, QueueError> {
        let mut connection = self.queue.connection().await?;
        let named: Option<Vec<u8>> = redis::cmd("GET")
            .arg(&self.key)
            .query_async(&mut connection)
            .await
            .map_err(failed)?;
        Ok(named.map(|named| named == self.name.as_bytes()))
    }

    async fn take(&self) -> Result<bool, QueueError> {
        let mut connection = self.queue.connection().await?;
        let taken: Result<Option<()>, _> = redis::cmd("SET")
            .arg(&[&self.key, &self.name, "NX", "PX"])
            .arg(self.lease.as_millis() as u64)
            .query_async(&mut connection)
            .await;
        match taken.map_err(failed) {
            Ok(taken) => Ok(taken.is_some()),
            // A Redis that is full takes no key, and has room again only if somebody reads.
            Err(QueueError::Full(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// How long Redis may hold a question for new entries.
    pub(super) fn hold(&self) -> Duration {
        self.lease / 3
    }

    /// How often a worker says that it is the reader, and others look whether there is one.
    pub(super) fn say_every(&self) -> Duration {
        self.lease / 6
    }

    /// Whether entries may be asked for: it has said so lately, and until Redis has answered, nobody else is the reader.
    pub(super) fn may_read(&self) -> bool {
        lock(&self.said).is_some_and(|said| said.elapsed() < self.lease / 2)
    }

    /// Says that this worker is the reader until another one is.
    pub(super) async fn stay(&self, lost: &CancellationToken) {
        loop {
            tokio::time::sleep(self.say_every()).await;
            match self.is_this().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::info!("another worker reads the inbox now");
                    lost.cancel();
                    return;
                }
                Err(error) => tracing::debug!(%error, "that this worker reads the inbox could not be said"),
            }
        }
    }

    /// Lets another one read.
    pub(super) async fn leave(&self) {
        *lock(&self.said) = None;
        let left = async {
            if self.is_named().await? == Some(true) {
                let mut connection = self.queue.connection().await?;
                redis::cmd("DEL")
                    .arg(&self.key)
                    .query_async::<()>(&mut connection)
                    .await
                    .map_err(failed)?;
            }
            Ok::<_, QueueError>(())
        };
        if let Err(error) = left.await {
            tracing::debug!(%error, "another worker can read the inbox only in {:?}", self.lease);
        }
    }
}
