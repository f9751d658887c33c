//! Accepting, rejecting and cancelling what is open, and taking a request of our own back.

use serde_json::{Value, json};
use tenantry_jobs::{Flow, ProductType, TransferAction, code};

use super::{ANSWER, TransferRow, TransferStanding};
use crate::auth::TokenKind;
use crate::client::{Call, Operation};
use crate::end::End;
use crate::image::{Image, Object};
use crate::records::Customer;
use crate::session::Session;
use crate::steps::{Done, Sending, Step};
use crate::subscription::Subscription;
use crate::text::segment;
use crate::transfer::{Status, Transfer, now};
use crate::{PartnerCenterError, subscriptions};
use tenantry_store::remote::Steps;

const ACCEPT_TRANSFER: Operation = Operation::new("accept-transfer", "POST", TokenKind::App);
const UPDATE_TRANSFER: Operation = Operation::new("update-transfer", "PATCH", TokenKind::App);
const WITHDRAW_TRANSFER: Operation = Operation::new("withdraw-transfer", "DELETE", TokenKind::App);

impl TransferRow<'_> {
    pub(super) fn answerable(&self, action: TransferAction, same: &[&Transfer]) -> TransferStanding {
        let own = |transfer: &&&Transfer| self.covers(transfer);
        if let Some(open) = same.iter().find(|one| one.status() == Status::Pending && own(one)) {
            return TransferStanding::Answerable((**open).clone());
        }
        let Some(last) = same.iter().find(own).or(same.first()) else {
            let problem = self.problem(code::NO_TRANSFER, "the subscription has no transfer request");
            return TransferStanding::Refused(problem);
        };
        let status = last.status();
        let is_so = match action {
            TransferAction::Accept => {
                let line = last.line(&self.subscription).map(|line| line.status);
                matches!(
                    line,
                    Some(Status::Complete | Status::InProgress | Status::PartlyComplete)
                )
            }
            TransferAction::Reject => status == Status::Declined,
            _ => status == Status::Cancelled,
        };
        if is_so {
            return TransferStanding::Same(last.id().to_owned());
        }
        let expected = format!("no transfer is pending; the last one is {}", status.as_str());
        TransferStanding::Refused(self.problem(code::TRANSFER_CLOSED, expected))
    }

    /// Accepts, rejects or cancels what is open.
    pub(super) async fn answer(&self, steps: Steps<'_>) -> Result<End, PartnerCenterError> {
        let mut answered = steps.result(ANSWER);
        if answered.is_none() {
            let begun = Image::of_step(steps, ANSWER)?.map(|image| image.id);
            let id = match begun {
                Some(begun) => begun,
                None => match self.standing().await? {
                    TransferStanding::Answerable(open) => open.id().to_owned(),
                    // Another row of this job may have answered it for this one.
                    TransferStanding::Same(id) if steps.is_ours(ANSWER, &id).await? => return self.answered(&id).await,
                    TransferStanding::Same(id) => return Ok(End::Unchanged(id)),
                    TransferStanding::Refused(problem) => return Ok(End::Rejected(problem)),
                    TransferStanding::Free | TransferStanding::OnPaper => return Ok(End::Unchanged(String::new())),
                },
            };
            let step = self.session.step(steps, ANSWER);
            match self.answer_step(&step, &id).await? {
                Ok(id) => answered = Some(id),
                Err(stopped) => return Ok(End::stopped(stopped, id)),
            }
        }
        self.answered(&answered.unwrap_or_default()).await
    }

    async fn answered(&self, id: &str) -> Result<End, PartnerCenterError> {
        match self.switch.action {
            TransferAction::Accept => self.look_at(id).await,
            _ => Ok(End::applied(id)),
        }
    }

    async fn answer_step(&self, step: &Step<'_>, id: &str) -> Result<Done, PartnerCenterError> {
        let transfer = now(self.session.client(), &self.customer.id, id).await?;
        let call = self.answer_call(transfer.as_ref(), id).await?;
        let to = match self.switch.action {
            TransferAction::Accept => Status::InProgress,
            TransferAction::Reject => Status::Declined,
            _ => Status::Cancelled,
        };
        step.once(
            || async {
                let now = now(self.session.client(), &self.customer.id, id).await?;
                let is_done = match (self.switch.action, now.map(|now| now.status())) {
                    (TransferAction::Accept, Some(status)) => status != Status::Pending,
                    (TransferAction::Reject, status) => status == Some(Status::Declined),
                    (_, Some(status)) => status == Status::Cancelled,
                    // The older generation is gone when it is withdrawn.
                    (_, None) => true,
                };
                Ok(is_done.then(|| id.to_owned()))
            },
            || async {
                let image = Image::new(Object::TransferAnswer, &self.customer, id);
                Ok(Some(Sending {
                    call: call.clone(),
                    image: image.field("status", Status::Pending.as_str(), to.as_str()),
                }))
            },
            |_| Some(id.to_owned()),
        )
        .await
    }

    async fn answer_call(&self, transfer: Option<&Transfer>, id: &str) -> Result<Call, PartnerCenterError> {
        let is_newer = transfer.is_none_or(Transfer::is_newer);
        if self.switch.action == TransferAction::Accept {
            let path = path(&self.customer.id, id);
            return Ok(if is_newer {
                let lines = self.lines().await?;
                let call = Call::new(UPDATE_TRANSFER, path).of(&self.customer.id);
                call.body(json!({ "id": id, "lineItems": lines }))
            } else {
                Call::new(ACCEPT_TRANSFER, format!("{path}/accept")).of(&self.customer.id)
            });
        }
        Ok(match (self.switch.action, transfer) {
            (TransferAction::Reject, _) => reject(&self.customer.id, id),
            (_, Some(transfer)) => withdraw(&self.customer.id, transfer),
            (_, None) => Call::new(WITHDRAW_TRANSFER, path(&self.customer.id, id)).of(&self.customer.id),
        })
    }

    /// What all rows that accept from this partner give it, since a transfer is answered once.
    async fn lines(&self) -> Result<Vec<Value>, PartnerCenterError> {
        let held = subscriptions::all_now(self.session, &self.customer.id).await?;
        let mut lines = Vec::new();
        for one in self.session.acceptances() {
            let customer = tenantry_jobs::CustomerRef::parse(&one.customer);
            let is_same = match self.session.customer(customer).await {
                Err(PartnerCenterError::Rejected(_)) => false,
                found => found?.id == self.customer.id,
            };
            if !is_same || one.partner != self.switch.partner_tenant_id {
                continue;
            }
            let sort = held.iter().find(|held| held.id() == one.subscription);
            let sort = match sort.map(Subscription::product_type) {
                Some(ProductType::Reservation) => "AzureReservation",
                Some(ProductType::SavingsPlan) => "AzureSavingsPlan",
                Some(ProductType::AzurePlan) => "AzureSubscription",
                _ if self.switch.flow == Flow::AzurePlan => "AzureSubscription",
                _ => "OnlineServicesNCE",
            };
            lines.push(json!({ "subscriptionId": one.subscription, "productType": sort }));
        }
        Ok(lines)
    }
}

