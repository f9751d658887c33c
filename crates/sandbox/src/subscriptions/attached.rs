//! Things attached to a subscription: its add-ons, whom to ask for support, whether Azure knows of it, and the entitlements of
//! an Azure plan.

use serde_json::{Value as Json, json};

use super::{named, of, shown};
use crate::call::Call;
use crate::catalogue::guid_of;
use crate::paging::{collection, link};
use crate::record::{self, Resource, SUBSCRIPTION};
use crate::reply::{HttpReply, Refused, ReplyResult, refuse};
use crate::state::moment;
use crate::{documents, json};

const CONTACT: &str = "support_contact";
/// Whether a subscription is registered: a note of our own.
const REGISTERED: &str = "_registered";
/// Whether an Azure plan's entitlement is cancelled: the same.
const CANCELLED: &str = "_cancelled";

fn own(customer: &Resource, subscription: &Resource, rest: &str) -> String {
    format!(
        "/customers/{}/subscriptions/{}/{rest}",
        customer.text("id"),
        subscription.text("id")
    )
}

/// `GET customers/{id}/subscriptions/{id}/addons`.
pub(crate) fn add_ons(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    let mut all = of(call, &customer)?;
    all.retain(|one| {
        one.text("parentSubscriptionId")
            .eq_ignore_ascii_case(subscription.text("id"))
    });
    let items = all.iter().map(|one| shown(call, &customer, one)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET customers/{id}/subscriptions/{id}/activationlinks`: products of others have some; there are none here.
pub(crate) fn activation_links(call: &mut Call<'_>) -> ReplyResult {
    named(call)?;
    Ok(HttpReply::ok(collection(call, Vec::new())))
}

fn contact(customer: &Resource, subscription: &Resource, mut body: Json) -> HttpReply {
    body["links"] = json!({ "self": link(&own(customer, subscription, "supportcontact")) });
    body["attributes"] = json!({ "objectType": "SupportContact" });
    HttpReply::ok(body)
}

/// `GET customers/{id}/subscriptions/{id}/supportcontact`: the partner, unless another one was named.
pub(crate) fn support_contact(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    let found = documents::find(call.tx, CONTACT, customer.id, subscription.text("id"))?;
    let partner = call.caller.partner;
    let body = found.map_or_else(
        || json!({ "supportTenantId": partner, "supportMpnId": "5000001", "name": "Sandbox Partner" }),
        |found| found.body,
    );
    Ok(contact(&customer, &subscription, body))
}

/// `PUT customers/{id}/subscriptions/{id}/supportcontact`.
pub(crate) fn put_support_contact(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    let given = call.request.object()?;
    let body = json!({
        "supportTenantId": json::text(given, "supportTenantId"),
        "supportMpnId": json::text(given, "supportMpnId"),
        "name": json::text(given, "name"),
    });
    let name = subscription.text("id").to_owned();
    let (id, _) = call.fresh()?;
    documents::write(call.tx, CONTACT, &name, &Resource::new(id, customer.id, body.clone()))?;
    call.remark("SubscriptionId", name);
    Ok(contact(&customer, &subscription, body))
}

/// Refuses what only Azure has.
fn check_azure(subscription: &Resource) -> Result<(), Refused> {
    if subscription.text("billingType") == "usage" {
        return Ok(());
    }
    Err(refuse(400, 900_141, "This is done to Azure subscriptions only."))
}

/// `POST customers/{id}/subscriptions/{id}/registrations`: 202, and where to ask.
pub(crate) fn register(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut subscription) = named(call)?;
    check_azure(&subscription)?;
    subscription.put(REGISTERED, true);
    record::update(call.tx, &SUBSCRIPTION, &mut subscription)?;
    call.remark("SubscriptionId", subscription.text("id"));
    let place = own(&customer, &subscription, "registrationstatus");
    Ok(HttpReply::empty(202).with("Location", place))
}

/// `GET customers/{id}/subscriptions/{id}/registrationstatus`.
pub(crate) fn registration_status(call: &mut Call<'_>) -> ReplyResult {
    let (_, subscription) = named(call)?;
    let registered = subscription.body[REGISTERED] == true;
    Ok(HttpReply::ok(json!({
        "subscriptionId": subscription.text("id"),
        "status": if registered { "Registered" } else { "NotRegistered" },
        "attributes": { "objectType": "SubscriptionRegistrationStatus" },
    })))
}

/// The one entitlement of an Azure plan.
fn entitlement(customer: &Resource, subscription: &Resource) -> Json {
    let id = guid_of(&format!("entitlement {}", subscription.text("id"))).to_string();
    let cancelled = subscription.body[CANCELLED] == true;
    json!({
        "id": id,
        "friendlyName": subscription.text("friendlyName"),
        "status": if cancelled { "deleted" } else { subscription.text("status") },
        "subscriptionId": subscription.text("id"),
        "subscriptionStatus": if cancelled { "disabled" } else { "active" },
        "createdDate": subscription.text("creationDate"),
        "links": { "self": link(&own(customer, subscription, &format!("azureEntitlements/{id}"))) },
        "attributes": { "objectType": "AzureEntitlement" },
    })
}

fn is_plan(subscription: &Resource) -> bool {
    subscription.text("_productType") == "azure-plan"
}

/// `GET customers/{id}/subscriptions/{id}/azureEntitlements`.
pub(crate) fn entitlements(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    let items = is_plan(&subscription).then(|| entitlement(&customer, &subscription));
    Ok(HttpReply::ok(collection(call, items.into_iter().collect())))
}

fn named_entitlement(call: &mut Call<'_>) -> Result<(Resource, Resource), Refused> {
    let (customer, subscription) = named(call)?;
    let wanted = call.places.get(2).cloned().unwrap_or_default();
    let known = entitlement(&customer, &subscription);
    if !is_plan(&subscription) || !json::text(&known, "id").eq_ignore_ascii_case(wanted.trim()) {
        return Err(refuse(404, 1000, "Not found").about([wanted]));
    }
    Ok((customer, subscription))
}

/// `GET customers/{id}/subscriptions/{id}/azureEntitlements/{id}`.
pub(crate) fn get_entitlement(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named_entitlement(call)?;
    Ok(HttpReply::ok(entitlement(&customer, &subscription)))
}

/// `POST customers/{id}/subscriptions/{id}/azureEntitlements/{id}/cancel`.
pub(crate) fn cancel_entitlement(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut subscription) = named_entitlement(call)?;
    subscription.put(CANCELLED, true);
    record::update(call.tx, &SUBSCRIPTION, &mut subscription)?;
    call.remark("SubscriptionId", subscription.text("id"));
    Ok(HttpReply::ok(entitlement(&customer, &subscription)))
}

/// `GET customers/{id}/subscriptions/{id}/usagesummary`: nothing costs anything here.
pub(crate) fn usage_summary(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    check_azure(&subscription)?;
    Ok(HttpReply::ok(json!({
        "resourceId": subscription.text("id"),
        "resourceName": subscription.text("friendlyName"),
        "billingStartDate": subscription.text("creationDate"),
        "billingEndDate": moment(call.now),
        "totalCost": 0.0,
        "currencyLocale": customer.text("billingProfile.culture"),
        "lastModifiedDate": moment(call.now),
        "links": { "self": link(&own(&customer, &subscription, "usagesummary")) },
        "attributes": { "objectType": "SubscriptionUsageSummary" },
    })))
}
