//! Customers: found, read, let go.

use serde_json::{Value as Json, json};
use tenantry_jobs::key;

use super::call::Call;
use super::etag;
use super::json;
use super::paging::{PageFilter, ServedPage, link};
use super::quirks::Quirk;
use super::record::{self, CUSTOMER, Resource, SUBSCRIPTION};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse, refuse_by_name};
use tenantry_foundation::db::{DbError, Tx, Value};

const LARGEST_PAGE: i64 = 500;

/// `HEAD domains/{domain}`: 200 if it is taken.
pub(super) fn domain(call: &mut Call<'_>) -> ReplyResult {
    let domain = call
        .places
        .first()
        .map_or(String::new(), |domain| domain.to_lowercase());
    Ok(HttpReply::empty(if is_taken(call.tx, &domain)? { 200 } else { 404 }))
}

pub(super) fn is_taken(tx: &mut dyn Tx, domain: &str) -> Result<bool, DbError> {
    let found = tx.query_first(
        "SELECT 1 FROM domains WHERE domain_key = $1",
        &[key::domain(domain).as_ref().into()],
    )?;
    Ok(found.is_some())
}

/// `GET validations/checkdomainavailability/{prefix}`: whether the initial domain is free.
pub(super) fn is_free(call: &mut Call<'_>) -> ReplyResult {
    let prefix = call
        .places
        .first()
        .map_or(String::new(), |prefix| prefix.to_lowercase());
    let taken = is_taken(call.tx, &format!("{prefix}.onmicrosoft.com"))?;
    Ok(HttpReply::ok((!taken).into()))
}

/// `HEAD customers/{id}/verifieddomain?domain=`: 200 if the customer has it.
pub(super) fn has_domain(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = call.request.query("domain").unwrap_or_default();
    let found = call.tx.query_first(
        "SELECT 1 FROM domains WHERE domain_key = $1 AND customer = $2",
        &[key::domain(name).as_ref().into(), customer.id.into()],
    )?;
    Ok(HttpReply::empty(if found.is_some() { 200 } else { 404 }))
}

/// `GET customers/{id}/managedservices`: nothing is managed for anybody here.
pub(super) fn managed_services(call: &mut Call<'_>) -> ReplyResult {
    call.customer()?;
    Ok(HttpReply::ok(super::paging::collection(call, Vec::new())))
}

/// `GET customers/{id}/entitlements`: what stays when subscriptions go, such as reservations; there is none here.
pub(super) fn entitlements(call: &mut Call<'_>) -> ReplyResult {
    call.customer()?;
    Ok(HttpReply::ok(super::paging::collection(call, Vec::new())))
}

/// `DELETE customers/{id}/relationships/partner`: ends the relationship, the older way.
pub(super) fn end_relationship(call: &mut Call<'_>) -> ReplyResult {
    remove(call)?;
    Ok(HttpReply::empty(204))
}

/// `GET customers`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let page = ServedPage::asked(call, LARGEST_PAGE, &[])?;
    let mut rest = format!("WHERE t.relationship <> 'none' AND {}", page.condition("t.id"));
    let mut params: Vec<Value> = Vec::new();
    if call.shared.has(Quirk::LaggingLists) {
        rest.push_str(" AND t.id < (SELECT MAX(id) FROM customers)");
    }
    if let Some(filter) = &page.filter {
        let (clause, value) = condition(filter)?;
        rest = format!("{rest} AND {clause}");
        params.push(value.into());
    }
    let rest = format!("{rest} {}", page.order("t.id"));
    let found = record::select(call.tx, &CUSTOMER, &rest, &params)?;
    Ok(page.reply(call, "customers", found, short))
}

fn condition(filter: &PageFilter) -> Result<(String, String), Refused> {
    let column = match filter.field.as_str() {
        "companyname" => "t.name_key",
        "domain" => "t.domain",
        "indirectreseller" | "indirectcloudsolutionprovider" => "t.associated_partner_id",
        _ => {
            return Err(refuse(400, 2000, "Customers cannot be searched by that field.").about([filter.field.as_str()]));
        }
    };
    let value = key::fold(&filter.value).into_owned();
    match filter.operator.as_str() {
        "starts_with" | "startswith" => Ok((format!("instr(lower({column}), $1) = 1"), value)),
        "equals" => Ok((format!("lower({column}) = $1"), value)),
        _ => Err(refuse(400, 2000, "The operators are starts_with and equals.")),
    }
}

