//! Orders and carts, as far as it takes to own subscriptions. An order is done at once.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::paging::{collection, link};
use super::quirks::Quirk;
use super::record::Resource;
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::moment;
use super::subscriptions::{self, New};
use super::{documents, etag, json};

const ORDER: &str = "order";
const CART: &str = "cart";
const CART_LIFE: i64 = 7 * 24 * 3600 * 1000;

fn make(call: &mut Call<'_>, customer: &Resource, given: &Json, items: &[Json]) -> Result<Json, Refused> {
    let partner = call.caller.partner.to_string();
    make_for(call, customer, given, items, &partner)
}

/// Makes an order of line items for a partner, with a subscription for each.
pub(super) fn make_for(
    call: &mut Call<'_>,
    customer: &Resource,
    given: &Json,
    items: &[Json],
    partner: &str,
) -> Result<Json, Refused> {
    if items.is_empty() {
        return Err(bad_member("lineItems", "is missing"));
    }
    let (id, guid) = call.fresh()?;
    let name = guid.replace('-', "");
    let customer_id = customer.text("id").to_owned();
    let mut lines = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let offer = [json::text(item, "offerId"), json::text(item, "catalogItemId")];
        let offer = offer.into_iter().find(|offer| !offer.is_empty());
        let offer = offer.ok_or_else(|| refuse(400, 800_004, "A line item names no offer."))?;
        let subscription = subscriptions::make(
            call,
            customer,
            &New {
                offer,
                name: json::text(item, "friendlyName"),
                quantity: item["quantity"].as_i64().unwrap_or(1),
                order: &name,
                billing_cycle: json::text(given, "billingCycle"),
                partner_id: json::text(item, "partnerIdOnRecord"),
                partner,
            },
        )?;
        let subscription_id = subscription.text("id");
        lines.push(json!({
            "lineItemNumber": number,
            "offerId": offer,
            "subscriptionId": subscription_id,
            "friendlyName": subscription.text("friendlyName"),
            "quantity": subscription.int("quantity"),
            "links": { "subscription": link(&format!("/customers/{customer_id}/subscriptions/{subscription_id}")) },
        }));
        call.remark("SubscriptionId", subscription_id);
    }
    let own = format!("/customers/{customer_id}/orders/{name}");
    let order = json!({
        "id": name,
        "referenceCustomerId": customer_id,
        "billingCycle": match json::text(given, "billingCycle") { "" => "monthly", cycle => cycle },
        "currencyCode": match json::text(given, "currencyCode") { "" => "USD", code => code },
        "lineItems": lines,
        "creationDate": moment(call.now),
        "status": "completed",
        "links": { "self": link(&own), "provisioningStatus": link(&format!("{own}/provisioningstatus")) },
        "attributes": { "etag": etag::versioned(&guid, 1), "objectType": "Order" },
    });
    let order = Resource::new(id, customer.id, order);
    documents::write(call.tx, ORDER, &name, &order)?;
    call.remark("OrderId", name);
    Ok(order.body)
}

fn items(given: &Json) -> Vec<Json> {
    given["lineItems"].as_array().cloned().unwrap_or_default()
}

/// `POST customers/{id}/orders`: what is told at once is that it is pending.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?.clone();
    let mut order = make(call, &customer, &given, &items(&given))?;
    order["status"] = "pending".into();
    Ok(HttpReply::json(201, order))
}

/// `GET customers/{id}/orders`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let all = documents::all(call.tx, ORDER, customer.id)?;
    Ok(HttpReply::ok(collection(
        all.into_iter().map(|order| order.body).collect(),
    )))
}

fn named(call: &mut Call<'_>) -> Result<Resource, Refused> {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, ORDER, customer.id, &name)?;
    found.ok_or_else(|| refuse(404, 20_000, "There is no such order."))
}

/// `GET customers/{id}/orders/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    Ok(HttpReply::ok(named(call)?.body))
}

/// `GET customers/{id}/orders/{id}/provisioningstatus`.
pub(super) fn provisioning_status(call: &mut Call<'_>) -> ReplyResult {
    let order = named(call)?;
    let lines = items(&order.body).into_iter().map(|line| {
        json!({
            "orderLineItemId": line["lineItemNumber"],
            "lineItemNumber": line["lineItemNumber"],
            "status": "fulfilled",
            "quantityProvisioningInformation": [{ "quantity": line["quantity"], "status": "fulfilled" }],
        })
    });
    Ok(HttpReply::ok(collection(lines.collect())))
}

/// `POST customers/{id}/carts`.
pub(super) fn create_cart(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut cart = call.request.object()?.clone();
    if items(&cart).is_empty() {
        return Err(bad_member("lineItems", "is missing"));
    }
    let (id, guid) = call.fresh()?;
    cart["id"] = guid.clone().into();
    cart["creationTimestamp"] = moment(call.now).into();
    cart["lastModifiedTimestamp"] = moment(call.now).into();
    cart["expirationTimestamp"] = moment(call.now + CART_LIFE).into();
    cart["status"] = "Active".into();
    for (number, item) in cart["lineItems"].as_array_mut().into_iter().flatten().enumerate() {
        item["id"] = number.into();
    }
    cart["attributes"] = json!({ "objectType": "Cart" });
    let cart = Resource::new(id, customer.id, cart);
    documents::write(call.tx, CART, &guid, &cart)?;
    Ok(HttpReply::json(201, cart.body))
}

/// `POST customers/{id}/carts/{id}/checkout`: 201 even if some of it failed.
pub(super) fn checkout(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, CART, customer.id, &name)?;
    let mut cart = found.ok_or_else(|| refuse(404, 800_008, "There is no such cart."))?;
    if cart.text("status") != "Active" {
        return Err(refuse(400, 800_065, format!("Cart {name} was checked out before.")));
    }
    let mut wanted = items(&cart.body);
    let mut errors = Vec::new();
    if call.shared.has(Quirk::PartialSuccess) && wanted.len() > 1 {
        let failed = wanted.pop().unwrap_or_default();
        errors.push(json!({
            "orderGroupId": "0",
            "code": 800_010,
            "description": "This item is sold out.",
            "lineItemId": failed["id"],
        }));
    }
    let given = cart.body.clone();
    let order = make(call, &customer, &given, &wanted)?;
    cart.put("status", "Submitted");
    documents::write(call.tx, CART, &name, &cart)?;
    let mut answer = json!({ "orders": [order], "attributes": { "objectType": "CartCheckoutResult" } });
    if !errors.is_empty() {
        answer["orderErrors"] = errors.into();
    }
    Ok(HttpReply::json(201, answer))
}
