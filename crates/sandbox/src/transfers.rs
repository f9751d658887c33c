//! Transfers between partners. Both sides play here: the partner who calls is the tenant of the token's address.
//!
//! Of the older sort, the partner who has the subscriptions creates the transfer, and the other accepts or rejects it,
//! or the first withdraws it. Of the newer sort (`transferType` is given) it is created by the one who wants them, and
//! the other puts in which ones go. A line item of a suspended or deleted subscription fails, the others go.

mod moving;

use serde_json::{Value as Json, json};
use tenantry_jobs::rules::TRANSFER_OPEN_FOR_MILLIS;
use uuid::Uuid;

use super::call::Call;
use super::paging::link;
use super::record::Resource;
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::{millis, moment};
use super::{documents, json, subscriptions};
use moving::carry_out;

const TRANSFER: &str = "transfer";

/// Whom the caller is to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

fn side(call: &Call<'_>, transfer: &Resource) -> Option<Side> {
    let own = call.caller.partner.to_string();
    let is = |member: &str| transfer.text(member).eq_ignore_ascii_case(&own);
    if is("sourcePartnerTenantId") {
        Some(Side::Source)
    } else {
        is("targetPartnerTenantId").then_some(Side::Target)
    }
}

fn is_newer(transfer: &Resource) -> bool {
    transfer.body.get("transferType").is_some()
}

fn is_open(transfer: &Resource) -> bool {
    matches!(transfer.text("status"), "Active" | "Pending")
}

/// As the caller sees it now: what nobody answered has expired, and the target does not see what is not his yet.
fn seen(call: &Call<'_>, mut transfer: Resource) -> Resource {
    let until = millis(transfer.text("_expires")).unwrap_or(i64::MAX);
    if is_newer(&transfer) && is_open(&transfer) && call.now > until {
        transfer.put("status", "Expired");
    }
    transfer
}

fn shown(call: &Call<'_>, transfer: &Resource) -> Json {
    let mut body = json::shown(&transfer.body);
    if is_newer(transfer) && side(call, transfer) == Some(Side::Target) && transfer.text("status") == "InProgress" {
        json::take(&mut body, "lineItems");
    }
    body
}

/// Those of a customer that the caller takes part in.
fn of(call: &mut Call<'_>, customer: &Resource) -> Result<Vec<Resource>, Refused> {
    let all = documents::all(call.tx, TRANSFER, customer.id)?;
    let call = &*call;
    let own = all.into_iter().filter(|one| side(call, one).is_some());
    Ok(own.map(|one| seen(call, one)).collect())
}

/// `GET customers/{id}/transfers`: a bare array.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let all = of(call, &customer)?;
    Ok(HttpReply::ok(all.iter().map(|one| shown(call, one)).collect()))
}

fn named(call: &mut Call<'_>) -> Result<(Resource, Resource, Side), Refused> {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let missing = || refuse(404, 900_100, "There is no such transfer.");
    let found = documents::find(call.tx, TRANSFER, customer.id, &name)?;
    let transfer = seen(call, found.ok_or_else(missing)?);
    let side = side(call, &transfer).ok_or_else(missing)?;
    Ok((customer, transfer, side))
}

/// `GET customers/{id}/transfers/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let (_, transfer, _) = named(call)?;
    Ok(HttpReply::ok(shown(call, &transfer)))
}

/// The open transfer that a subscription is part of.
fn open_for(transfers: &[Resource], subscription: &str) -> Option<String> {
    let has = |transfer: &&Resource| {
        let items = transfer.body["lineItems"].as_array().into_iter().flatten();
        is_open(transfer)
            && items
                .into_iter()
                .any(|item| json::text(item, "subscriptionId").eq_ignore_ascii_case(subscription))
    };
    transfers
        .iter()
        .find(has)
        .map(|transfer| transfer.text("id").to_owned())
}

