//! `update-users`: names, usage location and sign-in name of existing users, changed in one call. Nothing else of what a
//! row may name is kept there.

use serde_json::json;
use tenantry_jobs::{Problem, UserPatch, code, is_as_read, key};

use super::client::Call;
use super::end::End;
use super::image::{Image, Object};
use super::licenses::UPDATE_USER;
use super::named::{Named, named, namesake};
use super::records::{Customer, User};
use super::session::Session;
use super::steps::{Done, Sending, Step};
use super::text::segment;
use super::{PartnerCenterError, TITLE};
use tenantry_store::remote::{self, RowPreview, Steps};
use tenantry_store::sign_in_name::{NEW_NAME, foreign_domain, not_renamed, taken};
use tenantry_store::{FieldChange, Verdict};

/// The step that changes a user.
const PROFILE: &str = "profile";

/// The name that a user signs in with.
pub(super) const NAME: &str = "user_principal_name";

/// The fields it keeps, and what it calls them.
const KEPT: [(&str, &str); 5] = [
    (NAME, "userPrincipalName"),
    ("display_name", "displayName"),
    ("first_name", "firstName"),
    ("last_name", "lastName"),
    ("usage_location", "usageLocation"),
];

/// Why a name stays. Who sends null says nothing of it, and that an empty text is taken is said nowhere.
pub(super) const NO_WAY_TO_ERASE: &str = "Partner Center has no way to take a name away";

/// A field and the value it is to have, which is never empty.
pub(super) type UserFieldValue<'f> = (&'static str, &'f str);

/// The fields of an image of a user's profile, with the values they had. A user who has got a usage location stays
/// somewhere.
pub(super) fn fields_before(image: &Image) -> Vec<UserFieldValue<'_>> {
    let of = |(field, _): &(&'static str, &str)| Some((*field, image.before.get(*field)?.as_str()));
    let to_bring_back = |(field, before): &UserFieldValue<'_>| *field != "usage_location" || !before.is_empty();
    KEPT.iter().filter_map(of).filter(to_bring_back).collect()
}

/// Whether two values of a field are one, the first of which is there. Names and codes come back in another case than they were sent in.
pub(super) fn is_same(field: &str, one: &str, other: &str) -> bool {
    match field {
        "user_principal_name" => key::same_user_name(one, other),
        "usage_location" => one.eq_ignore_ascii_case(other),
        _ => is_as_read(one, other),
    }
}

/// A cell that Partner Center has no place for.
fn not_kept(patch: &UserPatch<'_>) -> Option<Problem> {
    let is_kept = |field: &str| KEPT.iter().any(|(kept, _)| *kept == field);
    let blocked = patch
        .block_sign_in
        .map(|blocked| ("block_sign_in", if blocked { "yes" } else { "no" }));
    let beyond = patch.texts().filter(|(field, _)| !is_kept(field)).chain(blocked);
    let (column, value) = beyond.into_iter().next()?;
    let value = if value.is_empty() { "<clear>" } else { value };
    Some(remote::not_kept(TITLE, column, value))
}

/// A name that is to be taken away.
fn erased(patch: &UserPatch<'_>) -> Option<Problem> {
    let (column, _) = patch.texts().find(|(_, value)| value.is_empty())?;
    let expected = format!("{NO_WAY_TO_ERASE}; give a new one, or leave the cell empty to keep the old one");
    Some(Problem::stated(code::CANNOT_CLEAR, column, "<clear>", expected))
}

/// What would change.
fn changes<'f>(user: &User, wanted: impl Iterator<Item = UserFieldValue<'f>>) -> Vec<FieldChange> {
    wanted
        .filter(|(field, value)| !is_same(field, user.field(field), value))
        .map(|(field, value)| FieldChange::new(field, user.field(field), value))
        .collect()
}

/// A row, resolved.
enum Resolved {
    /// Whose user, its id, and what would change of it.
    Differs(Box<Named>, String, Vec<FieldChange>),
    /// The user is so already.
    IsSo(String),
    No(Problem),
}

