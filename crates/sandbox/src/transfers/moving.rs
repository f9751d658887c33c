//! Effects of an agreed transfer: the target gets new subscriptions, and the source's are deleted. Add-ons go with what they
//! are added to.

use serde_json::{Value as Json, json};

use crate::call::Call;
use crate::quirks::Quirk;
use crate::record::{self, Resource, SUBSCRIPTION};
use crate::reply::Refused;
use crate::subscriptions::{self, give_seats};
use crate::{json, orders};

/// Moves what can be moved.
pub(super) fn carry_out(call: &mut Call<'_>, customer: &Resource, transfer: &mut Resource) -> Result<Json, Refused> {
    let mut lines = transfer.body["lineItems"].as_array().cloned().unwrap_or_default();
    let (mut made, mut errors) = (Vec::new(), Vec::new());
    let last = lines.len();
    for (number, line) in lines.iter_mut().enumerate() {
        let id = json::text(line, "subscriptionId").to_owned();
        let rest = "WHERE t.customer = $1 AND t.subscription_id = $2";
        let found = record::select(call.tx, &SUBSCRIPTION, rest, &[customer.id.into(), id.as_str().into()])?;
        let unlucky = call.shared.has(Quirk::PartialSuccess) && last > 1 && number + 1 == last;
        let source = found
            .into_iter()
            .next()
            .filter(|one| one.text("status") == "active" && !unlucky);
        line["transferGroupId"] = number.to_string().into();
        let Some(source) = source else {
            let text = format!("Subscription {id} cannot be transferred as it is.");
            line["status"] = "Failed".into();
            line["transferError"] = text.clone().into();
            let mut failed = line.clone();
            failed["entitlementId"] = id.as_str().into();
            failed["sourceSubscriptionId"] = id.as_str().into();
            errors.push(json!({
                "transferGroupId": number.to_string(),
                "lineItems": [failed],
                "code": 800_078,
                "description": text,
                "attributes": { "objectType": "TransferError" },
            }));
            continue;
        };
        let order = move_one(call, customer, transfer, source, "")?;
        let parent = json::text(&order["lineItems"][0], "subscriptionId").to_owned();
        line["status"] = "Complete".into();
        line["orderId"] = order["id"].clone();
        made.push(order);
        let rest = "WHERE t.customer = $1 ORDER BY t.id";
        let all = record::select(call.tx, &SUBSCRIPTION, rest, &[customer.id.into()])?;
        for add_on in all.into_iter().filter(|one| subscriptions::is_add_on_to(one, &id)) {
            made.push(move_one(call, customer, transfer, add_on, &parent)?);
        }
    }
    let status = if errors.is_empty() {
        "Complete"
    } else {
        "PartiallyComplete"
    };
    transfer.put("status", status);
    transfer.put("lineItems", lines);
    let mut answer = json!({ "orders": made, "attributes": { "objectType": "TransferSubmitResult" } });
    if !errors.is_empty() {
        answer["transferErrors"] = errors.into();
    }
    Ok(answer)
}

/// Moves a subscription, as an add-on to the new one of that id if there is one.
fn move_one(
    call: &mut Call<'_>,
    customer: &Resource,
    transfer: &Resource,
    mut source: Resource,
    parent: &str,
) -> Result<Json, Refused> {
    let seats = subscriptions::seats(&source);
    source.put("status", "deleted");
    record::update(call.tx, &SUBSCRIPTION, &mut source)?;
    give_seats(call, &source, -seats)?;
    let item = json!({
        "offerId": source.text("offerId"),
        "friendlyName": source.text("friendlyName"),
        "quantity": source.int("quantity"),
        "partnerIdOnRecord": source.text("partnerId"),
        "termDuration": source.text("termDuration"),
    });
    let given = json!({ "billingCycle": source.text("billingCycle") });
    let order = orders::make_for(call, customer, &given, &[item], transfer.text("targetPartnerTenantId"))?;
    let new = json::text(&order["lineItems"][0], "subscriptionId").to_owned();
    let rest = "WHERE t.subscription_id = $1";
    for mut one in record::select(call.tx, &SUBSCRIPTION, rest, &[new.into()])? {
        one.put("sourceSubscriptionId", source.text("id"));
        if !parent.is_empty() {
            one.put("parentSubscriptionId", parent);
        }
        record::update(call.tx, &SUBSCRIPTION, &mut one)?;
    }
    Ok(order)
}