fn path(customer: &str, id: &str) -> String {
    format!("/customers/{}/transfers/{}", segment(customer), segment(id))
}

fn reject(customer: &str, id: &str) -> Call {
    let call = Call::new(UPDATE_TRANSFER, path(customer, id)).of(customer);
    call.body(json!({ "id": id, "status": "reject" }))
}

/// Takes a request of ours back: the newer generation is cancelled, the older deleted.
fn withdraw(customer: &str, transfer: &Transfer) -> Call {
    let path = path(customer, transfer.id());
    if transfer.is_newer() {
        Call::new(UPDATE_TRANSFER, path).of(customer).body(json!({
            "id": transfer.id(),
            "status": "Cancel",
            "sourcePartnerTenantId": transfer.source(),
            "targetPartnerTenantId": transfer.target(),
        }))
    } else {
        Call::new(WITHDRAW_TRANSFER, path).of(customer)
    }
}

/// A request of ours as it stands now, for who takes it back: its status, and whether it is gone.
pub(crate) async fn standing_of(
    session: &Session,
    customer: &Customer,
    id: &str,
) -> Result<Option<(String, bool)>, PartnerCenterError> {
    let found = now(session.client(), &customer.id, id).await?;
    Ok(found.map(|found| {
        let status = found.status();
        (status.as_str().to_owned(), status == Status::Pending)
    }))
}

/// Has a request of ours taken back.
pub(crate) async fn withdraw_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    id: &str,
) -> Result<Done, PartnerCenterError> {
    step.once(
        || async {
            let now = now(session.client(), &customer.id, id).await?;
            let is_done = now.is_none_or(|now| now.status() == Status::Cancelled);
            Ok(is_done.then(|| id.to_owned()))
        },
        || async {
            let image = Image::new(Object::TransferAnswer, customer, id);
            let image = image.field("status", Status::Pending.as_str(), Status::Cancelled.as_str());
            let now = now(session.client(), &customer.id, id).await?;
            Ok(now.map(|transfer| Sending {
                call: withdraw(&customer.id, &transfer),
                image,
            }))
        },
        |_| Some(id.to_owned()),
    )
    .await
}
