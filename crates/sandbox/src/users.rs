//! Users of customers, deleted ones included.

mod lists;

use serde_json::{Value as Json, json};
use tenantry_jobs::key;

use super::call::Call;
use super::json;
use super::paging::link;
use super::quirks::Quirk;
use super::record::{self, DELETED_USER, Resource, USER};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::moment;
use tenantry_foundation::db::{DbError, Tx};
use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;

/// The flag of users who have to set a password when they next sign in.
const MUST_SET_PASSWORD: i64 = 1;

pub(super) use lists::list;

/// A user as it is answered; what has no value is left out.
pub(super) fn shown(call: &Call<'_>, customer: &str, user: &Resource) -> Json {
    let mut body = json::shown(&user.body);
    let id = call.guid(user.id);
    body["links"] = json!({ "self": link(&format!("/customers/{customer}/users/{id}")) });
    body["id"] = id.into();
    body["userDomainType"] = "none".into();
    let deleted = body.get("softDeletionTime").is_some();
    body["state"] = if deleted { "inactive" } else { "active" }.into();
    body["attributes"] = json!({ "objectType": "CustomerUser" });
    body
}

/// The user that the second open place of the path names.
pub(super) fn named(call: &mut Call<'_>, customer: &Resource) -> Result<Resource, Refused> {
    let id = call.id_at(1).unwrap_or_default();
    by_id(call.tx, customer.id, id)?.ok_or_else(gone)
}

pub(super) fn by_id(tx: &mut dyn Tx, customer: i64, id: i64) -> Result<Option<Resource>, DbError> {
    let rest = "WHERE t.id = $1 AND t.customer = $2";
    let found = record::select(tx, &USER, rest, &[id.into(), customer.into()])?;
    Ok(found.into_iter().next())
}

pub(super) fn gone() -> Refused {
    refuse(404, 60_002, "There is no such user.")
}

/// When those were deleted who can just be restored still.
fn kept_since(now: i64) -> i64 {
    now - RESTORE_WITHIN_MILLIS
}

/// `GET customers/{id}/users/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let user = named(call, &customer)?;
    Ok(HttpReply::ok(shown(call, customer.text("id"), &user)))
}

/// `POST customers/{id}/users`: 200, and the password is told once.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?;
    let name = json::text(given, "userPrincipalName").trim().to_owned();
    check_name(call.tx, customer.id, &name, None)?;
    if json::text(given, "displayName").trim().is_empty() {
        return Err(bad_member("displayName", "is missing"));
    }
    check_location(given)?;
    let password = check_password(call, given)?;
    let (id, guid) = call.fresh()?;
    let mut body = json!({ "_flags": MUST_SET_PASSWORD, "_passwordSetAt": call.now, "_licenses": "", "_roles": "" });
    for member in ["firstName", "lastName", "displayName", "usageLocation", "immutableId"] {
        if let Some(value) = given.get(member) {
            body[member] = value.clone();
        }
    }
    body["userPrincipalName"] = name.into();
    let user = Resource {
        id,
        customer: customer.id,
        version: 1,
        body,
    };
    record::insert(call.tx, &USER, &user)?;
    count_in(call.tx, customer.id, 1)?;
    call.remark("CustomerUserId", guid);
    let mut answer = shown(call, customer.text("id"), &user);
    answer["passwordProfile"] = password;
    Ok(HttpReply::ok(answer))
}

/// Counts users in, or out, in the number that the program's own lists show.
pub(super) fn count_in(tx: &mut dyn Tx, customer: i64, users: i64) -> Result<(), DbError> {
    tx.exec(
        "UPDATE customers SET user_count = user_count + $2 WHERE id = $1",
        &[customer.into(), users.into()],
    )
    .map(drop)
}

fn check_name(tx: &mut dyn Tx, customer: i64, name: &str, own: Option<i64>) -> Result<(), Refused> {
    let path = "userPrincipalName";
    let Some((local, domain)) = name.split_once('@').filter(|(local, _)| !local.is_empty()) else {
        return Err(bad_member(path, "has to be NAME@DOMAIN"));
    };
    if local.len() > 64
        || !local
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"'.-_!#^~".contains(&b))
    {
        return Err(bad_member(path, "has characters that are not allowed, or too many"));
    }
    let owned = tx.query_first(
        "SELECT 1 FROM domains WHERE domain_key = $1 AND customer = $2",
        &[key::domain(domain).as_ref().into(), customer.into()],
    )?;
    if owned.is_none() {
        return Err(bad_member(path, "is not in a domain of the customer"));
    }
    let taken = tx.query_first(
        "SELECT id FROM users WHERE customer = $1 AND name_key = $2",
        &[customer.into(), key::user_name(name).as_ref().into()],
    )?;
    match taken {
        Some(row) if Some(row.int(0)?) != own => Err(bad_member(path, "is taken already")),
        _ => Ok(()),
    }
}

fn check_location(given: &Json) -> Result<(), Refused> {
    match json::text(given, "usageLocation") {
        "" => Ok(()),
        code if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(()),
        _ => Err(bad_member("usageLocation", "has to be a country code")),
    }
}

