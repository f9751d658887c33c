//! Steps of rows, as Partner Center has them done exactly once (`store::remote::step`).

use std::future::Future;

use uuid::Uuid;

use super::PartnerCenterError;
use super::auth::AuthError;
use super::client::{Answer, Call, CallError, Client};
use super::failure::{self, Failure};
use super::image::Image;
use tenantry_store::remote::Steps;
use tenantry_store::remote::step::{self, AnswerClass, CallFailure, Kept, Sender};

/// What a step sends, and what that changes.
pub(super) struct Sending {
    pub(super) call: Call,
    pub(super) image: Image,
}

/// Why a step has not taken effect.
pub(super) type Stopped = step::Stopped<Failure>;

/// What a step came to: what of it was to be remembered, or why not.
pub(super) type Done = step::Done<Failure>;

/// One step of one row.
#[derive(Clone, Copy)]
pub(super) struct Step<'s>(step::Step<'s, Client>);

impl<'s> Step<'s> {
    pub(super) fn new(client: &'s Client, steps: Steps<'s>, name: &'s str) -> Self {
        Self(step::Step {
            sender: client,
            steps,
            name,
            is_unique: false,
            is_told_once: false,
        })
    }

    /// Of something that Partner Center itself takes but once.
    pub(super) fn unique(self) -> Self {
        Self(step::Step {
            is_unique: true,
            ..self.0
        })
    }

    /// Whose answer tells something that is told once.
    pub(super) fn told_once(self) -> Self {
        Self(step::Step {
            is_told_once: true,
            ..self.0
        })
    }

    /// Has the step done; see [`step::Step::once`].
    pub(super) async fn once<F, N>(
        &self,
        find: impl Fn() -> F,
        next: impl Fn() -> N,
        keep: impl Fn(&Answer) -> Option<String>,
    ) -> Result<Done, PartnerCenterError>
    where
        F: Future<Output = Result<Option<String>, PartnerCenterError>>,
        N: Future<Output = Result<Option<Sending>, PartnerCenterError>>,
    {
        self.0.once(find, || encoded(next()), keep).await
    }

    /// Has a step done that sends the same whatever there is, and of whose answer nothing is remembered. `find` looks
    /// whether it has taken effect.
    pub(super) async fn fixed<F>(
        &self,
        call: Call,
        image: Image,
        find: impl Fn() -> F,
    ) -> Result<Done, PartnerCenterError>
    where
        F: Future<Output = Result<bool, PartnerCenterError>>,
    {
        let find = || async { Ok(find().await?.then(String::new)) };
        let next = || async {
            let (call, image) = (call.clone(), image.clone());
            Ok(Some(Sending { call, image }))
        };
        self.once(find, next, |_| Some(String::new())).await
    }

    /// As [`once`](Self::once), with what the answer tells besides; see [`step::Step::once_keeping`].
    pub(super) async fn once_keeping<F, N>(
        &self,
        find: impl Fn() -> F,
        next: impl Fn() -> N,
        keep: impl Fn(&Answer) -> Option<Kept>,
    ) -> Result<step::Told<Failure>, PartnerCenterError>
    where
        F: Future<Output = Result<Option<String>, PartnerCenterError>>,
        N: Future<Output = Result<Option<Sending>, PartnerCenterError>>,
    {
        self.0.once_keeping(find, || encoded(next()), keep).await
    }
}

async fn encoded(
    next: impl Future<Output = Result<Option<Sending>, PartnerCenterError>>,
) -> Result<Option<step::Sending<Call>>, PartnerCenterError> {
    let Some(Sending { call, image }) = next.await? else {
        return Ok(None);
    };
    let image = image.encode()?;
    Ok(Some(step::Sending { call, image }))
}

impl Sender for Client {
    type Call = Call;
    type Answer = Answer;
    type Failure = Failure;
    type Error = PartnerCenterError;

    async fn send(&self, call: &Call, request_id: Uuid, steps: Steps<'_>) -> Result<Answer, CallFailure<Failure>> {
        self.call_for(call, request_id, Some(steps))
            .await
            .map_err(|error| match error {
                CallError::Answered(failure, _) => CallFailure::Answered(class(&failure), failure),
                CallError::Lost(why) => CallFailure::Lost(why),
                CallError::NotSent(why) | CallError::Auth(AuthError::Unavailable(why)) => CallFailure::NotSent(why),
                CallError::Auth(AuthError::Refused(why)) => CallFailure::Unauthorized(why),
                CallError::Ledger(error) => CallFailure::Ledger(error),
            })
    }

    fn gone(&self) -> Failure {
        Failure::gone()
    }

    fn unauthorized(&self, why: String) -> PartnerCenterError {
        PartnerCenterError::Unauthorized(why)
    }

    fn unavailable(&self, why: String) -> PartnerCenterError {
        PartnerCenterError::Unavailable(why)
    }
}

fn class(failure: &Failure) -> AnswerClass {
    match failure.class() {
        failure::FailureClass::Throttled => AnswerClass::Throttled,
        failure::FailureClass::Unavailable => AnswerClass::Unavailable,
        failure::FailureClass::Busy => AnswerClass::Busy,
        failure::FailureClass::Stale => AnswerClass::Stale,
        failure::FailureClass::Unauthorized | failure::FailureClass::Forbidden => AnswerClass::Unauthorized,
        failure::FailureClass::Refused => AnswerClass::Refused,
    }
}
