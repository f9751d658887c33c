//! What is used of Azure, as far as one asks for the records of a month: who has such subscriptions, and that they cost
//! nothing here.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::paging::{collection, link};
use super::record::{self, CUSTOMER, Resource};
use super::reply::{HttpReply, Refused, ReplyResult};
use super::{orders, state, subscriptions};

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
        item["budget"] = json!({ "amount": 0.0, "attributes": { "objectType": "SpendingBudget" } });
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
