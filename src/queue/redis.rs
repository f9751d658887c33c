//! The queue in Redis: one list. Works with Redis 6.2 or later, and Valkey.
//!
//! No error ends anything here. A connection that is lost, a server that restarts or is flushed, a
//! ticket that cannot be read: the consumer logs an outage once, waits a little longer each time, and goes on.
//! While Redis is full, tickets stay within the process that would have pushed them.

mod address;
mod shared;

use crate::backoff::Backoff;
use crate::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::address::QueueOptions;
use self::address::RedisAddress;
pub(crate) use self::address::is_redis;
use self::shared::Current;
pub(crate) use self::shared::SharedConnection;
use super::backend::Slots;
use super::bounded::{AnswerBounds, Bounded};
use super::{EmbeddedQueue, QueueError, Ticket, Wakes};
use crate::tasks;

/// How long Redis holds an idle consumer's question. A question costs nearly nothing, and one that is lost with its connection is
/// missed for so long at most.
const HOLD: Duration = Duration::from_secs(2);
/// Tickets kept at most. They say that there is work, not how much; who answers one goes on until nothing is left.
const CAPACITY: isize = 1_000;
/// Pauses between attempts to reach a Redis that is away; nothing is lost meanwhile, since the sweep finds what there is to do.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// What a connection goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Tickets in a Redis list.
#[derive(Clone)]
pub struct RedisQueue(Arc<RedisParts>);

struct RedisParts {
    address: RedisAddress,
    options: QueueOptions,
    /// For short commands.
    current: Current,
    /// Whether it could not be notified the last time.
    silent: AtomicBool,
    /// Tickets for the workers of this process alone: what their sweep has found, or what Redis does not take.
    kept_here: EmbeddedQueue,
}

/// What has to be driven for a connection to work.
type Driver = BoxFuture<'static, ()>;

impl RedisParts {
    /// The one place where connections to Redis are made. `hold` is how long a command may take; answers are cut to `bounds`.
    async fn connect(
        &self,
        hold: Duration,
        bounds: Option<AnswerBounds>,
    ) -> Result<(MultiplexedConnection, Driver), QueueError> {
        let stream = self.in_time(self.address.stream()).await;
        let stream = stream.map_err(|error| self.address.explained(error))?;
        let stream: Box<dyn Stream> = match bounds {
            Some(bounds) => Box::new(Bounded::new(stream, bounds)),
            None => stream,
        };
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(hold));
        let greeting = MultiplexedConnection::new_with_config(&self.address.settings, stream, config);
        let refused = |error| match self.address.refusal(&error) {
            Some(why) => why,
            None => self.address.unanswered(error),
        };
        let (connection, driver) = self.in_time(async { greeting.await.map_err(refused) }).await?;
        Ok((connection, driver.boxed()))
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = Result<T, QueueError>>) -> Result<T, QueueError> {
        let timed = tokio::time::timeout(self.options.timeout, attempt).await;
        timed.unwrap_or_else(|_| Err(QueueError::Unavailable("it does not answer in time".to_owned())))
    }
}

impl RedisQueue {
    pub(super) fn new(url: &str, options: QueueOptions) -> Result<Self, QueueError> {
        Ok(Self(Arc::new(RedisParts {
            address: RedisAddress::parse(url, &options)?,
            options,
            current: Current::default(),
            silent: AtomicBool::new(false),
            kept_here: EmbeddedQueue::default(),
        })))
    }

    pub(super) fn wakes(&self) -> &Wakes {
        self.0.kept_here.wakes()
    }

    /// Notes whether it could not be notified, and returns what was noted before.
    pub(super) fn was_silent(&self, silent: bool) -> bool {
        self.0.silent.swap(silent, Ordering::Relaxed)
    }

