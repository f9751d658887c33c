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
use super::image::Image;
use crate::backoff::Backoff;
use crate::ledger::intents::{HANDED_OUT, Intent, Intents, request_id};
use crate::ledger::{Claim, Ledger};

/// A step is sent this often before the row is left for later.
const TRIES: u32 = 6;
/// And this often when something else has to end first: that takes minutes, so the row waits and the others go on.
const BUSY_TRIES: u32 = 3;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(10));

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

    /// What a step of a row found, if the row got that far.
    pub(super) fn image(&self, row: u64, step: &str) -> Result<Option<Image>, Halt> {
        let known = self.known(row, step);
        known
            .filter(|intent| !intent.image.is_empty())
            .map(|intent| Image::decode(&intent.image))
            .transpose()
    }

    /// What a step of a row came to, if it is done.
    pub(super) fn result(&self, row: u64, step: &str) -> Option<String> {
        self.known(row, step)?.result
    }

    /// Whether a row of this job has had such a step come to this.
    pub(super) async fn is_ours(&self, step: &str, result: &str) -> Result<bool, Halt> {
        Ok(self.ledger.has_come_to(&self.claim, step, result).await?)
    }

    /// How many steps of a row whose names begin so are done.
    pub(super) fn count(&self, row: u64, prefix: &str) -> usize {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one =
            |of: &u64, step: &str, intent: &Intent| *of == row && step.starts_with(prefix) && intent.result.is_some();
        intents
            .iter()
            .filter(|((of, step), intent)| is_one(of, step, intent))
            .count()
    }

    /// How many steps of a row left something that stays; a transfer that was asked for leaves nothing but its end.
    pub(super) fn left(&self, row: u64) -> Result<usize, Halt> {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = 0;
        for ((of, _), intent) in intents.iter() {
            if *of == row && intent.result.is_some() && !intent.image.is_empty() {
                left += usize::from(!Image::decode(&intent.image)?.is_of_transfer());
            }
        }
        Ok(left)
    }

    /// The steps of a row whose names begin so, and of which it is not known whether they are done, with what they found.
    pub(super) fn unknown(&self, row: u64, prefix: &str) -> Result<Vec<(String, Image)>, Halt> {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one =
            |of: &u64, step: &str, intent: &Intent| *of == row && step.starts_with(prefix) && intent.result.is_none();
        intents
            .iter()
            .filter(|((of, step), intent)| is_one(of, step, intent))
            .map(|((_, step), intent)| Ok((step.clone(), Image::decode(&intent.image)?)))
            .collect()
    }

    /// Notes that a user has been given a password.
    pub(super) async fn note_password(&self, account: &str) -> Result<(), Halt> {
        Ok(self.ledger.note_password(&self.claim, account).await?)
    }

    /// Whether the passwords of the job's accounts are handed out.
    pub(super) fn hands_out(&self) -> bool {
        !self.claim.parameters.seal_to.is_empty()
    }

    /// What this attempt at the chunk is called, among those of all jobs.
    pub(super) fn attempt(&self) -> String {
        format!("{}.{}", self.claim.job, self.claim.attempt)
    }

    /// Whether a row that has not ended well has had its password handed out.
    pub(super) fn has_handed_out(&self, row: u64) -> bool {
        self.has_begun_step(row, HANDED_OUT)
    }

    /// Whether an attempt at this row got as far as this step.
    pub(super) fn has_begun_step(&self, row: u64, step: &str) -> bool {
        self.known(row, step).is_some()
    }

    /// Whether an attempt at this row got as far as this step, or one of those that it consists of.
    pub(super) fn has_begun_part(&self, row: u64, step: &str) -> bool {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        let is_part = |name: &str| {
            name.strip_prefix(step)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        intents.keys().any(|(of, name)| *of == row && is_part(name))
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

    async fn intend(&self, row: u64, step: &str, generation: i64, image: &Image) -> Result<(), Halt> {
        let place = {
            let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
            intents.keys().filter(|(of, _)| *of == row).count()
        };
        let intent = Intent {
            generation,
            result: None,
            image: image.encode()?,
            place: place as i64,
            is_inherited: false,
        };
        self.begin(row, step, intent).await?;
        crate::failpoint::hit("after-intent");
        Ok(())
    }

    /// Makes a step of the job that this one tries again one of this job.
    async fn adopt(&self, row: u64, step: &str, theirs: Intent) -> Result<(), Halt> {
        let is_inherited = false;
        self.begin(row, step, Intent { is_inherited, ..theirs }).await
    }

    async fn begin(&self, row: u64, step: &str, intent: Intent) -> Result<(), Halt> {
        self.ledger.intend(&self.claim, row, step, &intent).await?;
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.insert((row, step.to_owned()), intent);
        Ok(())
    }

    async fn settle(&self, row: u64, step: &str, result: &str) -> Result<(), Halt> {
        crate::failpoint::hit("after-answer");
        self.ledger.settle(&self.claim, row, step, result).await?;
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(intent) = intents.get_mut(&(row, step.to_owned())) {
            intent.result = Some(result.to_owned());
        }
        Ok(())
    }
}

/// What a step sends, and what that changes.
pub(super) struct Sending {
    pub(super) call: Call,
    pub(super) image: Image,
}

/// Why a step has not taken effect.
pub(super) struct Stopped {
    pub(super) failure: Failure,
    /// Something else has to end first, after which it may go.
    pub(super) is_for_now: bool,
}

/// What a step came to: what of it was to be remembered, or why not.
pub(super) type Done = Result<String, Stopped>;

/// One step of one row.
#[derive(Clone, Copy)]
pub(super) struct Step<'s> {
    pub(super) client: &'s Client,
    pub(super) journal: &'s Journal,
    pub(super) row: u64,
    pub(super) name: &'s str,
    /// Whether the store itself takes such a thing but once, so that it may be sent again before anybody looks. Meant for
    /// what is dear to look for.
    pub(super) is_unique: bool,
}

