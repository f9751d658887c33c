//! Seats, and who has them.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::catalogue::ServicePlan;
use super::paging::collection;
use super::record::{self, Resource, USER};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::seats::{of, take};
use super::{catalogue, json, users};
use tenantry_foundation::db::{DbError, Tx};

/// The services that a user does without, by SKU: a note of our own in the user's record.
const WITHOUT: &str = "_without";

/// Seats of one SKU.
struct SkuSeats {
    sku_id: String,
    part_number: String,
    held: i64,
    assigned: i64,
}

fn seats(tx: &mut dyn Tx, customer: i64) -> Result<Vec<SkuSeats>, DbError> {
    let rows = tx.query(
        "SELECT sku_id, part_number, seats, assigned FROM subscribed_skus WHERE customer = $1 ORDER BY sku_id",
        &[customer.into()],
    )?;
    rows.iter()
        .map(|row| {
            Ok(SkuSeats {
                sku_id: row.text(0)?.to_owned(),
                part_number: row.text(1)?.to_owned(),
                held: row.int(2)?,
                assigned: row.int(3)?,
            })
        })
        .collect()
}

fn sku(seats: &SkuSeats) -> Json {
    json!({
        "id": seats.sku_id,
        "name": catalogue::by_sku(&seats.sku_id).map_or(seats.part_number.as_str(), |product| product.name),
        "skuPartNumber": seats.part_number,
        "targetType": "User",
        "licenseGroupId": catalogue::group_of_sku(&seats.sku_id),
    })
}

/// The services of a SKU: as a tenant has them, or a user, who may be without some.
fn plans(sku_id: &str, status: impl Fn(&ServicePlan) -> &'static str) -> Json {
    let all = catalogue::by_sku(sku_id).map_or(&[][..], |product| product.plans());
    let plan = |plan: &ServicePlan| {
        json!({
            "displayName": plan.name,
            "serviceName": plan.service,
            "id": plan.id,
            "capabilityStatus": status(plan),
            "targetType": if plan.of_tenant { "Tenant" } else { "User" },
        })
    };
    all.iter().map(plan).collect()
}

/// Whether a SKU is of the groups that were asked for; who names none means the first.
fn is_wanted(call: &Call<'_>, sku_id: &str) -> bool {
    let (own, groups) = (
        catalogue::group_of_sku(sku_id),
        call.request.query_all("licenseGroupIds"),
    );
    groups.is_empty() && own == "group1" || groups.iter().any(|group| group.eq_ignore_ascii_case(own))
}

/// `GET customers/{id}/subscribedskus`.
pub(super) fn subscribed(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let all = seats(call.tx, customer.id)?;
    let items = all.iter().filter(|one| is_wanted(call, &one.sku_id)).map(|one| {
        json!({
            "availableUnits": (one.held - one.assigned).max(0),
            "activeUnits": one.held,
            "consumedUnits": one.assigned,
            "suspendedUnits": 0,
            "totalUnits": one.held,
            "warningUnits": 0,
            "productSku": sku(one),
            "servicePlans": plans(&one.sku_id, |_| "Enabled"),
            "capabilityStatus": "Enabled",
            "attributes": { "objectType": "SubscribedSku" },
        })
    });
    Ok(HttpReply::ok(collection(call, items.collect())))
}

/// `GET customers/{id}/users/{id}/licenses`.
pub(super) fn of_user(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let user = users::named(call, &customer)?;
    let held = of(&user);
    let all = seats(call.tx, customer.id)?;
    let items = all
        .iter()
        .filter(|seats| held.contains(&seats.sku_id) && is_wanted(call, &seats.sku_id));
    let items = items.map(|seats| {
        let mut product = sku(seats);
        json::take(&mut product, "targetType");
        let without = &user.body[WITHOUT][&seats.sku_id];
        let status = |plan: &ServicePlan| {
            let is_without = without
                .as_array()
                .is_some_and(|ids| ids.iter().any(|id| *id == plan.id));
            if is_without { "Disabled" } else { "Assigned" }
        };
        let plans = plans(&seats.sku_id, status);
        json!({ "servicePlans": plans, "productSku": product, "attributes": { "objectType": "License" } })
    });
    Ok(HttpReply::ok(collection(call, items.collect())))
}

