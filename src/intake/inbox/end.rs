//! The end of an entry: it is taken off, or moved to those that are refused, or it stays.

use futures::StreamExt;

use super::entries::Entry;
use super::{AT_ONCE, EntryEnd, FIELD, GROUP, Inbox};
use crate::intake::document::DocumentSender;
use crate::intake::redact::without_secrets;
use crate::intake::{Accepted, Door, Reason, Refusal};
use crate::notify::{KEPT, tell};
use crate::queue::QueueError;
use crate::queue::redis::failed;

/// Bytes kept of each refused document.
const KEPT_BYTES: usize = 16 << 10;
/// Bytes of a document that is not kept beside its rows.
const LARGE: usize = 4 * KEPT_BYTES;

impl<D: Door> Inbox<D> {
    /// Seals the outcome of entries. Those whose end is not known yet stay pending.
    pub(super) async fn seal(&self, ends: Vec<(Entry, EntryEnd)>) {
        let (mut accepted, mut rejected) = (Vec::with_capacity(ends.len()), Vec::new());
        for (entry, end) in ends {
            if !matches!(end, Err((Refusal::Unavailable(_) | Refusal::Failed(_), _)))
                && let Some(met) = self.unavailable.over()
            {
                tracing::info!("entries can be taken in again, after {met} attempts");
            }
            match end {
                Ok((job, sender)) => {
                    tracing::info!(job.id = %job.job, entry.id, "job {} came in as entry {}", job.job, entry.id);
                    match self.tell_of_waiting(&job, sender.reply_to.as_deref()).await {
                        Ok(()) => accepted.push(entry),
                        Err(error) => self.stays(&entry, &error),
                    }
                }
                Err((Refusal::Invalid(reasons), sender)) => rejected.push((entry, reasons, sender)),
                Err((Refusal::Unavailable(why) | Refusal::Failed(why), _)) => self.is_unavailable(&entry, &why),
            }
        }
        if !accepted.is_empty() {
            let taken_off = self.take_off(&accepted).await;
            self.is_sealed(&accepted, taken_off);
        }
        futures::stream::iter(rejected)
            .for_each_concurrent(AT_ONCE, async |(entry, reasons, sender)| {
                self.door.refused(&reasons);
                match self.reject(&entry, &reasons, &sender).await {
                    Err(error @ QueueError::Refused(_)) => self.is_not_kept(&entry, &error),
                    rejected => self.is_sealed(std::slice::from_ref(&entry), rejected),
                }
            })
            .await;
    }

    fn is_sealed(&self, entries: &[Entry], sealed: Result<(), QueueError>) {
        match sealed {
            Ok(()) => {
                if self.stuck.over().is_some() {
                    tracing::info!("entries can be taken off {} again", self.stream);
                }
            }
            Err(error) => entries.iter().for_each(|entry| self.stays(entry, &error)),
        }
    }

    fn is_unavailable(&self, entry: &Entry, why: &str) {
        let id = &entry.id;
        if self.unavailable.met() {
            tracing::warn!(
                entry.id,
                why,
                "entry {id} cannot be taken in now; it is tried again, as are others"
            );
        } else {
            tracing::debug!(entry.id, why, "entry {id} cannot be taken in now");
        }
    }

    /// Tells a sender that its job waits for approval, if it does.
    async fn tell_of_waiting(&self, accepted: &Accepted, reply_to: Option<&str>) -> Result<(), QueueError> {
        if let (Some(reply_to), Some(summary)) = (reply_to, &accepted.awaiting_approval) {
            match tell(&self.queue, reply_to, summary).await {
                Err(error @ QueueError::Unavailable(_)) => return Err(error),
                Err(error) => self.is_untold(reply_to, &error),
                Ok(()) => self.is_told(),
            }
        }
        Ok(())
    }

