//! `add-customer` and `update-account`.
//!
//! A customer that is made here can buy nothing before a person has confirmed that it accepted the Microsoft Customer
//! Agreement. That is a statement about what somebody did, and no row makes it; the row says that it is still to be made.

use serde_json::{Value, json};
use tenantry_jobs::{CustomerField, CustomerPatch, CustomerRef, NewCustomer, Problem, code, is_as_read};

use super::address::{Judgement, is_part};
use super::auth::TokenKind;
use super::client::{Call, CallError, Operation};
use super::end::End;
use super::failure::find;
use super::image::{Image, Object};
use super::records::Customer;
use super::session::{Session, not_there_yet};
use super::steps::{Done, Sending, Step};
use super::text::{id_of, segment, text};
use super::{PartnerCenterError, TITLE};
use tenantry_foundation::passwords::{Password, PasswordRow};
use tenantry_store::remote::step::Kept;
use tenantry_store::remote::{self, RowPreview, Steps};
use tenantry_store::{FieldChange, Verdict};

const DOMAIN: Operation = Operation::new("check-domain-availability", "HEAD", TokenKind::App);
const COUNTRY_RULES: Operation = Operation::new("country-validation-rules", "GET", TokenKind::App);
const CREATE_CUSTOMER: Operation = Operation::new("create-customer", "POST", TokenKind::App);
const GET_PROFILE: Operation = Operation::new("get-billing-profile", "GET", TokenKind::App);
const PUT_PROFILE: Operation = Operation::new("update-billing-profile", "PUT", TokenKind::App);

/// What every new customer still lacks.
const AGREEMENT: &str = "before anything is bought for the customer, confirm in Partner Center that it has accepted the \
                         Microsoft Customer Agreement";

/// Where each field of the profile is in a billing profile: in itself or in its default address.
const PLACES: [(CustomerField, bool, &str); 13] = [
    (CustomerField::CompanyName, false, "companyName"),
    (CustomerField::FirstName, false, "firstName"),
    (CustomerField::LastName, false, "lastName"),
    (CustomerField::Email, false, "email"),
    (CustomerField::Phone, true, "phoneNumber"),
    (CustomerField::AddressLine1, true, "addressLine1"),
    (CustomerField::AddressLine2, true, "addressLine2"),
    (CustomerField::City, true, "city"),
    (CustomerField::State, true, "state"),
    (CustomerField::PostalCode, true, "postalCode"),
    (CustomerField::Country, true, "country"),
    (CustomerField::Culture, false, "culture"),
    (CustomerField::Language, false, "language"),
];

fn not_kept(column: &'static str, value: &str) -> Option<Problem> {
    (!value.is_empty()).then(|| remote::not_kept(TITLE, column, value))
}

/// What a row that creates a customer would do.
pub(super) async fn preview_new(session: &Session, new: &NewCustomer<'_>) -> Result<RowPreview, PartnerCenterError> {
    Ok(match standing(session, new).await? {
        CustomerStanding::Free => match session.judge_address(&new_address(new)).await? {
            Judgement::Fine | Judgement::Unchecked(_) => Verdict::Create.into(),
            Judgement::Doubtful(problem) => RowPreview::reject(problem),
        },
        CustomerStanding::Same(_) => Verdict::Unchanged.into(),
        CustomerStanding::Refused(problem) => RowPreview::reject(problem),
    })
}

enum CustomerStanding {
    Free,
    /// There is one, and it is so already: its id.
    Same(String),
    Refused(Problem),
}

