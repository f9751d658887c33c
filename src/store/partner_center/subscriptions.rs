//! `suspend-subscription`, and what is known of subscriptions.
//!
//! A change of a subscription names the whole resource, and what it leaves out is reset (Partner Center,
//! `update-a-subscription-by-id`), so each attempt reads it, changes what is to change, and sends it all back. It may be
//! accepted and come into effect later; the row waits for that.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_jobs::{Problem, ProductType, SubscriptionStatus, Suspension, code};

use super::Halt;
use super::auth::Speaker;
use super::client::{Call, CallError, Operation};
use super::end::{End, Previewed};
use super::failure::find;
use super::image::{Image, Object};
use super::session::{Customer, Session};
use super::steps::{Done, Journal, Sending, Step};
use super::text::{items, millis, segment, text};
use crate::store::removal::{Held, Standing};
use crate::store::{FieldChange, Verdict};

const GET_SUBSCRIPTION: Operation = Operation::new("get-subscription", "GET", Speaker::App);
const LIST_SUBSCRIPTIONS: Operation = Operation::new("list-subscriptions", "GET", Speaker::App);
const UPDATE_SUBSCRIPTION: Operation = Operation::new("update-subscription", "PATCH", Speaker::App);

/// A subscription, whole.
#[derive(Debug, Clone)]
pub(super) struct Subscription(Value);

impl Subscription {
    pub(super) fn id(&self) -> String {
        text(&self.0, "id").to_lowercase()
    }

    /// The subscription of another partner that it was before it was transferred; empty for none.
    pub(super) fn came_from(&self) -> String {
        text(&self.0, "sourceSubscriptionId").to_lowercase()
    }

    pub(super) fn status(&self) -> String {
        text(&self.0, "status").to_lowercase()
    }

    /// Display name of the product.
    pub(super) fn product(&self) -> &str {
        match text(&self.0, "friendlyName") {
            "" => text(&self.0, "offerName"),
            name => name,
        }
    }

    /// What sort of product it is of. Of sorts that are not known the strictest rules hold.
    pub(super) fn product_type(&self) -> ProductType {
        let sort = find(&self.0, "productType").map_or("", |sort| match sort {
            Value::String(word) => word.as_str(),
            sort => text(sort, "id"),
        });
        let (sort, offer) = (sort.to_ascii_lowercase(), text(&self.0, "offerId"));
        match sort.as_str() {
            "onlineservicesnce" => ProductType::NewCommerceLicense,
            _ if offer.to_ascii_uppercase().starts_with("MS-AZR-") => ProductType::AzureLegacy,
            _ if sort.contains("reservation") => ProductType::Reservation,
            _ if sort.contains("savingsplan") => ProductType::SavingsPlan,
            "software" | "softwaresubscriptions" => {
                if millis(&self.0, "commitmentEndDate").is_some() {
                    ProductType::SoftwareSubscription
                } else {
                    ProductType::SoftwarePerpetual
                }
            }
            _ if sort.starts_with("azure") => ProductType::AzurePlan,
            // Offers of the legacy sort are GUIDs; those of new commerce name product, SKU and availability.
            "" if offer.contains(':') => ProductType::NewCommerceLicense,
            "" => ProductType::LegacyLicense,
            _ => ProductType::Marketplace,
        }
    }

    /// How it stands to the end of the relationship.
    pub(super) fn standing(&self, now: i64) -> Standing {
        let held = Held {
            product_type: self.product_type(),
            status: &self.status(),
            cancellable_until: millis(&self.0, "cancellationAllowedUntilDate").unwrap_or(0),
            term_ends: millis(&self.0, "commitmentEndDate").unwrap_or(0),
            renews: find(&self.0, "autoRenewEnabled") != Some(&Value::Bool(false)),
        };
        held.standing(now)
    }

