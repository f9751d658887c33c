//! Rows as the runner has them carried out, taken back and previewed.

use futures::FutureExt;
use futures::future::BoxFuture;
use tenantry_jobs::{Change, CustomerRef, Holdings, Naming, Problem, code};

use super::end::End;
use super::image::Image;
use super::session::{Session, unknown_customer};
use super::steps::Stopped;
use super::{
    PartnerCenterError, RefusedRead, TITLE, customers, licenses, lifecycle, relationship, subscriptions, transfers,
    undo, update_user, users,
};
use tenantry_foundation::passwords::PasswordRow;
use tenantry_ledger::Artifact;
use tenantry_ledger::Outcome;
use tenantry_ledger::intents::DoneStep;
use tenantry_store::remote::{
    self, ApplyError, PasswordSource, RemoteSession, RowEnd, RowPreview, RowStatus, Steps, partially_applied,
};
use tenantry_store::{Expected, Verdict, drifted};

impl RemoteSession for Session {
    fn preview<'a>(&'a self, row: u64, change: &'a Change<'a>) -> BoxFuture<'a, Result<RowPreview, ApplyError>> {
        async move { Ok(or_reject(self.look_at(row, change).await)?) }.boxed()
    }

    fn holdings<'a>(
        &'a self,
        customer: CustomerRef<'a>,
        naming: Naming,
    ) -> BoxFuture<'a, Result<Option<Holdings>, ApplyError>> {
        async move {
            match self.held(customer, naming).await {
                // The submitter is told that a row names no customer, or one we may not ask about.
                Err(PartnerCenterError::Rejected(_) | PartnerCenterError::Refused(_)) => Ok(None),
                held => Ok(Some(held?)),
            }
        }
        .boxed()
    }

    fn apply<'a>(
        &'a self,
        steps: Steps<'a>,
        change: &'a Change<'a>,
        expected: Option<&'a Expected>,
        draw: PasswordSource<'a>,
    ) -> BoxFuture<'a, Result<RowEnd, ApplyError>> {
        async move {
            let ended = self.carry_out(steps, change, expected, draw).await;
            finish_row(ended, steps)
        }
        .boxed()
    }

    fn preview_undo<'a>(&'a self, done: &'a [DoneStep]) -> BoxFuture<'a, Result<RowPreview, ApplyError>> {
        async move { Ok(or_reject(undo::Back::new(self, done)?.preview().await)?) }.boxed()
    }

    fn undo<'a>(
        &'a self,
        steps: Steps<'a>,
        done: &'a [DoneStep],
        expected: Option<&'a Expected>,
    ) -> BoxFuture<'a, Result<RowEnd, ApplyError>> {
        async move {
            let ended = self.take_back(steps, done, expected).await;
            finish_row(ended, steps)
        }
        .boxed()
    }
}

/// How an attempt at a row ended, and what it made.
struct RowDone {
    end: End,
    password: Option<PasswordRow>,
    is_sealed: bool,
    artifact: Option<Artifact>,
}

impl From<End> for RowDone {
    fn from(end: End) -> Self {
        Self {
            end,
            password: None,
            is_sealed: false,
            artifact: None,
        }
    }
}

impl Session {
    async fn held(&self, customer: CustomerRef<'_>, naming: Naming) -> Result<Holdings, PartnerCenterError> {
        let customer = self.customer(customer).await?;
        Ok(match naming {
            Naming::Subscription => Holdings::Subscriptions(subscriptions::own(self, &customer).await?.to_vec()),
            Naming::Sku => {
                let held = self.skus(&customer.id).await?;
                Holdings::Skus(
                    held.iter()
                        .map(|sku| (sku.part_number.clone(), sku.id.clone()))
                        .collect(),
                )
            }
        })
    }

    async fn look_at(&self, row: u64, change: &Change<'_>) -> Result<RowPreview, PartnerCenterError> {
        match change {
            Change::CreateUser(user) => users::preview(self, row, user).await,
            Change::CreateCustomer(new) => customers::preview_new(self, new).await,
            Change::UpdateCustomer(patch) => customers::preview_patch(self, patch).await,
            Change::DeleteUser(user) => lifecycle::preview_delete(self, *user).await,
            Change::RestoreUser(user) => lifecycle::preview_restore(self, *user).await,
            Change::ResetPassword(reset) => lifecycle::preview_reset(self, reset).await,
            Change::AssignLicenses(change) => licenses::preview(self, row, change).await,
            Change::UpdateUser(patch) => update_user::preview(self, patch).await,
            Change::SuspendSubscription(one) => subscriptions::preview(self, one).await,
            Change::RemoveRelationship(removal) => relationship::preview(self, removal).await,
            Change::SwitchSubscription(switch) => transfers::preview(self, switch).await,
            Change::SetSeats(_) | Change::SetSubscription(_) => Ok(RowPreview::reject(not_taken())),
        }
    }

    async fn carry_out(
        &self,
        steps: Steps<'_>,
        change: &Change<'_>,
        expected: Option<&Expected>,
        draw: PasswordSource<'_>,
    ) -> Result<RowEnd, PartnerCenterError> {
        let turn = match change {
            Change::SwitchSubscription(switch) => Some(transfers::turn(self, switch).await?),
            _ => None,
        };
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let row = steps.row();
        if let Some(expected) = expected
            && !has_begun(self, steps, change).await?
        {
            let now = or_reject(self.look_at(row, change).await)?.verdict;
            match now {
                Verdict::Reject(problem) if problem.code == code::NOT_THERE_YET => {
                    return Ok(End::Rejected(problem).status(row).into());
                }
                now if !expected.meets(row, &now) => return Ok(RowEnd::over(drifted(row, &now))),
                _ => {}
            }
        }
        let mut done = match self.change(steps, change, draw).await {
            Err(PartnerCenterError::Rejected(problem)) => RowDone::from(End::Rejected(problem)),
            done => done?,
        };
        // A row that has begun with a customer has seen it.
        if let End::Rejected(problem) = &done.end
            && problem.code == code::NOT_THERE_YET
            && steps.has_begun()
        {
            done.end = End::Rejected(unknown_customer(&problem.value));
        }
        Ok(RowEnd {
            status: done.end.status(row),
            password: done.password,
            is_sealed: done.is_sealed,
            artifact: done.artifact,
        })
    }

