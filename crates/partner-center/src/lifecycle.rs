//! `delete-users`, `restore-users`, `reset-passwords`: users that exist, or did.
//!
//! A deleted user is kept for thirty days, without its licences (Partner Center, `delete-a-user-account-for-a-customer`), so
//! which it had is read before, for people to see and for the undo. When a password was last set nobody says; we remember
//! those we set.

use serde_json::json;
use tenantry_jobs::{PasswordReset, Problem, UserRef, administrators_roles, code, key};

use super::audit::audited;
use super::auth::TokenKind;
use super::client::{Call, Operation};
use super::end::End;
use super::image::{Image, Object};
use super::named::{Named, named, namesake};
use super::records::{Customer, User, UserPath};
use super::session::Session;
use super::steps::{Done, Sending, Step};
use super::text::segment;
use super::{PartnerCenterError, skus};
use tenantry_foundation::moment::{day, second};
use tenantry_foundation::passwords::{Password, PasswordRow};
use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;
use tenantry_store::administrators::{of_an_administrator, restores_administrator};
use tenantry_store::remote::{RowPreview, Steps};
use tenantry_store::sign_in_name::{is_restorable, taken_since_deleted};
use tenantry_store::{FieldChange, Verdict, password_just_set};

const DELETE_USER: Operation = Operation::new("delete-user", "DELETE", TokenKind::AppAndUser);
const RESTORE_USER: Operation = Operation::new("update-user", "PATCH", TokenKind::AppAndUser);
const RESET_PASSWORD: Operation = Operation::new("reset-user-password", "PATCH", TokenKind::AppAndUser);

/// What deleting would do.
pub(super) async fn preview_delete(session: &Session, user: UserRef<'_>) -> Result<RowPreview, PartnerCenterError> {
    let named = named(session, user).await?;
    let Some(found) = &named.user else {
        return Ok(match named.deleted {
            Some(_) => Verdict::Unchanged.into(),
            None => RowPreview::reject(named.missing(user.user_principal_name)),
        });
    };
    let mut changes = vec![FieldChange::new("status", "active", "deleted")];
    let has = session.licenses_now(&named.customer.id, &found.id).await?;
    if !has.is_empty() {
        let shown = skus::shown(session, &named.customer.id, &has).await?;
        changes.push(FieldChange::new("licenses", shown, ""));
    }
    changes.extend(found.person().map(|(field, value)| FieldChange::new(field, value, "")));
    let previewed = RowPreview::from(Verdict::Change(changes));
    Ok(previewed.touching(named.customer.touch(1, named.of)).destructive())
}

/// Deletes a user.
pub(super) async fn delete(session: &Session, steps: Steps<'_>, user: UserRef<'_>) -> Result<End, PartnerCenterError> {
    let named = named(session, user).await?;
    let begun = Image::of_step(steps, "delete")?.map(|image| image.id);
    let id = match (begun, &named.user, &named.deleted) {
        (Some(begun), _, _) => begun,
        (None, Some(found), _) => found.id.clone(),
        (None, None, Some(deleted)) => return Ok(End::Unchanged(deleted.id.clone())),
        (None, None, None) => return Ok(End::Rejected(named.missing(user.user_principal_name))),
    };
    let step = session.step(steps, "delete");
    match delete_step(session, &step, &named.customer, &id).await? {
        Ok(_) => Ok(End::Applied {
            target: id,
            message: format!("can be restored until {}", day(session.now() + RESTORE_WITHIN_MILLIS)),
        }),
        // Somebody else was faster.
        Err(stopped) if stopped.failure.status == 404 => Ok(End::Unchanged(id)),
        Err(stopped) => Ok(End::stopped(stopped, id)),
    }
}

/// Has the user of that id deleted.
pub(super) async fn delete_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    id: &str,
) -> Result<Done, PartnerCenterError> {
    let path = format!("/customers/{}/users/{}", segment(&customer.id), segment(id));
    step.once(
        || async {
            let there = session.user_of_id(&customer.id, id).await?;
            Ok(there.is_none().then(String::new))
        },
        || async {
            let has = session.licenses_now(&customer.id, id).await?;
            let image = Image::new(Object::UserState, customer, id)
                .field("state", "active", "deleted")
                .field("licenses", has.join(";"), "");
            let call = Call::new(DELETE_USER, path.clone()).of(&customer.id);
            Ok(Some(Sending { call, image }))
        },
        |_| Some(String::new()),
    )
    .await
}

