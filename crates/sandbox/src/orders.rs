//! Orders, as far as it takes to own subscriptions. An order is done at once.

pub(crate) mod built;

use serde_json::{Value as Json, json};

use super::call::Call;
use super::paging::collection;
use super::record::{self, Resource, SUBSCRIPTION};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::subscriptions::built::{NewSubscription, Terms, cycle_of};
use super::{catalogue, documents, etag, json, subscriptions};

pub(super) const ORDER: &str = "order";

/// What a line item is of.
struct Ordered<'a> {
    item: &'a Json,
    cycle: &'a str,
    order: &'a str,
    partner: &'a str,
}

/// Makes the subscription of a line item.
fn buy(call: &mut Call<'_>, customer: &Resource, ordered: &Ordered<'_>) -> Result<Resource, Refused> {
    let item = ordered.item;
    let offer = [json::text(item, "offerId"), json::text(item, "catalogItemId")];
    let offer = offer.into_iter().find(|offer| !offer.is_empty());
    let offer = offer.ok_or_else(|| refuse(400, 800_004, "A line item names no offer."))?;
    let parent = json::text(item, "parentSubscriptionId");
    check_parent(call, customer, offer, parent)?;
    let cycle = match json::text(item, "billingCycle") {
        "" => ordered.cycle,
        own => own,
    };
    let made = subscriptions::make(
        call,
        customer,
        &NewSubscription {
            offer,
            name: json::text(item, "friendlyName"),
            quantity: item["quantity"].as_i64().unwrap_or(1),
            order: ordered.order,
            terms: Terms::ordered(offer, cycle, json::text(item, "termDuration"))?,
            partner_id: json::text(item, "partnerIdOnRecord"),
            promotion: json::text(item, "promotionId"),
            parent,
            partner: ordered.partner,
            begins: call.now,
        },
    )?;
    call.remark("SubscriptionId", made.text("id"));
    Ok(made)
}

/// Refuses an add-on to a subscription that there is not, or that the add-on is not for.
fn check_parent(call: &mut Call<'_>, customer: &Resource, offer: &str, parent: &str) -> Result<(), Refused> {
    let unrelated = || refuse(400, 800_029, "The add-on is not for that subscription.").about([parent]);
    if parent.is_empty() {
        return Ok(());
    }
    let parent = subscriptions::find(call, customer, parent).map_err(|_| unrelated())?;
    let wanted = catalogue::by_offer(offer).and_then(|product| product.add_on_to);
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(parent.text("offerId")) => Err(unrelated()),
        _ => Ok(()),
    }
}

/// Makes an order of line items for the caller, with a subscription for each.
pub(super) fn make(call: &mut Call<'_>, customer: &Resource, given: &Json, items: &[Json]) -> Result<Json, Refused> {
    let partner = call.caller.partner.to_string();
    make_for(call, customer, given, items, &partner)
}

/// The same for any partner.
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
    let cycle = json::text(given, "billingCycle");
    let mut lines = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let ordered = Ordered {
            item,
            cycle,
            order: &name,
            partner,
        };
        let subscription = buy(call, customer, &ordered)?;
        lines.push(built::line(customer, number, &subscription));
    }
    let new = built::NewOrder {
        name: &name,
        cycle: cycle_of(cycle).unwrap_or("monthly"),
        currency: json::text(given, "currencyCode"),
        lines,
        partner,
        at: call.now,
    };
    let order = Resource::new(id, customer.id, built::body(customer, &new));
    documents::write(call.tx, ORDER, &name, &order)?;
    call.remark("OrderId", name);
    Ok(json::shown(&order.body))
}

