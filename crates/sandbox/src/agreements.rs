//! Agreements that customers accepted, and what they qualify for.

use serde_json::json;

use super::call::Call;
use super::paging::collection;
use super::record::Resource;
use super::reply::{HttpReply, ReplyResult, bad_member, refuse_by_name};
use super::state::moment;
use super::{documents, json};

const AGREEMENT: &str = "agreement";
const QUALIFICATION: &str = "qualification";
/// Type and template of every agreement there is.
const TEMPLATES: &[(&str, &str)] = &[
    ("MicrosoftCloudAgreement", "0c0a0001-5a5d-4b0c-8000-000000000001"),
    ("MicrosoftCustomerAgreement", "0c0a0001-5a5d-4b0c-8000-000000000002"),
];

/// Where the text of an agreement is.
const LINK: &str = "https://agreements.sandbox.example";

/// `GET agreements?agreementType=`: those of the older type unless another is asked for, `*` for all.
#[expect(clippy::unnecessary_wraps, reason = "operations have one signature")]
pub(super) fn templates(call: &mut Call<'_>) -> ReplyResult {
    let wanted = call.request.query("agreementType").unwrap_or("MicrosoftCloudAgreement");
    let items = TEMPLATES
        .iter()
        .filter(|(name, _)| wanted == "*" || name.eq_ignore_ascii_case(wanted))
        .map(|(name, template)| {
            json!({
                "templateId": template,
                "agreementType": name,
                "agreementLink": LINK,
                "versionRank": 0,
            })
        });
    Ok(HttpReply::ok(collection(call, items.collect())))
}

/// `GET customers/{id}/agreements`: with a count, but without the rest of what collections have.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let wanted = call.request.query("agreementType").unwrap_or("*").to_owned();
    let found = documents::all(call.tx, AGREEMENT, customer.id)?;
    let items: Vec<_> = found
        .into_iter()
        .map(|one| one.body)
        .filter(|one| wanted == "*" || json::text(one, "type").eq_ignore_ascii_case(&wanted))
        .collect();
    Ok(HttpReply::ok(json!({ "totalCount": items.len(), "items": items })))
}

/// `POST customers/{id}/agreements`: once for each contact.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?;
    let template = json::text(given, "templateId");
    if !TEMPLATES.iter().any(|(_, known)| known.eq_ignore_ascii_case(template)) {
        return Err(bad_member("templateId", "is no template of an agreement"));
    }
    for name in [
        "primaryContact.firstName",
        "primaryContact.lastName",
        "primaryContact.email",
        "dateAgreed",
        "type",
    ] {
        if json::text(given, name).is_empty() {
            return Err(bad_member(name, "is missing"));
        }
    }
    let name = format!(
        "{} {}",
        json::text(given, "type"),
        json::text(given, "primaryContact.email")
    );
    if documents::find(call.tx, AGREEMENT, customer.id, &name)?.is_some() {
        let text = "This contact's consent is on record already.";
        return Err(refuse_by_name(
            400,
            600_061,
            "PartnerConfirmedAgreementAlreadyExists",
            text,
        ));
    }
    let mut agreement = given.clone();
    agreement["agreementLink"] = LINK.into();
    agreement["userId"] = call.caller.partner.to_string().into();
    let (id, _) = call.fresh()?;
    let agreement = Resource::new(id, customer.id, agreement);
    documents::write(call.tx, AGREEMENT, &name, &agreement)?;
    Ok(HttpReply::json(201, agreement.body))
}

/// `GET customers/{id}/directSignedMicrosoftCustomerAgreementStatus`.
pub(super) fn direct_sign(call: &mut Call<'_>) -> ReplyResult {
    call.customer()?;
    Ok(HttpReply::ok(json!({ "isSigned": false })))
}

/// `GET customers/{id}/qualifications`: a bare array.
pub(super) fn qualifications(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let found = documents::all(call.tx, QUALIFICATION, customer.id)?;
    Ok(HttpReply::ok(found.into_iter().map(|one| one.body).collect()))
}

/// `POST customers/{id}/qualifications`.
pub(super) fn qualify(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?;
    let name = json::text(given, "qualification");
    let (needs, vetted) = match name {
        "Education" => ("educationSegment", true),
        "GovernmentCommunityCloud" => ("validationCode", true),
        "StateOwnedEntity" => ("qualification", false),
        _ => return Err(bad_member("qualification", "cannot be set to that")),
    };
    if json::text(given, needs).is_empty() {
        return Err(bad_member(needs, "is missing"));
    }
    let mut made = json!({ "qualification": name });
    if vetted {
        made["vettingStatus"] = "InReview".into();
        // The service tells it in both spellings, here in one and there in the other.
        made["vettingCreateDate"] = moment(call.now).into();
        made["vettingCreatedDate"] = moment(call.now).into();
    }
    let (id, _) = call.fresh()?;
    let made = Resource::new(id, customer.id, made);
    documents::write(call.tx, QUALIFICATION, name, &made)?;
    Ok(HttpReply::json(201, made.body))
}

/// `GET agreementtemplates/{id}/document?language=&country=`.
pub(super) fn document(call: &mut Call<'_>) -> ReplyResult {
    let template = call.places.first().cloned().unwrap_or_default();
    if !TEMPLATES.iter().any(|(_, known)| known.eq_ignore_ascii_case(&template)) {
        return Err(super::reply::refuse(404, 1000, "Not found").about([template]));
    }
    let given = |name: &str, usual: &str| call.request.query(name).unwrap_or(usual).to_owned();
    Ok(HttpReply::ok(json!({
        "displayUri": format!("{LINK}/{template}"),
        "downloadUri": format!("{LINK}/{template}.pdf"),
        "language": given("language", "en-US"),
        "country": given("country", "US"),
    })))
}

/// `GET customers/{id}/qualification`: one word, the older way.
pub(super) fn qualification(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let found = documents::all(call.tx, QUALIFICATION, customer.id)?;
    let word = found
        .first()
        .map_or("none".to_owned(), |one| one.text("qualification").to_lowercase());
    Ok(HttpReply::ok(word.into()))
}

/// `PUT customers/{id}/qualification?code=`: one word again, and granted at once.
pub(super) fn put_qualification(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let body = &call.request.body;
    let wanted = body.as_str().unwrap_or_else(|| json::text(body, "qualification"));
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let known = ["Education", "GovernmentCommunityCloud", "StateOwnedEntity"];
    let name = known.into_iter().find(|name| plain(name) == plain(wanted));
    let name = name.ok_or_else(|| bad_member("qualification", "cannot be set to that"))?;
    if name == "GovernmentCommunityCloud" && call.request.query("code").is_none() {
        return Err(bad_member("code", "is missing"));
    }
    let (id, _) = call.fresh()?;
    let made = json!({ "qualification": name, "vettingStatus": "Approved" });
    documents::write(call.tx, QUALIFICATION, name, &Resource::new(id, customer.id, made))?;
    Ok(HttpReply::ok(name.to_lowercase().into()))
}

/// `GET customers/all/validations`, and of one customer: the codes that government customers are qualified with.
pub(super) fn validation_codes(call: &mut Call<'_>) -> ReplyResult {
    if !call.places.is_empty() {
        call.customer()?;
    }
    let partner = call.caller.partner;
    Ok(HttpReply::ok(json!([{
        "partnerId": partner,
        "organizationName": "A government organization",
        "validationCode": "123456",
        "maxCreates": 10,
        "remainingCreates": 10,
        "validationId": super::catalogue::guid_of(&format!("validation {partner}")),
        "eTag": "1",
    }])))
}