/// `POST customers/{id}/users/{id}/licenseupdates`. What is taken away is free for what is given.
pub(super) fn update(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let mut user = users::named(call, &customer)?;
    let given = call.request.object()?.clone();
    let ids = |name: &str| -> Vec<String> {
        let listed = given[name].as_array().into_iter().flatten();
        let id = |one: &Json| {
            one.as_str()
                .unwrap_or_else(|| json::text(one, "skuId"))
                .to_ascii_lowercase()
        };
        listed.map(id).collect()
    };
    let (assign, remove) = (ids("licensesToAssign"), ids("licensesToRemove"));
    if assign.is_empty() && remove.is_empty() {
        return Err(bad_member("licensesToAssign", "is missing, and so is licensesToRemove"));
    }
    let mut named = assign.iter().chain(&remove).map(|sku| catalogue::group_of_sku(sku));
    let first = named.next();
    if named.any(|group| Some(group) != first) {
        return Err(bad_member("licensesToAssign", "names SKUs of different groups"));
    }
    if !assign.is_empty() && user.text("usageLocation").is_empty() {
        return Err(bad_member(
            "usageLocation",
            "has to be set before licences are assigned",
        ));
    }
    let mut held = of(&user);
    for sku in &remove {
        if let Some(at) = held.iter().position(|one| one == sku) {
            held.remove(at);
            take(call.tx, customer.id, sku, -1)?;
            call.remark("RemovedLicenseSkuId", sku);
        }
    }
    leave_out(&mut user, &given)?;
    for sku in &assign {
        if !held.contains(sku) {
            take_free(call.tx, customer.id, customer.text("id"), sku)?;
            held.push(sku.clone());
            call.remark("AddedLicenseSkuId", sku);
        }
    }
    held.sort_unstable();
    user.put("_licenses", held.join(";"));
    record::update(call.tx, &USER, &mut user)?;
    call.remark("CustomerUserId", call.guid(user.id));
    let mut answer = json!({ "licenseWarnings": [], "attributes": { "objectType": "LicenseUpdate" } });
    for name in ["licensesToAssign", "licensesToRemove"] {
        if let Some(list) = given.get(name) {
            answer[name] = list.clone();
        }
    }
    Ok(HttpReply::json(201, answer))
}

/// Notes which services of the assigned SKUs the user is to be without.
fn leave_out(user: &mut Resource, given: &Json) -> Result<(), Refused> {
    for one in given["licensesToAssign"].as_array().into_iter().flatten() {
        let sku = json::text(one, "skuId").to_ascii_lowercase();
        let left_out = one["excludedPlans"].as_array().cloned().unwrap_or_default();
        let plans = catalogue::by_sku(&sku).map_or(&[][..], |product| product.plans());
        let mut ids = Vec::new();
        for wanted in &left_out {
            let found = plans
                .iter()
                .find(|plan| wanted.as_str().is_some_and(|id| id.eq_ignore_ascii_case(plan.id)));
            let found = found.ok_or_else(|| bad_member("licensesToAssign.excludedPlans", "is no service of the SKU"));
            ids.push(Json::from(found?.id));
        }
        if !sku.is_empty() {
            user.put(&format!("{WITHOUT}.{sku}"), ids);
        }
    }
    Ok(())
}

fn take_free(tx: &mut dyn Tx, customer: i64, guid: &str, sku: &str) -> Result<(), Refused> {
    let all = seats(tx, customer)?;
    let Some(found) = all.iter().find(|seats| seats.sku_id == *sku) else {
        return Err(refuse(404, 400_018, "The customer holds no seats of this SKU.").about([sku]));
    };
    if found.assigned >= found.held {
        let text = "No seat of this SKU is free.";
        let data = format!("Account {guid} has no license left of SKU {sku}.");
        return Err(refuse(400, 60_012, text).about([data]));
    }
    Ok(take(tx, customer, sku, 1)?)
}
