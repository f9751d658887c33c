//! Asking for a transfer, and what has come of it.

use serde_json::{Value, json};
use tenantry_jobs::{Flow, SubscriptionStatus};

use super::{NEW_COMMERCE, REQUEST, TransferRow, TransferStanding};
use crate::auth::TokenKind;
use crate::client::{Call, Operation};
use crate::end::End;
use crate::image::{Image, Object};
use crate::steps::Sending;
use crate::subscription::Subscription;
use crate::text::{id_of, segment};
use crate::transfer::{Status, Transfer, all_now};
use crate::{PartnerCenterError, subscriptions};
use tenantry_ledger::Artifact;
use tenantry_store::form;
use tenantry_store::remote::Steps;

const CREATE_TRANSFER: Operation = Operation::new("create-transfer", "POST", TokenKind::App);

impl TransferRow<'_> {
    pub(super) async fn requestable(
        &self,
        all: &[Transfer],
        same: &[&Transfer],
    ) -> Result<TransferStanding, PartnerCenterError> {
        let own = |transfer: &&&Transfer| self.covers(transfer);
        if let Some(open) = same
            .iter()
            .find(|transfer| transfer.status().is_open() && own(transfer))
        {
            return Ok(TransferStanding::Same(open.id().to_owned()));
        }
        let is_open_with =
            |transfer: &&Transfer| transfer.status().is_open() && transfer.line(&self.subscription).is_some();
        if let Some(open) = all.iter().find(is_open_with) {
            return Ok(TransferStanding::Refused(open.in_the_way_of(&self.subscription)));
        }
        if self.switch.flow == Flow::DirectToIndirect {
            let refused = self.cannot_leave().await?;
            return Ok(refused.map_or(TransferStanding::Free, TransferStanding::Refused));
        }
        // It is the other partner's, so it is rarely known here; if it is, it may be ours already.
        let held = subscriptions::all_now(self.session, &self.customer.id).await?;
        let is_here = |one: &&Subscription| {
            let is_it = one.id() == self.subscription || one.came_from() == self.subscription;
            is_it && one.status() == SubscriptionStatus::Active.as_str()
        };
        Ok(match held.iter().find(is_here) {
            Some(one) => TransferStanding::Same(one.id()),
            None => TransferStanding::Free,
        })
    }

    fn new_body(&self) -> Value {
        let partner = self
            .switch
            .partner_tenant_id
            .map(|id| id.to_string())
            .unwrap_or_default();
        let own = self.session.own_tenant();
        let attributes = json!({ "objectType": "TransferEntity" });
        let mut body = match self.switch.flow {
            Flow::DirectToIndirect => json!({
                "targetPartnerTenantId": partner,
                "lineItems": [{ "subscriptionId": self.subscription }],
            }),
            flow => json!({
                "sourcePartnerTenantId": partner,
                "sourcePartnerName": self.switch.partner_name,
                "customerEmailId": self.switch.customer_email,
                "transferType": NEW_COMMERCE,
                "targetProductTypes": if flow == Flow::NewCommerce {
                    json!(["OnlineServicesNCE"])
                } else {
                    json!(["AzureSubscription", "AzureReservation", "AzureSavingsPlan"])
                },
            }),
        };
        if let Some(own) = own {
            let side = match self.switch.flow {
                Flow::DirectToIndirect => "sourcePartnerTenantId",
                _ => "targetPartnerTenantId",
            };
            body[side] = json!(own);
        }
        body["attributes"] = attributes;
        body
    }

    /// Asks for a transfer, or joins the one that an earlier row of this job asked for; then looks.
    pub(super) async fn request(&self, steps: Steps<'_>) -> Result<End, PartnerCenterError> {
        if let Some(id) = steps.result(REQUEST) {
            return self.look_at(&id).await;
        }
        if !steps.has_begun_step(REQUEST) {
            let all = all_now(self.session.client(), &self.customer.id).await?;
            for transfer in all.iter().filter(|one| one.is_newer() && one.is_of(self.switch)) {
                if steps.is_ours(REQUEST, transfer.id()).await? {
                    return Ok(self.look(Some(transfer), transfer.id().to_owned()));
                }
            }
            match self.standing().await? {
                TransferStanding::Free | TransferStanding::Answerable(_) | TransferStanding::OnPaper => {}
                TransferStanding::Same(id) => return Ok(End::Unchanged(id)),
                TransferStanding::Refused(problem) => return Ok(End::Rejected(problem)),
            }
        }
        let path = format!("/customers/{}/transfers", segment(&self.customer.id));
        let call = Call::new(CREATE_TRANSFER, path)
            .of(&self.customer.id)
            .body(self.new_body());
        let step = self.session.step(steps, REQUEST);
        let done = step.once(
            || async {
                let all = all_now(self.session.client(), &self.customer.id).await?;
                let mut same = all
                    .iter()
                    .filter(|one| one.is_of(self.switch) && one.status().is_open());
                Ok(same.find(|one| self.covers(one)).map(|found| found.id().to_owned()))
            },
            || async {
                let image = Image::new(Object::Transfer, &self.customer, "");
                Ok(Some(Sending {
                    call: call.clone(),
                    image: image.field("status", "", Status::Pending.as_str()),
                }))
            },
            |answer| id_of(&answer.body),
        );
        match done.await? {
            Ok(id) => self.look_at(&id).await,
            Err(stopped) => Ok(End::stopped(stopped, String::new())),
        }
    }

    /// The form that is all a legacy transfer has of a machine.
    pub(super) async fn on_paper(&self, row: u64) -> Result<(End, Option<Artifact>), PartnerCenterError> {
        if let TransferStanding::Refused(problem) = self.standing().await? {
            return Ok((End::Rejected(problem), None));
        }
        let partner = self.switch.partner_tenant_id.map(|id| id.to_string());
        let filled = form::filled(&form::FormRequest {
            domain: &self.customer.domain,
            tenant_id: &self.customer.id,
            subscription_id: &self.subscription,
            outwards: true,
            partner_tenant_id: &partner.unwrap_or_default(),
            partner_name: self.switch.partner_name,
            customer_email: self.switch.customer_email,
        });
        let end = End::Applied {
            target: self.subscription.clone(),
            message: "the request form is filled in; it goes to support with three signatures".to_owned(),
        };
        let artifact = Artifact {
            row,
            name: format!("transfer-request-{row}.txt"),
            data: filled.into_bytes(),
        };
        Ok((end, Some(artifact)))
    }
}
