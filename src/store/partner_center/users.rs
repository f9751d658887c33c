//! `bulk-add-users`: the account, then its licences, then its roles; each a step of its own.

use serde_json::{Value, json};
use tenantry_jobs::{NewUser, Problem, UserField, code, nearest};

use super::audit::audited;
use super::auth::Speaker;
use super::client::{Answer, Call, Operation};
use super::failure::Failure;
use super::session::{Customer, Session, Sku, User};
use super::steps::{Done, Journal, Step};
use super::text::{segment, text};
use super::{End, Halt};
use crate::passwords::Password;
use crate::store::Verdict;

const CREATE_USER: Operation = Operation::new("create-user", "POST", Speaker::AppAndUser);
const RESET_PASSWORD: Operation = Operation::new("reset-user-password", "PATCH", Speaker::AppAndUser);
const ASSIGN_LICENSES: Operation = Operation::new("update-licenses", "POST", Speaker::AppAndUser);
const ADD_TO_ROLE: Operation = Operation::new("add-user-to-role", "POST", Speaker::AppAndUser);

/// Partner Center's code for a customer without free seats of a SKU.
const OUT_OF_SEATS: &str = "60012";

/// A row, resolved.
pub(super) struct Resolved {
    pub(super) customer: std::sync::Arc<Customer>,
    /// With the row's text for each.
    skus: Vec<(String, Sku)>,
    /// (name, id)
    roles: Vec<(String, String)>,
    existing: Option<User>,
}

impl Resolved {
    /// The SKUs the row needs a seat of.
    pub(super) fn skus(&self) -> impl Iterator<Item = &Sku> {
        self.skus.iter().map(|(_, sku)| sku)
    }
}

/// Finds whom and what the row means.
pub(super) async fn resolve(session: &Session, user: &NewUser<'_>) -> Result<Result<Resolved, Problem>, Halt> {
    if let Some(problem) = not_kept(user) {
        return Ok(Err(problem));
    }
    let customer = match session.customer(user.customer).await? {
        Ok(customer) => customer,
        Err(problem) => return Ok(Err(problem)),
    };
    let name = user.user_principal_name;
    let domain = name.rsplit('@').next().unwrap_or_default().to_lowercase();
    if !customer.domains.is_empty() && !customer.domains.contains(&domain) {
        let expected = format!("the customer's domains are {}", customer.domains.join(", "));
        let local = name.split('@').next().unwrap_or_default();
        let near = nearest(&domain, customer.domains.iter().map(String::as_str));
        let problem = Problem::new(code::FOREIGN_DOMAIN, "user_principal_name", name, expected);
        return Ok(Err(problem.suggest(near.map(|own| format!("{local}@{own}")))));
    }
    let mut skus = Vec::with_capacity(user.licenses.len());
    if !user.licenses.is_empty() {
        let held = session.skus(&customer.id).await?;
        for wanted in &user.licenses {
            match sku(wanted, &held) {
                Ok(sku) => skus.push(((*wanted).to_owned(), sku.clone())),
                Err(problem) => return Ok(Err(problem)),
            }
        }
    }
    let mut roles = Vec::with_capacity(user.roles.len());
    if !user.roles.is_empty() {
        let there = session.roles(&customer.id).await?;
        for role in &user.roles {
            let Some(id) = there.get(&role.to_lowercase()) else {
                let expected = "a directory role of the customer";
                return Ok(Err(Problem::new(code::UNKNOWN_ROLE, "roles", role, expected)));
            };
            roles.push(((*role).to_owned(), id.clone()));
        }
    }
    let users = session.users(&customer.id).await?;
    let existing = users.get(&name.to_lowercase()).cloned();
    Ok(Ok(Resolved {
        customer,
        skus,
        roles,
        existing,
    }))
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
    let expected = "nothing: Partner Center keeps no such thing of a user";
    Some(Problem::new(code::NOT_KEPT, column, value, expected))
}

fn sku<'s>(wanted: &str, held: &'s [Sku]) -> Result<&'s Sku, Problem> {
    let is_it = |sku: &&Sku| sku.part_number.eq_ignore_ascii_case(wanted) || sku.id.eq_ignore_ascii_case(wanted);
    held.iter().find(is_it).ok_or_else(|| {
        let names: Vec<&str> = held.iter().map(|sku| sku.part_number.as_str()).collect();
        let near = nearest(wanted, names.iter().copied());
        let expected = format!("a SKU the customer holds: {}", names.join(", "));
        Problem::new(code::UNKNOWN_SKU, "licenses", wanted, expected).suggest(near)
    })
}

