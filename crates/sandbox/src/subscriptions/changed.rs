//! Changes of subscriptions. A change names the whole resource: what it leaves out is reset.

use serde_json::{Value as Json, json};

use super::built::{CANCEL_WITHIN, REFUNDS, refunds};
use super::{MOST, SEAT_QUOTA, give_seats, named, seats, shown};
use crate::call::Call;
use crate::quirks::Quirk;
use crate::record::{self, Resource, SUBSCRIPTION};
use crate::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use crate::state::{millis, moment};
use crate::{etag, json};

/// `PATCH customers/{id}/subscriptions/{id}`.
pub(crate) fn patch(call: &mut Call<'_>) -> ReplyResult {
    let (customer, mut subscription) = named(call)?;
    let given = call.request.object()?.clone();
    let current = etag::versioned(subscription.text("id"), subscription.version);
    let etag = call.etag_given(&given);
    call.check_etag(etag.as_deref(), &current)?;
    let own = json::text(&given, "id");
    if !own.is_empty() && !own.eq_ignore_ascii_case(subscription.text("id")) {
        return Err(refuse(400, 800_021, "The id in the body is not the one in the path."));
    }
    if subscription.text("status") == "deleted" {
        let text = format!(
            "Subscription {} is deleted and stays as it is.",
            subscription.text("id")
        );
        return Err(refuse(400, 2011, text));
    }
    let cycle = json::text(&given, "billingCycle");
    if !cycle.is_empty() && super::built::cycle_of(cycle) != super::built::cycle_of(subscription.text("billingCycle")) {
        let text = "A billing cycle is changed through the order.";
        return Err(refuse(400, 2054, text));
    }
    let before = seats(&subscription);
    change_quantity(call, &mut subscription, &given)?;
    change_status(call, &mut subscription, json::text(&given, "status"))?;
    change_rest(&mut subscription, &given)?;
    record::update(call.tx, &SUBSCRIPTION, &mut subscription)?;
    give_seats(call, &subscription, seats(&subscription) - before)?;
    call.remark("SubscriptionId", subscription.text("id"));
    if call.shared.has(Quirk::AcceptedUpdates) {
        let place = format!(
            "/customers/{}/subscriptions/{}",
            customer.text("id"),
            subscription.text("id")
        );
        return Ok(HttpReply::empty(202).with("Location", place));
    }
    Ok(HttpReply::ok(shown(call, &customer, &subscription)))
}

fn may_cancel(call: &Call<'_>, subscription: &Resource) -> bool {
    let until = millis(subscription.text("cancellationAllowedUntilDate"));
    until.is_some_and(|until| call.now <= until)
}

fn change_quantity(call: &Call<'_>, subscription: &mut Resource, given: &Json) -> Result<(), Refused> {
    let had = subscription.int("quantity");
    let Some(wanted) = given
        .get("quantity")
        .map(|quantity| quantity.as_i64().unwrap_or_default())
    else {
        return Ok(());
    };
    if wanted == had {
        return Ok(());
    }
    if subscription.text("status") == "suspended" {
        let text = "A suspended subscription keeps its quantity.";
        return Err(refuse(400, 2001, text));
    }
    if !(1..=MOST).contains(&wanted) {
        return Err(refuse(400, 2002, "The offer is not sold in that quantity."));
    }
    if call.shared.options.integration && wanted > SEAT_QUOTA {
        return Err(refuse(400, 800_018, "An integration sandbox holds no more."));
    }
    if subscription.body.get(REFUNDS).is_some() {
        let rest = refunds_after(call, subscription, wanted - had)?;
        subscription.put(REFUNDS, rest);
    }
    subscription.put("quantity", wanted);
    Ok(())
}

/// What can be given back after so many seats more, or fewer: the newest go first.
fn refunds_after(call: &Call<'_>, subscription: &Resource, more: i64) -> Result<Json, Refused> {
    let mut open = refunds(&subscription.body, call.now);
    if more > 0 {
        open.push((more, moment(call.now + CANCEL_WITHIN)));
    }
    let mut fewer = -more;
    while fewer > 0 {
        let Some((quantity, until)) = open.pop() else {
            return Err(refuse(400, 800_090, "The time to reduce the quantity is over."));
        };
        if quantity > fewer {
            open.push((quantity - fewer, until));
        }
        fewer -= quantity;
    }
    let note = |(quantity, until): (i64, String)| json!({ "quantity": quantity, "allowedUntilDateTime": until });
    Ok(open.into_iter().map(note).collect())
}

fn change_status(call: &Call<'_>, subscription: &mut Resource, wanted: &str) -> Result<(), Refused> {
    let had = subscription.text("status").to_owned();
    let wanted = wanted.to_ascii_lowercase();
    match (had.as_str(), wanted.as_str()) {
        (_, "") => return Ok(()),
        ("suspended", "suspended") => {
            return Err(refuse(400, 800_091, "The subscription is suspended."));
        }
        (had, wanted) if had == wanted => return Ok(()),
        ("active", "suspended") | ("suspended", "active") => {}
        (_, "deleted") if subscription.body.get(REFUNDS).is_some() => {
            if !may_cancel(call, subscription) {
                let text = "The seven days for cancelling are over.";
                return Err(refuse(400, 900_117, text));
            }
        }
        _ => return Err(refuse(400, 800_096, "The subscription cannot get that status.")),
    }
    if wanted == "suspended" {
        subscription.put("suspensionReasons", json!(["Partner"]));
    } else {
        json::take(&mut subscription.body, "suspensionReasons");
    }
    subscription.put("status", wanted);
    Ok(())
}

/// What a change that leaves it out takes away.
fn change_rest(subscription: &mut Resource, given: &Json) -> Result<(), Refused> {
    let renews = given["autoRenewEnabled"] == true;
    let next = given.get("scheduledNextTermInstructions").cloned();
    if next.is_some() && !renews {
        return Err(bad_member("scheduledNextTermInstructions", "needs autoRenewEnabled"));
    }
    subscription.put("autoRenewEnabled", renews);
    if subscription.body.get("renewalTermDuration").is_some() {
        let term = next
            .as_ref()
            .map_or("", |next| json::text(next, "product.termDuration"));
        subscription.put("renewalTermDuration", term);
    }
    for (name, value) in [
        ("scheduledNextTermInstructions", next),
        ("nextChargeInstructions", given.get("nextChargeInstructions").cloned()),
        ("customTermEndDate", given.get("customTermEndDate").cloned()),
    ] {
        match value {
            Some(value) => subscription.put(name, value),
            None => drop(json::take(&mut subscription.body, name)),
        }
    }
    let friendly = match json::text(given, "friendlyName") {
        "" => subscription.text("offerName").to_owned(),
        friendly => friendly.to_owned(),
    };
    subscription.put("friendlyName", friendly);
    subscription.put("partnerId", json::text(given, "partnerId"));
    Ok(())
}
