//! Moves from one product to another. A transition takes seats out of a subscription into one of another product; trials,
//! which could be converted, there are none, and upgrades of the older sort lead nowhere.

use serde_json::{Value as Json, json};

use super::built::{NewSubscription, Terms};
use super::{give_seats, make, named, seats};
use crate::call::Call;
use crate::catalogue::{self, PRODUCTS, Product, ProductSort};
use crate::paging::collection;
use crate::record::{self, Resource, SUBSCRIPTION};
use crate::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use crate::state::moment;
use crate::{documents, json};

const TRANSITION: &str = "transition";
const WITH_LICENSES: &str = "transition_with_license_transfer";

/// Products that seats of a subscription can be moved to.
fn targets(subscription: &Resource) -> impl Iterator<Item = &'static Product> {
    let from = subscription.text("offerId").to_owned();
    let may = subscription.text("status") == "active" && catalogue::sort_of(&from) == ProductSort::License;
    PRODUCTS.iter().filter(move |product| {
        may && product.sort == ProductSort::License && !product.offer.eq_ignore_ascii_case(&from)
    })
}

/// `GET customers/{id}/subscriptions/{id}/conversions`.
pub(crate) fn conversions(call: &mut Call<'_>) -> ReplyResult {
    named(call)?;
    Ok(HttpReply::ok(collection(call, Vec::new())))
}

/// `POST customers/{id}/subscriptions/{id}/conversions`: only of trials.
pub(crate) fn convert(call: &mut Call<'_>) -> ReplyResult {
    named(call)?;
    Err(refuse(400, 900_141, "The subscription is no trial."))
}

/// `GET customers/{id}/subscriptions/{id}/upgrades`.
pub(crate) fn upgrades(call: &mut Call<'_>) -> ReplyResult {
    named(call)?;
    Ok(HttpReply::ok(collection(call, Vec::new())))
}

/// `POST customers/{id}/subscriptions/{id}/upgrades`.
pub(crate) fn upgrade(call: &mut Call<'_>) -> ReplyResult {
    named(call)?;
    Err(refuse(
        400,
        900_141,
        "The subscription cannot be upgraded; new commerce has transitions.",
    ))
}

/// `GET customers/{id}/subscriptions/{id}/transitioneligibilities`.
pub(crate) fn eligibilities(call: &mut Call<'_>) -> ReplyResult {
    let (_, subscription) = named(call)?;
    let items = targets(&subscription).map(|product| {
        json!({
            "catalogItemId": product.offer,
            "title": product.name,
            "description": product.name,
            "quantity": subscription.int("quantity"),
            "eligibilities": [{ "transitionType": WITH_LICENSES, "isEligible": true, "errors": [] }],
            "attributes": { "objectType": "TransitionEligibility" },
        })
    });
    let items = items.collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET customers/{id}/subscriptions/{id}/transitions`.
pub(crate) fn transitions(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    let wanted = call.request.query("operationId").map(str::to_owned);
    let mut all = documents::all(call.tx, TRANSITION, customer.id)?;
    all.retain(|one| {
        one.text("fromSubscriptionId") == subscription.text("id")
            && wanted
                .as_ref()
                .is_none_or(|id| one.text("operationId").eq_ignore_ascii_case(id))
    });
    let items = all.into_iter().map(|one| one.body).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `POST customers/{id}/subscriptions/{id}/transitions`.
pub(crate) fn transition(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut source) = named(call)?;
    let given = call.request.object()?.clone();
    let offer = json::text(&given, "toCatalogItemId").to_owned();
    let Some(target) = targets(&source).find(|product| product.offer.eq_ignore_ascii_case(&offer)) else {
        return Err(bad_member(
            "toCatalogItemId",
            "is no product that the subscription can be moved to",
        ));
    };
    let had = source.int("quantity");
    let moved = given["quantity"].as_i64().unwrap_or(had);
    if !(1..=had).contains(&moved) {
        return Err(refuse(400, 2002, "The subscription has no such number of seats."));
    }
    let before = seats(&source);
    if moved == had {
        source.put("status", "deleted");
    } else {
        source.put("quantity", had - moved);
    }
    record::update(call.tx, &SUBSCRIPTION, &mut source)?;
    give_seats(call, &source, seats(&source) - before)?;
    let made = into(call, &customer, (&source, target), &given, moved)?;
    let (id, guid) = call.fresh()?;
    let event = |name: &str| json!({ "name": name, "status": "completed", "timestamp": moment(call.now) });
    let body = json!({
        "operationId": guid,
        "fromCatalogItemId": source.text("offerId"),
        "fromSubscriptionId": source.text("id"),
        "toCatalogItemId": target.offer,
        "toSubscriptionId": made.text("id"),
        "quantity": moved,
        "transitionType": WITH_LICENSES,
        "events": [event("conversion"), event("license_transfer")],
        "attributes": { "objectType": "Transition" },
    });
    let done = Resource::new(id, customer.id, body);
    documents::write(call.tx, TRANSITION, &guid, &done)?;
    call.remark("SubscriptionId", source.text("id"));
    Ok(HttpReply::ok(done.body))
}

/// The subscription that gets the seats: the one that is named, or a new one.
fn into(
    call: &mut Call<'_>,
    customer: &Resource,
    (source, target): (&Resource, &Product),
    given: &Json,
    seats: i64,
) -> Result<Resource, Refused> {
    let named = json::text(given, "toSubscriptionId");
    if !named.is_empty() {
        let mut there = super::find(call, customer, named)?;
        if !there.text("offerId").eq_ignore_ascii_case(target.offer) {
            return Err(refuse(400, 900_260, "The subscription is to another product."));
        }
        let quantity = there.int("quantity") + seats;
        there.put("quantity", quantity);
        record::update(call.tx, &SUBSCRIPTION, &mut there)?;
        give_seats(call, &there, seats)?;
        return Ok(there);
    }
    let or = |name: &str| match json::text(given, name) {
        "" => source.text(name).to_owned(),
        own => own.to_owned(),
    };
    let terms = Terms::ordered(target.offer, &or("billingCycle"), &or("termDuration"))?;
    let partner = call.caller.partner.to_string();
    let new = NewSubscription {
        offer: target.offer,
        name: "",
        quantity: seats,
        order: source.text("orderId"),
        terms,
        partner_id: source.text("partnerId"),
        promotion: json::text(given, "promotionId"),
        parent: "",
        partner: &partner,
        begins: call.now,
    };
    make(call, customer, &new)
}