/// What the row would do.
pub(super) async fn preview(session: &Session, user: &NewUser<'_>, resolved: &Resolved) -> Result<Verdict, Halt> {
    let Some(existing) = &resolved.existing else {
        return Ok(Verdict::Create);
    };
    Ok(match difference(session, user, resolved, existing).await? {
        None => Verdict::Unchanged,
        Some(problem) => Verdict::Reject(problem),
    })
}

/// Whether an existing user is not what the row asks for; what the file leaves open is not compared.
async fn difference(
    session: &Session,
    user: &NewUser<'_>,
    resolved: &Resolved,
    existing: &User,
) -> Result<Option<Problem>, Halt> {
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
    let differs = |(_, wanted, has): &&(&str, &str, &String)| !wanted.is_empty() && wanted != has;
    let mut fields: Vec<&str> = pairs.iter().filter(differs).map(|(column, _, _)| *column).collect();
    if fields.is_empty() && !resolved.skus.is_empty() {
        let has = session.licenses_now(&resolved.customer.id, &existing.id).await?;
        if !resolved.skus().all(|sku| has.contains(&sku.id)) {
            fields.push("licenses");
        }
    }
    if fields.is_empty() && !resolved.roles.is_empty() {
        let has = session.roles_now(&resolved.customer.id, &existing.id).await?;
        if !resolved.roles.iter().all(|(_, id)| has.contains(&id.to_lowercase())) {
            fields.push("roles");
        }
    }
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(Problem::new(
        code::USER_EXISTS,
        "user_principal_name",
        user.user_principal_name,
        format!("a user of this name exists and differs in {}", fields.join(", ")),
    )))
}

/// Carries the row out. `password` is for a user that is made.
pub(super) async fn apply(
    session: &Session,
    journal: &Journal,
    row: u64,
    user: &NewUser<'_>,
    password: &Password,
) -> Result<End, Halt> {
    let resolved = match resolve(session, user).await? {
        Ok(resolved) => resolved,
        Err(problem) => return Ok(End::Rejected(problem)),
    };
    let customer = &resolved.customer;
    let has_begun = journal.has_begun_step(row, "create");
    if let (Some(existing), false) = (&resolved.existing, has_begun) {
        return Ok(match difference(session, user, &resolved, existing).await? {
            None => End::Unchanged(existing.id.clone()),
            Some(problem) => End::Rejected(problem),
        });
    }
    let step = |name| Step {
        client: session.client(),
        journal,
        row,
        name,
    };
    let path = format!("/customers/{}/users", segment(&customer.id));
    let body = json!({
        "userPrincipalName": user.user_principal_name,
        "displayName": user.display_name,
        "firstName": user.profile[UserField::FirstName as usize],
        "lastName": user.profile[UserField::LastName as usize],
        "usageLocation": user.usage_location,
        "passwordProfile": { "password": password.reveal(), "forceChangePassword": true },
        "attributes": { "objectType": "CustomerUser" },
    });
    let create = Call::new(CREATE_USER, path).of(&customer.id).body(without_empty(body));
    let created = step("create")
        .once(
            || async {
                let found = session.user_now(&customer.id, user.user_principal_name).await?;
                Ok(found.map(|user| user.id))
            },
            || async { Ok(create.clone()) },
            |answer| text(&answer.body, "id").to_owned(),
        )
        .await?;
    let id = match created {
        Done::Yes(id) if id.is_empty() => {
            let made = session.user_now(&customer.id, user.user_principal_name).await?;
            made.ok_or_else(unnamed)?.id
        }
        Done::Yes(id) => id,
        Done::Refused(failure) => {
            // Somebody else may have made it since the users were read.
            return Ok(match session.user_now(&customer.id, user.user_principal_name).await? {
                Some(existing) => match difference(session, user, &resolved, &existing).await? {
                    None => End::Unchanged(existing.id),
                    Some(problem) => End::Rejected(problem),
                },
                None => End::Refused(failure, String::new()),
            });
        }
    };
    // What an earlier attempt sealed is lost with it, so its user gets the password that is handed out now.
    if has_begun && let Some(failure) = reset(session, journal, row, &customer.id, &id, password).await? {
        let said = "the user was created; the password could not be set".to_owned();
        return Ok(End::Halfway(failure, said, id));
    }
    for (name, done) in [
        ("licenses", assign(session, &step("licenses"), &resolved, &id).await?),
        ("roles", add_roles(session, journal, row, &resolved, &id).await?),
    ] {
        if let Some(failure) = done {
            let said = format!("the user was created; its {name} were not assigned");
            return Ok(End::Halfway(failure, said, id));
        }
    }
    Ok(End::Applied {
        target: id,
        is_new: true,
    })
}

