//! Billing profiles. A change replaces the whole, and only the version it was made from.

use serde_json::Value as Json;

use super::call::Call;
use super::record::{self, CUSTOMER};
use super::reply::{HttpReply, ReplyResult, bad_member};
use super::{address, customers, json};

/// `GET customers/{id}/profiles/billing`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    Ok(HttpReply::ok(customers::billing(&call.customer()?)))
}

/// `PUT customers/{id}/profiles/billing`.
pub(super) fn put(call: &mut Call<'_>) -> ReplyResult {
    let mut profile = call.request.object()?.clone();
    let mut customer = call.customer()?;
    let Some(etag) = call.etag_given(&profile) else {
        return Err(call.stale_etag());
    };
    call.check_etag(Some(&etag), &customers::billing_etag(&customer))?;
    for name in ["email", "culture", "language", "companyName"] {
        if json::text(&profile, name).trim().is_empty() {
            return Err(bad_member(name, "is missing"));
        }
    }
    address::check(&profile["defaultAddress"], "defaultAddress")?;
    profile["id"] = Json::from(customer.text("billingProfile.id"));
    for name in ["attributes", "links"] {
        json::take(&mut profile, name);
    }
    customer.put("billingProfile", profile);
    record::update(call.tx, &CUSTOMER, &mut customer)?;
    Ok(HttpReply::ok(customers::billing(&customer)))
}