async fn standing(session: &Session, new: &NewCustomer<'_>) -> Result<CustomerStanding, PartnerCenterError> {
    let tags = &new.profile[CustomerField::Tags as usize];
    let unkept = not_kept("tags", tags).or_else(|| not_kept("external_id", new.external_id));
    if let Some(problem) = unkept {
        return Ok(CustomerStanding::Refused(problem));
    }
    // One that is left out is looked up nowhere.
    if new.domain.is_empty() || is_free(session, &new.domain).await? {
        return Ok(CustomerStanding::Free);
    }
    let Some(id) = session.customer_of_domain(&new.domain).await? else {
        if session.was_made_lately(&new.domain).await? {
            return Ok(CustomerStanding::Refused(not_there_yet("domain", &new.domain)));
        }
        let expected = "another tenant has this domain already";
        let problem = Problem::stated(code::DOMAIN_TAKEN, "domain", new.domain.as_ref(), expected);
        return Ok(CustomerStanding::Refused(problem));
    };
    let profile = profile(session, &id).await?;
    let wanted = PLACES
        .iter()
        .map(|(field, _, _)| (*field, new.profile[*field as usize].as_ref()));
    let differing = changes(&profile, wanted.filter(|(_, value)| !value.is_empty()));
    if differing.is_empty() {
        return Ok(CustomerStanding::Same(id));
    }
    let fields: Vec<&str> = differing.iter().map(|change| change.field).collect();
    let expected = format!(
        "a customer of this domain exists and differs in {}; `update-account` changes it",
        fields.join(", ")
    );
    Ok(CustomerStanding::Refused(Problem::stated(
        code::CUSTOMER_EXISTS,
        "domain",
        new.domain.as_ref(),
        expected,
    )))
}

/// Whether a domain is free. "Not found" says so only if Partner Center itself says it.
async fn is_free(session: &Session, domain: &str) -> Result<bool, PartnerCenterError> {
    let call = Call::new(DOMAIN, format!("/domains/{}", segment(domain)));
    match session.client().read(&call).await {
        Ok(_) => Ok(false),
        Err(CallError::Answered(failure, true)) if failure.status == 404 => Ok(true),
        Err(error) => Err(PartnerCenterError::of(error)),
    }
}

/// Creates a customer, whose administrator's password is told with it.
pub(super) async fn create(
    session: &Session,
    steps: Steps<'_>,
    new: &NewCustomer<'_>,
) -> Result<(End, Option<PasswordRow>), PartnerCenterError> {
    let mut message = AGREEMENT.to_owned();
    if !steps.has_begun_step("create") {
        match standing(session, new).await? {
            CustomerStanding::Free => {}
            CustomerStanding::Same(id) => return Ok((End::Unchanged(id), None)),
            CustomerStanding::Refused(problem) => return Ok((End::Rejected(problem), None)),
        }
        match session.judge_address(&new_address(new)).await? {
            Judgement::Fine => {}
            Judgement::Unchecked(why) => message = format!("{}; {message}", unchecked(&why)),
            Judgement::Doubtful(problem) => return Ok((End::Rejected(problem), None)),
        }
    }
    let body = new_body(session, new).await?;
    let call = Call::new(CREATE_CUSTOMER, "/customers").body(body);
    let made = Customer {
        id: String::new(),
        domain: new.domain.clone().into_owned(),
        domains: Vec::new(),
        listed_name: String::new(),
    };
    let step = session.step(steps, "create").told_once();
    let done = step.once_keeping(
        || session.customer_of_domain(&new.domain),
        || async {
            Ok(Some(Sending {
                call: call.clone(),
                image: Image::new(Object::Customer, &made, ""),
            }))
        },
        |answer| {
            let result = id_of(&answer.body)?.to_lowercase();
            let password = administrator(&answer.body, &new.domain);
            Some(Kept { result, password })
        },
    );
    let kept = match done.await? {
        Ok(kept) => kept,
        Err(stopped) => return Ok((End::stopped(stopped, String::new()), None)),
    };
    let is_told = steps.hands_out() && (kept.password.is_some() || steps.has_handed_out());
    if !is_told {
        message = format!("{message}; {}", untold(steps.hands_out(), &new.domain));
    }
    let target = kept.result;
    Ok((End::Applied { target, message }, kept.password))
}

/// What a new customer's first administrator signs in with, if it was answered.
fn administrator(made: &Value, domain: &str) -> Option<PasswordRow> {
    let told = find(made, "userCredentials")?;
    let (name, password) = (text(told, "userName"), text(told, "password"));
    let user_principal_name = match name {
        "" => format!("admin@{domain}"),
        whole if whole.contains('@') => whole.to_owned(),
        part => format!("{part}@{domain}"),
    };
    (!password.is_empty()).then(|| PasswordRow {
        customer: domain.to_owned(),
        user_principal_name,
        password: Password::new(password.to_owned()),
    })
}