    async fn reject(&self, entry: &Entry, reasons: &[Reason], sender: &DocumentSender) -> Result<(), QueueError> {
        let listed = serde_json::to_string(reasons).map_err(|error| QueueError::Refused(error.to_string()))?;
        let mut connection = self.queue.connection().await?;
        // Not in one transaction, of which the rest would be done if this is refused: what is nowhere kept is not taken off. One
        // that is taken up again in between stands there twice.
        redis::cmd("XADD")
            .arg(&self.rejected)
            .arg(&["MAXLEN", "~"])
            .arg(KEPT)
            .arg(&["*", "entry", &entry.id, "reasons", &listed, FIELD])
            .arg(entry.head())
            .query_async::<()>(&mut connection)
            .await
            .map_err(failed)?;
        if let Some(reply_to) = &sender.reply_to {
            let outcome = serde_json::json!({ "entry": entry.id, "idempotency_key": sender.idempotency_key,
                "state": "rejected", "reasons": reasons });
            match tell(&self.queue, reply_to, &outcome.to_string()).await {
                Err(error @ QueueError::Refused(_)) => self.is_untold(reply_to, &error),
                told => told.inspect(|()| self.is_told())?,
            }
        }
        self.take_off(std::slice::from_ref(entry)).await?;
        tracing::warn!(
            entry.id,
            reasons = reasons.len(),
            "entry {} is rejected, see the stream {}",
            entry.id,
            self.rejected
        );
        if self.without_room.over() {
            tracing::info!("Redis has room again for entries that are refused; those that waited are moved");
        }
        Ok(())
    }

    /// Takes entries off the stream. A Redis that is full lets nobody do that in a transaction, but one after the other:
    /// first deleted, so that what is left in between is pending and gone, and not counted without ever being read.
    async fn take_off(&self, entries: &[Entry]) -> Result<(), QueueError> {
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let mut connection = self.queue.connection().await?;
        redis::cmd("XDEL")
            .arg(&self.stream)
            .arg(&ids)
            .query_async::<()>(&mut connection)
            .await
            .map_err(failed)?;
        let acknowledged = redis::cmd("XACK")
            .arg(&[&self.stream, GROUP])
            .arg(&ids)
            .query_async::<()>(&mut connection)
            .await;
        if let Err(error) = acknowledged {
            tracing::debug!(%error, "{} entries were taken off and could not be acknowledged", ids.len());
        }
        Ok(())
    }

    /// An entry that is refused and that Redis does not let be kept waits as if there was no room.
    fn is_not_kept(&self, entry: &Entry, error: &QueueError) {
        let id = &entry.id;
        if self.without_room.put_off(id) {
            tracing::warn!(
                entry.id,
                %error,
                "entry {id} is refused and cannot be moved to {}; it stays pending until that can be written to, as do others that are refused",
                self.rejected
            );
        } else {
            tracing::debug!(entry.id, %error, "entry {id} stays as well");
        }
    }

    /// A reply that Redis refuses keeps no entry; it is told of once for all.
    fn is_untold(&self, reply_to: &str, error: &QueueError) {
        if self.untold.met() {
            tracing::warn!(reply_to, %error, "`{reply_to}` could not be told of a job; others may not be told either");
        } else {
            tracing::debug!(reply_to, %error, "`{reply_to}` could not be told of a job");
        }
    }

    fn is_told(&self) {
        if let Some(met) = self.untold.over() {
            tracing::info!("senders can be told again; {met} times they were not");
        }
    }

    /// Tells that an entry was dealt with and is still there, once for all that stay for the same cause.
    fn stays(&self, entry: &Entry, error: &QueueError) {
        let id = &entry.id;
        let is_first = match error {
            QueueError::Full(_) => self.without_room.put_off(id),
            _ => self.stuck.met(),
        };
        match error {
            _ if !is_first => tracing::debug!(entry.id, %error, "entry {id} stays as well"),
            QueueError::Full(_) => tracing::warn!(
                entry.id,
                %error,
                "entry {id} is refused and cannot be moved to {}; it stays pending until there is room, as do others that are refused",
                self.rejected
            ),
            _ => tracing::warn!(
                entry.id,
                %error,
                "entry {id} was dealt with and could not be taken off; it comes again, as do others"
            ),
        }
    }
}

impl Entry {
    /// What is kept of its document if it is refused; the sender has the whole.
    fn head(&self) -> Vec<u8> {
        if let Some(kept) = &self.kept {
            return kept.clone();
        }
        let (mut head, is_whole) = without_secrets(self.job.as_deref().unwrap_or_default(), KEPT_BYTES);
        if !is_whole {
            head.extend("…".bytes());
        }
        head
    }

    /// Lets go of a large document, which has been read.
    pub(super) fn make_room(&mut self) {
        if self.job.as_ref().is_some_and(|job| job.len() > LARGE) {
            self.kept = Some(self.head());
            self.job = None;
        }
    }
}
