//! Has a step of a row done exactly once: the intent first, then the call, then what it came to.
//!
//! As long as a step's outcome is unknown (no answer came, the service broke off, or the worker died), the service is
//! asked whether the step has taken effect before anything is sent again, and then it is sent under the same request id.
//! Any answer settles it, so what follows an answer is a new generation with a request id of its own.

use std::fmt::{self, Display, Formatter};
use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use super::journal::Steps;
use tenantry_foundation::backoff::Backoff;
use tenantry_foundation::db::DbError;
use tenantry_foundation::passwords::PasswordRow;
use tenantry_ledger::intents::Intent;

/// A step is sent this often before the row is left for later.
const TRIES: u32 = 6;
/// And this often when something else has to end first: that takes minutes, so the row waits and the others go on.
const BUSY_TRIES: u32 = 3;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(10));

/// Sends the calls of steps.
pub trait Sender {
    /// A call.
    type Call;
    /// What a call that succeeded is answered.
    type Answer;
    /// What a call that did not is answered.
    type Failure: Display;
    /// Why a row cannot go on.
    type Error: From<DbError>;

    /// Sends a call once, under this request id. What may take time comes before [`Steps::hold`], and nothing after it but the call.
    fn send(
        &self,
        call: &Self::Call,
        request_id: Uuid,
        steps: Steps<'_>,
    ) -> impl Future<Output = Result<Self::Answer, CallFailure<Self::Failure>>> + Send;

    /// What a step is about is gone, so that there is nothing to send.
    fn gone(&self) -> Self::Failure;

    /// The service denied access.
    fn unauthorized(&self, why: String) -> Self::Error;

    /// The service is out of order, or cannot be reached.
    fn unavailable(&self, why: String) -> Self::Error;
}

/// Why a call did not succeed.
#[derive(Debug)]
pub enum CallFailure<F> {
    /// It was answered.
    Answered(AnswerClass, F),
    /// It was sent, and no answer came: it may or may not have taken effect.
    Lost(String),
    /// It was not sent.
    NotSent(String),
    /// It was not sent, and will not be before somebody changes something.
    Unauthorized(String),
    /// It was not sent, since the lease is not held any more or the ledger is away.
    Ledger(DbError),
}

impl<F: Display> Display for CallFailure<F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(_, failure) => failure.fmt(f),
            Self::Lost(why) => write!(f, "no answer: {why}"),
            Self::NotSent(why) | Self::Unauthorized(why) => f.write_str(why),
            Self::Ledger(error) => error.fmt(f),
        }
    }
}

/// What an answer means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerClass {
    /// It came too often. The sender has waited, or waits before the next call.
    Throttled,
    /// The service is out of order; the call may have taken effect.
    Unavailable,
    /// Something else has to end first.
    Busy,
    /// What it is about has changed since it was read.
    Stale,
    /// Nobody lets us.
    Unauthorized,
    /// It is refused, and would be again.
    Refused,
}

/// What a step sends, and what that changes.
#[derive(Debug)]
pub struct Sending<C> {
    /// The call.
    pub call: C,
    /// What it finds and what it leaves, as the store writes it down.
    pub image: String,
}

/// Why a step has not taken effect.
#[derive(Debug)]
pub struct Stopped<F> {
    /// What the service said.
    pub failure: F,
    /// Something else has to end first, after which it may go.
    pub is_for_now: bool,
}

/// What a step came to: what of it was to be remembered, or why not.
pub type Done<F> = Result<String, Stopped<F>>;

/// The same, with what the answer tells besides.
pub type Told<F> = Result<Kept, Stopped<F>>;

/// What is kept of an answer.
#[derive(Debug)]
pub struct Kept {
    /// What the step came to; never a secret.
    pub result: String,
    /// A password that nobody is told again. It is kept sealed, together with the result.
    pub password: Option<PasswordRow>,
}

impl From<String> for Kept {
    fn from(result: String) -> Self {
        Self { result, password: None }
    }
}

/// One step of one row.
pub struct Step<'s, S> {
    /// What sends it.
    pub sender: &'s S,
    /// The row's steps.
    pub steps: Steps<'s>,
    /// Its name among them.
    pub name: &'s str,
    /// Whether the service itself takes such a thing but once, so that it may be sent again before anybody looks. Meant for
    /// what is dear to look for.
    pub is_unique: bool,
    /// Whether the answer tells something that is told once. Then the outcome of an earlier call is learnt by sending it
    /// again, under the same request id, before anybody looks: the answer to that is the same.
    pub is_told_once: bool,
}

impl<S> Clone for Step<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Step<'_, S> {}

