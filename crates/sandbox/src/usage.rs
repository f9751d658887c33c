//! Usage of Azure: who has such subscriptions, that they cost nothing here, and what a customer may spend.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::paging::{collection, link};
use super::record::{self, CUSTOMER, Resource};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member};
use super::{documents, orders, state, subscriptions};

fn cost(call: &Call<'_>, customer: &Resource) -> Json {
    let (code, _) = orders::built::currency(customer);
    json!({
        "totalCost": 0.0,
        "currencyLocale": customer.text("billingProfile.culture"),
        "currencyCode": code,
        "usdTotalCost": 0.0,
        "lastModifiedDate": state::moment(call.now),
    })
}

/// Subscriptions of a customer that are billed by what is used.
fn used(call: &mut Call<'_>, customer: &Resource) -> Result<Vec<Resource>, Refused> {
    let mut all = subscriptions::of(call, customer)?;
    all.retain(|one| one.text("billingType") == "usage" && one.text("status") == "active");
    Ok(all)
}

/// `GET customers/usagerecords`: of every customer who has something that is billed so.
pub(super) fn of_customers(call: &mut Call<'_>) -> ReplyResult {
    let rest = "WHERE t.relationship <> 'none' AND EXISTS (SELECT 1 FROM subscriptions s
        WHERE s.customer = t.id AND s.product_type LIKE 'azure%') ORDER BY t.id";
    let mut items = Vec::new();
    for customer in record::select(call.tx, &CUSTOMER, rest, &[])? {
        if used(call, &customer)?.is_empty() {
            continue;
        }
        let id = customer.text("id");
        let mut item = cost(call, &customer);
        item["budget"] = budget_of(call, &customer)?;
        item["percentUsed"] = 0.0.into();
        item["isUpgraded"] = true.into();
        item["resourceId"] = id.into();
        item["id"] = id.into();
        item["resourceName"] = customer.text("companyProfile.companyName").into();
        item["name"] = customer.text("companyProfile.companyName").into();
        item["links"] = json!({ "self": link(&format!("/customers/{id}/usagesummary")) });
        item["attributes"] = json!({ "objectType": "CustomerMonthlyUsageRecord" });
        items.push(item);
    }
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET customers/{id}/subscriptions/usagerecords`.
pub(super) fn of_subscriptions(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let own = used(call, &customer)?;
    let items = own.iter().map(|one| {
        let id = one.text("id");
        let mut item = cost(call, &customer);
        item["status"] = one.text("status").into();
        item["partnerOnRecord"] = one.text("partnerId").into();
        item["offerId"] = one.text("offerId").into();
        item["isUpgraded"] = (one.text("_productType") == "azure-plan").into();
        item["resourceId"] = id.into();
        item["id"] = id.into();
        item["resourceName"] = one.text("friendlyName").into();
        item["name"] = one.text("friendlyName").into();
        let own = format!("/customers/{}/subscriptions/{id}", customer.text("id"));
        item["links"] = json!({ "self": link(&own) });
        item["attributes"] = json!({ "objectType": "SubscriptionMonthlyUsageRecord" });
        item
    });
    let items = items.collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET usagesummary`: of all customers together.
pub(super) fn of_partner(call: &mut Call<'_>) -> ReplyResult {
    let now = state::moment(call.now);
    let sql =
        "SELECT count(DISTINCT customer) FROM subscriptions WHERE product_type LIKE 'azure%' AND status = 'active'";
    let customers = state::count(call.tx, sql, &[])?;
    Ok(HttpReply::ok(json!({
        "resourceId": call.caller.partner,
        "resourceName": "Sandbox Partner",
        "customersOverBudget": 0,
        "customersTrendingOver": 0,
        "customersWithUsageBasedSubscriptions": customers,
        "billingStartDate": now,
        "billingEndDate": now,
        "totalCost": 0.0,
        "currencyLocale": "en-US",
        "lastModifiedDate": now,
        "links": { "self": link("/usagesummary") },
        "attributes": { "objectType": "PartnerUsageSummary" },
    })))
}

/// `GET customers/{id}/usagesummary`.
pub(super) fn of_customer(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut body = cost(call, &customer);
    body["budget"] = budget_of(call, &customer)?;
    body["resourceId"] = customer.text("id").into();
    body["resourceName"] = customer.text("companyProfile.companyName").into();
    body["billingStartDate"] = state::moment(call.now).into();
    body["billingEndDate"] = state::moment(call.now).into();
    body["links"] = json!({ "self": link(&format!("/customers/{}/usagesummary", customer.text("id"))) });
    body["attributes"] = json!({ "objectType": "CustomerUsageSummary" });
    Ok(HttpReply::ok(body))
}

/// What a customer may spend in a month, if somebody has said.
const BUDGET: &str = "budget";

fn budget_of(call: &mut Call<'_>, customer: &Resource) -> Result<Json, Refused> {
    let found = documents::find(call.tx, BUDGET, customer.id, BUDGET)?;
    let amount = found.map_or(Json::Null, |found| found.body["amount"].clone());
    Ok(json!({ "amount": amount, "attributes": { "objectType": "SpendingBudget" } }))
}

/// `GET customers/{id}/usagebudget`.
pub(super) fn budget(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    Ok(HttpReply::ok(budget_of(call, &customer)?))
}

/// `PATCH customers/{id}/usagebudget`; no amount means that nobody minds.
pub(super) fn set_budget(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?.get("amount").cloned().unwrap_or_default();
    if given.as_f64().is_some_and(|amount| amount < 0.0) || !(given.is_number() || given.is_null()) {
        return Err(bad_member("amount", "has to be a number that is not negative"));
    }
    let (id, _) = call.fresh()?;
    let written = Resource::new(id, customer.id, json!({ "amount": given }));
    documents::write(call.tx, BUDGET, BUDGET, &written)?;
    Ok(HttpReply::ok(budget_of(call, &customer)?))
}