/// What restoring would do.
pub(super) async fn preview_restore(session: &Session, user: UserRef<'_>) -> Result<RowPreview, PartnerCenterError> {
    let named = named(session, user).await?;
    if named.user.is_some() {
        return Ok(match taken(session, &named, user).await? {
            None => Verdict::Unchanged.into(),
            Some(problem) => RowPreview::reject(problem),
        });
    }
    Ok(match restorable(session, &named, user) {
        Ok(deleted) => {
            let mut changes = vec![FieldChange::new("status", "deleted", "active")];
            changes.extend(
                deleted
                    .person()
                    .map(|(field, value)| FieldChange::new(field, "", value)),
            );
            let note = namesake(session, &named.customer.id, user.user_principal_name, &deleted.id).await?;
            let previewed = RowPreview::from(Verdict::Change(changes));
            let standing = match roles_of(session, &named, &deleted.id).await? {
                RolesTold::Administrator(roles) => Some(restores_administrator(&roles)),
                RolesTold::NotTold => Some(ROLES_NOT_TOLD.to_owned()),
                RolesTold::NoAdministrator => None,
            };
            let is_destructive = standing.is_some();
            let notes: Vec<String> = [standing, note].into_iter().flatten().collect();
            let previewed = previewed.noting(notes.join("; "));
            if is_destructive {
                previewed.destructive()
            } else {
                previewed
            }
        }
        Err(problem) => RowPreview::reject(problem),
    })
}

/// Whether another user than the deleted one has the name by now. Partner Center does not say since when.
async fn taken(session: &Session, named: &Named, user: UserRef<'_>) -> Result<Option<Problem>, PartnerCenterError> {
    let name = user.user_principal_name;
    let users = session.deleted_users(&named.customer.id).await?;
    let deleted = users.get(key::user_name(name).as_ref());
    let deleted = deleted.filter(|deleted| is_restorable(deleted.deleted_at, session.now()));
    Ok(deleted.map(|deleted| taken_since_deleted(name, None, deleted.deleted_at)))
}

fn restorable<'n>(session: &Session, named: &'n Named, user: UserRef<'_>) -> Result<&'n User, Problem> {
    let problem = |code, expected| Problem::stated(code, "user_principal_name", user.user_principal_name, expected);
    let Some(deleted) = &named.deleted else {
        let expected = format!("no user of {} that was deleted has this name", named.customer.domain);
        return Err(problem(code::UNKNOWN_USER, expected));
    };
    let until = deleted.deleted_at.map(|at| at + RESTORE_WITHIN_MILLIS);
    match until.filter(|until| session.now() > *until) {
        None => Ok(deleted),
        Some(until) => {
            let expected = format!("this user could be restored until {}", day(until));
            Err(problem(code::RESTORE_EXPIRED, expected))
        }
    }
}

/// What of a user is noted when it is restored.
pub(super) const RESTORED: [&str; 5] = [
    "user_principal_name",
    "display_name",
    "first_name",
    "last_name",
    "usage_location",
];

/// Restores a user, without the licences it had.
pub(super) async fn restore(session: &Session, steps: Steps<'_>, user: UserRef<'_>) -> Result<End, PartnerCenterError> {
    let named = named(session, user).await?;
    let begun = Image::of_step(steps, "restore")?.map(|image| image.id);
    let id = match (begun, &named.user) {
        (Some(begun), _) => begun,
        (None, Some(there)) => {
            return Ok(match taken(session, &named, user).await? {
                None => End::Unchanged(there.id.clone()),
                Some(problem) => End::Rejected(problem),
            });
        }
        (None, None) => match restorable(session, &named, user) {
            Ok(deleted) => deleted.id.clone(),
            Err(problem) => return Ok(End::Rejected(problem)),
        },
    };
    let step = session.step(steps, "restore");
    if let Err(stopped) = restore_step(session, &step, &named.customer, &id).await? {
        return Ok(End::stopped(stopped, id));
    }
    let note = namesake(session, &named.customer.id, user.user_principal_name, &id).await?;
    let message = note.unwrap_or_default();
    Ok(End::Applied { target: id, message })
}

/// Has the deleted user of that id restored.
pub(super) async fn restore_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    id: &str,
) -> Result<Done, PartnerCenterError> {
    let path = format!("/customers/{}/users/{}", segment(&customer.id), segment(id));
    let mut image = Image::new(Object::UserState, customer, id).field("state", "deleted", "active");
    // As it comes back, so that an undo sees whether the user was changed since.
    if let Some(deleted) = session.deleted_users(&customer.id).await?.get(&id.to_lowercase()) {
        let comes_back = RESTORED.map(|name| (name.to_owned(), deleted.field(name).to_owned()));
        image.after.extend(comes_back);
    }
    let body = json!({ "state": "active", "attributes": { "objectType": "CustomerUser" } });
    let call = Call::new(RESTORE_USER, path).of(&customer.id).body(body);
    step.fixed(call, image, || async {
        Ok(session.user_of_id(&customer.id, id).await?.is_some())
    })
    .await
}