    /// The whole of it with another status, to be sent back in the version it was read in.
    fn with_status(&self, customer: &str, to: &str) -> Call {
        let mut body = self.0.clone();
        body["status"] = json!(to);
        let etag = find(&body, "attributes").map_or("", |attributes| text(attributes, "etag"));
        let etag = etag.to_owned();
        let call = Call::new(UPDATE_SUBSCRIPTION, path(customer, &self.id()));
        let call = call.of(customer).body(body);
        if etag.is_empty() { call } else { call.if_match(&etag) }
    }
}

fn path(customer: &str, id: &str) -> String {
    format!("/customers/{}/subscriptions/{}", segment(customer), segment(id))
}

/// All subscriptions of a customer, as they are now.
pub(super) async fn all_now(session: &Session, customer: &str) -> Result<Vec<Subscription>, Halt> {
    let call = Call::new(
        LIST_SUBSCRIPTIONS,
        format!("/customers/{}/subscriptions", segment(customer)),
    );
    let answer = session.client().read(&call.of(customer)).await.map_err(Halt::of)?;
    Ok(items(answer.body).into_iter().map(Subscription).collect())
}

/// The subscription of that id, as it is now.
pub(super) async fn now(session: &Session, customer: &str, id: &str) -> Result<Option<Subscription>, Halt> {
    let call = Call::new(GET_SUBSCRIPTION, path(customer, id)).of(customer);
    match session.client().read(&call).await {
        Ok(answer) => Ok(Some(Subscription(answer.body))),
        Err(CallError::Answered(failure, _)) if failure.status == 404 => Ok(None),
        Err(error) => Err(Halt::of(error)),
    }
}

/// No subscription of that id.
pub(super) fn unknown(customer: &Customer, id: &str) -> Problem {
    let expected = format!("no subscription of {} that you sold has this id", customer.domain);
    Problem::new(code::UNKNOWN_SUBSCRIPTION, "subscription_id", id, expected)
}

/// A row's subscription, and what it is to become.
struct Wanted {
    customer: Arc<Customer>,
    id: String,
    from: &'static str,
    to: &'static str,
}

impl Wanted {
    async fn new(session: &Session, one: &Suspension<'_>) -> Result<Result<Self, Problem>, Halt> {
        let (active, suspended) = (
            SubscriptionStatus::Active.as_str(),
            SubscriptionStatus::Suspended.as_str(),
        );
        let (from, to) = if one.suspend {
            (active, suspended)
        } else {
            (suspended, active)
        };
        let customer = session.customer(one.customer).await?;
        Ok(customer.map(|customer| Self {
            customer,
            id: one.subscription_id.to_string(),
            from,
            to,
        }))
    }

    async fn verdict(&self, session: &Session) -> Result<Verdict, Halt> {
        let Some(subscription) = now(session, &self.customer.id, &self.id).await? else {
            return Ok(Verdict::Reject(unknown(&self.customer, &self.id)));
        };
        let status = subscription.status();
        if status == self.to {
            return Ok(Verdict::Unchanged);
        }
        if status != self.from {
            let expected = format!(
                "only a subscription that is {} can become {}; this one is {status}",
                self.from, self.to
            );
            let problem = Problem::new(code::SUBSCRIPTION_INACTIVE, "subscription_id", &self.id, expected);
            return Ok(Verdict::Reject(problem));
        }
        if let Some(problem) = super::transfers::in_the_way(session, &self.customer.id, &self.id).await? {
            return Ok(Verdict::Reject(problem));
        }
        Ok(Verdict::Change(vec![FieldChange::new("status", status, self.to)]))
    }
}

/// What a row would do.
pub(super) async fn preview(session: &Session, one: &Suspension<'_>) -> Result<Previewed, Halt> {
    match Wanted::new(session, one).await? {
        Ok(wanted) => Ok(wanted.verdict(session).await?.into()),
        Err(problem) => Ok(Previewed::reject(problem)),
    }
}