/// What is said of a customer whose administrator's password nobody has.
fn untold(is_wanted: bool, domain: &str) -> String {
    let why = if is_wanted {
        "did not arrive here, and Partner Center tells it only once"
    } else {
        "was not kept, because this job hands out no passwords"
    };
    format!("the password of the administrator admin@{domain} {why}; `reset-passwords` gives that user a new one")
}

fn unchecked(why: &str) -> String {
    format!("the address was not checked: {why}")
}

/// The address of a new customer as its billing profile will have it, without whom it is of.
fn new_address(new: &NewCustomer<'_>) -> Value {
    let mut address = json!({});
    for (field, is_address, name) in PLACES {
        let value = new.profile[field as usize].as_ref();
        if is_address && !value.is_empty() {
            address[name] = json!(value);
        }
    }
    address
}

async fn new_body(session: &Session, new: &NewCustomer<'_>) -> Result<Value, PartnerCenterError> {
    let field = |field: CustomerField| new.profile[field as usize].as_ref();
    let (mut culture, mut language) = (
        field(CustomerField::Culture).to_owned(),
        field(CustomerField::Language).to_owned(),
    );
    if culture.is_empty() || language.is_empty() {
        let country = field(CustomerField::Country);
        let call = Call::new(COUNTRY_RULES, format!("/countryvalidationrules/{}", segment(country)));
        let rules = session.client().read(&call).await.map_err(PartnerCenterError::of)?.body;
        if culture.is_empty() {
            text(&rules, "defaultCulture").clone_into(&mut culture);
        }
        if language.is_empty() {
            let listed = find(&rules, "supportedLanguagesList").and_then(Value::as_array);
            let first = listed.and_then(|all| all.first()).and_then(Value::as_str);
            let of_culture = culture.split('-').next().unwrap_or_default();
            language = first.unwrap_or(of_culture).to_owned();
        }
    }
    let mut profile = json!({ "culture": culture, "language": language, "defaultAddress": new_address(new) });
    for (field, is_address, name) in PLACES {
        let value = new.profile[field as usize].as_ref();
        if !is_address && !value.is_empty() {
            profile[name] = json!(value);
        }
    }
    for (field, name) in [
        (CustomerField::FirstName, "firstName"),
        (CustomerField::LastName, "lastName"),
    ] {
        profile["defaultAddress"][name] = json!(new.profile[field as usize]);
    }
    let mut company = json!({ "domain": new.domain });
    if !new.registration_number.is_empty() {
        company["organizationRegistrationNumber"] = json!(new.registration_number);
    }
    let mut body = json!({
        "companyProfile": company,
        "billingProfile": profile,
        "attributes": { "objectType": "Customer" },
    });
    if !new.associated_partner_id.is_empty() {
        body["associatedPartnerId"] = json!(new.associated_partner_id);
    }
    Ok(body)
}

/// A customer's billing profile, whole: it is changed by being sent back with all its members.
async fn profile(session: &Session, id: &str) -> Result<Value, PartnerCenterError> {
    let call = Call::new(GET_PROFILE, format!("/customers/{}/profiles/billing", segment(id))).of(id);
    Ok(session.client().read(&call).await.map_err(PartnerCenterError::of)?.body)
}

fn place<'v>(profile: &'v Value, is_address: bool, name: &str) -> &'v str {
    if is_address {
        find(profile, "defaultAddress").map_or("", |address| text(address, name))
    } else {
        text(profile, name)
    }
}

/// Whether two values of a field mean the same, the first of which is there: letters of codes come back in another case than they
/// were sent in.
pub(super) fn is_same(field: CustomerField, one: &str, other: &str) -> bool {
    let is_code = matches!(
        field,
        CustomerField::Culture | CustomerField::Language | CustomerField::Country
    );
    is_as_read(one, other) || is_code && one.eq_ignore_ascii_case(other)
}