pub(super) fn items(given: &Json) -> Vec<Json> {
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

/// Whether the caller made an order; of old ones nobody knows who did.
fn is_own(call: &Call<'_>, order: &Resource) -> bool {
    let partner = order.text("_partner");
    partner.is_empty() || partner == call.caller.partner.to_string()
}

/// `GET customers/{id}/orders`, or those of one billing cycle.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let wanted = call.request.query("billingType").map(cycle_of);
    let all = documents::all(call.tx, ORDER, customer.id)?;
    let call = &*call;
    let own = all.iter().filter(|order| is_own(call, order));
    let asked = own.filter(|order| wanted.is_none_or(|cycle| cycle == cycle_of(order.text("billingCycle"))));
    let items = asked.map(|order| json::shown(&order.body)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

fn named(call: &mut Call<'_>) -> Result<(Resource, Resource), Refused> {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, ORDER, customer.id, &name)?;
    let found = found.filter(|order| is_own(call, order));
    Ok((
        customer,
        found.ok_or_else(|| refuse(404, 20_000, "There is no such order."))?,
    ))
}

/// `GET customers/{id}/orders/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    Ok(HttpReply::ok(json::shown(&named(call)?.1.body)))
}

/// `PATCH customers/{id}/orders/{id}`: adds line items, which may be add-ons, or changes the billing cycle.
pub(super) fn patch(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut order) = named(call)?;
    let given = call.request.object()?.clone();
    let name = order.text("id").to_owned();
    let partner = call.caller.partner.to_string();
    let cycle = order.text("billingCycle").to_owned();
    let wanted = json::text(&given, "billingCycle");
    let mut lines = items(&order.body);
    if !wanted.is_empty() && cycle_of(wanted) != cycle_of(&cycle) {
        lines = change_cycle(call, &customer, &lines, wanted)?;
        order.put("billingCycle", cycle_of(wanted).unwrap_or_default());
    }
    let cycle = order.text("billingCycle").to_owned();
    let new: Vec<Json> = items(&given)
        .into_iter()
        .filter(|item| json::text(item, "subscriptionId").is_empty())
        .collect();
    for item in &new {
        let ordered = Ordered {
            item,
            cycle: &cycle,
            order: &name,
            partner: &partner,
        };
        let subscription = buy(call, &customer, &ordered)?;
        lines.push(built::line(&customer, lines.len(), &subscription));
    }
    let version = order.int("_version") + 1;
    order.put("totalPrice", built::total(&lines));
    order.put("lineItems", lines);
    order.put("_version", version);
    order.put("attributes.etag", etag::versioned(&name, version));
    documents::write(call.tx, ORDER, &name, &order)?;
    call.remark("OrderId", name);
    Ok(HttpReply::ok(json::shown(&order.body)))
}

/// Bills the subscriptions of an order otherwise; its line items after that.
fn change_cycle(call: &mut Call<'_>, customer: &Resource, lines: &[Json], cycle: &str) -> Result<Vec<Json>, Refused> {
    let mut changed = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut one = subscriptions::find(call, customer, json::text(line, "subscriptionId"))?;
        if one.text("status") != "active" {
            return Err(refuse(400, 6000, "A subscription of the order is not active."));
        }
        if one.text("billingType") == "usage" {
            return Err(refuse(
                400,
                800_097,
                "The billing cycle of this subscription cannot be changed.",
            ));
        }
        let terms = Terms::ordered(one.text("offerId"), cycle, one.text("termDuration"))?;
        one.put("billingCycle", terms.cycle);
        record::update(call.tx, &SUBSCRIPTION, &mut one)?;
        changed.push(built::line(customer, number, &one));
    }
    Ok(changed)
}

/// `GET customers/{id}/orders/{id}/provisioningstatus`.
pub(super) fn provisioning_status(call: &mut Call<'_>) -> ReplyResult {
    let (_, order) = named(call)?;
    let lines = items(&order.body).into_iter().map(|line| {
        json!({
            "orderLineItemId": line["lineItemNumber"],
            "lineItemNumber": line["lineItemNumber"],
            "status": "fulfilled",
            "quantityProvisioningInformation": [{ "quantity": line["quantity"], "status": "fulfilled" }],
        })
    });
    Ok(HttpReply::ok(collection(call, lines.collect())))
}

/// `GET customers/{id}/orders/{id}/activationlinks`: products of others have some; there are none here.
pub(super) fn activation_links(call: &mut Call<'_>) -> ReplyResult {
    named(call)?;
    Ok(HttpReply::ok(collection(call, Vec::new())))
}
