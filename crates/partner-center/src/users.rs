//! `bulk-add-users`: the account, then its licences, then its roles; each a step of its own.

use std::sync::Arc;

use serde_json::json;
use tenantry_jobs::{NewUser, Problem, UserField, administrators_roles, code, is_as_read, key};

use super::auth::TokenKind;
use super::client::{Call, Operation};
use super::end::End;
use super::image::{Image, Object};
use super::licenses::{LICENSES, Update};
use super::lifecycle::{account, password_step};
use super::named::namesake;
use super::records::{Customer, Sku, User, UserPath};
use super::roles::{self, ROLE, Role};
use super::session::Session;
use super::skus::{seats, sku};
use super::steps::{Done, Sending, Stopped};
use super::text::{id_of, segment};
use super::{PartnerCenterError, TITLE};
use tenantry_foundation::passwords::{Password, PasswordRow};
use tenantry_store::Verdict;
use tenantry_store::administrators::becomes_administrator;
use tenantry_store::remote::{self, RowPreview, Steps};
use tenantry_store::sign_in_name::foreign_domain;

const CREATE_USER: Operation = Operation::new("create-user", "POST", TokenKind::AppAndUser);

/// A row, resolved.
struct Resolved {
    customer: Arc<Customer>,
    /// The SKUs the row needs a seat of.
    skus: Vec<Sku>,
    roles: Vec<Role>,
    existing: Option<User>,
}

/// Finds whom and what the row means.
async fn resolve(session: &Session, user: &NewUser<'_>) -> Result<Resolved, PartnerCenterError> {
    if let Some(problem) = not_kept(user) {
        return Err(problem.into());
    }
    let customer = session.customer(user.customer).await?;
    let name = user.user_principal_name;
    let foreign = foreign_domain("user_principal_name", name, &customer.domains);
    if let Some(problem) = foreign.filter(|_| !customer.domains.is_empty()) {
        return Err(problem.into());
    }
    let mut skus = Vec::with_capacity(user.licenses.len());
    if !user.licenses.is_empty() {
        let held = session.skus(&customer.id).await?;
        for wanted in &user.licenses {
            skus.push(sku("licenses", wanted, &held)?.clone());
        }
    }
    let roles = roles::named(session, &customer, &user.roles).await?;
    let users = session.users(&customer.id).await?;
    let key = key::user_name(name);
    let existing = users.get(key.as_ref()).cloned();
    Ok(Resolved {
        customer,
        skus,
        roles,
        existing,
    })
}

/// A cell that Partner Center has no place for.
fn not_kept(user: &NewUser<'_>) -> Option<Problem> {
    let beyond = UserField::ALL
        .into_iter()
        .filter(|field| !matches!(field, UserField::FirstName | UserField::LastName))
        .map(|field| (field.name(), user.profile[field as usize]))
        .chain([("country", user.country.as_ref())]);
    let blocked = ("block_sign_in", if user.block_sign_in { "yes" } else { "" });
    let (column, value) = beyond.chain([blocked]).find(|(_, value)| !value.is_empty())?;
    Some(remote::not_kept(TITLE, column, value))
}

/// What the row would do.
pub(super) async fn preview(session: &Session, row: u64, user: &NewUser<'_>) -> Result<RowPreview, PartnerCenterError> {
    let resolved = resolve(session, user).await?;
    let Some(existing) = &resolved.existing else {
        let note = namesake(session, &resolved.customer.id, user.user_principal_name, "").await?;
        let roles = administrators_roles(user.roles.iter().copied());
        let notes = [roles.as_deref().map(becomes_administrator), note];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        let mut previewed = RowPreview::from(Verdict::Create).noting(notes.join("; "));
        previewed.destructive = roles.is_some();
        previewed.needs = seats(row, "licenses", &resolved.customer, resolved.skus.iter());
        return Ok(previewed);
    };
    Ok(match difference(session, user, &resolved, existing).await? {
        None => Verdict::Unchanged.into(),
        Some(problem) => RowPreview::reject(problem),
    })
}

/// Whether an existing user is not what the row asks for; what the file leaves open is not compared.
async fn difference(
    session: &Session,
    user: &NewUser<'_>,
    resolved: &Resolved,
    existing: &User,
) -> Result<Option<Problem>, PartnerCenterError> {
    let pairs = [
        ("display_name", user.display_name.as_ref(), &existing.display_name),
        (
            "first_name",
            user.profile[UserField::FirstName as usize],
            &existing.first_name,
        ),
        (
            "last_name",
            user.profile[UserField::LastName as usize],
            &existing.last_name,
        ),
        ("usage_location", user.usage_location.as_ref(), &existing.usage_location),
    ];
    let differs = |(_, wanted, has): &&(&str, &str, &String)| !wanted.is_empty() && !is_as_read(has, wanted);
    let mut fields: Vec<&str> = pairs.iter().filter(differs).map(|(column, _, _)| *column).collect();
    if fields.is_empty() && !resolved.skus.is_empty() {
        let has = session.licenses_now(&resolved.customer.id, &existing.id).await?;
        if !resolved.skus.iter().all(|sku| has.contains(&sku.id)) {
            fields.push("licenses");
        }
    }
    if fields.is_empty() && !resolved.roles.is_empty() {
        let has = session.roles_now(&resolved.customer.id, &existing.id).await?;
        if !resolved.roles.iter().all(|role| has.contains(&role.id.to_lowercase())) {
            fields.push("roles");
        }
    }
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(Problem::stated(
        code::USER_EXISTS,
        "user_principal_name",
        user.user_principal_name,
        format!("a user of this name exists and differs in {}", fields.join(", ")),
    )))
}

