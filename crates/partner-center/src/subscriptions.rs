//! `suspend-subscription`, and how subscriptions change.
//!
//! A change of a subscription names the whole resource, and what it leaves out is reset (Partner Center,
//! `update-a-subscription-by-id`), so each attempt reads it, changes what is to change, and sends it all back. It may be
//! accepted and come into effect later; the row waits for that.

use std::sync::Arc;

use serde_json::json;
use tenantry_jobs::{OwnSubscription, Problem, SubscriptionStatus, Suspension, advise_subscription, code};

use super::PartnerCenterError;
use super::auth::TokenKind;
use super::client::{Call, CallError, Operation};
use super::end::End;
use super::failure::find;
use super::image::{Image, Object};
use super::records::Customer;
use super::session::Session;
use super::steps::{Done, Sending, Step};
use super::subscription::Subscription;
use super::text::{items, segment, text};
use tenantry_store::remote::{RowPreview, Steps};
use tenantry_store::suspension::switching;
use tenantry_store::{FieldChange, Verdict};

const GET_SUBSCRIPTION: Operation = Operation::new("get-subscription", "GET", TokenKind::App);
const LIST_SUBSCRIPTIONS: Operation = Operation::new("list-subscriptions", "GET", TokenKind::App);
const UPDATE_SUBSCRIPTION: Operation = Operation::new("update-subscription", "PATCH", TokenKind::App);

impl Subscription {
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
pub(super) async fn all_now(session: &Session, customer: &str) -> Result<Vec<Subscription>, PartnerCenterError> {
    let call = Call::new(
        LIST_SUBSCRIPTIONS,
        format!("/customers/{}/subscriptions", segment(customer)),
    );
    let answer = session
        .client()
        .read(&call.of(customer))
        .await
        .map_err(PartnerCenterError::of)?;
    let all: Vec<Subscription> = items(answer.body).into_iter().map(Subscription).collect();
    for one in &all {
        session.note_product(customer, one);
    }
    Ok(all)
}

/// The subscription of that id, as it is now.
pub(super) async fn now(
    session: &Session,
    customer: &str,
    id: &str,
) -> Result<Option<Subscription>, PartnerCenterError> {
    let call = Call::new(GET_SUBSCRIPTION, path(customer, id)).of(customer);
    match session.client().read(&call).await {
        Ok(answer) => {
            let found = Subscription(answer.body);
            session.note_product(customer, &found);
            Ok(Some(found))
        }
        Err(CallError::Answered(failure, _)) if failure.status == 404 => Ok(None),
        Err(error) => Err(PartnerCenterError::of(error)),
    }
}

/// No subscription of that id; what of the customer's was meant.
pub(super) async fn unknown(session: &Session, customer: &Customer, id: &str) -> Result<Problem, PartnerCenterError> {
    let expected = format!("no subscription of {} that you sold has this id", customer.domain);
    let problem = Problem::stated(code::UNKNOWN_SUBSCRIPTION, "subscription_id", id, expected);
    Ok(advise_subscription(problem, id, &own(session, customer).await?))
}

/// The subscriptions of a customer, as of when they were first asked for.
pub(super) async fn own(
    session: &Session,
    customer: &Customer,
) -> Result<Arc<Vec<OwnSubscription>>, PartnerCenterError> {
    let read = async || {
        let all = all_now(session, &customer.id).await?;
        let one = |one: Subscription| OwnSubscription {
            id: one.id(),
            product: one.product().to_owned(),
            status: one.status(),
        };
        Ok::<_, PartnerCenterError>(Arc::new(all.into_iter().map(one).collect::<Vec<_>>()))
    };
    let cell = session.own_subscriptions(&customer.id);
    Ok(cell.get_or_try_init(read).await?.clone())
}

/// A row's subscription, and what it is to become.
struct StatusChange {
    customer: Arc<Customer>,
    id: String,
    to: Option<SubscriptionStatus>,
}

impl StatusChange {
    async fn new(session: &Session, one: &Suspension<'_>) -> Result<Self, PartnerCenterError> {
        Ok(Self {
            customer: session.customer(one.customer).await?,
            id: one.subscription_id.to_string(),
            to: one.to,
        })
    }

    async fn verdict(&self, session: &Session) -> Result<Verdict, PartnerCenterError> {
        let Some(subscription) = now(session, &self.customer.id, &self.id).await? else {
            return Ok(Verdict::Reject(unknown(session, &self.customer, &self.id).await?));
        };
        let status = subscription.status();
        let Some(to) = self.to.filter(|to| status != to.as_str()) else {
            return Ok(Verdict::Unchanged);
        };
        if let Some(problem) = switching(&self.id, &status, to) {
            return Ok(Verdict::Reject(problem));
        }
        if let Some(open) = session.open_transfer_with(&self.customer.id, &self.id).await? {
            return Ok(Verdict::Reject(open.in_the_way_of(&self.id)));
        }
        Ok(Verdict::Change(vec![FieldChange::new("status", status, to.as_str())]))
    }
}

/// What a row would do.
pub(super) async fn preview(session: &Session, one: &Suspension<'_>) -> Result<RowPreview, PartnerCenterError> {
    let wanted = StatusChange::new(session, one).await?;
    Ok(wanted.verdict(session).await?.into())
}

/// Suspends a subscription, or takes it up again.
pub(super) async fn suspend(
    session: &Session,
    steps: Steps<'_>,
    one: &Suspension<'_>,
) -> Result<End, PartnerCenterError> {
    let wanted = StatusChange::new(session, one).await?;
    let target = wanted.id.clone();
    if !steps.has_begun() {
        match wanted.verdict(session).await? {
            Verdict::Reject(problem) => return Ok(End::Rejected(problem)),
            Verdict::Unchanged => return Ok(End::Unchanged(target)),
            Verdict::Create | Verdict::Change(_) => {}
        }
    }
    let Some(to) = wanted.to else {
        return Ok(End::Unchanged(target));
    };
    let from = match to {
        SubscriptionStatus::Suspended => SubscriptionStatus::Active,
        _ => SubscriptionStatus::Suspended,
    };
    let (from, to) = (from.as_str(), to.as_str());
    let step = session.step(steps, "status");
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
pub(super) async fn has_become(
    session: &Session,
    customer: &str,
    id: &str,
    to: &str,
) -> Result<bool, PartnerCenterError> {
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
) -> Result<Done, PartnerCenterError> {
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