/// Checks a password, and gives the profile as it is answered.
fn check_password(call: &Call<'_>, given: &Json) -> Result<Json, Refused> {
    let password = json::text(given, "passwordProfile.password");
    let classes: [fn(&char) -> bool; 4] = [
        char::is_ascii_lowercase,
        char::is_ascii_uppercase,
        char::is_ascii_digit,
        |c| !c.is_ascii_alphanumeric(),
    ];
    let has = classes
        .iter()
        .filter(|class| password.chars().any(|c| class(&c)))
        .count();
    let needed = if call.shared.has(Quirk::LaxPasswords) { 2 } else { 3 };
    if !(8..=256).contains(&password.chars().count()) || has < needed {
        return Err(bad_member(
            "passwordProfile.password",
            "has to have 8 to 256 characters of three kinds",
        ));
    }
    Ok(json!({ "password": password, "forceChangePassword": forced(given) }))
}

fn forced(given: &Json) -> bool {
    given["passwordProfile"]["forceChangePassword"] == true
}

/// `PATCH customers/{id}/users/{id}`: restores, or changes every member that is given, the password among them.
pub(super) fn patch(call: &mut Call<'_>) -> ReplyResult {
    let given = call.request.object()?;
    let customer = call.customer()?;
    let id = call.id_at(1).unwrap_or_default();
    let Some(mut user) = by_id(call.tx, customer.id, id)? else {
        return if json::text(given, "state").eq_ignore_ascii_case("active") {
            restore(call, &customer, id)
        } else {
            Err(gone())
        };
    };
    let (password, mut changes) = (password_change(call, given)?, 0);
    if let Some(name) = given.get("userPrincipalName").and_then(Json::as_str) {
        if !key::same_user_name(name, user.text("userPrincipalName")) {
            call.note.of = Some(("customer_user", "update_customer_user_principal_name"));
        }
        check_name(call.tx, customer.id, name, Some(user.id))?;
    }
    check_location(given)?;
    for member in [
        "userPrincipalName",
        "firstName",
        "lastName",
        "displayName",
        "usageLocation",
        "immutableId",
    ] {
        if let Some(value) = given.get(member) {
            changes += i64::from(json::get(&user.body, member) != Some(value));
            user.put(member, value.clone());
        }
    }
    if let Some(profile) = &password {
        if changes == 0 {
            call.note.of = Some(RESET);
        }
        set_password(call, &mut user, profile);
    }
    record::update(call.tx, &USER, &mut user)?;
    call.remark("CustomerUserId", call.guid(id));
    let mut answer = shown(call, customer.text("id"), &user);
    if let Some(profile) = password {
        answer["passwordProfile"] = profile;
    }
    Ok(HttpReply::ok(answer))
}

/// What the audit record of a new password says.
const RESET: (&str, &str) = ("customer_user", "reset_customer_user_password");

/// The password profile of a change: with a password, or with the flag alone.
fn password_change(call: &Call<'_>, given: &Json) -> Result<Option<Json>, Refused> {
    let profile = &given["passwordProfile"];
    if profile.get("password").is_some() {
        return check_password(call, given).map(Some);
    }
    let flag = profile.get("forceChangePassword").is_some();
    Ok(flag.then(|| json!({ "forceChangePassword": forced(given) })))
}

fn set_password(call: &Call<'_>, user: &mut Resource, profile: &Json) {
    let flags = user.int("_flags") & !MUST_SET_PASSWORD;
    let must = i64::from(profile["forceChangePassword"] == true) * MUST_SET_PASSWORD;
    user.put("_flags", flags | must);
    if profile.get("password").is_some() {
        user.put("_passwordSetAt", call.now);
    }
}

fn restore(call: &mut Call<'_>, customer: &Resource, id: i64) -> ReplyResult {
    call.note.of = Some(("customer_user", "restore_customer_user"));
    let rest = "WHERE t.id = $1 AND t.customer = $2 AND t.deleted_at > $3";
    let since = kept_since(call.now);
    let found = record::select(
        call.tx,
        &DELETED_USER,
        rest,
        &[id.into(), customer.id.into(), since.into()],
    )?;
    let mut user = found.into_iter().next().ok_or_else(gone)?;
    check_name(call.tx, customer.id, user.text("userPrincipalName"), None)?;
    record::remove(call.tx, &DELETED_USER, id)?;
    json::take(&mut user.body, "softDeletionTime");
    user.version += 1;
    // Its licences went when it was deleted.
    record::insert(call.tx, &USER, &user)?;
    count_in(call.tx, customer.id, 1)?;
    call.remark("CustomerUserId", call.guid(id));
    Ok(HttpReply::ok(shown(call, customer.text("id"), &user)))
}

/// `PATCH customers/{id}/users/{id}/resetpassword`.
pub(super) fn reset_password(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut user = named(call, &customer)?;
    let password = check_password(call, call.request.object()?)?;
    set_password(call, &mut user, &password);
    record::update(call.tx, &USER, &mut user)?;
    call.remark("CustomerUserId", call.guid(user.id));
    let mut answer = shown(call, customer.text("id"), &user);
    answer["passwordProfile"] = password;
    Ok(HttpReply::ok(answer))
}

/// `DELETE customers/{id}/users/{id}`: its licences are free at once, itself can be restored for a while.
pub(super) fn delete(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut user = named(call, &customer)?;
    super::seats::free(call.tx, &mut user)?;
    record::remove(call.tx, &USER, user.id)?;
    user.put("softDeletionTime", moment(call.now));
    record::insert(call.tx, &DELETED_USER, &user)?;
    count_in(call.tx, customer.id, -1)?;
    call.remark("CustomerUserId", call.guid(user.id));
    Ok(HttpReply::empty(204))
}