/// What lists show of a customer.
fn short(customer: &Resource) -> Json {
    let (id, profile) = (customer.text("id"), "companyProfile");
    json!({
        "id": id,
        profile: {
            "tenantId": id,
            "domain": customer.text("companyProfile.domain"),
            "companyName": customer.text("companyProfile.companyName"),
            "links": { "self": link(&format!("/customers/{id}/profiles/company")) },
            "attributes": { "objectType": "CustomerCompanyProfile" },
        },
        "relationshipToPartner": customer.text("relationshipToPartner"),
        "links": { "self": link(&format!("/customers/{id}")) },
        "attributes": { "objectType": "Customer" },
    })
}

/// All of a customer.
pub(super) fn whole(tx: &mut dyn Tx, customer: &Resource) -> Result<Json, DbError> {
    let id = customer.text("id");
    let mut body = json::shown(&customer.body);
    body["companyProfile"] = company(customer);
    body["billingProfile"] = billing(customer);
    if customer.body["allowDelegatedAccess"] == true {
        body["customDomains"] = domains(tx, customer.id)?;
    } else {
        // Without delegated access there is less to see.
        json::take(&mut body, "companyProfile.address");
        json::take(&mut body, "companyProfile.email");
    }
    body["links"] = json!({ "self": link(&format!("/customers/{id}")) });
    body["attributes"] = json!({ "objectType": "Customer" });
    Ok(body)
}

fn company(customer: &Resource) -> Json {
    let id = customer.text("id");
    let mut profile = customer.body["companyProfile"].clone();
    profile["tenantId"] = id.into();
    let mut address = customer.body["billingProfile"]["defaultAddress"].clone();
    if let Some(state) = json::take(&mut address, "state") {
        address["region"] = state;
    }
    profile["address"] = address;
    profile["email"] = customer.text("billingProfile.email").into();
    profile["links"] = json!({ "self": link(&format!("/customers/{id}/profiles/company")) });
    profile["attributes"] = json!({ "objectType": "CustomerCompanyProfile" });
    profile
}

/// The billing profile, with its etag.
pub(super) fn billing(customer: &Resource) -> Json {
    let id = customer.text("id");
    let mut profile = customer.body["billingProfile"].clone();
    profile["links"] = json!({ "self": link(&format!("/v1/customers/{id}/profiles/billing")) });
    profile["attributes"] = json!({
        "etag": billing_etag(customer),
        "objectType": "CustomerBillingProfile",
    });
    profile
}

pub(super) fn billing_etag(customer: &Resource) -> String {
    etag::number(customer.text("id"), customer.version)
}

fn domains(tx: &mut dyn Tx, customer: i64) -> Result<Json, DbError> {
    let rows = tx.query(
        "SELECT domain FROM domains WHERE customer = $1 ORDER BY domain",
        &[customer.into()],
    )?;
    rows.iter().map(|row| Ok(Json::from(row.text(0)?))).collect()
}

/// `GET customers/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    Ok(HttpReply::ok(whole(call.tx, &customer)?))
}

/// `GET customers/{id}/profiles/company`.
pub(super) fn company_profile(call: &mut Call<'_>) -> ReplyResult {
    Ok(HttpReply::ok(company(&call.customer()?)))
}

/// `GET customers/{id}/organization`: a bare array.
pub(super) fn organization(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let address = |name: &str| {
        customer
            .text(&format!("billingProfile.defaultAddress.{name}"))
            .to_owned()
    };
    Ok(HttpReply::ok(json!([{
        "street": address("addressLine1"),
        "countryLetterCode": address("country"),
        "postalCode": address("postalCode"),
        "city": address("city"),
        "state": address("state"),
        "displayName": customer.text("companyProfile.companyName"),
        "technicalNotificationMails": [customer.text("billingProfile.email")],
    }])))
}

/// `GET customers/{id}/customDomains`: a bare array.
pub(super) fn custom_domains(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    Ok(HttpReply::ok(domains(call.tx, customer.id)?))
}

/// `POST customers/{id}/verifieddomain`: another domain that users can be in.
pub(super) fn add_domain(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = json::text(call.request.object()?, "verifiedDomainName").to_lowercase();
    if !name.contains('.') || name.contains(char::is_whitespace) || is_taken(call.tx, &name)? {
        return Err(bad_member("verifiedDomainName", "is no domain, or is taken already"));
    }
    record::add_domain(call.tx, customer.id, &name)?;
    Ok(HttpReply::json(
        201,
        json!({
            "authenticationType": "managed",
            "capability": "email",
            "isDefault": false,
            "isInitial": false,
            "name": name,
            "status": "verified",
            "verificationMethod": "dns_record",
        }),
    ))
}

