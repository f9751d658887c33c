//! New customers.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::record::{self, CUSTOMER, Resource, USER};
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse, refuse_by_name};
use super::{address, countries, customers, json, state};
use tenantry_foundation::passwords::{Class, PasswordPolicy, generate};

/// Customers that an integration sandbox may have.
const QUOTA: i64 = 75;
/// What initial domains end with: everywhere, for governments, in China, and in tests.
const INITIAL: &[&str] = &[
    ".onmicrosoft.com",
    ".onmicrosoft.us",
    ".partner.onmschina.cn",
    ".ccsctp.net",
];

/// `POST customers`.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let given = call.request.object()?;
    let domain = check(given)?;
    if customers::is_taken(call.tx, &domain)? {
        return Err(bad_member("companyProfile.domain", "is taken already"));
    }
    if call.shared.options.integration && state::count(call.tx, "SELECT count(*) FROM customers", &[])? >= QUOTA {
        return Err(refuse(400, 800_018, "An integration sandbox holds no more."));
    }
    let password = password(call)?;
    let (id, guid) = call.fresh()?;
    let mut billing = given["billingProfile"].clone();
    let company_name = json::text(&billing, "companyName").to_owned();
    billing["id"] = call.fresh()?.1.into();
    json::take(&mut billing, "attributes");
    json::take(&mut billing, "links");
    let mut company = json!({ "domain": domain, "companyName": company_name });
    if let Some(number) = json::get(given, "companyProfile.organizationRegistrationNumber") {
        company["organizationRegistrationNumber"] = number.clone();
    }
    let gdap = given.get("enableGDAPByDefault").cloned();
    let mut body = json!({
        "id": guid,
        "commerceId": call.fresh()?.1,
        "companyProfile": company,
        "billingProfile": billing,
        "relationshipToPartner": "reseller",
        // Delegated access comes either as roles of limited time or all at once.
        "allowDelegatedAccess": gdap.as_ref().is_none_or(|gdap| gdap != true),
    });
    if let Some(reseller) = given.get("associatedPartnerId") {
        body["associatedPartnerId"] = reseller.clone();
    }
    let customer = Resource {
        id,
        customer: id,
        version: 1,
        body,
    };
    record::insert(call.tx, &CUSTOMER, &customer)?;
    record::add_domain(call.tx, id, &domain)?;
    admin(call, &customer, &domain)?;
    call.note.customer = Some((guid, company_name));
    let mut answer = customers::whole(call.tx, &customer)?;
    answer["userCredentials"] = json!({ "userName": "admin", "password": password });
    // That is told to the client that said it, and to none later.
    if let Some(gdap) = gdap {
        answer["enableGDAPByDefault"] = gdap;
    }
    Ok(HttpReply::json(201, answer))
}

/// Checks a new customer, and gives its domain.
fn check(given: &Json) -> Result<String, Refused> {
    let domain = json::text(given, "companyProfile.domain").trim().to_lowercase();
    let label = INITIAL.iter().find_map(|suffix| domain.strip_suffix(suffix));
    let good = label.is_some_and(|label| {
        (1..=27).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    if !good {
        return Err(bad_member(
            "companyProfile.domain",
            "has to be NAME.onmicrosoft.com, with letters, digits and hyphens",
        ));
    }
    for name in ["email", "culture", "language", "companyName"] {
        if json::text(&given["billingProfile"], name).trim().is_empty() {
            return Err(bad_member(&format!("billingProfile.{name}"), "is missing"));
        }
    }
    let place = &given["billingProfile"]["defaultAddress"];
    if !place.is_object() {
        return Err(bad_member("billingProfile.defaultAddress", "is missing"));
    }
    check_registration(given, json::text(place, "country"))?;
    address::check(place, "billingProfile.defaultAddress")?;
    Ok(domain)
}

fn check_registration(given: &Json, country: &str) -> Result<(), Refused> {
    let country = country.to_ascii_uppercase();
    let number = json::text(given, "companyProfile.organizationRegistrationNumber");
    match (countries::needs_registration(&country), number) {
        (false, "") => return Ok(()),
        (false, _) => {
            let text = "The country has no registration numbers.";
            return Err(refuse_by_name(
                400,
                600_002,
                "OrganizationRegistrationIdNotSupported",
                text,
            ));
        }
        (true, "") => {
            let text = "The country wants a registration number.";
            return Err(refuse_by_name(400, 600_049, "OrganizationRegistrationIdMissing", text));
        }
        (true, _) => {}
    }
    if let Some(pattern) = countries::registration_fault(&country, number) {
        let text = format!("The registration number should match {pattern}");
        return Err(refuse_by_name(400, 600_050, "OrganizationRegistrationIdInvalid", &text));
    }
    if json::text(given, "billingProfile.defaultAddress.phoneNumber").is_empty() {
        return Err(refuse_by_name(
            400,
            600_051,
            "PhoneNumberMissing",
            "The country wants a phone number.",
        ));
    }
    Ok(())
}

/// Every tenant has a first administrator.
fn admin(call: &mut Call<'_>, customer: &Resource, domain: &str) -> Result<(), Refused> {
    let (id, guid) = call.fresh()?;
    let user = Resource {
        id,
        customer: customer.id,
        version: 1,
        body: json!({
            "id": guid,
            "userPrincipalName": format!("admin@{domain}"),
            "displayName": customer.text("companyProfile.companyName"),
            "_roles": "Global Administrator",
            "_flags": 0,
        }),
    };
    record::insert(call.tx, &USER, &user)?;
    super::users::count_in(call.tx, customer.id, 1)?;
    Ok(())
}

fn password(call: &Call<'_>) -> Result<String, Refused> {
    let made =
        PasswordPolicy::new(16, &Class::ALL, false).map(|policy| generate(&policy, &mut call.shared.clock.entropy()));
    match made {
        Some(Ok(password)) => Ok(password.reveal().to_owned()),
        _ => Err(refuse(500, 800_003, "Something went wrong here.")),
    }
}