/// What `wanted` would change in a profile.
fn changes<'a>(profile: &Value, wanted: impl Iterator<Item = (CustomerField, &'a str)>) -> Vec<FieldChange> {
    wanted
        .filter_map(|(field, new)| {
            let (_, is_address, name) = PLACES.iter().find(|(of, _, _)| *of == field)?;
            let old = place(profile, *is_address, name);
            let is_same = is_same(field, old, new);
            (!is_same).then(|| FieldChange::new(field.name(), old, new))
        })
        .collect()
}

fn wanted<'p>(patch: &'p CustomerPatch<'_>) -> impl Iterator<Item = (CustomerField, &'p str)> {
    patch.fields.iter().map(|(field, value)| (*field, value.as_ref()))
}

/// What a row wants of this customer. A list of ours has the name that lists show, which is not always the one on the bill: where
/// nobody has edited it, nothing is wanted.
fn wanted_of<'p>(
    patch: &'p CustomerPatch<'_>,
    customer: &Customer,
    profile: Option<&Value>,
) -> Vec<(CustomerField, &'p str)> {
    let is_list = matches!(patch.customer, CustomerRef::Confirmed { .. });
    let as_listed = |field: CustomerField, value: &str| {
        is_list && field == CustomerField::CompanyName && value == customer.listed_name
    };
    let is_there = |field: CustomerField| {
        let found = PLACES.iter().find(|(of, _, _)| *of == field).zip(profile);
        found
            .is_some_and(|((_, is_address, name), profile)| patch.says(field.name(), place(profile, *is_address, name)))
    };
    wanted(patch)
        .filter(|(field, value)| !as_listed(*field, value) && !is_there(*field))
        .collect()
}

/// What is to be said of changes that do not reach everywhere; empty where there is nothing.
fn on_the_bill_alone(customer: &Customer, changes: &[FieldChange]) -> String {
    let listed = &customer.listed_name;
    let of_name = |change: &&FieldChange| change.field == CustomerField::CompanyName.name();
    match changes.iter().find(of_name) {
        Some(change) if change.new != *listed && !listed.is_empty() => format!(
            "company_name is the name on the bill; Partner Center's customer list goes on calling the customer `{listed}`, which \
             only the customer's own tenant can change"
        ),
        _ => String::new(),
    }
}

fn patch_not_kept<'p>(patch: &'p CustomerPatch<'_>) -> Option<Problem> {
    let tags = wanted(patch).find(|(field, _)| *field == CustomerField::Tags);
    let shown = |value: &'p str| if value.is_empty() { "<clear>" } else { value };
    let tags = tags.and_then(|(_, value)| not_kept("tags", shown(value)));
    tags.or_else(|| not_kept("external_id", shown(patch.external_id?)))
}

/// What a row that changes a profile would do.
pub(super) async fn preview_patch(
    session: &Session,
    patch: &CustomerPatch<'_>,
) -> Result<RowPreview, PartnerCenterError> {
    if let Some(problem) = patch_not_kept(patch) {
        return Ok(RowPreview::reject(problem));
    }
    let customer = session.customer(patch.customer).await?;
    let profile = profile(session, &customer.id).await?;
    let wanted = wanted_of(patch, &customer, Some(&profile));
    let changes = changes(&profile, wanted.iter().copied());
    if changes.is_empty() {
        return Ok(Verdict::Unchanged.into());
    }
    Ok(match judge_move(session, profile, &wanted, &changes).await? {
        Judgement::Fine | Judgement::Unchecked(_) => {
            let note = on_the_bill_alone(&customer, &changes);
            RowPreview::from(Verdict::Change(changes)).noting(note)
        }
        Judgement::Doubtful(problem) => RowPreview::reject(problem),
    })
}

/// Judges the address a patch leads to; one that stays as it is is not asked about.
async fn judge_move(
    session: &Session,
    mut profile: Value,
    wanted: &[(CustomerField, &str)],
    changes: &[FieldChange],
) -> Result<Judgement, PartnerCenterError> {
    let moved = wanted.iter().filter(|(field, _)| is_part(*field));
    let mut moved = moved.filter(|(field, _)| changes.iter().any(|change| change.field == field.name()));
    if moved.next().is_none() {
        return Ok(Judgement::Fine);
    }
    write(&mut profile, wanted);
    session.judge_address(&profile["defaultAddress"]).await
}

