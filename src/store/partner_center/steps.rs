//! Has a step of a row done exactly once: the intent first, then the call, then what it came to.
//!
//! As long as a step's outcome is unknown (no answer came, the service broke off, or the worker died), the store is
//! asked whether the step has taken effect before anything is sent again, and then it is sent under the same request id.
//! Any answer settles it, so what follows an answer is a new generation with a request id of its own.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::Halt;
use super::auth::AuthError;
use super::client::{Answer, Call, CallError, Client};
use super::failure::{Class, Failure};
use crate::ledger::intents::{Intent, Intents, request_id};
use crate::ledger::{Claim, Ledger};

/// A step is sent this often before the row is left for later.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The intents of a chunk's rows.
pub struct Journal {
    ledger: Ledger,
    claim: Claim,
    intents: Mutex<Intents>,
}

impl Journal {
    /// The journal of a chunk, with what earlier attempts intended.
    pub async fn open(ledger: &Ledger, claim: &Claim) -> Result<Self, crate::db::DbError> {
        Ok(Self {
            intents: Mutex::new(ledger.intents(claim).await?),
            ledger: ledger.clone(),
            claim: claim.clone(),
        })
    }

    fn known(&self, row: u64, step: &str) -> Option<Intent> {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.get(&(row, step.to_owned())).cloned()
    }

    /// How often the chunk has been claimed, this time included.
    pub(super) fn attempt(&self) -> i64 {
        self.claim.attempt
    }

    /// Whether an attempt at this row got as far as this step.
    pub(super) fn has_begun_step(&self, row: u64, step: &str) -> bool {
        self.known(row, step).is_some()
    }

    /// The id this step was sent under last.
    pub(super) fn sent_as(&self, row: u64, step: &str) -> Option<Uuid> {
        let intent = self.known(row, step)?;
        Some(request_id(self.claim.job_id, row, step, intent.generation))
    }

    /// When the job was made, in milliseconds; nothing of it was sent before.
    pub(super) fn since_millis(&self) -> i64 {
        let made = self.claim.job_id.0.get_timestamp().map(|made| made.to_unix());
        made.map_or(0, |(seconds, nanos)| {
            seconds as i64 * 1000 + i64::from(nanos / 1_000_000)
        })
    }

    /// Whether an attempt at this row got as far as any step.
    pub fn has_begun(&self, row: u64) -> bool {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.keys().any(|(of, _)| *of == row)
    }

    async fn intend(&self, row: u64, step: &str, generation: i64) -> Result<(), Halt> {
        self.ledger.intend(&self.claim, row, step, generation).await?;
        let intent = Intent {
            generation,
            result: None,
        };
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.insert((row, step.to_owned()), intent);
        crate::failpoint::hit("after-intent");
        Ok(())
    }

    async fn settle(&self, row: u64, step: &str, result: &str) -> Result<(), Halt> {
        crate::failpoint::hit("after-answer");
        self.ledger.settle(&self.claim, row, step, result).await?;
        Ok(())
    }
}

/// How a step ended.
pub(super) enum Done {
    /// It has taken effect; what of it was to be remembered.
    Yes(String),
    /// The store refuses it, and always will.
    Refused(Failure),
}

/// One step of one row.
pub(super) struct Step<'s> {
    pub(super) client: &'s Client,
    pub(super) journal: &'s Journal,
    pub(super) row: u64,
    pub(super) name: &'s str,
}

impl Step<'_> {
    /// Has the step done. `find` looks whether it has taken effect, `next` says what to send, `keep` what of the answer
    /// is to be remembered (never a secret).
    pub(super) async fn once<F, N>(
        &self,
        find: impl Fn() -> F,
        next: impl Fn() -> N,
        keep: impl Fn(&Answer) -> String,
    ) -> Result<Done, Halt>
    where
        F: Future<Output = Result<Option<String>, Halt>>,
        N: Future<Output = Result<Call, Halt>>,
    {
        let (journal, row) = (self.journal, self.row);
        let before = journal.known(row, self.name);
        if let Some(Intent {
            result: Some(result), ..
        }) = before
        {
            return Ok(Done::Yes(result));
        }
        let mut generation = before.as_ref().map_or(0, |intent| intent.generation);
        let mut is_unknown = before.is_some();
        let mut is_open = is_unknown;
        let mut pause = FIRST_PAUSE;
        let mut why = String::new();
        let mut tries = 0;
        while tries < TRIES {
            if is_unknown && let Some(found) = find().await? {
                journal.settle(row, self.name, &found).await?;
                return Ok(Done::Yes(found));
            }
            let call = next().await?;
            if !is_unknown {
                generation += i64::from(is_open);
                journal.intend(row, self.name, generation).await?;
                is_open = true;
            }
            let id = request_id(journal.claim.job_id, row, self.name, generation);
            let sent = self.client.call(&call, id).await;
            let error = match sent {
                Ok(answer) => {
                    let result = keep(&answer);
                    journal.settle(row, self.name, &result).await?;
                    return Ok(Done::Yes(result));
                }
                Err(error) => error,
            };
            why = error.to_string();
            match error {
                CallError::Answered(failure, _) => match failure.class() {
                    // The pacer waits as long as was asked; it is nobody's fault.
                    Class::Throttled => {
                        is_unknown = false;
                        continue;
                    }
                    Class::Unavailable => is_unknown = true,
                    Class::Busy => is_unknown = false,
                    Class::Stale => {
                        // Somebody changed it, perhaps this very step whose answer was lost.
                        if let Some(found) = find().await? {
                            journal.settle(row, self.name, &found).await?;
                            return Ok(Done::Yes(found));
                        }
                        is_unknown = false;
                    }
                    Class::Unauthorized | Class::Forbidden => return Err(Halt::Unauthorized(failure.to_string())),
                    Class::Refused => return Ok(Done::Refused(failure)),
                },
                CallError::Lost(_) => is_unknown = true,
                // As known as it was before.
                CallError::NotSent(_) | CallError::Auth(AuthError::Unavailable(_)) => {}
                CallError::Auth(AuthError::Refused(what)) => return Err(Halt::Unauthorized(what)),
            }
            tries += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Halt::Unavailable(why))
    }
}
