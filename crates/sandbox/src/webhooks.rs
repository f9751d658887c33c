//! The address to which events are to be sent, and the outcome of trial events.

pub(crate) mod delivery;

use serde_json::{Value as Json, json};

use super::call::Call;
use super::record::Resource;
use super::reply::{HttpReply, ReplyResult, bad_member, refuse};
use super::{documents, json};
use delivery::Event;
use tenantry_foundation::db::DbError;

const REGISTRATION: &str = "webhook";
const VALIDATION: &str = "webhook_validation";
/// Documents that belong to the partner and to no customer.
const NOBODY: i64 = 0;

const EVENTS: &[&str] = &[
    "test-created",
    "subscription-updated",
    "reseller-relationship-accepted-by-customer",
    "indirect-reseller-relationship-accepted-by-customer",
    "granular-admin-relationship-approved",
    "granular-admin-relationship-activated",
    "granular-admin-relationship-terminated",
    "granular-admin-relationship-expired",
    "dap-admin-relationship-approved",
    "dap-admin-relationship-terminated",
    "usagerecords-thresholdExceeded",
    "azure-fraud-event-detected",
    "invoice-ready",
];

/// `GET webhooks/v1/registration/events`: a bare array.
#[expect(clippy::unnecessary_wraps, reason = "operations have one signature")]
pub(super) fn events(_: &mut Call<'_>) -> ReplyResult {
    Ok(HttpReply::ok(json!(EVENTS)))
}

fn registration(call: &mut Call<'_>) -> Result<Option<Resource>, DbError> {
    let partner = call.caller.partner.to_string();
    documents::find(call.tx, REGISTRATION, NOBODY, &partner)
}

/// `GET webhooks/v1/registration`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let found = registration(call)?;
    let found = found.ok_or_else(|| refuse(404, 600_007, "The partner has registered no address."))?;
    Ok(HttpReply::ok(found.body))
}

/// `POST` and `PUT webhooks/v1/registration`.
pub(super) fn register(call: &mut Call<'_>) -> ReplyResult {
    let given = call.request.object()?.clone();
    let address = json::text(&given, "webhookUrl").to_owned();
    if !address.starts_with("https://") && !address.starts_with("http://") {
        return Err(bad_member("webhookUrl", "has to be an address"));
    }
    let wanted = given["webhookEvents"].as_array().cloned().unwrap_or_default();
    let known = |event: &Json| event.as_str().is_some_and(|name| EVENTS.contains(&name));
    if wanted.is_empty() || !wanted.iter().all(known) {
        return Err(bad_member("webhookEvents", "has to name events that there are"));
    }
    let there = registration(call)?;
    if there.is_none() && call.request.method == axum::http::Method::PUT {
        return Err(refuse(404, 600_007, "The partner has registered no address."));
    }
    let partner = call.caller.partner.to_string();
    let body = json!({ "subscriberId": partner, "webhookUrl": address, "webhookEvents": wanted });
    let id = match there {
        Some(there) => there.id,
        None => call.fresh()?.0,
    };
    documents::write(
        call.tx,
        REGISTRATION,
        &partner,
        &Resource::new(id, NOBODY, body.clone()),
    )?;
    Ok(HttpReply::ok(body))
}

/// `POST webhooks/v1/registration/validationEvents`: a trial event.
pub(super) fn validate(call: &mut Call<'_>) -> ReplyResult {
    let registered = registration(call)?;
    let registered = registered.ok_or_else(|| refuse(404, 600_007, "The partner has registered no address."))?;
    let (id, guid) = call.fresh()?;
    let body = json!({
        "correlationId": guid,
        "partnerId": call.caller.partner,
        "status": "started",
        "callbackUrl": registered.body["webhookUrl"],
        "results": [],
    });
    documents::write(call.tx, VALIDATION, &guid, &Resource::new(id, NOBODY, body))?;
    let event = Event {
        name: "test-created",
        resource: "test",
        uri: format!("/webhooks/v1/registration/validationEvents/{guid}"),
        validation: &guid,
    };
    delivery::note(call, &event)?;
    Ok(HttpReply::ok(json!({ "correlationId": guid })))
}

/// `GET webhooks/v1/registration/validationEvents/{id}`.
pub(super) fn validation(call: &mut Call<'_>) -> ReplyResult {
    let id = call.places.first().cloned().unwrap_or_default();
    let found = documents::find(call.tx, VALIDATION, NOBODY, &id)?;
    Ok(HttpReply::ok(found.ok_or_else(|| refuse(404, 1000, "Not found"))?.body))
}

/// Notes the event that a change is, by the words of its audit record, if it is one.
pub(super) fn after(call: &mut Call<'_>, words: (&str, &str)) -> Result<(), DbError> {
    let customer = call.places.first().cloned().unwrap_or_default();
    let (name, resource, uri) = match words {
        ("subscription", _) => {
            let id = call.places.get(1).cloned().unwrap_or_default();
            (
                "subscription-updated",
                "subscription",
                format!("/v1/customers/{customer}/subscriptions/{id}"),
            )
        }
        ("partner_customer_dap", _) => (
            "dap-admin-relationship-terminated",
            "customer",
            format!("/v1/customers/{customer}"),
        ),
        _ => return Ok(()),
    };
    let event = Event {
        name,
        resource,
        uri,
        validation: "",
    };
    delivery::note(call, &event)
}
