//! Orders as they are written, by a call or by the seed.

use serde_json::{Value as Json, json};

use crate::record::Resource;
use crate::state::moment;
use crate::{catalogue, etag, json, paging, subscriptions};
use paging::{link, link_by};

/// The currency of a country, and its sign.
pub(crate) fn currency(customer: &Resource) -> (&'static str, &'static str) {
    match customer.text("billingProfile.defaultAddress.country") {
        "GB" => ("GBP", "£"),
        "DE" | "AT" | "FR" | "IT" | "ES" | "NL" | "PT" => ("EUR", "€"),
        "CH" => ("CHF", "CHF"),
        "PL" => ("PLN", "zł"),
        "IN" => ("INR", "₹"),
        "BR" => ("BRL", "R$"),
        "AU" => ("AUD", "$"),
        "CA" => ("CAD", "$"),
        _ => ("USD", "$"),
    }
}

/// What so many licences cost for a billing cycle, if the catalogue says.
pub(crate) fn pricing(offer: &str, cycle: &str, quantity: i64) -> Option<Json> {
    let product = catalogue::by_offer(offer)?;
    let months = match cycle {
        "annual" => 12,
        "triennial" => 36,
        _ => 1,
    };
    let amount = |cents: i64| cents as f64 / 100.0;
    let unit = amount(product.price * months);
    Some(json!({
        "listPrice": unit,
        "discountedPrice": unit,
        "proratedPrice": unit,
        "price": unit,
        "extendedPrice": amount(product.price * months * quantity),
    }))
}

/// A line item, of a subscription that was made for it.
pub(crate) fn line(customer: &Resource, number: usize, subscription: &Resource) -> Json {
    let body = &subscription.body;
    let offer = subscription.text("offerId");
    let id = subscription.text("id");
    let mut line = json!({
        "lineItemNumber": number,
        "offerId": offer,
        "subscriptionId": id,
        "transactionType": "New",
        "friendlyName": body["friendlyName"],
        "quantity": body["quantity"],
    });
    for (name, from) in [
        ("termDuration", "termDuration"),
        ("partnerIdOnRecord", "partnerId"),
        ("promotionId", "promotionId"),
        ("parentSubscriptionId", "parentSubscriptionId"),
    ] {
        if !json::text(body, from).is_empty() {
            line[name] = body[from].clone();
        }
    }
    if let Some(pricing) = pricing(offer, subscription.text("billingCycle"), subscription.int("quantity")) {
        line["pricing"] = pricing;
    }
    line["links"] = subscriptions::of_offer(customer, offer);
    line["links"]["subscription"] = link(&format!("/customers/{}/subscriptions/{id}", customer.text("id")));
    line
}

/// What an order is of.
pub(crate) struct NewOrder<'a> {
    pub(crate) name: &'a str,
    pub(crate) cycle: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) lines: Vec<Json>,
    pub(crate) partner: &'a str,
    pub(crate) at: i64,
}

/// The order.
pub(crate) fn body(customer: &Resource, new: &NewOrder<'_>) -> Json {
    let name = new.name;
    let (usual, sign) = currency(customer);
    let code = if new.currency.is_empty() { usual } else { new.currency };
    let own = format!("/customers/{}/orders/{name}", customer.text("id"));
    json!({
        "id": name,
        "alternateId": name,
        "referenceCustomerId": customer.text("id"),
        "billingCycle": new.cycle,
        "currencyCode": code,
        "currencySymbol": if code == usual { sign } else { code },
        "totalPrice": total(&new.lines),
        "lineItems": new.lines,
        "creationDate": moment(new.at),
        "status": "completed",
        "transactionType": "UserPurchase",
        "links": {
            "self": link(&own),
            "provisioningStatus": link(&format!("{own}/provisioningstatus")),
            "patchOperation": link_by("PATCH", &own),
        },
        "client": {},
        "attributes": { "etag": etag::versioned(name, 1), "objectType": "Order" },
        "_partner": new.partner,
        "_version": 1,
    })
}

/// What all line items cost together.
pub(crate) fn total(lines: &[Json]) -> f64 {
    let cents = |line: &Json| (line["pricing"]["extendedPrice"].as_f64().unwrap_or(0.0) * 100.0).round();
    lines.iter().map(cents).sum::<f64>() / 100.0
}
