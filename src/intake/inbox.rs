//! Jobs from other programs, over Redis streams.
//!
//! `XADD tenantry:inbox * job '<json>'` hands a job in, from any language. The workers read the stream as one
//! consumer group. An entry leaves it only when its end is sealed: accepted, and then it is in the
//! ledger; or refused, and then it moves to `tenantry:inbox:rejected` with every reason.
//! A Redis that is full still lets accepted entries be taken off; refused ones stay until it has room for them.
//! Whatever happens in between (a killed worker, a ledger that is away) leaves it pending, and some worker
//! takes it up again. So an entry may come to the door twice; the door knows it by its key.
//!
//! Whatever has come in is taken together, up to a bound: a lone entry waits for nobody, and a backlog is read, planned,
//! recorded and taken off many at a time. While some are recorded, the next ones are read and planned.
//!
//! Jobs are recorded in the order of the stream, however many workers there are: one of them is its [`InboxReader`]. While
//! an entry cannot be recorded, because the ledger is away, none that came after it is.
//!
//! Nothing ends the reading: not a lost connection, not a flushed server, not an entry that is no document.

mod bounds;
mod end;
mod entries;
mod reader;
mod trouble;

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
use bounds::BehindOthers;
use entries::Entry;
use reader::InboxReader;
use trouble::{Trouble, WithoutRoom};

/// The consumer group of all workers.
const GROUP: &str = "tenantry";
/// The field that holds the document.
const FIELD: &str = "job";
/// How often entries are looked for that were dealt with in vain.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long entries wait that cannot be recorded.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// Entries asked for at first, and at least and at most.
const BATCH: usize = 64;
const LEAST: usize = 1;
const MOST: usize = JOBS_TOGETHER;
/// Bytes of documents asked for at once, as far as that can be told from those before.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Times that entries are handed in at once.
const AT_ONCE: usize = 16;
/// Readings that are dealt with at the same time: one is recorded while the other is planned.
const READINGS: usize = 2;

/// What Redis is asked for, as people are told.
const WHAT: &str = "jobs of other programs";

/// An entry that is refused, and how its sender hears of it.
type RefusedEntry = (Refusal, DocumentSender);
/// An entry, and the document it is, if it is one.
type ReadEntry = (Entry, Result<JobDocument, RefusedEntry>);
/// The outcome of handing an entry in.
type EntryEnd = Result<(Accepted, DocumentSender), RefusedEntry>;

/// How documents are taken in.
#[derive(Debug, Clone, Copy)]
pub struct InboxSettings {
    /// A worker that dies reads no more after so long.
    pub lease: Duration,
    /// Bytes of the largest document that is read.
    pub document_bytes: usize,
}

