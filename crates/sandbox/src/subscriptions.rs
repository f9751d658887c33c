//! Subscriptions: listed, read, and made by orders.

pub(crate) mod attached;
pub(crate) mod built;
mod changed;
pub(crate) mod moves;

use serde_json::{Value as Json, json};

use super::call::Call;
use super::json;
use super::paging::{collection, link};
use super::record::{self, Resource, SUBSCRIPTION};
use super::reply::{HttpReply, Refused, ReplyResult, refuse};
use super::{catalogue, etag, seats};
use built::{NewSubscription, refunds};

pub(super) use changed::patch;

const MOST: i64 = 10_000;
/// Seats of a subscription, and subscriptions of a customer, in an integration sandbox.
const SEAT_QUOTA: i64 = 25;
const QUOTA: usize = 5;

/// A subscription as it is answered.
pub(super) fn shown(call: &Call<'_>, customer: &Resource, subscription: &Resource) -> Json {
    let mut body = json::shown(&subscription.body);
    let id = subscription.text("id");
    let own = format!("/customers/{}/subscriptions", customer.text("id"));
    body["links"] = of_offer(customer, subscription.text("offerId"));
    body["links"]["self"] = link(&format!("{own}/{id}"));
    if !subscription.text("entitlementId").is_empty() {
        body["links"]["entitlement"] = link(&format!("/customers/{}/entitlements", customer.text("id")));
    }
    if let Some(parent) = body.get("parentSubscriptionId").and_then(Json::as_str) {
        body["links"]["parentSubscription"] = link(&format!("{own}/{parent}"));
    }
    if subscription.body.get(built::REFUNDS).is_some() {
        let open = refunds(&subscription.body, call.now);
        let details = open
            .iter()
            .map(|(seats, until)| json!({ "quantity": seats, "allowedUntilDateTime": until }));
        body["refundableQuantity"] = json!({
            "totalQuantity": open.iter().map(|(seats, _)| seats).sum::<i64>(),
            "details": details.collect::<Json>(),
        });
        let until = &body["cancellationAllowedUntilDate"];
        if until
            .as_str()
            .and_then(super::state::millis)
            .is_some_and(|until| call.now <= until)
        {
            body["refundOptions"] = json!([{ "type": "Full", "expiresAt": until }]);
        }
    }
    body["attributes"] = json!({
        "etag": etag::versioned(id, subscription.version),
        "objectType": "Subscription",
    });
    body
}

/// Links to what an offer is in the catalogue: product, SKU and availability, or the offer of the older sort.
pub(super) fn of_offer(customer: &Resource, offer: &str) -> Json {
    let country = match customer.text("billingProfile.defaultAddress.country") {
        "" => "US",
        country => country,
    };
    let there = |path: String| link(&format!("/{path}?country={country}"));
    match catalogue::parts(offer) {
        Some([product, sku, availability]) => json!({
            "product": there(format!("products/{product}")),
            "sku": there(format!("products/{product}/skus/{sku}")),
            "availability": there(format!("products/{product}/skus/{sku}/availabilities/{availability}")),
        }),
        None => json!({ "offer": there(format!("offers/{offer}")) }),
    }
}

/// Whether it is in use as an add-on to the one of that id.
pub(super) fn is_add_on_to(subscription: &Resource, parent: &str) -> bool {
    subscription.text("status") == "active" && subscription.text("parentSubscriptionId").eq_ignore_ascii_case(parent)
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
    let items = wanted.map(|one| shown(call, &customer, one)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET customers/{id}/subscriptions/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let (customer, subscription) = named(call)?;
    Ok(HttpReply::ok(shown(call, &customer, &subscription)))
}

/// The customer and the subscription that the path names.
pub(super) fn named(call: &mut Call<'_>) -> Result<(Resource, Resource), Refused> {
    let customer = call.customer()?;
    let id = call.places.get(1).cloned().unwrap_or_default();
    let subscription = find(call, &customer, &id)?;
    Ok((customer, subscription))
}

/// `GET customers/{id}/subscriptions/{id}/provisioningstatus`.
pub(super) fn provisioning_status(call: &mut Call<'_>) -> ReplyResult {
    let (_, subscription) = named(call)?;
    // What nobody knows the SKU of has one all the same.
    let sku = match subscription.text("_skuId") {
        "" => catalogue::guid_of(subscription.text("offerId")).to_string(),
        known => known.to_owned(),
    };
    Ok(HttpReply::ok(json!({
        "skuId": sku,
        "status": "success",
        "quantity": subscription.int("quantity"),
        "endDate": subscription.text("commitmentEndDate"),
        "attributes": { "objectType": "SubscriptionProvisioningStatus" },
    })))
}

/// Makes a subscription, and with it the seats of what is known of it.
pub(super) fn make(call: &mut Call<'_>, customer: &Resource, new: &NewSubscription<'_>) -> Result<Resource, Refused> {
    if !(1..=MOST).contains(&new.quantity) {
        return Err(refuse(400, 2002, "The offer is not sold in that quantity."));
    }
    if call.shared.options.integration && (new.quantity > SEAT_QUOTA || of(call, customer)?.len() >= QUOTA) {
        return Err(refuse(400, 800_018, "An integration sandbox holds no more."));
    }
    let (id, guid) = call.fresh()?;
    let subscription = Resource::new(id, customer.id, built::body(new, &guid));
    record::insert(call.tx, &SUBSCRIPTION, &subscription)?;
    give_seats(call, &subscription, seats(&subscription))?;
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
