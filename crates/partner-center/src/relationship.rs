//! `remove-relationship`: ends the reseller relationship, once nothing stands in its way.
//!
//! Partner Center refuses it while anything is active, in words only, so what stands in the way is found before, and told
//! all at once and by name. Suspending what can be suspended is a step each, and only where the row says so. An undo does
//! not bring the relationship back: only the customer's consent does.

use serde_json::json;
use tenantry_jobs::{Problem, Removal, SubscriptionStatus, code};

use super::PartnerCenterError;
use super::auth::TokenKind;
use super::client::{Call, CallError, Operation};
use super::end::End;
use super::failure::FailureClass;
use super::image::{Image, Object};
use super::records::Customer;
use super::session::Session;
use super::steps::{Done, Step};
use super::subscriptions::{all_now, has_become, status_step};
use super::text::{segment, text};
use tenantry_store::remote::{RowPreview, Steps};
use tenantry_store::removal::RemovalStanding;
use tenantry_store::{FieldChange, Verdict};

const GET_CUSTOMER: Operation = Operation::new("get-customer", "GET", TokenKind::App);
const END_RELATIONSHIP: Operation = Operation::new("update-customer", "PATCH", TokenKind::AppAndUser);

/// Subscriptions to suspend: id and status.
type ToSuspend = Vec<(String, String)>;