/// `GET customers/{id}/validationStatus?type=account`: there is one only if somebody has set it.
pub(super) fn validation_status(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    match customer.text("_validation") {
        "" => {
            let text = format!("Customer {} has no validation status.", customer.text("id"));
            Err(refuse_by_name(404, 600_074, "AccountStatusNotFound", &text))
        }
        status => Ok(HttpReply::ok(json!({
            "type": "account",
            "status": status,
            "lastUpdateDateTime": super::state::moment(call.now).trim_end_matches('Z'),
        }))),
    }
}

/// `GET customers/relationshiprequests`.
#[expect(clippy::unnecessary_wraps, reason = "operations have one signature")]
pub(super) fn relationship_request(call: &mut Call<'_>) -> ReplyResult {
    let partner = call.caller.partner;
    Ok(HttpReply::ok(json!({
        "url": format!("https://admin.sandbox.example/invitation?invType=ResellerRelationship&partnerId={partner}"),
        "attributes": { "objectType": "RelationshipRequest" },
    })))
}

/// `PATCH customers/{id}`: ends the relationship, or the delegated access.
pub(super) fn patch(call: &mut Call<'_>) -> ReplyResult {
    call.any_customer()?;
    let body = call.request.object()?.clone();
    let relationship = json::text(&body, "relationshipToPartner");
    if relationship.eq_ignore_ascii_case("none") {
        return remove(call);
    }
    if body["allowDelegatedAccess"] != false {
        return Err(bad_member("relationshipToPartner", "can only be set to none"));
    }
    call.note.of = Some(("partner_customer_dap", "dap_admin_relationship_terminated"));
    let mut customer = call.customer()?;
    customer.put("allowDelegatedAccess", false);
    record::update(call.tx, &CUSTOMER, &mut customer)?;
    Ok(HttpReply::ok(
        json!({ "allowDelegatedAccess": false, "attributes": { "objectType": "Customer" } }),
    ))
}

fn remove(call: &mut Call<'_>) -> ReplyResult {
    let mut customer = call.any_customer()?;
    if customer.text("relationshipToPartner") == "none" {
        let text = "There is no such relationship any more.";
        return Err(refuse(404, 3000, text));
    }
    let rest = "WHERE t.customer = $1 AND t.status = 'active' ORDER BY t.id";
    let active = record::select(call.tx, &SUBSCRIPTION, rest, &[customer.id.into()])?;
    if !active.is_empty() {
        let text = "Subscriptions of the customer are active.";
        return Err(refuse(400, 3000, text).about(active.iter().map(|one| one.text("id"))));
    }
    if call.shared.options.integration {
        erase(call.tx, customer.id)?;
    } else {
        customer.put("relationshipToPartner", "none");
        customer.put("allowDelegatedAccess", false);
        record::update(call.tx, &CUSTOMER, &mut customer)?;
    }
    Ok(HttpReply::ok(
        json!({ "relationshipToPartner": "none", "attributes": { "objectType": "Customer" } }),
    ))
}

/// `DELETE customers/{id}`: in Microsoft's integration sandbox only.
pub(super) fn delete(call: &mut Call<'_>) -> ReplyResult {
    if !call.shared.options.integration {
        return Err(refuse(403, 600_006, "This is done in an integration sandbox only."));
    }
    let customer = call.customer()?;
    erase(call.tx, customer.id)?;
    Ok(HttpReply::empty(204))
}

/// Deletes a tenant with everything it has.
fn erase(tx: &mut dyn Tx, customer: i64) -> Result<(), DbError> {
    for (table, column, details) in [
        ("users", "customer", Some("user")),
        ("deleted_users", "customer", Some("user")),
        ("subscriptions", "customer", Some("subscription")),
        ("subscribed_skus", "customer", None),
        ("sandbox_documents", "customer", None),
        ("domains", "customer", None),
        ("customers", "id", Some("customer")),
    ] {
        if let Some(kind) = details {
            tx.exec(
                &format!(
                    "DELETE FROM sandbox_details WHERE kind = '{kind}' AND id IN (SELECT id FROM {table} WHERE {column} = $1)"
                ),
                &[customer.into()],
            )?;
        }
        tx.exec(&format!("DELETE FROM {table} WHERE {column} = $1"), &[customer.into()])?;
    }
    Ok(())
}