/// `GET customers/{id}/transferseligibility`: a bare array.
pub(super) fn eligibility(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let transfers = of(call, &customer)?;
    let all = subscriptions::of(call, &customer)?;
    let items = all.iter().map(|one| {
        let id = one.text("id");
        let reason = match (one.text("status"), open_for(&transfers, id)) {
            ("active", None) => return json!({ "id": id, "isEligible": true }),
            ("active", Some(transfer)) => {
                format!("It is in transfer {transfer} already.")
            }
            (status, _) => format!("Its status is {status}."),
        };
        json!({ "id": id, "isEligible": false, "reason": reason })
    });
    Ok(HttpReply::ok(items.collect()))
}

fn partner(given: &Json, name: &str) -> Result<String, Refused> {
    let text = json::text(given, name);
    let read = Uuid::try_parse(text).map(|id| id.to_string());
    read.map_err(|_| bad_member(name, "has to be a partner's tenant id"))
}

/// `POST customers/{id}/transfers`.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?.clone();
    let own = call.caller.partner.to_string();
    let newer = given.get("transferType").is_some();
    let source = partner(&given, "sourcePartnerTenantId")
        .or_else(|refused| if newer { Err(refused) } else { Ok(own.clone()) })?;
    let target = partner(&given, "targetPartnerTenantId")
        .or_else(|refused| if newer { Ok(own.clone()) } else { Err(refused) })?;
    if source == target {
        let text = "Both sides of the transfer are the same partner.";
        return Err(refuse(400, 900_148, text));
    }
    if (if newer { &target } else { &source }) != &own {
        return Err(refuse(403, 900_150, "That is for the other partner to do."));
    }
    let (id, guid) = call.fresh()?;
    let mut transfer = given.clone();
    if newer {
        for name in ["sourcePartnerName", "customerEmailId"] {
            if json::text(&given, name).is_empty() {
                return Err(refuse(
                    400,
                    900_136,
                    "The source partner's name and the customer's address are needed.",
                )
                .about([name]));
            }
        }
        if ![3, 5].map(Json::from).contains(&given["transferType"]) {
            return Err(bad_member("transferType", "is not supported"));
        }
        json::take(&mut transfer, "lineItems");
    } else {
        transfer["lineItems"] = lines(call, &customer, &given)?;
    }
    transfer["status"] = if newer { "Pending" } else { "Active" }.into();
    for (name, value) in [
        ("id", guid.clone()),
        ("createdTime", moment(call.now)),
        ("customerTenantId", customer.text("id").to_owned()),
        ("partnertenantid", own),
        ("sourcePartnerTenantId", source),
        ("targetPartnerTenantId", target),
        ("_expires", moment(call.now + TRANSFER_OPEN_FOR_MILLIS)),
    ] {
        transfer[name] = value.into();
    }
    transfer["links"] = json!({ "self": link(&format!("/customers/{}/transfers/{guid}", customer.text("id"))) });
    transfer["attributes"] = json!({ "objectType": "TransferEntity" });
    let mut transfer = Resource::new(id, customer.id, transfer);
    save(call, &mut transfer)?;
    let mut answer = shown(call, &transfer);
    if newer {
        // That is the first answer; a client that asks later is told that it waits.
        answer["status"] = "InProgress".into();
    }
    Ok(HttpReply::json(201, answer))
}

/// The line items of a request, with what is known of their subscriptions, which are the caller's.
fn lines(call: &mut Call<'_>, customer: &Resource, given: &Json) -> Result<Json, Refused> {
    let invalid = || refuse(400, 800_078, "A line item names no subscription of the caller.");
    let items = given["lineItems"]
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(invalid)?;
    let transfers = of(call, customer)?;
    let own = subscriptions::of(call, customer)?;
    let mut lines = Vec::new();
    for item in items {
        let wanted = json::text(item, "subscriptionId");
        let found = own.iter().find(|one| one.text("id").eq_ignore_ascii_case(wanted));
        let found = found.ok_or_else(|| invalid().about([wanted]))?;
        if let Some(other) = open_for(&transfers, wanted) {
            let text = format!("Transfer {other} has it already.");
            return Err(refuse(409, 900_101, text));
        }
        let add_ons = own
            .iter()
            .filter(|one| subscriptions::is_add_on_to(one, found.text("id")));
        let mut line = line_of(found);
        line["partnerIdOnRecord"] = json::text(item, "partnerIdOnRecord").into();
        line["addonItems"] = add_ons.map(line_of).collect();
        lines.push(line);
    }
    Ok(lines.into())
}

