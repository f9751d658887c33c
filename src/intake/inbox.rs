//! Jobs from other programs, over Redis streams.
//!
//! `XADD tenantry:inbox * job '<json>'` hands a job in, from any language. The workers read the stream as one
//! consumer group. An entry leaves it only when its fate is sealed: accepted, and then it is in the
//! ledger; or refused, and then it moves to `tenantry:inbox:rejected` with every reason, in one transaction.
//! A Redis that is full still lets accepted entries be taken off; refused ones stay until it has room for them.
//! Whatever happens in between (a killed worker, a ledger that is away) leaves it pending, and some worker
//! takes it up again. So an entry may come to the door twice; the door knows it by its key.
//!
//! Whatever has come in is taken together, up to a bound: a lone entry waits for nobody, and a backlog is read, planned,
//! recorded and taken off many at a time, in the order of the stream. While some are recorded, the next ones are read and planned.
//!
//! A worker shows that it still has an entry in hand, so that a slow one is not taken from it. Nothing ends
//! the reading: not a lost connection, not a flushed server, not an entry that is no document.

mod entries;
mod fate;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt};
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::document::{DocumentSender, code};
use super::{Accepted, Door, Handing, JobDocument, Reason, Refusal};
use crate::queue::redis::{RedisOutage, failed};
use crate::queue::{QueueError, RedisQueue};
use crate::submit::{JOBS_TOGETHER, RecordTurn, RecordTurnEnd};
use entries::Entry;
use trouble::{Trouble, WithoutRoom};

/// The consumer group of all workers.
const GROUP: &str = "tenantry";
/// The field that holds the document.
const FIELD: &str = "job";
/// How long Redis holds the question for new entries; entries left behind are looked for as often.
const HOLD: Duration = Duration::from_secs(1);
/// An entry that nobody showed to have in hand for this long was left behind: three times missed. One that is taken up by two
/// workers is still one job, by its key.
const LEFT_BEHIND: Duration = Duration::from_secs(3);
/// How often a worker shows that it has an entry in hand.
const SHOW_EVERY: Duration = Duration::from_millis(800);
/// Entries asked for at first, and at least and at most.
const BATCH: usize = 64;
const LEAST: usize = 4;
const MOST: usize = JOBS_TOGETHER;
/// Bytes of documents asked for at once, as far as that can be told from those before.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Times that entries are handed in at once.
const AT_ONCE: usize = 16;
/// Readings that are dealt with at the same time: one is recorded while the other is planned.
const READINGS: usize = 2;

/// An entry that is refused, and how its sender hears of it.
type RefusedEntry = (Refusal, DocumentSender);
/// An entry, and the document it is, if it is one.
type ReadEntry = (Entry, Result<JobDocument, RefusedEntry>);
/// What came of handing an entry in.
type EntryFate = Result<(Accepted, DocumentSender), RefusedEntry>;

/// Takes documents in until `stop` is cancelled; then finishes those in hand.
pub async fn serve<D: Door>(queue: RedisQueue, door: D, stop: CancellationToken) {
    let inbox = Inbox::new(queue, door);
    let mut outage = RedisOutage::default();
    while !stop.is_cancelled() {
        if let Err(error) = inbox.take_in(&mut outage, &stop).await {
            stop.run_until_cancelled(outage.wait("jobs of other programs", &error))
                .await;
        }
    }
}

/// Whether anything is at the inbox that is not dealt with.
pub async fn waiting(queue: &RedisQueue) -> Result<bool, QueueError> {
    Ok(length(queue).await? > 0)
}

/// How many entries of the inbox are not dealt with.
pub(crate) async fn length(queue: &RedisQueue) -> Result<u64, QueueError> {
    let mut connection = queue.connection().await?;
    // What is dealt with is deleted, so what is there is unread or pending.
    redis::cmd("XLEN")
        .arg(queue.key("inbox"))
        .query_async(&mut connection)
        .await
        .map_err(failed)
}

struct Inbox<D> {
    queue: RedisQueue,
    door: D,
    stream: String,
    rejected: String,
    /// One name per machine: entries are told apart by the group, and names of the dead do not pile up.
    consumer: String,
    /// Entries to ask for next.
    batch: AtomicUsize,
    without_room: WithoutRoom,
    /// Entries that could not be taken off, notices that could not be told, documents the ledger was away for.
    stuck: Trouble,
    untold: Trouble,
    unavailable: Trouble,
}

impl<D: Door> Inbox<D> {
    fn new(queue: RedisQueue, door: D) -> Self {
        Self {
            stream: queue.key("inbox"),
            rejected: queue.key("inbox:rejected"),
            consumer: crate::machine::host_name(),
            batch: AtomicUsize::new(BATCH),
            without_room: WithoutRoom::default(),
            stuck: Trouble::default(),
            untold: Trouble::default(),
            unavailable: Trouble::default(),
            queue,
            door,
        }
    }

