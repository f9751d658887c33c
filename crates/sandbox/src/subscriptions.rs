//! Subscriptions. A change names the whole resource: what it leaves out is reset.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::paging::{collection, link};
use super::quirks::Quirk;
use super::record::{self, Resource, SUBSCRIPTION};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::{millis, moment};
use super::{catalogue, etag};
use super::{json, seats};

const DAY: i64 = 24 * 3600 * 1000;
/// How long licences for a term can be cancelled or reduced.
pub(super) const CANCEL_WITHIN: i64 = 7 * DAY;
const TERM: i64 = 365 * DAY;
const MOST: i64 = 10_000;
/// Seats of a subscription, and subscriptions of a customer, in an integration sandbox.
const SEAT_QUOTA: i64 = 25;
const QUOTA: usize = 5;
const NEW_COMMERCE: &str = "OnlineServicesNCE";

/// A subscription as it is answered.
pub(super) fn shown(customer: &str, subscription: &Resource) -> Json {
    let mut body = json::shown(&subscription.body);
    let id = subscription.text("id");
    body["links"] = json!({ "self": link(&format!("/customers/{customer}/subscriptions/{id}")) });
    body["attributes"] = json!({
        "etag": etag::versioned(id, subscription.version),
        "objectType": "Subscription",
    });
    body
}

/// Those of a customer that the caller sold, deleted ones included.
pub(super) fn of(call: &mut Call<'_>, customer: &Resource) -> Result<Vec<Resource>, Refused> {
    let all = record::select(
        call.tx,
        &SUBSCRIPTION,
        "WHERE t.customer = $1 ORDER BY t.id",
        &[customer.id.into()],
    )?;
    let partner = call.caller.partner.to_string();
    Ok(all.into_iter().filter(|one| one.text("_partner") == partner).collect())
}

/// The one of that id.
pub(super) fn find(call: &mut Call<'_>, customer: &Resource, id: &str) -> Result<Resource, Refused> {
    let found = of(call, customer)?
        .into_iter()
        .find(|one| one.text("id").eq_ignore_ascii_case(id.trim()));
    found.ok_or_else(|| {
        refuse(
            404,
            20_003,
            format!("The customer has no subscription {id} of the caller."),
        )
    })
}

/// `GET customers/{id}/subscriptions`: not in pages.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let all = of(call, &customer)?;
    let is = |name: &str, member: &str, one: &Resource| {
        let wanted = call.request.query(name);
        wanted.is_none_or(|wanted| one.text(member).eq_ignore_ascii_case(wanted))
    };
    let wanted = all
        .iter()
        .filter(|one| is("order_id", "orderId", one) && is("mpn_id", "partnerId", one));
    Ok(HttpReply::ok(collection(
        wanted.map(|one| shown(customer.text("id"), one)).collect(),
    )))
}

/// `GET customers/{id}/subscriptions/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    Ok(HttpReply::ok(shown(customer.text("id"), &subscription)))
}

fn named(call: &mut Call<'_>) -> Result<(Resource, Resource), Refused> {
    let customer = call.customer()?;
    let id = call.places.get(1).cloned().unwrap_or_default();
    let subscription = find(call, &customer, &id)?;
    Ok((customer, subscription))
}

/// `GET customers/{id}/subscriptions/{id}/provisioningstatus`.
pub(super) fn provisioning_status(call: &mut Call<'_>) -> ReplyResult {
    let (_, subscription) = named(call)?;
    Ok(HttpReply::ok(json!({
        "skuId": subscription.text("_skuId"),
        "status": "success",
        "quantity": subscription.int("quantity"),
        "endDate": subscription.text("commitmentEndDate"),
        "attributes": { "objectType": "SubscriptionProvisioningStatus" },
    })))
}

/// What a new subscription is of.
pub(super) struct New<'a> {
    pub(super) offer: &'a str,
    pub(super) name: &'a str,
    pub(super) quantity: i64,
    pub(super) order: &'a str,
    pub(super) billing_cycle: &'a str,
    pub(super) partner_id: &'a str,
    pub(super) partner: &'a str,
}