/// Suspends a subscription, or takes it up again.
pub(super) async fn suspend(session: &Session, journal: &Journal, row: u64, one: &Suspension<'_>) -> Result<End, Halt> {
    let wanted = match Wanted::new(session, one).await? {
        Ok(wanted) => wanted,
        Err(problem) => return Ok(End::Rejected(problem)),
    };
    let target = wanted.id.clone();
    if !journal.has_begun(row) {
        match wanted.verdict(session).await? {
            Verdict::Reject(problem) => return Ok(End::Rejected(problem)),
            Verdict::Unchanged => return Ok(End::Unchanged(target)),
            Verdict::Create | Verdict::Change(_) => {}
        }
    }
    let (from, to) = (wanted.from, wanted.to);
    let step = session.step(journal, row, "status");
    Ok(
        match status_step(session, &step, &wanted.customer, &wanted.id, (from, to)).await? {
            Err(stopped) => End::stopped(stopped, target),
            Ok(now) if now == to => End::applied(target),
            Ok(_) if has_become(session, &wanted.customer.id, &wanted.id, to).await? => End::applied(target),
            Ok(_) => End::Waits {
                message: not_yet(to),
                target,
            },
        },
    )
}

/// What is said of a change that was accepted, as long as there is nothing to be seen of it.
pub(super) fn not_yet(to: &str) -> String {
    format!("accepted; Partner Center has not made it {to} yet")
}

/// Whether a subscription whose change was accepted is what it was to become.
pub(super) async fn has_become(session: &Session, customer: &str, id: &str, to: &str) -> Result<bool, Halt> {
    let now = now(session, customer, id).await?;
    Ok(now.is_some_and(|now| now.status() == to))
}

/// Has a subscription get another status. It comes to the status that was answered, or to nothing where the change was
/// only accepted.
pub(super) async fn status_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    id: &str,
    (from, to): (&str, &str),
) -> Result<Done, Halt> {
    step.once(
        || async {
            let is_so = has_become(session, &customer.id, id, to).await?;
            Ok(is_so.then(|| to.to_owned()))
        },
        || async {
            let image = Image::new(Object::Subscription, customer, id).field("status", from, to);
            let now = now(session, &customer.id, id).await?;
            Ok(now.map(|now| Sending {
                call: now.with_status(&customer.id, to),
                image,
            }))
        },
        |answer| Some(text(&answer.body, "status").to_lowercase()),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sort_of_a_product_is_told_from_what_is_there() {
        let sort = |body: Value| Subscription(body).product_type();
        let of = |id: &str, offer: &str| sort(json!({ "offerId": offer, "productType": { "id": id } }));
        assert_eq!(of("OnlineServicesNCE", "A:1:2"), ProductType::NewCommerceLicense);
        assert_eq!(of("Azure", "DZ:1:2"), ProductType::AzurePlan);
        assert_eq!(of("AzureReservation", "DZ:1:2"), ProductType::Reservation);
        assert_eq!(of("AzureSavingsPlan", "DZ:1:2"), ProductType::SavingsPlan);
        assert_eq!(of("Software", "DG:1:2"), ProductType::SoftwarePerpetual);
        assert_eq!(of("Something", "S:1:2"), ProductType::Marketplace);
        let ends = json!({ "productType": { "id": "Software" }, "commitmentEndDate": "2031-01-01T00:00:00Z" });
        assert_eq!(sort(ends), ProductType::SoftwareSubscription);
        assert_eq!(sort(json!({ "offerId": "ms-azr-0145p" })), ProductType::AzureLegacy);
        assert_eq!(sort(json!({ "offerId": "A:1:2" })), ProductType::NewCommerceLicense);
        let guid = json!({ "offerId": "0d4c5d5e-3d5b-4b0e-9a6e-1f5f7f4c9b11" });
        assert_eq!(sort(guid), ProductType::LegacyLicense);
        assert_eq!(
            sort(json!({ "productType": "OnlineServicesNCE" })),
            ProductType::NewCommerceLicense
        );
    }
}