/// Carries the row out. `password` is for a user that is made.
pub(super) async fn apply(
    session: &Session,
    steps: Steps<'_>,
    user: &NewUser<'_>,
    password: Password,
) -> Result<(End, Option<PasswordRow>), PartnerCenterError> {
    let resolved = resolve(session, user).await?;
    let customer = &resolved.customer;
    let has_begun = steps.has_begun_step("create");
    if let (Some(existing), false) = (&resolved.existing, has_begun) {
        return Ok((compared(session, user, &resolved, existing).await?, None));
    }
    let id = match create_step(session, steps, user, customer, &password).await? {
        Ok(id) => id,
        Err(stopped) => {
            // Somebody else may have made it since the users were read.
            let there = session.user_now(&customer.id, user.user_principal_name).await?;
            let end = match there.filter(|_| !stopped.is_for_now) {
                Some(existing) => compared(session, user, &resolved, &existing).await?,
                None => End::stopped(stopped, String::new()),
            };
            return Ok((end, None));
        }
    };
    // A password that was drawn by an attempt that came to no end is lost with it, so the user gets the one that is handed
    // out now. With one that was handed out the user may be at work, and where none is handed out nobody needs another.
    let was_handed_out = steps.has_handed_out();
    if has_begun && !was_handed_out && steps.hands_out() {
        let of = UserPath { customer, id: &id };
        let done = password_step(session, steps, of, &password, true).await?;
        if let Err(stopped) = done {
            let done = "the user was created; the password could not be set".to_owned();
            let target = id;
            return Ok((End::Stopped { stopped, done, target }, None));
        }
    }
    let handed_out = PasswordRow {
        customer: customer.domain.clone(),
        user_principal_name: user.user_principal_name.to_owned(),
        password,
    };
    let handed_out = (!was_handed_out).then_some(handed_out);
    if handed_out.is_some() && steps.hands_out() {
        steps.note_password(&account(&customer.id, &id)).await?;
    }
    let mut stopped = assign(session, steps, &resolved, &id)
        .await?
        .map(|stopped| (stopped, LICENSES, "licences"));
    if stopped.is_none() {
        stopped = roles::add(session, steps, customer, &resolved.roles, &id)
            .await?
            .map(|stopped| (stopped, ROLE, "roles"));
    }
    let Some((stopped, step, shown)) = stopped else {
        let note = namesake(session, &customer.id, user.user_principal_name, &id).await?;
        let message = note.unwrap_or_default();
        return Ok((End::Applied { target: id, message }, handed_out));
    };
    let which = if steps.count(step) > 0 {
        "not all of its"
    } else {
        "none of its"
    };
    let roles = if step == LICENSES && !resolved.roles.is_empty() {
        ", and no role"
    } else {
        ""
    };
    let done = format!("the user was created; {which} {shown} were assigned{roles}");
    let target = id;
    Ok((End::Stopped { stopped, done, target }, handed_out))
}

async fn compared(
    session: &Session,
    user: &NewUser<'_>,
    resolved: &Resolved,
    existing: &User,
) -> Result<End, PartnerCenterError> {
    Ok(match difference(session, user, resolved, existing).await? {
        None => End::Unchanged(existing.id.clone()),
        Some(problem) => End::Rejected(problem),
    })
}

async fn create_step(
    session: &Session,
    steps: Steps<'_>,
    user: &NewUser<'_>,
    customer: &Customer,
    password: &Password,
) -> Result<Done, PartnerCenterError> {
    let named = [
        ("userPrincipalName", user.user_principal_name),
        ("displayName", user.display_name.as_ref()),
        ("firstName", user.profile[UserField::FirstName as usize]),
        ("lastName", user.profile[UserField::LastName as usize]),
        ("usageLocation", user.usage_location.as_ref()),
    ];
    let mut body = json!({
        "passwordProfile": { "password": password.reveal(), "forceChangePassword": true },
        "attributes": { "objectType": "CustomerUser" },
    });
    let mut image = Image::new(Object::User, customer, "").field("licenses", "", user.licenses.join(";"));
    for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
        body[name] = json!(value);
        image = image.field(name, "", value);
    }
    let path = format!("/customers/{}/users", segment(&customer.id));
    let call = Call::new(CREATE_USER, path).of(&customer.id).body(body);
    // A sign-in name is given but once, and a directory has no other way to look for one than to be read from its beginning.
    let step = session.step(steps, "create").unique();
    step.once(
        || async {
            let found = session.user_now(&customer.id, user.user_principal_name).await?;
            Ok(found.map(|user| user.id))
        },
        || async {
            Ok(Some(Sending {
                call: call.clone(),
                image: image.clone(),
            }))
        },
        |answer| id_of(&answer.body),
    )
    .await
}

async fn assign(
    session: &Session,
    steps: Steps<'_>,
    resolved: &Resolved,
    user: &str,
) -> Result<Option<Stopped>, PartnerCenterError> {
    if resolved.skus.is_empty() {
        return Ok(None);
    }
    let update = Update {
        customer: &resolved.customer,
        user,
        held: &resolved.skus,
        has: &[],
        assign: resolved.skus.iter().map(|sku| sku.id.clone()).collect(),
        remove: Vec::new(),
    };
    update.done(session, steps, LICENSES).await
}