/// Makes a subscription, and with it the seats of what is known of it.
pub(super) fn make(call: &mut Call<'_>, customer: &Resource, new: &New<'_>) -> Result<Resource, Refused> {
    if !(1..=MOST).contains(&new.quantity) {
        return Err(refuse(400, 2002, "The offer is not sold in that quantity."));
    }
    if call.shared.options.integration && (new.quantity > SEAT_QUOTA || of(call, customer)?.len() >= QUOTA) {
        return Err(refuse(400, 800_018, "An integration sandbox holds no more."));
    }
    let product = catalogue::by_offer(new.offer);
    let name = product.map_or(new.name, |product| product.name);
    // Offers of the legacy sort are GUIDs, those of new commerce name product, SKU and availability.
    let new_commerce = new.offer.contains(':');
    let (id, guid) = call.fresh()?;
    let friendly = if new.name.is_empty() { name } else { new.name };
    let mut body = json!({
        "id": guid,
        "offerId": new.offer,
        "offerName": if name.is_empty() { new.offer } else { name },
        "friendlyName": if friendly.is_empty() { new.offer } else { friendly },
        "quantity": new.quantity,
        "unitType": "Licenses",
        "hasPurchasableAddons": false,
        "creationDate": moment(call.now),
        "effectiveStartDate": moment(call.now),
        "commitmentEndDate": moment(call.now + TERM),
        "status": "active",
        "autoRenewEnabled": true,
        "isTrial": false,
        "billingType": "license",
        "billingCycle": if new.billing_cycle.is_empty() { "monthly" } else { new.billing_cycle },
        "partnerId": new.partner_id,
        "contractType": "subscription",
        "orderId": new.order,
        "_productType": if new_commerce { "new-commerce-license" } else { "legacy-license" },
        "_partner": new.partner,
        "_skuId": product.map_or("", |product| product.sku_id),
        "_partNumber": product.map_or("", |product| product.part_number),
    });
    if new_commerce {
        body["productType"] = json!({ "id": NEW_COMMERCE, "displayName": NEW_COMMERCE });
        body["termDuration"] = "P1Y".into();
        body["cancellationAllowedUntilDate"] = moment(call.now + CANCEL_WITHIN).into();
    }
    let subscription = Resource {
        id,
        customer: customer.id,
        version: 1,
        body,
    };
    record::insert(call.tx, &SUBSCRIPTION, &subscription)?;
    give_seats(call, &subscription, new.quantity)?;
    Ok(subscription)
}

/// Adds seats of the subscription's SKU to those the customer holds.
pub(super) fn give_seats(call: &mut Call<'_>, subscription: &Resource, seats: i64) -> Result<(), Refused> {
    let sku = subscription.text("_skuId");
    if !sku.is_empty() && seats != 0 {
        seats::add_seats(
            call.tx,
            subscription.customer,
            sku,
            subscription.text("_partNumber"),
            seats,
        )?;
    }
    Ok(())
}

/// Seats it stands for as it is.
pub(super) fn seats(subscription: &Resource) -> i64 {
    match subscription.text("status") {
        "active" => subscription.int("quantity"),
        _ => 0,
    }
}

/// `PATCH customers/{id}/subscriptions/{id}`.
pub(super) fn patch(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut subscription) = named(call)?;
    let given = call.request.object()?.clone();
    let current = etag::versioned(subscription.text("id"), subscription.version);
    let etag = call.etag_given(&given);
    call.check_etag(etag.as_deref(), &current)?;
    let own = json::text(&given, "id");
    if !own.is_empty() && !own.eq_ignore_ascii_case(subscription.text("id")) {
        return Err(refuse(400, 800_021, "The id in the body is not the one in the path."));
    }
    if subscription.text("status") == "deleted" {
        let text = format!(
            "Subscription {} is deleted and stays as it is.",
            subscription.text("id")
        );
        return Err(refuse(400, 2011, text));
    }
    let cycle = json::text(&given, "billingCycle");
    if !cycle.is_empty() && !cycle.eq_ignore_ascii_case(subscription.text("billingCycle")) {
        let text = "A billing cycle is changed through the order.";
        return Err(refuse(400, 2054, text));
    }
    let before = seats(&subscription);
    change_quantity(call, &mut subscription, &given)?;
    change_status(call, &mut subscription, json::text(&given, "status"))?;
    change_rest(&mut subscription, &given)?;
    record::update(call.tx, &SUBSCRIPTION, &mut subscription)?;
    give_seats(call, &subscription, seats(&subscription) - before)?;
    call.remark("SubscriptionId", subscription.text("id"));
    if call.shared.has(Quirk::AcceptedUpdates) {
        let place = format!(
            "/customers/{}/subscriptions/{}",
            customer.text("id"),
            subscription.text("id")
        );
        return Ok(HttpReply::empty(202).with("Location", place));
    }
    Ok(HttpReply::ok(shown(customer.text("id"), &subscription)))
}

