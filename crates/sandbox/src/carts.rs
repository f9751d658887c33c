//! Carts: line items that are kept for a week, and become orders when they are checked out. Line items that are billed
//! alike become one order.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::orders::{self, built, items};
use super::paging::link;
use super::quirks::Quirk;
use super::record::Resource;
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::moment;
use super::subscriptions::built::Terms;
use super::{documents, json};

const CART: &str = "cart";
const CART_LIFE: i64 = 7 * 24 * 3600 * 1000;

/// The line items of a request as the cart has them.
fn lines(customer: &Resource, given: &Json) -> Result<Vec<Json>, Refused> {
    let mut lines = items(given);
    if lines.is_empty() {
        return Err(bad_member("lineItems", "is missing"));
    }
    let mut cycles: Vec<String> = Vec::new();
    for (number, line) in lines.iter_mut().enumerate() {
        let offer = json::text(line, "catalogItemId").to_owned();
        if offer.is_empty() {
            return Err(refuse(400, 900_142, "A line item names no catalogue item."));
        }
        let terms = Terms::ordered(
            &offer,
            json::text(line, "billingCycle"),
            json::text(line, "termDuration"),
        )?;
        let quantity = line["quantity"].as_i64().unwrap_or(1);
        let group = cycles
            .iter()
            .position(|cycle| *cycle == terms.cycle)
            .unwrap_or_else(|| {
                cycles.push(terms.cycle.clone());
                cycles.len() - 1
            });
        line["id"] = number.into();
        line["quantity"] = quantity.into();
        line["orderGroup"] = group.to_string().into();
        if let Some(pricing) = built::pricing(&offer, &terms.cycle, quantity) {
            line["pricing"] = pricing;
        }
        line["billingCycle"] = terms.cycle.into();
        if !terms.term.is_empty() {
            line["termDuration"] = terms.term.into();
        }
        if json::text(line, "currencyCode").is_empty() {
            line["currencyCode"] = built::currency(customer).0.into();
        }
        for (name, usual) in [("provisioningContext", json!({})), ("addonItems", json!([]))] {
            if line.get(name).is_none() {
                line[name] = usual;
            }
        }
    }
    Ok(lines)
}

fn save(call: &mut Call<'_>, cart: &mut Resource) -> Result<(), Refused> {
    cart.put("lastModifiedTimestamp", moment(call.now));
    cart.put("lastModifiedUser", call.caller.partner.to_string());
    let name = cart.text("id").to_owned();
    Ok(documents::write(call.tx, CART, &name, cart)?)
}

/// `POST customers/{id}/carts`.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?.clone();
    let lines = lines(&customer, &given)?;
    let (id, guid) = call.fresh()?;
    let mut cart = Resource::new(
        id,
        customer.id,
        json!({
            "id": guid,
            "creationTimestamp": moment(call.now),
            "expirationTimestamp": moment(call.now + CART_LIFE),
            "status": "Active",
            "lineItems": lines,
            "links": { "self": link(&format!("/customers/{}/carts/{guid}", customer.text("id"))) },
            "attributes": { "objectType": "Cart" },
        }),
    );
    save(call, &mut cart)?;
    Ok(HttpReply::json(201, cart.body))
}

fn named(call: &mut Call<'_>) -> Result<(Resource, Resource), Refused> {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, CART, customer.id, &name)?;
    Ok((
        customer,
        found.ok_or_else(|| refuse(404, 800_008, "There is no such cart."))?,
    ))
}

/// `GET customers/{id}/carts/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    Ok(HttpReply::ok(named(call)?.1.body))
}

/// `PUT customers/{id}/carts/{id}`: the line items are those of the request.
pub(super) fn put(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut cart) = named(call)?;
    let given = call.request.object()?.clone();
    check_open(&cart)?;
    let lines = lines(&customer, &given)?;
    cart.put("lineItems", lines);
    save(call, &mut cart)?;
    Ok(HttpReply::ok(cart.body))
}

fn check_open(cart: &Resource) -> Result<(), Refused> {
    if cart.text("status") == "Active" {
        return Ok(());
    }
    let text = format!("Cart {} was checked out before.", cart.text("id"));
    Err(refuse(400, 800_065, text))
}

/// `POST customers/{id}/carts/{id}/checkout`: 201 even if some of it failed.
pub(super) fn checkout(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut cart) = named(call)?;
    check_open(&cart)?;
    let mut wanted = items(&cart.body);
    let mut errors = Vec::new();
    if call.shared.has(Quirk::PartialSuccess) && wanted.len() > 1 {
        let failed = wanted.pop().unwrap_or_default();
        errors.push(json!({
            "orderGroupId": failed["orderGroup"],
            "code": 800_010,
            "description": "This item is sold out.",
            "lineItemId": failed["id"],
        }));
    }
    let mut made = Vec::new();
    while let Some(first) = wanted.first().cloned() {
        let (alike, rest) = wanted
            .into_iter()
            .partition(|item| item["orderGroup"] == first["orderGroup"]);
        let alike: Vec<Json> = alike;
        wanted = rest;
        made.push(orders::make(call, &customer, &first, &alike)?);
    }
    cart.put("status", "Submitted");
    save(call, &mut cart)?;
    let mut answer = json!({ "orders": made, "attributes": { "objectType": "CartCheckoutResult" } });
    if !errors.is_empty() {
        answer["orderErrors"] = errors.into();
    }
    Ok(HttpReply::json(201, answer))
}