/// Takes documents in until `stop` is cancelled; then finishes those in hand.
pub async fn serve<D: Door>(queue: RedisQueue, door: D, settings: InboxSettings, stop: CancellationToken) {
    let inbox = Inbox::new(queue, door, settings);
    let mut outage = RedisOutage::default();
    while !stop.is_cancelled() {
        let done = match inbox.reader.is_this().await {
            Ok(true) => inbox.read_until(&mut outage, &stop).await,
            Ok(false) => {
                outage.over(WHAT);
                stop.run_until_cancelled(tokio::time::sleep(inbox.reader.say_every()))
                    .await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            stop.run_until_cancelled(outage.wait(WHAT, &error)).await;
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
    reader: InboxReader,
    /// Bytes of the largest document.
    largest: usize,
    /// Entries to ask for next.
    batch: AtomicUsize,
    without_room: WithoutRoom,
    behind: BehindOthers,
    /// Entries that could not be taken off, notices that could not be told, documents the ledger was away for.
    stuck: Trouble,
    untold: Trouble,
    unavailable: Trouble,
}

impl<D: Door> Inbox<D> {
    fn new(queue: RedisQueue, door: D, settings: InboxSettings) -> Self {
        Self {
            stream: queue.key("inbox"),
            rejected: queue.key("inbox:rejected"),
            consumer: crate::machine::host_name(),
            reader: InboxReader::new(&queue, settings.lease),
            largest: settings.document_bytes,
            batch: AtomicUsize::new(BATCH),
            without_room: WithoutRoom::default(),
            behind: BehindOthers::default(),
            stuck: Trouble::default(),
            untold: Trouble::default(),
            unavailable: Trouble::default(),
            queue,
            door,
        }
    }

    /// Reads and deals with entries until `stop`, until another worker does, or until Redis fails.
    async fn read_until(&self, outage: &mut RedisOutage, stop: &CancellationToken) -> Result<(), QueueError> {
        let ends = stop.child_token();
        let taken = tokio::select! {
            taken = self.take_in(outage, &ends) => taken,
            never = self.stay_until(&ends) => match never {},
        };
        if stop.is_cancelled() {
            self.reader.leave().await;
        }
        taken
    }

    async fn stay_until(&self, ends: &CancellationToken) -> std::convert::Infallible {
        self.reader.stay(ends).await;
        std::future::pending().await
    }

    async fn take_in(&self, outage: &mut RedisOutage, stop: &CancellationToken) -> Result<(), QueueError> {
        let hold = self.reader.hold();
        let (mut connection, driver) = self
            .queue
            .bounded_connection(hold, bounds::read_at_once(self.largest))
            .await?;
        let taking = self.take_in_over(&mut connection, outage, stop);
        // A connection that ends answers its callers with an error.
        tokio::select! {
            taken = taking => taken,
            never = driver.then(|()| std::future::pending()) => never,
        }
    }

    async fn take_in_over(
        &self,
        connection: &mut MultiplexedConnection,
        outage: &mut RedisOutage,
        stop: &CancellationToken,
    ) -> Result<(), QueueError> {
        match self.found_group(connection).await {
            // It was made long ago, as a rule. If not, reading says so.
            Ok(()) | Err(QueueError::Full(_)) => {}
            Err(error) => return Err(error),
        }
        let mut in_hand = FuturesUnordered::new();
        let taken = self.take_in_beside(connection, &mut in_hand, outage, stop).await;
        // What has begun is finished, whatever the reading has ended of.
        while in_hand.next().await.is_some() {}
        taken
    }

    /// Reads entries, and deals with them beside the reading.
    async fn take_in_beside<'i>(
        &'i self,
        connection: &mut MultiplexedConnection,
        in_hand: &mut FuturesUnordered<BoxFuture<'i, bool>>,
        outage: &mut RedisOutage,
        stop: &'i CancellationToken,
    ) -> Result<(), QueueError> {
        // Whether there are entries before the next ones that are not recorded.
        let mut is_behind = true;
        let (mut looked, mut turn) = (None, RecordTurn::NOW);
        while !stop.is_cancelled() {
            // A stream that never pauses must not keep what stays waiting.
            if is_behind || looked.is_none_or(|at: tokio::time::Instant| at.elapsed() >= LOOK_EVERY) {
                while in_hand.next().await.is_some() {}
                is_behind = !self.take_up(connection, stop).await?;
                (looked, turn) = (Some(tokio::time::Instant::now()), RecordTurn::NOW);
                if is_behind {
                    stop.run_until_cancelled(tokio::time::sleep(TRY_EVERY)).await;
                    continue;
                }
            }
            if !self.reader.may_read() {
                stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(20)))
                    .await;
                continue;
            }
            let entries = {
                let mut reading = std::pin::pin!(self.read(connection));
                loop {
                    tokio::select! {
                        entries = &mut reading => break entries?,
                        Some(is_done) = in_hand.next() => is_behind |= !is_done,
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            };
            outage.over(WHAT);
            // Large documents take several times their size while they are dealt with.
            let beside = if bounds::are_large(&entries) { 1 } else { READINGS };
            while in_hand.len() >= beside
                && let Some(is_done) = in_hand.next().await
            {
                is_behind |= !is_done;
            }
            // They stay pending, behind those that come before them, as they do if another worker reads by now.
            if entries.is_empty() || is_behind || !self.reader.may_read() {
                is_behind |= !entries.is_empty();
                continue;
            }
            let (end, next) = RecordTurn::after();
            let turn = std::mem::replace(&mut turn, next);
            in_hand.push(self.deal_with_all(entries, false, (turn, end), stop).boxed());
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
        if let Some(entry) = self.next_behind(connection).await? {
            return Ok(vec![entry]);
        }
        let answer = redis::cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.consumer, "COUNT"])
            .arg(self.batch.load(Ordering::Relaxed))
            .arg("BLOCK")
            .arg(self.reader.hold().as_millis() as u64)
            .arg(&["STREAMS", &self.stream, ">"])
            .query_async(connection)
            .await;
        self.entries(answer, entries::of_read, connection).await
    }

    /// Takes up what is pending: of workers that have read before this one, and what was put off. Nothing is in hand meanwhile. Whether all
    /// of it was recorded that can be.
    async fn take_up(
        &self,
        connection: &mut MultiplexedConnection,
        stop: &CancellationToken,
    ) -> Result<bool, QueueError> {
        // Those that are yet to be read are among them.
        self.behind.clear();
        let mut from = "0-0".to_owned();
        while !stop.is_cancelled() {
            let answer: Result<redis::Value, _> = redis::cmd("XAUTOCLAIM")
                .arg(&[&self.stream, GROUP, &self.consumer, "0", &from, "COUNT"])
                .arg(self.batch.load(Ordering::Relaxed))
                .query_async(connection)
                .await;
            let next = answer.as_ref().ok().and_then(entries::cursor);
            let left = self.entries(answer, entries::of_claim, connection).await?;
            if !self.deal_with_left(left, connection, stop).await? {
                return Ok(false);
            }
            while let Some(entry) = self.next_behind(connection).await? {
                if !self.deal_with_left(vec![entry], connection, stop).await? {
                    return Ok(false);
                }
            }
            match next {
                Some(next) if next != "0-0" => from = next,
                _ => return Ok(true),
            }
        }
        Ok(false)
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
                self.record_sizes(&entries);
                Ok(self.as_far_as_read(entries))
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
    fn record_sizes(&self, entries: &[Entry]) {
        let bytes: usize = entries.iter().map(|entry| entry.size(self.largest)).sum();
        if let Some(each) = bytes.checked_div(entries.len()) {
            let next = (BYTES_AT_ONCE / each.max(1)).clamp(LEAST, MOST);
            self.batch.store(next, Ordering::Relaxed);
        }
    }

    /// Hands entries in, in their order, those of few rows together, and seals their ends. Whether all are recorded that can be; the
    /// turn of the next ones comes only then.
    async fn deal_with_all(
        &self,
        entries: Vec<Entry>,
        again: bool,
        (mut turn, end): (RecordTurn, RecordTurnEnd),
        stop: &CancellationToken,
    ) -> bool {
        let mut hands: Vec<(bool, Vec<ReadEntry>)> = Vec::new();
        for mut entry in entries {
            if !self.without_room.may_try(&entry.id) {
                continue;
            }
            let read = self.document(&entry);
            entry.make_room();
            let is_small = read
                .as_ref()
                .map_or(true, |document| self.door.takes_together(document));
            match hands.last_mut() {
                Some((true, hand)) if is_small => hand.push((entry, read)),
                _ => hands.push((is_small, vec![(entry, read)])),
            }
        }
        let mut in_turn = Vec::with_capacity(hands.len());
        for (_, hand) in hands {
            let (end, next) = RecordTurn::after();
            in_turn.push((hand, std::mem::replace(&mut turn, next), end));
        }
        let dealt = futures::stream::iter(in_turn).map(async |(hand, turn, end)| {
            // What is not begun when the worker stops stays pending, for another one.
            !stop.is_cancelled() && self.deal_with(hand, Handing { again, turn }, end).await
        });
        let all_done = dealt.buffered(AT_ONCE).fold(true, async |all, is_done| all && is_done);
        // The next ones are recorded while the ends of these are sealed.
        let next_turn = async {
            if turn.comes().await {
                end.comes();
            }
        };
        futures::join!(all_done, next_turn).0
    }

    /// Hands some entries in and seals their ends. Whatever fails, they stay pending and are taken up again. Whether those are recorded
    /// that can be.
    async fn deal_with(&self, hand: Vec<ReadEntry>, handing: Handing, end: RecordTurnEnd) -> bool {
        let submitted = self.submit(hand, handing).await;
        let is_unknown = |(_, end): &(_, EntryEnd)| matches!(end, Err((Refusal::Unavailable(_), _)));
        let is_done = !submitted.iter().any(is_unknown);
        if is_done {
            end.comes();
        }
        self.seal(submitted).await;
        is_done
    }

    async fn submit(&self, hand: Vec<ReadEntry>, handing: Handing) -> Vec<(Entry, EntryEnd)> {
        let (mut ends, mut entries, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, read) in hand {
            match read {
                Ok(document) => {
                    let key = format!("{}:{}", self.stream, entry.id);
                    entries.push((entry, document.sender()));
                    documents.push((document, key));
                }
                Err(refused) => ends.push((entry, Err(refused))),
            }
        }
        let submitted = self.door.submit_all(documents, handing).await;
        ends.extend(entries.into_iter().zip(submitted).map(|((entry, sender), submitted)| {
            let end = match submitted {
                Ok(accepted) => Ok((accepted, sender)),
                Err(refusal) => Err((refusal, sender)),
            };
            (entry, end)
        }));
        ends
    }

    fn document(&self, entry: &Entry) -> Result<JobDocument, RefusedEntry> {
        if let Some(refused) = bounds::too_large(entry, self.largest) {
            return Err(refused);
        }
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
}