/// Changes a profile.
pub(super) async fn update(
    session: &Session,
    steps: Steps<'_>,
    patch: &CustomerPatch<'_>,
) -> Result<End, PartnerCenterError> {
    if let Some(problem) = patch_not_kept(patch) {
        return Ok(End::Rejected(problem));
    }
    let customer = session.customer(patch.customer).await?;
    let target = customer.id.clone();
    let mut wanted = wanted_of(patch, &customer, None);
    let mut message = String::new();
    if !steps.has_begun_step("profile") {
        let now = profile(session, &customer.id).await?;
        wanted = wanted_of(patch, &customer, Some(&now));
        let changes = changes(&now, wanted.iter().copied());
        if changes.is_empty() {
            return Ok(End::Unchanged(target));
        }
        match judge_move(session, now, &wanted, &changes).await? {
            Judgement::Fine => {}
            Judgement::Unchecked(why) => message = unchecked(&why),
            Judgement::Doubtful(problem) => return Ok(End::Rejected(problem)),
        }
        let note = on_the_bill_alone(&customer, &changes);
        let parts: Vec<String> = [message, note].into_iter().filter(|part| !part.is_empty()).collect();
        message = parts.join("; ");
    }
    let step = session.step(steps, "profile");
    Ok(match profile_step(session, &step, &customer, &wanted).await? {
        Ok(_) => End::Applied { target, message },
        Err(stopped) => End::stopped(stopped, target),
    })
}

/// What fields of a profile are now, by native column.
pub(super) async fn fields_now(
    session: &Session,
    customer: &str,
    fields: &[CustomerField],
) -> Result<Vec<String>, PartnerCenterError> {
    let now = profile(session, customer).await?;
    let value = |field: &CustomerField| {
        let found = PLACES.iter().find(|(of, _, _)| of == field);
        found.map_or(String::new(), |(_, is_address, name)| {
            place(&now, *is_address, name).to_owned()
        })
    };
    Ok(fields.iter().map(value).collect())
}

/// Has fields of a profile changed. It is written whole, in the version it was read in, so it is read anew for each attempt.
pub(super) async fn profile_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    wanted: &[(CustomerField, &str)],
) -> Result<Done, PartnerCenterError> {
    let id = &customer.id;
    step.once(
        || async {
            let now = profile(session, id).await?;
            Ok(changes(&now, wanted.iter().copied()).is_empty().then(String::new))
        },
        || async {
            let now = profile(session, id).await?;
            let mut image = Image::new(Object::Profile, customer, id);
            for change in changes(&now, wanted.iter().copied()) {
                image = image.field(change.field, change.old, change.new);
            }
            let call = put(customer, now, wanted);
            Ok(Some(Sending { call, image }))
        },
        |_| Some(String::new()),
    )
    .await
}

fn put(customer: &Customer, mut profile: Value, wanted: &[(CustomerField, &str)]) -> Call {
    let etag = find(&profile, "attributes")
        .map_or("", |attributes| text(attributes, "etag"))
        .to_owned();
    write(&mut profile, wanted);
    let path = format!("/customers/{}/profiles/billing", segment(&customer.id));
    let call = Call::new(PUT_PROFILE, path).of(&customer.id).body(profile);
    if etag.is_empty() { call } else { call.if_match(&etag) }
}

/// Puts values into a profile. What is as it should be stays as it is written there.
fn write(profile: &mut Value, wanted: &[(CustomerField, &str)]) {
    for (field, value) in wanted {
        let Some((_, is_address, name)) = PLACES.iter().find(|(of, _, _)| of == field) else {
            continue;
        };
        if is_same(*field, place(profile, *is_address, name), value) {
            continue;
        }
        let place = if *is_address {
            &mut profile["defaultAddress"]
        } else {
            &mut *profile
        };
        place[*name] = if value.is_empty() { Value::Null } else { json!(value) };
    }
}