    /// The name of a key or stream of ours.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.0.options.prefix)
    }

    /// What all our names begin with.
    pub fn prefix(&self) -> &str {
        &self.0.options.prefix
    }

    /// The connection for short commands.
    pub(crate) async fn connection(&self) -> Result<SharedConnection, QueueError> {
        SharedConnection::of(&self.0).await
    }

    /// A connection of one's own, for commands that Redis holds up to `hold`.
    pub async fn blocking_connection(&self, hold: Duration) -> Result<MultiplexedConnection, QueueError> {
        let (connection, driver) = self.0.connect(hold + self.0.options.timeout, None).await?;
        tasks::spawn("the connection's commands", driver);
        Ok(connection)
    }

    /// As [`blocking_connection`](Self::blocking_connection), on which answers are cut. It has to be driven by the future.
    pub(crate) async fn bounded_connection(
        &self,
        hold: Duration,
        bounds: AnswerBounds,
    ) -> Result<(MultiplexedConnection, Driver), QueueError> {
        self.0.connect(hold + self.0.options.timeout, Some(bounds)).await
    }

    pub(super) async fn push(&self, ticket: Ticket, count: usize) -> Result<(), QueueError> {
        if count == 0 {
            return Ok(());
        }
        let mut connection = self.connection().await?;
        let text = ticket.job.to_string();
        let key = self.key("tickets");
        let mut pipe = redis::pipe();
        pipe.rpush(&key, vec![text; count])
            .ignore()
            .ltrim(&key, -CAPACITY, -1)
            .ignore();
        pipe.query_async::<()>(&mut connection).await.map_err(failed)
    }

    /// Rings the workers of this process alone.
    pub(super) fn keep_here(&self, ticket: Ticket, count: usize) {
        self.0.kept_here.push(ticket, count);
    }

    pub(super) async fn ping(&self) -> Result<String, QueueError> {
        let mut connection = self.connection().await?;
        redis::cmd("PING")
            .query_async::<()>(&mut connection)
            .await
            .map_err(failed)?;
        // Not everybody may ask for more.
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await
            .unwrap_or_default();
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"))
            .unwrap_or("of unknown version");
        // One that is full, a replica or closed to us answers all the same.
        let trial = self.key("doctor");
        redis::cmd("SET")
            .arg(&trial)
            .arg("?")
            .arg("PX")
            .arg(self.0.options.timeout.as_millis() as u64)
            .query_async::<()>(&mut connection)
            .await
            .map_err(failed)?;
        redis::cmd("DEL")
            .arg(&trial)
            .query_async::<()>(&mut connection)
            .await
            .map_err(failed)?;
        Ok(format!("Redis {} answers", version.trim()))
    }

    /// Hands tickets over until the worker is gone.
    pub(super) async fn consume(self, places: Slots) {
        tokio::select! {
            () = self.consume_theirs(&places) => {}
            () = self.consume_kept(&places) => {}
        }
    }

    async fn consume_kept(&self, places: &Slots) {
        loop {
            // The place comes after the ticket: with but one place, it is the other's that waits for Redis.
            let ticket = self.0.kept_here.pop().await;
            match places.free().await {
                Some(place) => place.take(ticket),
                None => return,
            }
        }
    }

    async fn consume_theirs(&self, places: &Slots) {
        let mut outage = RedisOutage::default();
        while !places.is_gone() {
            match self.consume_while_connected(places, &mut outage).await {
                Ok(()) => return,
                Err(error) => outage.wait("tickets", &error).await,
            }
        }
    }

    async fn consume_while_connected(&self, places: &Slots, outage: &mut RedisOutage) -> Result<(), QueueError> {
        let mut connection = self.blocking_connection(HOLD).await?;
        let key = self.key("tickets");
        while let Some(place) = places.free().await {
            let popped: Option<(String, Vec<u8>)> = redis::cmd("BLPOP")
                .arg(&key)
                .arg(HOLD.as_secs_f64())
                .query_async(&mut connection)
                .await
                .map_err(failed)?;
            outage.over("tickets");
            let Some((_, text)) = popped else { continue };
            if let Some(job) = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
                place.take(Ticket { job });
            } else {
                tracing::warn!(key, "a ticket that is no job id was thrown away");
            }
        }
        Ok(())
    }
}

/// One outage of Redis: told of when it begins and when it ends, and waited through in between.
#[derive(Debug, Default)]
pub(crate) struct RedisOutage {
    /// Failures in a row.
    times: u64,
}

impl RedisOutage {
    /// Waits, longer each time.
    pub(crate) async fn wait(&mut self, what: &str, error: &impl std::fmt::Display) {
        if self.times == 0 {
            tracing::warn!(%error, "Redis cannot be asked for {what}; trying again until it can");
        }
        self.times += 1;
        tokio::time::sleep(BACKOFF.jittered(self.times, &Clock::system())).await;
    }

    /// Redis has answered.
    pub(crate) fn over(&mut self, what: &str) {
        if std::mem::take(&mut self.times) > 0 {
            tracing::info!("Redis can be asked for {what} again");
        }
    }
}

/// Whether Redis failed, is full, or refused.
pub(crate) fn failed(error: RedisError) -> QueueError {
    let text = error.to_string();
    let code = error.code().map(str::to_owned);
    // A pipeline or a transaction tells of each command's failure, and itself of none or another.
    let codes: Vec<String> = match error.into_server_errors() {
        Some(errors) => errors.iter().map(|(_, error)| error.code().to_owned()).collect(),
        None => code.into_iter().collect(),
    };
    if codes.iter().any(|code| code == "OOM") {
        return QueueError::Full(text);
    }
    let for_now = |code: &String| matches!(code.as_str(), "LOADING" | "BUSY" | "MASTERDOWN" | "READONLY");
    if codes.is_empty() || codes.iter().any(for_now) {
        QueueError::Unavailable(text)
    } else {
        QueueError::Refused(text)
    }
}
