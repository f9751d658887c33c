//! Addresses: whether they look right, and what the service says about them.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::countries;
use super::json;
use super::reply::{HttpReply, Refused, ReplyResult, bad_member};

/// Refuses an address that lacks something or has it in the wrong form; `path` is where it stands in the request.
pub(super) fn check(address: &Json, path: &str) -> Result<(), Refused> {
    let at = |name: &str| format!("{path}.{name}");
    let country = json::text(address, "country");
    if country.len() != 2 {
        return Err(bad_member(&at("country"), "has to be a code of two letters"));
    }
    for (name, least, most) in [
        ("addressLine1", 1, 200),
        ("addressLine2", 0, 200),
        ("firstName", 0, 50),
        ("lastName", 0, 50),
    ] {
        let length = json::text(address, name).chars().count();
        if length < least || length > most {
            return Err(bad_member(
                &at(name),
                &format!("has to have {least} to {most} characters"),
            ));
        }
    }
    let Some(rules) = countries::find(country) else {
        return Ok(());
    };
    if rules.city_required && json::text(address, "city").is_empty() {
        return Err(bad_member(&at("city"), "is missing"));
    }
    if !rules.state_fits(json::text(address, "state")) {
        return Err(bad_member(&at("state"), "is no state of the country"));
    }
    if !rules.postal_fits(json::text(address, "postalCode")) {
        return Err(bad_member(&at("postalCode"), "is no postal code of the country"));
    }
    Ok(())
}

/// `POST validations/address`: 200 whatever comes of it. A street without a house number is taken for incomplete.
pub(super) fn validate(call: &mut Call<'_>) -> ReplyResult {
    let address = call.request.object()?;
    let mut body = json!({ "originalAddress": address, "suggestedAddresses": [] });
    let street = json::text(address, "addressLine1");
    let status = if let Err(Refused::Answer(refusal)) = check(address, "address") {
        let why = refusal.body.as_ref().map_or("", |body| json::text(body, "description"));
        body["validationMessage"] = why.into();
        "None"
    } else if street.chars().any(|c| c.is_ascii_digit()) {
        body["suggestedAddresses"] = json!([address]);
        "VerifiedShippable"
    } else {
        let mut suggested = address.clone();
        json::put(&mut suggested, "addressLine1", format!("1 {street}").into());
        body["suggestedAddresses"] = json!([suggested]);
        body["validationMessage"] = "The address lacks a house number.".into();
        "StreetPartial"
    };
    body["status"] = status.into();
    Ok(HttpReply::ok(body))
}
