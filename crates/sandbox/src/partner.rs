//! The partner: its profiles, its place in the partner network, the resellers it works with, and whether it signed
//! the agreement with Microsoft.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::catalogue::guid_of;
use super::paging::{collection, link};
use super::record::Resource;
use super::reply::{HttpReply, ReplyResult, refuse};
use super::{documents, json};
use tenantry_foundation::db::DbError;

const PROFILE: &str = "profile";
/// The partner's own number in the partner network.
const NUMBER: &str = "5000001";
/// Documents that belong to the partner and to no customer.
const NOBODY: i64 = 0;

/// The indirect resellers of every partner: what makes their ids, name, number and country.
const RESELLERS: &[(&str, &str, &str)] = &[("Harbour Cloud", "5000101", "US"), ("Lakeside IT", "5000102", "DE")];

/// Which profile an operation is about.
#[derive(Debug, Clone, Copy)]
struct Profile {
    name: &'static str,
    kind: &'static str,
    object: &'static str,
}

const ORGANIZATION: Profile = Profile {
    name: "organization",
    kind: "organization_profile",
    object: "OrganizationProfile",
};
const LEGAL: Profile = Profile {
    name: "legalbusiness",
    kind: "legal_business_profile",
    object: "LegalBusinessProfile",
};
const SUPPORT: Profile = Profile {
    name: "support",
    kind: "support_profile",
    object: "SupportProfile",
};
const BILLING: Profile = Profile {
    name: "billing",
    kind: "billing_profile",
    object: "PartnerBillingProfile",
};

fn usual(call: &Call<'_>, profile: Profile) -> Json {
    let place = json!({
        "country": "US", "city": "Seattle", "state": "WA", "addressLine1": "1 Pier Road", "postalCode": "98101",
        "firstName": "Sandbox", "lastName": "Administrator", "phoneNumber": "4255550100",
    });
    let contact = json!({
        "firstName": "Sandbox", "lastName": "Administrator", "email": "admin@sandbox.example", "phoneNumber": "4255550100",
    });
    let partner = call.caller.partner;
    match profile.name {
        "organization" => json!({
            "id": partner, "companyName": "Sandbox Partner", "defaultAddress": place, "tenantId": partner,
            "domain": "sandbox.example", "email": "admin@sandbox.example", "language": "en", "culture": "en-US",
        }),
        "legalbusiness" => json!({
            "companyName": "Sandbox Partner", "address": place, "primaryContact": contact,
            "companyApproverAddress": place, "companyApproverEmail": "admin@sandbox.example",
            "vettingStatus": "authorized", "vettingSubStatus": "none",
        }),
        "support" => json!({
            "email": "support@sandbox.example", "telephone": "4255550199", "website": "https://sandbox.example/support",
        }),
        _ => json!({
            "companyName": "Sandbox Partner", "address": place, "primaryContact": contact, "purchaseOrderNumber": "",
            "taxId": "", "billingDay": 1, "billingCurrency": "USD",
        }),
    }
}

fn document(call: &Call<'_>, profile: Profile) -> String {
    format!("{} {}", call.caller.partner, profile.name)
}

fn get(call: &mut Call<'_>, profile: Profile) -> ReplyResult {
    let name = document(call, profile);
    let mut body = match documents::find(call.tx, PROFILE, NOBODY, &name)? {
        Some(changed) => changed.body,
        None => usual(call, profile),
    };
    body["profileType"] = profile.kind.into();
    body["links"] = json!({ "self": link(&format!("/profiles/{}", profile.name)) });
    body["attributes"] = json!({ "objectType": profile.object });
    Ok(HttpReply::ok(body))
}

/// Members of a profile are what the request says; what it leaves out stays.
fn put(call: &mut Call<'_>, profile: Profile) -> ReplyResult {
    let given = call.request.object()?.clone();
    let name = document(call, profile);
    let there = documents::find(call.tx, PROFILE, NOBODY, &name)?;
    let (id, mut body) = match there {
        Some(there) => (there.id, there.body),
        None => (call.fresh()?.0, usual(call, profile)),
    };
    let kept = [
        "id",
        "tenantId",
        "profileType",
        "links",
        "attributes",
        "vettingStatus",
        "vettingSubStatus",
    ];
    for (name, value) in given.as_object().into_iter().flatten() {
        if !kept.contains(&name.as_str()) {
            body[name] = value.clone();
        }
    }
    documents::write(call.tx, PROFILE, &name, &Resource::new(id, NOBODY, body))?;
    get(call, profile)
}

/// `GET profiles/organization`.
pub(super) fn organization(call: &mut Call<'_>) -> ReplyResult {
    get(call, ORGANIZATION)
}

/// `PUT profiles/organization`.
pub(super) fn put_organization(call: &mut Call<'_>) -> ReplyResult {
    put(call, ORGANIZATION)
}

/// `GET profiles/legalbusiness`.
pub(super) fn legal(call: &mut Call<'_>) -> ReplyResult {
    get(call, LEGAL)
}

/// `PUT profiles/legalbusiness`.
pub(super) fn put_legal(call: &mut Call<'_>) -> ReplyResult {
    put(call, LEGAL)
}

/// `GET profiles/support`.
pub(super) fn support(call: &mut Call<'_>) -> ReplyResult {
    get(call, SUPPORT)
}

/// `PUT profiles/support`.
pub(super) fn put_support(call: &mut Call<'_>) -> ReplyResult {
    put(call, SUPPORT)
}

/// `GET profiles/billing`.
pub(super) fn billing(call: &mut Call<'_>) -> ReplyResult {
    get(call, BILLING)
}

/// `PUT profiles/billing`.
pub(super) fn put_billing(call: &mut Call<'_>) -> ReplyResult {
    put(call, BILLING)
}

