//! Directory roles and who has them.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::call::Call;
use super::catalogue::guid_of;
use super::json;
use super::paging::{ServedPage, collection};
use super::record::{self, Resource, USER};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::users;

const LARGEST_PAGE: i64 = 100;

/// Roles of every tenant.
const ROLES: &[&str] = &[
    "Billing Administrator",
    "Directory Readers",
    "Exchange Administrator",
    "Global Administrator",
    "Global Reader",
    "Helpdesk Administrator",
    "License Administrator",
    "Password Administrator",
    "Privileged Role Administrator",
    "Security Administrator",
    "SharePoint Administrator",
    "Teams Administrator",
    "User Administrator",
];

/// A role's id in a tenant: every tenant has its own.
fn id(customer: &Resource, role: &str) -> String {
    guid_of(&format!("{} {role}", customer.text("id"))).to_string()
}

fn of(user: &Resource) -> Vec<String> {
    let held = user.text("_roles").split(';').filter(|role| !role.is_empty());
    held.map(str::to_owned).collect()
}

/// The role that the second open place of the path names.
fn named(call: &Call<'_>, customer: &Resource) -> Result<&'static str, Refused> {
    let wanted = call.places.get(1).and_then(|role| Uuid::try_parse(role).ok());
    let wanted = wanted.map(|role| role.to_string()).unwrap_or_default();
    let found = ROLES.iter().find(|role| id(customer, role) == wanted);
    found.copied().ok_or_else(|| refuse(404, 1000, "Not found"))
}

fn shown(customer: &Resource, role: &str) -> Json {
    json!({ "name": role, "id": id(customer, role), "attributes": { "objectType": "DirectoryRole" } })
}

/// `GET customers/{id}/directoryroles`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let items = ROLES.iter().map(|role| shown(&customer, role));
    Ok(HttpReply::ok(collection(call, items.collect())))
}

/// `GET customers/{id}/users/{id}/directoryroles`.
pub(super) fn of_user(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let user = users::named(call, &customer)?;
    let items = of(&user).iter().map(|role| shown(&customer, role)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

fn member(call: &Call<'_>, customer: &Resource, role: &str, user: &Resource) -> Json {
    json!({
        "displayName": user.text("displayName"),
        "userPrincipalName": user.text("userPrincipalName"),
        "roleId": id(customer, role),
        "id": call.guid(user.id),
        "attributes": { "objectType": "UserMember" },
    })
}

/// `GET customers/{id}/directoryroles/{id}/usermembers`.
pub(super) fn members(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let role = named(call, &customer)?;
    let page = ServedPage::asked(call, LARGEST_PAGE, &[])?;
    let rest = format!(
        "WHERE t.customer = $1 AND instr(';' || t.roles || ';', $2) > 0 AND {} {}",
        page.condition("t.id"),
        page.order("t.id")
    );
    let wanted = format!(";{role};");
    let found = record::select(call.tx, &USER, &rest, &[customer.id.into(), wanted.into()])?;
    let path = format!(
        "customers/{}/directoryroles/{}/usermembers",
        customer.text("id"),
        id(&customer, role)
    );
    let call = &*call;
    Ok(page.reply(call, &path, found, |user| member(call, &customer, role, user)))
}

/// `POST customers/{id}/directoryroles/{id}/usermembers`.
pub(super) fn add(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let role = named(call, &customer)?;
    let wanted = json::text(call.request.object()?, "id");
    if wanted.is_empty() {
        return Err(bad_member("id", "is missing"));
    }
    let wanted = call.id_named(wanted).unwrap_or_default();
    let mut user = users::by_id(call.tx, customer.id, wanted)?.ok_or_else(users::gone)?;
    let mut held = of(&user);
    if !held.iter().any(|one| one == role) {
        held.push(role.to_owned());
        held.sort_unstable();
        user.put("_roles", held.join(";"));
        record::update(call.tx, &USER, &mut user)?;
    }
    call.remark("CustomerUserId", call.guid(user.id));
    Ok(HttpReply::json(201, member(call, &customer, role, &user)))
}

/// `DELETE customers/{id}/directoryroles/{id}/usermembers/{id}`.
pub(super) fn remove(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let role = named(call, &customer)?;
    let wanted = call.id_at(2).unwrap_or_default();
    let mut user = users::by_id(call.tx, customer.id, wanted)?.ok_or_else(users::gone)?;
    let mut held = of(&user);
    let before = held.len();
    held.retain(|one| one != role);
    if held.len() == before {
        return Err(users::gone());
    }
    user.put("_roles", held.join(";"));
    record::update(call.tx, &USER, &mut user)?;
    call.remark("CustomerUserId", call.guid(user.id));
    Ok(HttpReply::empty(204))
}