impl<S: Sender> Step<'_, S> {
    /// Has the step done; see [`once_keeping`](Self::once_keeping).
    pub async fn once<F, N>(
        &self,
        find: impl Fn() -> F,
        next: impl Fn() -> N,
        keep: impl Fn(&S::Answer) -> Option<String>,
    ) -> Result<Done<S::Failure>, S::Error>
    where
        F: Future<Output = Result<Option<String>, S::Error>>,
        N: Future<Output = Result<Option<Sending<S::Call>>, S::Error>>,
    {
        let keep = |answer: &S::Answer| keep(answer).map(Kept::from);
        Ok(self.once_keeping(find, next, keep).await?.map(|kept| kept.result))
    }

    /// Has the step done. `find` looks whether it has taken effect, `next` says what to send (nothing if what it is
    /// about is gone), `keep` what of the answer is to be remembered (never a secret); `None` where the answer does not say.
    pub async fn once_keeping<F, N>(
        &self,
        find: impl Fn() -> F,
        next: impl Fn() -> N,
        keep: impl Fn(&S::Answer) -> Option<Kept>,
    ) -> Result<Told<S::Failure>, S::Error>
    where
        F: Future<Output = Result<Option<String>, S::Error>>,
        N: Future<Output = Result<Option<Sending<S::Call>>, S::Error>>,
    {
        let steps = self.steps;
        let before = steps.known(self.name);
        if let Some(Intent {
            result: Some(result), ..
        }) = before
        {
            return Ok(Ok(result.into()));
        }
        let mut generation = before.as_ref().map_or(0, |intent| intent.generation);
        let mut is_unknown = before.is_some();
        // Whether the id of this generation has been answered.
        let mut is_answered = false;
        // What another job was about to have done is no intent of this one, but what it found is what an undo brings back.
        let (mut inherited, own) = match before {
            Some(theirs) if theirs.is_inherited => (Some(theirs), None),
            own => (None, own),
        };
        let mut intended = own.map(|intent| intent.image);
        let mut why = String::new();
        let mut tries = 0;
        while tries < TRIES {
            // What another attempt sent may have been something else.
            let is_told_again = self.is_told_once && inherited.is_none();
            let is_sent_again = is_unknown && (is_told_again || self.is_unique && tries > 0);
            if is_unknown
                && !is_sent_again
                && let Some(found) = find().await?
            {
                if let Some(theirs) = inherited {
                    steps.adopt(self.name, theirs).await?;
                }
                steps.settle(self.name, &found, None).await?;
                return Ok(Ok(found.into()));
            }
            let Some(Sending { call, image }) = next().await? else {
                let (failure, is_for_now) = (self.sender.gone(), false);
                return Ok(Err(Stopped { failure, is_for_now }));
            };
            // What is sent is what is found now; that may be something else than when it was sent before.
            if is_answered || intended.as_ref() != Some(&image) {
                generation += i64::from(is_answered);
                steps.intend(self.name, generation, image.clone()).await?;
                (is_answered, inherited, intended) = (false, None, Some(image.clone()));
            }
            let id = steps.request_id(self.name, generation);
            let error = match self.sender.send(&call, id, steps).await {
                Ok(answer) => {
                    // A success without a body has been seen where one was promised.
                    let kept = match keep(&answer) {
                        Some(kept) => Some(kept),
                        None => find().await?.map(Kept::from),
                    };
                    if let Some(kept) = kept {
                        let password = kept.password.as_ref().filter(|_| steps.hands_out());
                        steps.settle(self.name, &kept.result, password).await?;
                        return Ok(Ok(kept));
                    }
                    CallFailure::Lost("it does not say what was made, and that is not to be found yet".to_owned())
                }
                Err(error) => error,
            };
            why = error.to_string();
            match error {
                CallFailure::Answered(class, failure) => match class {
                    // The pacer waits as long as was asked; it is nobody's fault. The outcome of an earlier call is as unknown
                    // as it was.
                    AnswerClass::Throttled => {
                        is_answered = !is_unknown;
                        continue;
                    }
                    AnswerClass::Unavailable => is_unknown = true,
                    AnswerClass::Busy => {
                        is_answered = true;
                        if tries + 1 >= BUSY_TRIES {
                            // Under the same id the next look would be told the same.
                            steps.intend(self.name, generation + 1, image.clone()).await?;
                            let is_for_now = true;
                            return Ok(Err(Stopped { failure, is_for_now }));
                        }
                    }
                    AnswerClass::Stale => {
                        // Somebody changed it, perhaps this very step whose answer was lost.
                        if let Some(found) = find().await? {
                            steps.settle(self.name, &found, None).await?;
                            return Ok(Ok(found.into()));
                        }
                        (is_unknown, is_answered) = (false, true);
                        if tries + 1 == TRIES {
                            let is_for_now = false;
                            return Ok(Err(Stopped { failure, is_for_now }));
                        }
                    }
                    AnswerClass::Unauthorized => {
                        steps.intend(self.name, generation + 1, image.clone()).await?;
                        return Err(self.sender.unauthorized(failure.to_string()));
                    }
                    AnswerClass::Refused => {
                        // It may be refused because it is so already: an earlier call may have come through meanwhile.
                        if is_unknown && let Some(found) = find().await? {
                            steps.settle(self.name, &found, None).await?;
                            return Ok(Ok(found.into()));
                        }
                        let is_for_now = false;
                        return Ok(Err(Stopped { failure, is_for_now }));
                    }
                },
                CallFailure::Lost(_) => is_unknown = true,
                // As known as it was before.
                CallFailure::NotSent(_) => {}
                CallFailure::Unauthorized(why) => return Err(self.sender.unauthorized(why)),
                CallFailure::Ledger(error) => return Err(error.into()),
            }
            tries += 1;
            tokio::time::sleep(BACKOFF.after(tries.into())).await;
        }
        Err(self.sender.unavailable(why))
    }
}