    /// Reads and deals with entries until `stop`, or until Redis fails.
    async fn take_in(&self, outage: &mut RedisOutage, stop: &CancellationToken) -> Result<(), QueueError> {
        let mut connection = self.queue.blocking_connection(HOLD).await?;
        match self.found_group(&mut connection).await {
            // It was made long ago, as a rule. If not, reading says so.
            Ok(()) | Err(QueueError::Full(_)) => {}
            Err(error) => return Err(error),
        }
        let mut in_hand = FuturesUnordered::new();
        let taken = self.take_in_beside(&mut connection, &mut in_hand, outage, stop).await;
        // What has begun is finished, whatever the reading has ended of.
        while in_hand.next().await.is_some() {}
        taken
    }

    /// Reads entries, and deals with them beside the reading.
    async fn take_in_beside<'i>(
        &'i self,
        connection: &mut MultiplexedConnection,
        in_hand: &mut FuturesUnordered<BoxFuture<'i, ()>>,
        outage: &mut RedisOutage,
        stop: &'i CancellationToken,
    ) -> Result<(), QueueError> {
        let (mut looked, mut turn) = (None, RecordTurn::NOW);
        while !stop.is_cancelled() {
            // A stream that never pauses must not keep what was left behind waiting.
            if looked.is_none_or(|at: tokio::time::Instant| at.elapsed() >= HOLD) {
                while in_hand.next().await.is_some() {}
                self.take_up(connection, stop).await?;
                looked = Some(tokio::time::Instant::now());
            }
            let entries = {
                let mut reading = std::pin::pin!(self.read(connection));
                loop {
                    tokio::select! {
                        entries = &mut reading => break entries?,
                        Some(()) = in_hand.next() => {}
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            };
            outage.over("jobs of other programs");
            if entries.is_empty() {
                continue;
            }
            while in_hand.len() >= READINGS {
                in_hand.next().await;
            }
            let (end, next) = RecordTurn::after();
            let handing = Handing {
                again: false,
                turn: std::mem::replace(&mut turn, next),
            };
            in_hand.push(self.deal_with_all(entries, handing, end, stop).boxed());
        }
        Ok(())
    }

    /// Makes the group, and the stream with it. It begins at the start, so nothing is passed over that was
    /// handed in before the first worker came, or after the server forgot everything.
    async fn found_group(&self, connection: &mut MultiplexedConnection) -> Result<(), QueueError> {
        let made = redis::cmd("XGROUP")
            .arg(&["CREATE", &self.stream, GROUP, "0", "MKSTREAM"])
            .query_async::<()>(connection)
            .await;
        match made {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => made.map_err(failed),
        }
    }

    /// New entries, once there are some or Redis has held the question for long enough.
    async fn read(&self, connection: &mut MultiplexedConnection) -> Result<Vec<Entry>, QueueError> {
        let answer = redis::cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.consumer, "COUNT"])
            .arg(self.batch.load(Ordering::Relaxed))
            .arg("BLOCK")
            .arg(HOLD.as_millis() as u64)
            .arg(&["STREAMS", &self.stream, ">"])
            .query_async(connection)
            .await;
        self.entries(answer, entries::of_read, connection).await
    }

    /// Takes up what was left behind by workers that died, or put off because the ledger was away.
    async fn take_up(
        &self,
        connection: &mut MultiplexedConnection,
        stop: &CancellationToken,
    ) -> Result<(), QueueError> {
        let mut from = "0-0".to_owned();
        while !stop.is_cancelled() {
            let answer: Result<redis::Value, _> = redis::cmd("XAUTOCLAIM")
                .arg(&[&self.stream, GROUP, &self.consumer])
                .arg(LEFT_BEHIND.as_millis() as u64)
                .arg(&[&from, "COUNT"])
                .arg(self.batch.load(Ordering::Relaxed))
                .query_async(connection)
                .await;
            let next = answer.as_ref().ok().and_then(entries::cursor);
            let left = self.entries(answer, entries::of_claim, connection).await?;
            let (end, _) = RecordTurn::after();
            let again = Handing {
                again: true,
                turn: RecordTurn::NOW,
            };
            self.deal_with_all(left, again, end, stop).await;
            match next {
                Some(next) if next != "0-0" => from = next,
                _ => break,
            }
        }
        Ok(())
    }

    async fn entries(
        &self,
        answer: Result<redis::Value, redis::RedisError>,
        entries_of: fn(redis::Value) -> Vec<Entry>,
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<Entry>, QueueError> {
        match answer {
            Ok(answer) => {
                let entries = entries_of(answer);
                self.learn_sizes(&entries);
                Ok(entries)
            }
            // The server was flushed, or the stream deleted. What Redis says of it differs between versions.
            Err(error) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => {
                self.found_group(connection).await?;
                tracing::info!("the inbox {} was deleted; it was made anew", self.stream);
                Ok(Vec::new())
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Asks for many small documents at once, and for few large ones.
    fn learn_sizes(&self, entries: &[Entry]) {
        let bytes: usize = entries
            .iter()
            .filter_map(|entry| entry.job.as_ref())
            .map(Vec::len)
            .sum();
        if let Some(each) = bytes.checked_div(entries.len()) {
            let next = (BYTES_AT_ONCE / each.max(1)).clamp(LEAST, MOST);
            self.batch.store(next, Ordering::Relaxed);
        }
    }

    /// Hands entries in, those of few rows together, and seals their fates. Others have their turn once all are handed in.
    async fn deal_with_all(&self, entries: Vec<Entry>, handing: Handing, end: RecordTurnEnd, stop: &CancellationToken) {
        let (mut together, mut hands) = (Vec::new(), Vec::new());
        for entry in entries {
            if !self.without_room.may_try(&entry.id) {
                continue;
            }
            match self.document(&entry) {
                Ok(document) if self.door.takes_together(&document) => together.push((entry, Ok(document))),
                read => hands.push(vec![(entry, read)]),
            }
        }
        if !together.is_empty() {
            hands.insert(0, together);
        }
        let end = Arc::new(end);
        let hands: Vec<_> = hands.into_iter().map(|hand| (hand, end.clone())).collect();
        drop(end);
        futures::stream::iter(hands)
            .for_each_concurrent(AT_ONCE, async |(hand, end)| {
                // What is not begun when the worker stops stays pending, for another one.
                if !stop.is_cancelled() {
                    self.deal_with(hand, handing.clone(), end).await;
                }
            })
            .await;
    }

    /// Hands some entries in and seals their fates. Whatever fails, they stay pending and are taken up again.
    async fn deal_with(&self, hand: Vec<ReadEntry>, handing: Handing, end: Arc<RecordTurnEnd>) {
        let ids: Vec<String> = hand.iter().map(|(entry, _)| entry.id.clone()).collect();
        let submitted = tokio::select! {
            submitted = self.submit(hand, handing) => submitted,
            never = self.show_in_hand(&ids) => match never {},
        };
        drop(end);
        self.seal(submitted).await;
    }

    async fn submit(&self, hand: Vec<ReadEntry>, handing: Handing) -> Vec<(Entry, EntryFate)> {
        let (mut fates, mut entries, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, read) in hand {
            match read {
                Ok(document) => {
                    let key = format!("{}:{}", self.stream, entry.id);
                    entries.push((entry, document.sender()));
                    documents.push((document, key));
                }
                Err(refused) => fates.push((entry, Err(refused))),
            }
        }
        let submitted = self.door.submit_all(documents, handing).await;
        fates.extend(entries.into_iter().zip(submitted).map(|((entry, sender), submitted)| {
            let fate = match submitted {
                Ok(accepted) => Ok((accepted, sender)),
                Err(refusal) => Err((refusal, sender)),
            };
            (entry, fate)
        }));
        fates
    }

    fn document(&self, entry: &Entry) -> Result<JobDocument, RefusedEntry> {
        let Some(job) = &entry.job else {
            let fields = entry.fields.join(", ");
            let meant = tenantry_jobs::nearest(FIELD, entry.fields.iter().map(String::as_str)).map(|_| FIELD);
            let reason = Reason::new(
                FIELD,
                code::MISSING_KEY,
                &fields,
                "expected a field `job` with the document",
            );
            return Err((Refusal::Invalid(vec![reason.suggest(meant)]), DocumentSender::default()));
        };
        JobDocument::parse(job, self.queue.prefix())
            .map_err(|malformed| (Refusal::Invalid(malformed.reasons), malformed.sender))
    }

    /// Shows every now and then that entries are in hand, so that they do not count as left behind.
    async fn show_in_hand(&self, ids: &[String]) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(SHOW_EVERY).await;
            let shown = async {
                let mut connection = self.queue.connection().await?;
                redis::cmd("XCLAIM")
                    .arg(&[&self.stream, GROUP, &self.consumer, "0"])
                    .arg(ids)
                    .arg("JUSTID")
                    .query_async::<()>(&mut connection)
                    .await
                    .map_err(failed)
            };
            if let Err(error) = shown.await {
                tracing::debug!(%error, "{} entries could not be shown to be in hand", ids.len());
            }
        }
    }
}
