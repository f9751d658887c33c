//! Policies for devices: what somebody is not asked who switches one on for the first time.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::devices::{POLICY, with_policy};
use super::paging::collection;
use super::record::Resource;
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::moment;
use super::{documents, json};

/// What a policy can say.
const SETTINGS: &[&str] = &[
    "none",
    "remove_oem_preinstalls",
    "oobe_user_not_local_admin",
    "skip_express_settings",
    "skip_oem_registration",
    "skip_eula",
];

fn named(call: &mut Call<'_>) -> Result<Resource, Refused> {
    let customer = call.customer()?;
    let id = call.places.get(1).cloned().unwrap_or_default();
    documents::find(call.tx, POLICY, customer.id, &id)?.ok_or_else(|| refuse(404, 1000, "Not found"))
}

/// Name, description and settings as a request has them.
fn said(given: &Json) -> Result<Json, Refused> {
    if json::text(given, "name").is_empty() {
        return Err(bad_member("name", "is missing"));
    }
    let settings = given["policySettings"].as_array().cloned().unwrap_or_default();
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let mut known = Vec::new();
    for setting in &settings {
        let wanted = plain(setting.as_str().unwrap_or_default());
        let found = SETTINGS.iter().find(|one| plain(one) == wanted);
        known.push(*found.ok_or_else(|| bad_member("policySettings", "has a word that is no setting"))?);
    }
    Ok(json!({
        "name": json::text(given, "name"),
        "description": json::text(given, "description"),
        "policySettings": known,
    }))
}

fn shown(call: &mut Call<'_>, policy: &Resource) -> Result<Json, Refused> {
    let mut body = policy.body.clone();
    body["devicesAssignedCount"] = with_policy(call, policy.customer, policy.text("id"))?.into();
    Ok(body)
}

/// `GET customers/{id}/policies`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut items = Vec::new();
    for policy in documents::all(call.tx, POLICY, customer.id)? {
        items.push(shown(call, &policy)?);
    }
    Ok(HttpReply::ok(collection(call, items)))
}

/// `POST customers/{id}/policies`.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut body = said(call.request.object()?)?;
    let (id, guid) = call.fresh()?;
    body["id"] = guid.clone().into();
    body["category"] = "o_o_b_e".into();
    body["createdDate"] = moment(call.now).into();
    body["lastModifiedDate"] = moment(call.now).into();
    body["attributes"] = json!({ "objectType": "ConfigurationPolicy" });
    let policy = Resource::new(id, customer.id, body);
    documents::write(call.tx, POLICY, &guid, &policy)?;
    call.remark("PolicyId", guid);
    Ok(HttpReply::json(201, shown(call, &policy)?))
}

/// `GET customers/{id}/policies/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let policy = named(call)?;
    Ok(HttpReply::ok(shown(call, &policy)?))
}

/// `PUT customers/{id}/policies/{id}`.
pub(super) fn put(call: &mut Call<'_>) -> ReplyResult {
    let mut policy = named(call)?;
    let said = said(call.request.object()?)?;
    for (name, value) in said.as_object().into_iter().flatten() {
        policy.put(name, value.clone());
    }
    policy.put("lastModifiedDate", moment(call.now));
    let id = policy.text("id").to_owned();
    documents::write(call.tx, POLICY, &id, &policy)?;
    call.remark("PolicyId", id);
    Ok(HttpReply::ok(shown(call, &policy)?))
}

/// `DELETE customers/{id}/policies/{id}`: while no device has it.
pub(super) fn delete(call: &mut Call<'_>) -> ReplyResult {
    let policy = named(call)?;
    let id = policy.text("id").to_owned();
    if with_policy(call, policy.customer, &id)? > 0 {
        return Err(bad_member("id", "is that of a policy which devices have"));
    }
    documents::remove(call.tx, policy.id)?;
    call.remark("PolicyId", id);
    Ok(HttpReply::empty(204))
}
