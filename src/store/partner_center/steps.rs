//! Has a step of a row done exactly once: the intent first, then the call, then what it came to.
//!
//! As long as a step's outcome is unknown (no answer came, the service broke off, or the worker died), the store is
//! asked whether the step has taken effect before anything is sent again, and then it is sent under the same request id.
//! Any answer settles it, so what follows an answer is a new generation with a request id of its own.

use std::future::Future;
use std::time::Duration;

use super::Halt;
use super::auth::AuthError;
use super::client::{Answer, Call, CallError, Client};
use super::failure::{Class, Failure};
use super::image::Image;
use crate::backoff::Backoff;
use crate::ledger::intents::Intent;
use crate::store::remote::Steps;

/// A step is sent this often before the row is left for later.
const TRIES: u32 = 6;
/// And this often when something else has to end first: that takes minutes, so the row waits and the others go on.
const BUSY_TRIES: u32 = 3;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(10));

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
    pub(super) steps: Steps<'s>,
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
        let steps = self.steps;
        let before = steps.known(self.name);
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
            None => Image::of_step(steps, self.name)?,
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
                    steps.adopt(self.name, theirs).await?;
                }
                steps.settle(self.name, &found).await?;
                return Ok(Ok(found));
            }
            let Some(Sending { call, image }) = next().await? else {
                let (failure, is_for_now) = (Failure::gone(), false);
                return Ok(Err(Stopped { failure, is_for_now }));
            };
            // What is sent is what is found now; that may be something else than when it was sent before.
            if is_answered || intended.as_ref() != Some(&image) {
                generation += i64::from(is_answered);
                steps.intend(self.name, generation, image.encode()?).await?;
                (is_answered, inherited, intended) = (false, None, Some(image.clone()));
            }
            let id = steps.request_id(self.name, generation);
            let error = match self.client.call(&call, id).await {
                Ok(answer) => {
                    // A success without a body has been seen where one was promised.
                    let result = match keep(&answer) {
                        Some(result) => Some(result),
                        None => find().await?,
                    };
                    if let Some(result) = result {
                        steps.settle(self.name, &result).await?;
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
                            steps.intend(self.name, generation + 1, image.encode()?).await?;
                            let is_for_now = true;
                            return Ok(Err(Stopped { failure, is_for_now }));
                        }
                    }
                    Class::Stale => {
                        // Somebody changed it, perhaps this very step whose answer was lost.
                        if let Some(found) = find().await? {
                            steps.settle(self.name, &found).await?;
                            return Ok(Ok(found));
                        }
                        (is_unknown, is_answered) = (false, true);
                        if tries + 1 == TRIES {
                            let is_for_now = false;
                            return Ok(Err(Stopped { failure, is_for_now }));
                        }
                    }
                    Class::Unauthorized | Class::Forbidden => {
                        steps.intend(self.name, generation + 1, image.encode()?).await?;
                        return Err(Halt::Unauthorized(failure.to_string()));
                    }
                    Class::Refused => {
                        // It may be refused because it is so already: an earlier call may have come through meanwhile.
                        if is_unknown && let Some(found) = find().await? {
                            steps.settle(self.name, &found).await?;
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