/// What is to be suspended first, or what stands in the way.
async fn obstacles(
    session: &Session,
    customer: &Customer,
    removal: &Removal<'_>,
) -> Result<ToSuspend, PartnerCenterError> {
    let mut obstacles: Vec<(&'static str, String)> = Vec::new();
    let mut suspend = Vec::new();
    for subscription in all_now(session, &customer.id).await? {
        let (id, status) = (subscription.id(), subscription.status());
        let named = format!("{} {id}", subscription.product());
        if let Some(open) = session.open_transfer_with(&customer.id, &id).await? {
            obstacles.push((
                code::TRANSFER_OPEN,
                format!("{named} is part of the open transfer {}", open.id()),
            ));
            continue;
        }
        match subscription.standing(session.now()) {
            RemovalStanding::Over => {}
            RemovalStanding::Suspendable if removal.suspend_subscriptions => suspend.push((id, status)),
            RemovalStanding::Suspendable => obstacles.push((
                code::ACTIVE_SUBSCRIPTIONS,
                format!("{named} is {status}: suspend it, or say `suspend_subscriptions` = `yes`"),
            )),
            RemovalStanding::Obstacle(code, how) => obstacles.push((code, format!("{named} is {status} and {how}"))),
        }
    }
    let Some((code, _)) = obstacles.first() else {
        return Ok(suspend);
    };
    let all: Vec<&str> = obstacles.iter().map(|(_, text)| text.as_str()).collect();
    let expected = format!("a customer with nothing active; {}", all.join("; "));
    Err(Problem::new(code, "customer", &customer.domain, expected).into())
}

/// What a row would do.
pub(super) async fn preview(session: &Session, removal: &Removal<'_>) -> Result<RowPreview, PartnerCenterError> {
    let customer = session.customer(removal.customer).await?;
    let suspend = obstacles(session, &customer, removal).await?;
    let mut changes: Vec<FieldChange> = suspend
        .iter()
        .map(|(id, status)| FieldChange::new("subscription", format!("{id} {status}"), format!("{id} suspended")))
        .collect();
    changes.push(FieldChange::new("relationship", "reseller", "none"));
    let users = session.users(&customer.id).await?.len() as u64;
    let previewed = RowPreview::from(Verdict::Change(changes));
    Ok(previewed.touching(customer.touch(users, users)).destructive())
}

/// Ends a relationship.
pub(super) async fn remove(
    session: &Session,
    steps: Steps<'_>,
    removal: &Removal<'_>,
) -> Result<End, PartnerCenterError> {
    // Once it has ended, the customer is not to be found any more.
    let begun = Image::of_step(steps, "relationship")?;
    let customer = match begun {
        Some(image) => image.customer(),
        None => (*session.customer(removal.customer).await?).clone(),
    };
    let target = customer.id.clone();
    if !steps.has_begun_step("relationship") {
        own_up(session, steps, &customer).await?;
        let suspend = match obstacles(session, &customer, removal).await {
            Err(PartnerCenterError::Rejected(problem)) => return Ok(in_the_way(steps, problem, target)),
            found => found?,
        };
        if let Some(end) = suspend_all(session, steps, &customer, &suspend).await? {
            return Ok(end);
        }
    }
    let message = suspended(steps);
    let step = session.step(steps, "relationship");
    Ok(match end_step(session, &step, &customer).await? {
        Ok(_) => End::Applied { target, message },
        // Somebody else was faster.
        Err(stopped) if stopped.failure.status == 404 && message.is_empty() => End::Unchanged(target),
        Err(stopped) if stopped.failure.status == 404 => End::Applied { target, message },
        Err(stopped) => End::Stopped {
            stopped,
            done: message,
            target,
        },
    })
}

/// Notes what an earlier attempt suspended without learning of it: looked at anew, that is in nobody's way.
async fn own_up(session: &Session, steps: Steps<'_>, customer: &Customer) -> Result<(), PartnerCenterError> {
    let to = SubscriptionStatus::Suspended.as_str();
    for (name, image) in steps.unknown("suspend ") {
        let image = Image::decode(&image)?;
        if has_become(session, &customer.id, &image.id, to).await? {
            let step = session.step(steps, &name);
            let way = (image.before("status"), to);
            let _ = status_step(session, &step, customer, &image.id, way).await?;
        }
    }
    Ok(())
}

/// What was suspended so far, by whatever attempt; empty for nothing.
fn suspended(steps: Steps<'_>) -> String {
    match steps.count("suspend ") {
        0 => String::new(),
        1 => "1 subscription was suspended".to_owned(),
        many => format!("{many} subscriptions were suspended"),
    }
}

/// The end of a row that cannot go on, perhaps after it has begun.
fn in_the_way(steps: Steps<'_>, problem: Problem, target: String) -> End {
    match suspended(steps) {
        done if done.is_empty() => End::Rejected(problem),
        done => End::Halfway { problem, done, target },
    }
}

/// Suspends what is in the way; how the row ends, if it does not go on.
async fn suspend_all(
    session: &Session,
    steps: Steps<'_>,
    customer: &Customer,
    suspend: &ToSuspend,
) -> Result<Option<End>, PartnerCenterError> {
    let to = SubscriptionStatus::Suspended.as_str();
    let mut pending = 0;
    for (id, status) in suspend {
        let name = format!("suspend {id}");
        let step = session.step(steps, &name);
        match status_step(session, &step, customer, id, (status, to)).await? {
            Ok(now) if now == to => {}
            Ok(_) if has_become(session, &customer.id, id, to).await? => {}
            Ok(_) => pending += 1,
            Err(stopped) => {
                let (done, target) = (suspended(steps), customer.id.clone());
                return Ok(Some(End::Stopped { stopped, done, target }));
            }
        }
    }
    Ok((pending > 0).then(|| End::Waits {
        message: format!("{pending} subscriptions are being suspended"),
        target: customer.id.clone(),
    }))
}

async fn end_step(session: &Session, step: &Step<'_>, customer: &Customer) -> Result<Done, PartnerCenterError> {
    let path = format!("/customers/{}", segment(&customer.id));
    let body = json!({ "relationshipToPartner": "none", "attributes": { "objectType": "Customer" } });
    let call = Call::new(END_RELATIONSHIP, path.clone()).of(&customer.id).body(body);
    let image = Image::new(Object::Relationship, customer, &customer.id).field("relationship", "reseller", "none");
    step.fixed(call, image, || async {
        let call = Call::new(GET_CUSTOMER, path.clone()).of(&customer.id);
        match session.client().read(&call).await {
            Ok(answer) => Ok(text(&answer.body, "relationshipToPartner").eq_ignore_ascii_case("none")),
            Err(CallError::Answered(failure, _)) if failure.class() == FailureClass::Refused => Ok(true),
            Err(error) => Err(PartnerCenterError::of(error)),
        }
    })
    .await
}