fn is_new_commerce(subscription: &Resource) -> bool {
    subscription.text("_productType") == "new-commerce-license"
}

fn may_cancel(call: &Call<'_>, subscription: &Resource) -> bool {
    let until = millis(subscription.text("cancellationAllowedUntilDate"));
    until.is_some_and(|until| call.now <= until)
}

fn change_quantity(call: &Call<'_>, subscription: &mut Resource, given: &Json) -> Result<(), Refused> {
    let had = subscription.int("quantity");
    let Some(wanted) = given
        .get("quantity")
        .map(|quantity| quantity.as_i64().unwrap_or_default())
    else {
        return Ok(());
    };
    if wanted == had {
        return Ok(());
    }
    if subscription.text("status") == "suspended" {
        let text = "A suspended subscription keeps its quantity.";
        return Err(refuse(400, 2001, text));
    }
    if !(1..=MOST).contains(&wanted) {
        return Err(refuse(400, 2002, "The offer is not sold in that quantity."));
    }
    if call.shared.options.integration && wanted > SEAT_QUOTA {
        return Err(refuse(400, 800_018, "An integration sandbox holds no more."));
    }
    if wanted < had && is_new_commerce(subscription) && !may_cancel(call, subscription) {
        return Err(refuse(400, 800_090, "The time to reduce the quantity is over."));
    }
    subscription.put("quantity", wanted);
    Ok(())
}

fn change_status(call: &Call<'_>, subscription: &mut Resource, wanted: &str) -> Result<(), Refused> {
    let had = subscription.text("status").to_owned();
    let wanted = wanted.to_ascii_lowercase();
    match (had.as_str(), wanted.as_str()) {
        (_, "") => return Ok(()),
        ("suspended", "suspended") => {
            return Err(refuse(400, 800_091, "The subscription is suspended."));
        }
        (had, wanted) if had == wanted => return Ok(()),
        ("active", "suspended") | ("suspended", "active") => {}
        (_, "deleted") if is_new_commerce(subscription) => {
            if !may_cancel(call, subscription) {
                let text = "The seven days for cancelling are over.";
                return Err(refuse(400, 900_117, text));
            }
        }
        _ => return Err(refuse(400, 800_096, "The subscription cannot get that status.")),
    }
    if wanted == "suspended" {
        subscription.put("suspensionReasons", json!(["Partner"]));
    } else {
        json::take(&mut subscription.body, "suspensionReasons");
    }
    subscription.put("status", wanted);
    Ok(())
}

/// What a change that leaves it out takes away.
fn change_rest(subscription: &mut Resource, given: &Json) -> Result<(), Refused> {
    let renews = given["autoRenewEnabled"] == true;
    let next = given.get("scheduledNextTermInstructions").cloned();
    if next.is_some() && !renews {
        return Err(bad_member("scheduledNextTermInstructions", "needs autoRenewEnabled"));
    }
    subscription.put("autoRenewEnabled", renews);
    for (name, value) in [
        ("scheduledNextTermInstructions", next),
        ("nextChargeInstructions", given.get("nextChargeInstructions").cloned()),
    ] {
        match value {
            Some(value) => subscription.put(name, value),
            None => drop(json::take(&mut subscription.body, name)),
        }
    }
    let friendly = match json::text(given, "friendlyName") {
        "" => subscription.text("offerName").to_owned(),
        friendly => friendly.to_owned(),
    };
    subscription.put("friendlyName", friendly);
    subscription.put("partnerId", json::text(given, "partnerId"));
    Ok(())
}