    /// Does what a row asks for.
    async fn change(
        &self,
        steps: Steps<'_>,
        change: &Change<'_>,
        draw: PasswordSource<'_>,
    ) -> Result<RowDone, PartnerCenterError> {
        let end = match change {
            Change::CreateUser(user) => {
                let (end, password) = users::apply(self, steps, user, draw()?).await?;
                return Ok(RowDone { password, ..end.into() });
            }
            Change::CreateCustomer(new) => {
                let (end, password) = customers::create(self, steps, new).await?;
                let is_sealed = true;
                return Ok(RowDone {
                    password,
                    is_sealed,
                    ..end.into()
                });
            }
            Change::UpdateCustomer(patch) => customers::update(self, steps, patch).await?,
            Change::DeleteUser(user) => lifecycle::delete(self, steps, *user).await?,
            Change::RestoreUser(user) => lifecycle::restore(self, steps, *user).await?,
            Change::ResetPassword(reset) => {
                let (end, password) = lifecycle::reset(self, steps, reset, draw()?).await?;
                return Ok(RowDone { password, ..end.into() });
            }
            Change::AssignLicenses(change) => licenses::apply(self, steps, change).await?,
            Change::UpdateUser(patch) => update_user::apply(self, steps, patch).await?,
            Change::SuspendSubscription(one) => subscriptions::suspend(self, steps, one).await?,
            Change::RemoveRelationship(removal) => relationship::remove(self, steps, removal).await?,
            Change::SwitchSubscription(switch) => {
                let (end, artifact) = transfers::switch(self, steps, switch).await?;
                return Ok(RowDone { artifact, ..end.into() });
            }
            Change::SetSeats(_) | Change::SetSubscription(_) => End::Rejected(not_taken()),
        };
        Ok(end.into())
    }

    async fn take_back(
        &self,
        steps: Steps<'_>,
        done: &[DoneStep],
        expected: Option<&Expected>,
    ) -> Result<RowEnd, PartnerCenterError> {
        let (back, row) = (undo::Back::new(self, done)?, steps.row());
        if let Some(expected) = expected.filter(|_| !steps.has_begun()) {
            let now = or_reject(back.preview().await)?.verdict;
            if !expected.meets(row, &now) {
                return Ok(RowEnd::over(drifted(row, &now)));
            }
        }
        let mut status = back.apply(steps).await?.status(row);
        if let RowStatus::Over(outcome) = &mut status
            && outcome.outcome == Outcome::Applied
        {
            "undone".clone_into(&mut outcome.code);
        }
        Ok(status.into())
    }
}

/// What is said of a row whose kind is not one of ours.
fn not_taken() -> Problem {
    remote::not_taken(TITLE)
}

/// A row that is rejected, or that a question about is refused, would be rejected.
fn or_reject(previewed: Result<RowPreview, PartnerCenterError>) -> Result<RowPreview, PartnerCenterError> {
    match previewed {
        Err(PartnerCenterError::Rejected(problem)) => Ok(RowPreview::reject(problem)),
        Err(halt @ PartnerCenterError::Refused(_)) => {
            let problem = Problem::stated(code::REFUSED, "", "", halt.to_string());
            Ok(RowPreview::reject(problem))
        }
        other => other,
    }
}

/// A row whose questions are refused ends with that, and others go on. One that ends so after something was done is partially
/// applied.
fn finish_row(ended: Result<RowEnd, PartnerCenterError>, steps: Steps<'_>) -> Result<RowEnd, ApplyError> {
    let done = partially_applied(left(steps)?).unwrap_or_default();
    match ended {
        Err(PartnerCenterError::Refused(RefusedRead(failure))) => {
            let is_unknown = done.is_empty() && steps.has_begun();
            let done = if is_unknown {
                "the outcome of its first step is not known".to_owned()
            } else {
                done
            };
            let (is_for_now, target) = (false, String::new());
            let stopped = Stopped { failure, is_for_now };
            let end = End::Stopped { stopped, done, target };
            Ok(end.status(steps.row()).into())
        }
        Ok(mut ended) => {
            if let RowStatus::Over(over) = &mut ended.status
                && over.outcome == Outcome::Rejected
                && !done.is_empty()
            {
                over.outcome = Outcome::Failed;
                over.message = format!("{done}; {}", over.message);
            }
            Ok(ended)
        }
        Err(halt) => Err(halt.into()),
    }
}

/// How many steps of a row left something that stays; a transfer that was asked for leaves nothing but its end.
fn left(steps: Steps<'_>) -> Result<usize, PartnerCenterError> {
    let mut left = 0;
    for image in steps.done_images() {
        left += usize::from(!Image::decode(&image)?.is_of_transfer());
    }
    Ok(left)
}

/// Whether anything was done for a row. Rows of one job share transfers, so it may have been done by another row.
async fn has_begun(session: &Session, steps: Steps<'_>, change: &Change<'_>) -> Result<bool, PartnerCenterError> {
    Ok(steps.has_begun()
        || match change {
            Change::SwitchSubscription(switch) => transfers::has_begun(session, steps, switch).await?,
            _ => false,
        })
}