/// What a user is called where passwords are remembered.
pub(super) fn account(customer: &str, user: &str) -> String {
    format!("{customer}/{user}")
}

/// What a reset would do.
pub(super) async fn preview_reset(
    session: &Session,
    reset: &PasswordReset<'_>,
) -> Result<RowPreview, PartnerCenterError> {
    let named = named(session, reset.user).await?;
    let Some(user) = &named.user else {
        return Ok(RowPreview::reject(named.missing(reset.user.user_principal_name)));
    };
    let last = session.password_set_at(&account(&named.customer.id, &user.id)).await?;
    if let Some(last) = last.filter(|_| !reset.again) {
        let by = session.password_job(last, &user.id).await?;
        return Ok(RowPreview::from(Verdict::Unchanged).noting(password_just_set(last, by.as_ref())));
    }
    let before = last.map_or_else(String::new, |last| format!("set at {}", second(last)));
    let verdict = Verdict::Change(vec![FieldChange::new("password", before, "a new one")]);
    let previewed = RowPreview::from(verdict).touching(named.customer.touch(1, named.of));
    Ok(match roles_of(session, &named, &user.id).await? {
        RolesTold::Administrator(roles) => previewed.destructive().noting(of_an_administrator(&roles)),
        RolesTold::NotTold => previewed.destructive().noting(ROLES_NOT_TOLD.to_owned()),
        RolesTold::NoAdministrator => previewed,
    })
}

const ROLES_NOT_TOLD: &str = "Partner Center does not tell which roles this user has, so it may be an administrator";

/// What is known of a user's roles.
enum RolesTold {
    /// These are an administrator's.
    Administrator(String),
    NoAdministrator,
    NotTold,
}

async fn roles_of(session: &Session, named: &Named, user: &str) -> Result<RolesTold, PartnerCenterError> {
    Ok(match session.role_names_now(&named.customer.id, user).await {
        Ok(names) => match administrators_roles(names.iter().map(String::as_str)) {
            Some(roles) => RolesTold::Administrator(roles),
            None => RolesTold::NoAdministrator,
        },
        Err(PartnerCenterError::Refused(_)) => RolesTold::NotTold,
        Err(error) => return Err(error),
    })
}

/// Gives a user this password.
pub(super) async fn reset(
    session: &Session,
    steps: Steps<'_>,
    reset: &PasswordReset<'_>,
    password: Password,
) -> Result<(End, Option<PasswordRow>), PartnerCenterError> {
    let named = named(session, reset.user).await?;
    let Some(user) = &named.user else {
        return Ok((End::Rejected(named.missing(reset.user.user_principal_name)), None));
    };
    let account = account(&named.customer.id, &user.id);
    // What an earlier attempt set was lost with that attempt, so it is set anew.
    if !reset.again
        && !steps.has_begun()
        && let Some(last) = session.password_set_at(&account).await?
    {
        let by = session.password_job(last, &user.id).await?;
        let (target, message) = (user.id.clone(), password_just_set(last, by.as_ref()));
        return Ok((End::UnchangedSince { target, message }, None));
    }
    let of = UserPath {
        customer: &named.customer,
        id: &user.id,
    };
    let done = password_step(session, steps, of, &password, reset.force_change).await?;
    if let Err(stopped) = done {
        return Ok((End::stopped(stopped, user.id.clone()), None));
    }
    steps.note_password(&account).await?;
    let handed_out = PasswordRow {
        customer: named.customer.domain.clone(),
        user_principal_name: user.sign_in_name.clone(),
        password,
    };
    Ok((End::applied(user.id.clone()), Some(handed_out)))
}

/// Has a user's password set. It is a step of this attempt alone: the next attempt has another password.
pub(super) async fn password_step(
    session: &Session,
    steps: Steps<'_>,
    UserPath { customer, id: user }: UserPath<'_>,
    password: &Password,
    force_change: bool,
) -> Result<Done, PartnerCenterError> {
    let path = format!(
        "/customers/{}/users/{}/resetpassword",
        segment(&customer.id),
        segment(user)
    );
    let call = Call::new(RESET_PASSWORD, path).of(&customer.id).body(json!({
        "passwordProfile": { "password": password.reveal(), "forceChangePassword": force_change },
        "attributes": { "objectType": "CustomerUser" },
    }));
    let name = format!("password {}", steps.attempt());
    let step = session.step(steps, &name);
    let image = Image::new(Object::Password, customer, user);
    // Nobody can see which password somebody has, but there may be a record of its being set. Without one it is set once
    // more, which changes nothing.
    step.fixed(call, image, || async {
        Ok(match steps.sent_as(&name) {
            Some(sent) => audited(session, &customer.id, sent, steps.since_millis()).await,
            None => false,
        })
    })
    .await
}