/// What a transfer says of a subscription.
fn line_of(subscription: &Resource) -> Json {
    json!({
        // Several lines share a number; nobody knows what for.
        "id": 0,
        "subscriptionId": subscription.text("id"),
        "offerId": subscription.text("offerId"),
        "billingCycle": subscription.text("billingCycle"),
        "friendlyName": subscription.text("friendlyName"),
        "quantity": subscription.int("quantity"),
    })
}

fn save(call: &mut Call<'_>, transfer: &mut Resource) -> Result<(), Refused> {
    transfer.put("lastModifiedTime", moment(call.now));
    transfer.put("lastModifiedUser", call.caller.partner.to_string());
    let id = transfer.text("id").to_owned();
    documents::write(call.tx, TRANSFER, &id, transfer)?;
    call.remark("TransferId", id);
    Ok(())
}

/// Refuses to go on with a transfer that is over.
fn check_open(transfer: &Resource) -> Result<(), Refused> {
    match transfer.text("status") {
        "Active" | "Pending" => Ok(()),
        "InProgress" => {
            let text = format!("Somebody is at work on transfer {}.", transfer.text("id"));
            Err(refuse(409, 900_104, text))
        }
        status => {
            let text = format!(
                "With status {status} nothing more is done to transfer {}.",
                transfer.text("id")
            );
            Err(refuse(400, 900_102, text))
        }
    }
}

/// Refuses what is the other partner's to do.
fn check_side(is: Side, has_to_be: Side) -> Result<(), Refused> {
    if is == has_to_be {
        return Ok(());
    }
    Err(refuse(403, 900_150, "That is for the other partner to do."))
}

/// `POST customers/{id}/transfers/{id}/accept`: 200 even if some of it failed.
pub(super) fn accept(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut transfer, side) = named(call)?;
    call.request.optional_object()?;
    check_open(&transfer)?;
    check_side(side, Side::Target)?;
    if is_newer(&transfer) {
        return Err(refuse(400, 900_141, "That is not done to such a transfer."));
    }
    let answer = carry_out(call, &customer, &mut transfer)?;
    save(call, &mut transfer)?;
    Ok(HttpReply::ok(answer))
}

/// `PATCH customers/{id}/transfers/{id}`: reject, cancel, or put in line items.
pub(super) fn patch(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut transfer, side) = named(call)?;
    let given = call.request.object()?.clone();
    check_open(&transfer)?;
    let newer = is_newer(&transfer);
    match json::text(&given, "status").to_ascii_lowercase().as_str() {
        // The older sort is turned down by who should get it, the newer by who should give.
        "reject" => {
            check_side(side, if newer { Side::Source } else { Side::Target })?;
            transfer.put("status", "Reject");
        }
        "cancel" if newer => {
            check_side(side, Side::Target)?;
            transfer.put("status", "Cancel");
        }
        "" if newer && given.get("lineItems").is_some() => {
            check_side(side, Side::Source)?;
            let lines = lines(call, &customer, &given)?;
            transfer.put("lineItems", lines);
            carry_out(call, &customer, &mut transfer)?;
        }
        _ => return Err(refuse(400, 900_141, "That is not done to such a transfer.")),
    }
    save(call, &mut transfer)?;
    Ok(HttpReply::ok(shown(call, &transfer)))
}

/// `DELETE customers/{id}/transfers/{id}`: by who created it, while it is open.
pub(super) fn withdraw(call: &mut Call<'_>) -> ReplyResult {
    let (_, transfer, side) = named(call)?;
    check_open(&transfer)?;
    check_side(side, Side::Source)?;
    if is_newer(&transfer) {
        return Err(refuse(400, 900_141, "That is not done to such a transfer."));
    }
    documents::remove(call.tx, transfer.id)?;
    call.remark("TransferId", transfer.text("id"));
    Ok(HttpReply::empty(204))
}
