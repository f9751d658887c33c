//! Documents that are too large, alone or together, and documents that end the worker that reads them.
//!
//! A sender that may write to the stream may write half a gigabyte, many times. So there is a largest document
//! (`inbox.document_bytes`), and answers are cut on their way ([`bounded`]). A document that is too large is refused by its size. Of
//! several that are too large together the later ones are read again, each by itself, in their order.
//!
//! A document at which a worker ends stays pending, and the next worker takes it up. So that one document does not end all of them, it is
//! told apart: Redis counts deliveries, and from the third on entries are dealt with one by one. Only the one that is begun keeps its
//! count, and a worker that lives on sets it back. Other causes end workers too, over any document that is in hand just then. So a
//! document is refused only after a worker has ended over it eight times in a row.
//!
//! [`bounded`]: crate::queue::bounded

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::entries::{self, Entry};
use super::{FIELD, GROUP, Inbox, RefusedEntry};
use crate::intake::document::{DocumentSender, code};
use crate::intake::{Door, Reason, Refusal};
use crate::lock::lock;
use crate::queue::QueueError;
use crate::queue::bounded::{AnswerBounds, TOO_MANY};
use crate::queue::redis::failed;
use crate::submit::RecordTurn;

/// Of documents that come together no more is read at once than of one, with what is around it.
pub(super) fn read_at_once(largest: usize) -> AnswerBounds {
    AnswerBounds {
        text: largest,
        answer: largest + (64 << 10),
    }
}

/// Bytes of documents that come together beside which others are dealt with.
const BESIDE: usize = 1 << 20;
/// Deliveries after which an entry is dealt with by itself, and those after which it is refused.
const SUSPECT: u64 = 3;
const MOST_DELIVERIES: u64 = 10;

/// Entries that came with others and are yet to be read, in their order.
#[derive(Debug, Default)]
pub(super) struct BehindOthers(Mutex<VecDeque<String>>);

impl BehindOthers {
    /// They come again by themselves.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl Entry {
    /// Bytes of its document, or the most that are read of one.
    pub(super) fn size(&self, largest: usize) -> usize {
        let read = self.job.as_ref().map_or(0, Vec::len);
        self.cut
            .map_or(read, |size| usize::try_from(size).unwrap_or(usize::MAX).min(largest))
    }

    /// Whether more of it would have been read, had it come alone.
    fn is_behind(&self, largest: usize) -> bool {
        self.cut.is_some_and(|size| size <= largest as u64)
    }
}

/// Whether these entries are so large together that no others are dealt with beside them.
pub(super) fn are_large(entries: &[Entry]) -> bool {
    entries.iter().map(|entry| entry.size(BESIDE)).sum::<usize>() >= BESIDE
}

/// Why an entry is refused that is larger than may be read.
pub(super) fn too_large(entry: &Entry, largest: usize) -> Option<RefusedEntry> {
    let size = entry.cut.filter(|size| *size > largest as u64)?;
    let (value, expected) = match size {
        TOO_MANY => (
            String::new(),
            "an entry has one field, `job`, and this one has more than can be read".to_owned(),
        ),
        size => (
            format!("{size} bytes"),
            format!(
                "a document of at most {largest} bytes (`inbox.document_bytes`); hand larger ones in as files, or in parts"
            ),
        ),
    };
    let reason = Reason::new(FIELD, code::TOO_LARGE, &value, expected);
    Some((Refusal::Invalid(vec![reason]), DocumentSender::default()))
}

impl<D: Door> Inbox<D> {
    /// Entries of an answer up to the first one of which too little was read; that one and those after it are noted.
    pub(super) fn as_far_as_read(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if let Some(first) = entries.iter().position(|entry| entry.is_behind(self.largest)) {
            let ids = entries.drain(first..).map(|entry| entry.id);
            lock(&self.behind.0).extend(ids);
        }
        entries
    }

    /// The next of the entries that are yet to be read.
    pub(super) async fn next_behind(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Entry>, QueueError> {
        loop {
            let Some(id) = lock(&self.behind.0).pop_front() else {
                return Ok(None);
            };
            let answer: redis::Value = redis::cmd("XRANGE")
                .arg(&[&self.stream, &id, &id])
                .query_async(connection)
                .await
                .map_err(failed)?;
            // One that another worker has dealt with is gone.
            if let Some(entry) = entries::of_range(answer) {
                return Ok(Some(entry));
            }
        }
    }

    /// Deals with entries that are pending, those that may have ended a worker one by one. Whether all are recorded that can be.
    pub(super) async fn deal_with_left(
        &self,
        left: Vec<Entry>,
        connection: &mut MultiplexedConnection,
        stop: &CancellationToken,
    ) -> Result<bool, QueueError> {
        let deliveries = self.deliveries(&left, connection).await?;
        let times = |entry: &Entry| deliveries.get(&entry.id).copied().unwrap_or(1);
        if left.iter().all(|entry| times(entry) < SUSPECT) {
            return Ok(self.deal_again(left, stop).await);
        }
        let suspects = left.iter().filter(|entry| times(entry) >= SUSPECT);
        let suspects: Vec<&str> = suspects.map(|entry| entry.id.as_str()).collect();
        self.count_as(SUSPECT - 1, &suspects, connection).await?;
        for entry in left {
            if stop.is_cancelled() {
                return Ok(false);
            }
            let (id, times) = (entry.id.clone(), times(&entry));
            if times > MOST_DELIVERIES {
                self.seal(vec![(entry, Err(reader_ended()))]).await;
                continue;
            }
            self.count_as(times, &[&id], connection).await?;
            let is_done = self.deal_again(vec![entry], stop).await;
            self.count_as(1, &[&id], connection).await?;
            if !is_done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn deal_again(&self, entries: Vec<Entry>, stop: &CancellationToken) -> bool {
        let (end, _) = RecordTurn::after();
        self.deal_with_all(entries, true, (RecordTurn::NOW, end), stop).await
    }

    /// How often each of these entries was delivered.
    async fn deliveries(
        &self,
        entries: &[Entry],
        connection: &mut MultiplexedConnection,
    ) -> Result<HashMap<String, u64>, QueueError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(HashMap::new());
        };
        let pending: Vec<(String, redis::Value, redis::Value, u64)> = redis::cmd("XPENDING")
            .arg(&[&self.stream, GROUP, &first.id, &last.id])
            .arg(super::MOST)
            .arg(&self.consumer)
            .query_async(connection)
            .await
            .map_err(failed)?;
        Ok(pending.into_iter().map(|(id, _, _, times)| (id, times)).collect())
    }

    /// Has Redis count so many deliveries of entries, of those that are still pending.
    async fn count_as(
        &self,
        times: u64,
        ids: &[&str],
        connection: &mut MultiplexedConnection,
    ) -> Result<(), QueueError> {
        redis::cmd("XCLAIM")
            .arg(&[&self.stream, GROUP, &self.consumer, "0"])
            .arg(ids)
            .arg("RETRYCOUNT")
            .arg(times)
            .arg("JUSTID")
            .query_async::<()>(connection)
            .await
            .map_err(failed)
    }
}

fn reader_ended() -> RefusedEntry {
    let expected = format!(
        "workers ended while they dealt with it, {MOST_DELIVERIES} times in a row; it is not tried again, and comes in again once it is \
         sent again"
    );
    let reason = Reason::new(FIELD, code::READER_ENDED, "", expected);
    (Refusal::Invalid(vec![reason]), DocumentSender::default())
}
