//! What becomes of an entry that was dealt with: it is taken off, or moved to those that are refused, or it stays.

use super::entries::Entry;
use super::{FIELD, GROUP, Inbox};
use crate::intake::redact::without_secrets;
use crate::intake::{Accepted, Door, Reason};
use crate::notify::{KEPT, tell};
use crate::queue::QueueError;
use crate::queue::redis::failed;

impl<D: Door> Inbox<D> {
    pub(super) async fn accept(
        &self,
        entry: &Entry,
        accepted: &Accepted,
        reply_to: Option<&str>,
    ) -> Result<(), QueueError> {
        if let (Some(reply_to), Some(summary)) = (reply_to, &accepted.awaiting_approval) {
            match tell(&self.queue, reply_to, summary).await {
                Err(error @ QueueError::Unavailable(_)) => return Err(error),
                Err(error) => self.is_untold(reply_to, &error),
                Ok(()) => self.is_told(),
            }
        }
        self.take_off(entry).await
    }

    pub(super) async fn reject(
        &self,
        entry: &Entry,
        reasons: &[Reason],
        reply_to: Option<&str>,
    ) -> Result<(), QueueError> {
        let listed = serde_json::to_string(reasons).map_err(|error| QueueError::Refused(error.to_string()))?;
        if let Some(reply_to) = reply_to {
            let outcome = serde_json::json!({ "entry": entry.id, "state": "rejected", "reasons": reasons });
            match tell(&self.queue, reply_to, &outcome.to_string()).await {
                Err(error @ QueueError::Refused(_)) => self.is_untold(reply_to, &error),
                told => told.inspect(|()| self.is_told())?,
            }
        }
        let mut connection = self.queue.connection().await?;
        let mut pipe = redis::pipe();
        pipe.atomic()
            .cmd("XADD")
            .arg(&self.rejected)
            .arg(&["MAXLEN", "~"])
            .arg(KEPT)
            .arg(&["*", "entry", &entry.id, "reasons", &listed, FIELD])
            .arg(without_secrets(entry.job.as_deref().unwrap_or_default()))
            .ignore()
            .cmd("XDEL")
            .arg(&[&self.stream, &entry.id])
            .ignore()
            .cmd("XACK")
            .arg(&[&self.stream, GROUP, &entry.id])
            .ignore();
        pipe.query_async::<()>(&mut connection).await.map_err(failed)?;
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

    /// Takes an entry off the stream. A Redis that is full lets nobody do that in a transaction, but one after the other:
    /// first deleted, so that what is left in between is pending and gone, and not counted without ever being read.
    async fn take_off(&self, entry: &Entry) -> Result<(), QueueError> {
        let mut connection = self.queue.connection().await?;
        redis::cmd("XDEL")
            .arg(&[&self.stream, &entry.id])
            .query_async::<()>(&mut connection)
            .await
            .map_err(failed)?;
        let acknowledged = redis::cmd("XACK")
            .arg(&[&self.stream, GROUP, &entry.id])
            .query_async::<()>(&mut connection)
            .await;
        if let Err(error) = acknowledged {
            tracing::debug!(%error, "entry {} was taken off and could not be acknowledged", entry.id);
        }
        Ok(())
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
    pub(super) fn stays(&self, entry: &Entry, error: &QueueError) {
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