/// It was made, and it cannot be seen yet.
fn unnamed() -> Halt {
    Halt::Unavailable("the new user is not to be seen yet".to_owned())
}

/// Gives a user this password.
async fn reset(
    session: &Session,
    journal: &Journal,
    row: u64,
    customer: &str,
    user: &str,
    password: &Password,
) -> Result<Option<Failure>, Halt> {
    let path = format!("/customers/{}/users/{}/resetpassword", segment(customer), segment(user));
    let call = Call::new(RESET_PASSWORD, path).of(customer).body(json!({
        "passwordProfile": { "password": password.reveal(), "forceChangePassword": true },
        "attributes": { "objectType": "CustomerUser" },
    }));
    // A step of this attempt alone: the next one has another password.
    let name = format!("password {}", journal.attempt());
    let step = Step {
        client: session.client(),
        journal,
        row,
        name: &name,
    };
    // Nobody can see which password somebody has, but there may be a record of its being set. Without one it is set once
    // more, which changes nothing.
    let found = || async {
        let is_set = match journal.sent_as(row, &name) {
            Some(sent) => audited(session, customer, sent, journal.since_millis()).await,
            None => false,
        };
        Ok(is_set.then(String::new))
    };
    let done = step.once(found, || async { Ok(call.clone()) }, |_| String::new());
    Ok(match done.await? {
        Done::Yes(_) => None,
        Done::Refused(failure) => Some(failure),
    })
}

fn without_empty(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| value.as_str() != Some(""));
    }
    body
}

async fn assign(session: &Session, step: &Step<'_>, resolved: &Resolved, user: &str) -> Result<Option<Failure>, Halt> {
    if resolved.skus.is_empty() {
        return Ok(None);
    }
    let customer = &resolved.customer.id;
    let assigned: Vec<Value> = resolved.skus().map(|sku| json!({ "skuId": sku.id })).collect();
    let path = format!(
        "/customers/{}/users/{}/licenseupdates",
        segment(customer),
        segment(user)
    );
    let call = Call::new(ASSIGN_LICENSES, path).of(customer).body(json!({
        "licensesToAssign": assigned,
        "attributes": { "objectType": "LicenseUpdate" },
    }));
    let done = step
        .once(
            || async {
                let has = session.licenses_now(customer, user).await?;
                Ok(resolved.skus().all(|sku| has.contains(&sku.id)).then(String::new))
            },
            || async { Ok(call.clone()) },
            |_: &Answer| String::new(),
        )
        .await?;
    Ok(match done {
        Done::Yes(_) => None,
        Done::Refused(failure) => Some(failure),
    })
}

async fn add_roles(
    session: &Session,
    journal: &Journal,
    row: u64,
    resolved: &Resolved,
    user: &str,
) -> Result<Option<Failure>, Halt> {
    let customer = &resolved.customer.id;
    for (name, role) in &resolved.roles {
        let path = format!(
            "/customers/{}/directoryroles/{}/usermembers",
            segment(customer),
            segment(role)
        );
        let call = Call::new(ADD_TO_ROLE, path).of(customer).body(json!({
            "id": user,
            "attributes": { "objectType": "UserMember" },
        }));
        let name = format!("role {name}");
        let step = Step {
            client: session.client(),
            journal,
            row,
            name: &name,
        };
        let done = step
            .once(
                || async {
                    let has = session.roles_now(customer, user).await?;
                    Ok(has.contains(&role.to_lowercase()).then(String::new))
                },
                || async { Ok(call.clone()) },
                |_: &Answer| String::new(),
            )
            .await?;
        if let Done::Refused(failure) = done {
            return Ok(Some(failure));
        }
    }
    Ok(None)
}

/// The code rows are told.
pub(super) fn code_of(code: &str) -> &'static str {
    match code {
        OUT_OF_SEATS => code::NO_FREE_SEATS,
        _ => code::REFUSED,
    }
}