async fn resolve(session: &Session, patch: &UserPatch<'_>) -> Result<Resolved, PartnerCenterError> {
    if let Some(problem) = not_kept(patch).or_else(|| erased(patch)) {
        return Ok(Resolved::No(problem));
    }
    let named = named(session, patch.user).await?;
    let domains = &named.customer.domains;
    let foreign = |name: &&str| foreign_domain(NEW_NAME, name, domains).filter(|_| !domains.is_empty());
    if let Some(problem) = patch.new_name.as_ref().and_then(foreign) {
        return Ok(Resolved::No(problem));
    }
    let users = session.users(&named.customer.id).await?;
    let renamed = patch
        .new_name
        .and_then(|name| Some((name, users.get(key::user_name(name).as_ref())?)));
    let Some(user) = named.user.clone() else {
        let missing = named.missing(patch.user.user_principal_name);
        // Who was renamed before is called by a name that it has no more, and is as the row asks for.
        let Some((new, user)) = renamed.filter(|_| missing.code == code::UNKNOWN_USER) else {
            return Ok(Resolved::No(missing));
        };
        let differences = changes(user, patch.texts());
        return Ok(if differences.is_empty() {
            Resolved::IsSo(user.id.clone())
        } else {
            Resolved::No(not_renamed(patch.user.user_principal_name, new, &differences))
        });
    };
    if let Some((name, _)) = renamed.filter(|(_, other)| other.id != user.id) {
        return Ok(Resolved::No(taken(name)));
    }
    let changes = changes(&user, patch.texts());
    Ok(if changes.is_empty() {
        Resolved::IsSo(user.id)
    } else {
        Resolved::Differs(Box::new(named), user.id, changes)
    })
}

/// What a row would do.
pub(super) async fn preview(session: &Session, patch: &UserPatch<'_>) -> Result<RowPreview, PartnerCenterError> {
    Ok(match resolve(session, patch).await? {
        Resolved::Differs(named, id, changes) => {
            let renamed = changes.iter().find(|change| change.field == NAME);
            let note = match renamed {
                Some(renamed) => namesake(session, &named.customer.id, &renamed.new, &id).await?,
                None => None,
            };
            let previewed = RowPreview::from(Verdict::Change(changes)).noting(note.unwrap_or_default());
            previewed.touching(named.customer.touch(1, named.of))
        }
        Resolved::IsSo(_) => Verdict::Unchanged.into(),
        Resolved::No(problem) => RowPreview::reject(problem),
    })
}

/// Changes a user.
pub(super) async fn apply(
    session: &Session,
    steps: Steps<'_>,
    patch: &UserPatch<'_>,
) -> Result<End, PartnerCenterError> {
    // A user that was renamed is no more to be found by the name the row has for it.
    let (customer, id, is_renamed) = match Image::of_step(steps, PROFILE)? {
        Some(begun) => (begun.customer(), begun.id.clone(), begun.after.contains_key(NAME)),
        None => match resolve(session, patch).await? {
            Resolved::Differs(named, id, changes) => {
                let is_renamed = changes.iter().any(|change| change.field == NAME);
                (named.customer.as_ref().clone(), id, is_renamed)
            }
            Resolved::IsSo(id) => return Ok(End::Unchanged(id)),
            Resolved::No(problem) => return Ok(End::Rejected(problem)),
        },
    };
    let wanted: Vec<UserFieldValue<'_>> = patch.texts().collect();
    let step = session.step(steps, PROFILE);
    if let Err(stopped) = profile_step(session, &step, &customer, &id, &wanted).await? {
        return Ok(End::stopped(stopped, id));
    }
    let note = match patch.new_name.filter(|_| is_renamed) {
        Some(name) => namesake(session, &customer.id, name, &id).await?,
        None => None,
    };
    let message = note.unwrap_or_default();
    Ok(End::Applied { target: id, message })
}

/// Has fields of a user changed.
pub(super) async fn profile_step(
    session: &Session,
    step: &Step<'_>,
    customer: &Customer,
    id: &str,
    wanted: &[UserFieldValue<'_>],
) -> Result<Done, PartnerCenterError> {
    let path = format!("/customers/{}/users/{}", segment(&customer.id), segment(id));
    step.once(
        || async {
            let now = session.user_of_id(&customer.id, id).await?;
            let is_so = now.is_some_and(|now| changes(&now, wanted.iter().copied()).is_empty());
            Ok(is_so.then(String::new))
        },
        || async {
            let Some(now) = session.user_of_id(&customer.id, id).await? else {
                return Ok(None);
            };
            let mut image = Image::new(Object::UserProfile, customer, id);
            let mut body = json!({ "attributes": { "objectType": "CustomerUser" } });
            for change in changes(&now, wanted.iter().copied()) {
                if let Some((_, member)) = KEPT.iter().find(|(kept, _)| *kept == change.field) {
                    // Who leaves a member out, or says null, says nothing of it.
                    body[*member] = json!(change.new);
                }
                image = image.field(change.field, change.old, change.new);
            }
            let call = Call::new(UPDATE_USER, path.clone()).of(&customer.id).body(body);
            Ok(Some(Sending { call, image }))
        },
        |_| Some(String::new()),
    )
    .await
}
