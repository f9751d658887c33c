//! Consent: that an application of the partner may act in a customer's directory. One customer consents to an application
//! once, and what was consented to is kept until it is taken back.

use serde_json::json;

use super::call::Call;
use super::paging::collection;
use super::record::Resource;
use super::reply::{HttpReply, ReplyResult, bad_member, refuse};
use super::{documents, json};

const CONSENT: &str = "consent";

/// `POST customers/{id}/applicationconsents`.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?.clone();
    let application = json::text(&given, "applicationId").to_owned();
    if uuid::Uuid::try_parse(&application).is_err() {
        return Err(bad_member("applicationId", "has to be the id of an application"));
    }
    let grants = given["applicationGrants"].as_array().cloned().unwrap_or_default();
    let is_whole = |grant: &serde_json::Value| {
        ["enterpriseApplicationId", "scope"]
            .iter()
            .all(|name| !json::text(grant, name).is_empty())
    };
    if grants.is_empty() || !grants.iter().all(is_whole) {
        return Err(bad_member(
            "applicationGrants",
            "has to name enterpriseApplicationId and scope",
        ));
    }
    if documents::find(call.tx, CONSENT, customer.id, &application)?.is_some() {
        return Err(refuse(409, 3000, "Permission entry already exists.").about([application]));
    }
    let (id, _) = call.fresh()?;
    let mut consent = given;
    consent["attributes"] = json!({ "objectType": "ApplicationConsent" });
    let consent = Resource::new(id, customer.id, consent);
    documents::write(call.tx, CONSENT, &application, &consent)?;
    call.remark("ApplicationId", application);
    Ok(HttpReply::json(201, consent.body))
}

/// `GET customers/{id}/applicationconsents`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let all = documents::all(call.tx, CONSENT, customer.id)?;
    let items = all.into_iter().map(|one| one.body).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `DELETE customers/{id}/applicationconsents/{application}`.
pub(super) fn remove(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let application = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, CONSENT, customer.id, &application)?;
    let found = found.ok_or_else(|| refuse(404, 1000, "Not found").about([application.as_str()]))?;
    documents::remove(call.tx, found.id)?;
    call.remark("ApplicationId", application);
    Ok(HttpReply::empty(204))
}