impl Step<'_> {
    pub(super) fn unique(self) -> Self {
        Self {
            is_unique: true,
            ..self
        }
    }

    /// Has the step done. `find` looks whether it has taken effect, `next` says what to send (nothing if what it is
    /// about is gone), `keep` what of the answer is to be remembered (never a secret); `None` where the answer does not say.
    pub(super) async fn once<F, N>(
        &self,
        find: impl Fn() -> F,
        next: impl Fn() -> N,
        keep: impl Fn(&Answer) -> Option<String>,
    ) -> Result<Done, Halt>
    where
        F: Future<Output = Result<Option<String>, Halt>>,
        N: Future<Output = Result<Option<Sending>, Halt>>,
    {
        let (journal, row) = (self.journal, self.row);
        let before = journal.known(row, self.name);
        if let Some(Intent {
            result: Some(result), ..
        }) = before
        {
            return Ok(Ok(result));
        }
        let mut generation = before.as_ref().map_or(0, |intent| intent.generation);
        let mut is_unknown = before.is_some();
        // Whether the id of this generation has been answered.
        let mut is_answered = false;
        // What another job was about to have done is no intent of this one, but what it found is what an undo brings back.
        let mut inherited = before.filter(|intent| intent.is_inherited);
        let mut intended = match inherited {
            Some(_) => None,
            None => journal.image(row, self.name)?,
        };
        let mut why = String::new();
        let mut tries = 0;
        while tries < TRIES {
            // What another attempt sent may have been something else.
            let is_sent_again = self.is_unique && is_unknown && tries > 0;
            if is_unknown
                && !is_sent_again
                && let Some(found) = find().await?
            {
                if let Some(theirs) = inherited {
                    journal.adopt(row, self.name, theirs).await?;
                }
                journal.settle(row, self.name, &found).await?;
                return Ok(Ok(found));
            }
            let Some(Sending { call, image }) = next().await? else {
                let (failure, is_for_now) = (Failure::gone(), false);
                return Ok(Err(Stopped { failure, is_for_now }));
            };
            // What is sent is what is found now; that may be something else than when it was sent before.
            if is_answered || intended.as_ref() != Some(&image) {
                generation += i64::from(is_answered);
                journal.intend(row, self.name, generation, &image).await?;
                (is_answered, inherited, intended) = (false, None, Some(image.clone()));
            }
            let id = request_id(journal.claim.job_id, row, self.name, generation);
            let error = match self.client.call(&call, id).await {
                Ok(answer) => {
                    // A success without a body has been seen where one was promised.
                    let result = match keep(&answer) {
                        Some(result) => Some(result),
                        None => find().await?,
                    };
                    if let Some(result) = result {
                        journal.settle(row, self.name, &result).await?;
                        return Ok(Ok(result));
                    }
                    CallError::Lost("it does not say what was made, and that is not to be found yet".to_owned())
                }
                Err(error) => error,
            };
            why = error.to_string();
            match error {
                CallError::Answered(failure, _) => match failure.class() {
                    // The pacer waits as long as was asked; it is nobody's fault. What became of an earlier call is as unknown
                    // as it was.
                    Class::Throttled => {
                        is_answered = !is_unknown;
                        continue;
                    }
                    Class::Unavailable => is_unknown = true,
                    Class::Busy => {
                        is_answered = true;
                        if tries + 1 >= BUSY_TRIES {
                            // Under the same id the next look would be told the same.
                            journal.intend(row, self.name, generation + 1, &image).await?;
                            let is_for_now = true;
                            return Ok(Err(Stopped { failure, is_for_now }));
                        }
                    }
                    Class::Stale => {
                        // Somebody changed it, perhaps this very step whose answer was lost.
                        if let Some(found) = find().await? {
                            journal.settle(row, self.name, &found).await?;
                            return Ok(Ok(found));
                        }
                        (is_unknown, is_answered) = (false, true);
                        if tries + 1 == TRIES {
                            let is_for_now = false;
                            return Ok(Err(Stopped { failure, is_for_now }));
                        }
                    }
                    Class::Unauthorized | Class::Forbidden => {
                        journal.intend(row, self.name, generation + 1, &image).await?;
                        return Err(Halt::Unauthorized(failure.to_string()));
                    }
                    Class::Refused => {
                        // It may be refused because it is so already: an earlier call may have come through meanwhile.
                        if is_unknown && let Some(found) = find().await? {
                            journal.settle(row, self.name, &found).await?;
                            return Ok(Ok(found));
                        }
                        let is_for_now = false;
                        return Ok(Err(Stopped { failure, is_for_now }));
                    }
                },
                CallError::Lost(_) => is_unknown = true,
                // As known as it was before.
                CallError::NotSent(_) | CallError::Auth(AuthError::Unavailable(_)) => {}
                CallError::Auth(AuthError::Refused(what)) => return Err(Halt::Unauthorized(what)),
            }
            tries += 1;
            tokio::time::sleep(BACKOFF.after(tries.into())).await;
        }
        Err(Halt::Unavailable(why))
    }
}
