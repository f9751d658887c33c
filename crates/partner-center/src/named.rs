//! The user that a row names, among those who were deleted too.

use std::sync::Arc;

use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;
use tenantry_jobs::{Problem, UserRef, code, key};

use super::PartnerCenterError;
use super::records::{Customer, User};
use super::session::Session;
use tenantry_foundation::moment::day;
use tenantry_store::sign_in_name::{is_restorable, was_deleted};

/// Whom a row names.
pub(super) struct Named {
    pub(super) customer: Arc<Customer>,
    /// Users the customer has.
    pub(super) of: u64,
    pub(super) user: Option<User>,
    /// Who was deleted under that name, if nobody has it.
    pub(super) deleted: Option<User>,
}

/// Finds whom a row names, among those who were deleted too.
pub(super) async fn named(session: &Session, user: UserRef<'_>) -> Result<Named, PartnerCenterError> {
    let customer = session.customer(user.customer).await?;
    let name = key::user_name(user.user_principal_name);
    let users = session.users(&customer.id).await?;
    let found = users.get(name.as_ref()).cloned();
    let deleted = match found {
        Some(_) => None,
        None => session.deleted_users(&customer.id).await?.get(name.as_ref()).cloned(),
    };
    Ok(Named {
        customer,
        of: users.len() as u64,
        user: found,
        deleted,
    })
}

/// What is to be known of the user of that id who gets this name: that another one was deleted under it and can be restored.
pub(super) async fn namesake(
    session: &Session,
    customer: &str,
    name: &str,
    id: &str,
) -> Result<Option<String>, PartnerCenterError> {
    let deleted = session.deleted_users(customer).await?;
    let is_other = |other: &&User| other.id != id && key::same_user_name(&other.sign_in_name, name);
    let last = match deleted.get(key::user_name(name).as_ref()) {
        // Of several the last one has the name; only where that is the user itself are the others looked for.
        Some(user) if user.id == id => deleted.values().filter(is_other).max_by_key(|other| other.deleted_at),
        found => found,
    };
    let restorable = last.filter(|other| is_restorable(other.deleted_at, session.now()));
    Ok(restorable.map(|other| was_deleted(other.deleted_at)))
}

impl Named {
    /// Why there is no such user to do something with.
    pub(super) fn missing(&self, name: &str) -> Problem {
        let problem = |code, expected: String| Problem::stated(code, "user_principal_name", name, expected);
        match self.deleted.as_ref().map(|deleted| deleted.deleted_at) {
            Some(at) => {
                let until = at.map_or_else(String::new, |at| format!(" until {}", day(at + RESTORE_WITHIN_MILLIS)));
                let expected = format!("this user was deleted; `restore-users` brings it back{until}");
                problem(code::USER_DELETED, expected)
            }
            None => problem(
                code::UNKNOWN_USER,
                format!("no user of {} has this name", self.customer.domain),
            ),
        }
    }
}