/// `GET profiles/mpn?mpnId=`: the caller's own, or that of any partner there is.
pub(super) fn network(call: &mut Call<'_>) -> ReplyResult {
    let wanted = call.request.query("mpnId").unwrap_or(NUMBER);
    let name = match RESELLERS.iter().find(|(_, number, _)| *number == wanted) {
        Some((name, ..)) => *name,
        None if wanted == NUMBER => "Sandbox Partner",
        None => {
            let text = format!("Partner Organization with partner_id {wanted} could not be found");
            return Err(refuse(404, 3000, text));
        }
    };
    Ok(HttpReply::ok(json!({
        "partnerName": name,
        "mpnId": wanted,
        "profileType": "MpnProfile",
        "links": { "self": link("/profiles/mpn") },
        "attributes": { "objectType": "MpnProfile" },
    })))
}

/// `IsIndirectResellerOf` and `is_indirect_reseller_of` are the same.
fn plain(word: &str) -> String {
    word.replace('_', "").to_ascii_lowercase()
}

fn relationship((name, number, country): (&str, &str, &str), of: &str) -> Json {
    json!({
        "id": guid_of(&format!("reseller {number}")),
        "name": name,
        "relationshipType": of,
        "state": "Active",
        "mpnId": number,
        "location": country,
        "attributes": { "objectType": "PartnerRelationship" },
    })
}

const PROVIDER_OF: &str = "is_indirect_cloud_solution_provider_of";

/// `GET relationships?relationship_type=`: the resellers of a provider. Nobody here is anybody's reseller.
pub(super) fn relationships(call: &mut Call<'_>) -> ReplyResult {
    let wanted = call.request.query("relationship_type").unwrap_or_default();
    let wanted = plain(wanted);
    let known = [plain(PROVIDER_OF), plain("is_indirect_reseller_of")];
    if !known.contains(&wanted) {
        let text = "relationship_type is IsIndirectCloudSolutionProviderOf or IsIndirectResellerOf.";
        return Err(refuse(400, 2000, text));
    }
    let searched = call
        .request
        .query("filter")
        .and_then(|text| serde_json::from_str(text).ok());
    let searched = searched.map(|filter| json::text(&json::normal(filter), "value").to_lowercase());
    let found = |name: &str| {
        searched
            .as_ref()
            .is_none_or(|text| name.to_lowercase().contains(text.as_str()))
    };
    let all = RESELLERS
        .iter()
        .filter(|(name, ..)| wanted == plain(PROVIDER_OF) && found(name));
    let items = all.map(|one| relationship(*one, PROVIDER_OF)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET customers/{id}/relationships`: the reseller that the customer was made for, if there is one.
pub(super) fn of_customer(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let number = customer.text("associatedPartnerId");
    let known = RESELLERS.iter().find(|(_, known, _)| *known == number).copied();
    let own = known.or((!number.is_empty()).then_some(("A reseller", number, "US")));
    let items = own.into_iter().map(|one| {
        let mut item = relationship(one, PROVIDER_OF);
        json::take(&mut item, "state");
        json::take(&mut item, "location");
        item
    });
    let items = items.collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET compliance/csp/agreementstatus?mpnId=` or `tenantId=`.
pub(super) fn agreement_status(call: &mut Call<'_>) -> ReplyResult {
    let refused = |code, text: String| Err(refuse(400, code, text).said_by("ComplianceController"));
    let (number, tenant) = (call.request.query("mpnId"), call.request.query("tenantId"));
    let known = match (number, tenant) {
        (None, None) => return refused(2001, "Both MPN Id and Tenant Id cannot be empty.".to_owned()),
        (Some(_), Some(_)) => return refused(2000, "Both MPN Id and Tenant Id should not be passed.".to_owned()),
        (Some(number), None) if !number.bytes().all(|byte| byte.is_ascii_digit()) => {
            return refused(2000, "MPN Id must be numeric.".to_owned());
        }
        (Some(number), None) => number == NUMBER || RESELLERS.iter().any(|(_, known, _)| *known == number),
        (None, Some(tenant)) => uuid::Uuid::try_parse(tenant).is_ok(),
    };
    if !known {
        let (code, text) = match number {
            Some(number) => (2200, format!("Requested MPN Id {number} is invalid or does not exist.")),
            None => (
                2205,
                format!("There is no account with id '{}'.", tenant.unwrap_or_default()),
            ),
        };
        return Err(refuse(400, code, text));
    }
    Ok(HttpReply::ok(json!({ "isAgreementSigned": true })))
}

/// `GET partnerRequests`: who called lately, and whether they proved who they are with a second factor.
pub(super) fn requests(call: &mut Call<'_>) -> ReplyResult {
    let rows = call.tx.query(
        "SELECT body FROM sandbox_audit WHERE partner = $1 ORDER BY id DESC LIMIT 100",
        &[call.caller.partner.to_string().into()],
    )?;
    let mut items = Vec::new();
    for row in &rows {
        let record: Json = serde_json::from_str(row.text(0)?).map_err(|error| DbError::Broken(error.to_string()))?;
        items.push(json!({
            "requestId": record["id"],
            "correlationId": record["originalCorrelationId"],
            "operationName": record["operationType"],
            "requestDateTime": json::text(&record, "operationDate").trim_end_matches('Z'),
            "ipAddress": "127.0.0.1",
            "objectId": guid_of(json::text(&record, "userPrincipalName")),
            "tenantId": record["partnerId"],
            "upn": record["userPrincipalName"],
            "applicationId": record["applicationId"],
            "mfaCompliant": true,
        }));
    }
    Ok(HttpReply::ok(collection(call, items)))
}
