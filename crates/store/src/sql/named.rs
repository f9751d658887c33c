//! Users as rows name them.

use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;
use tenantry_jobs::{Problem, UserRef, code};

use super::lookup::{Customer, Directory, user_key};
use super::session::{DeletedOf, UnitOfWork};
use crate::Touch;
use tenantry_foundation::db::DbError;
use tenantry_foundation::moment::day;

/// A user as a row names it.
pub(super) struct Named {
    pub(super) row: u64,
    pub(super) customer: i64,
    pub(super) domain: String,
    pub(super) users: u64,
    pub(super) name: String,
}

impl Named {
    pub(super) fn new(row: u64, user: UserRef<'_>, directory: &Directory) -> Result<Self, Problem> {
        let Customer { id, domain, users, .. } = directory.find(user.customer)?;
        Ok(Self {
            row,
            customer: *id,
            domain: domain.clone(),
            users: *users as u64,
            name: user.user_principal_name.to_owned(),
        })
    }

    pub(super) fn key(&self) -> (i64, String) {
        user_key(self.customer, &self.name)
    }

    pub(super) fn touch(&self) -> Touch {
        Touch {
            customer: self.customer,
            domain: self.domain.clone(),
            users: 1,
            of: self.users,
        }
    }

    /// Why there is no such user to do something with.
    pub(super) fn missing(&self, session: &mut UnitOfWork<'_>) -> Result<Problem, DbError> {
        let problem = |code, expected: String| Problem::stated(code, "user_principal_name", &self.name, expected);
        Ok(
            match session.deleted_user(DeletedOf::Name(self.customer, &self.name))? {
                Some(deleted) => problem(
                    code::USER_DELETED,
                    format!(
                        "this user was deleted; `restore-users` brings it back until {}",
                        day(deleted.deleted_at + RESTORE_WITHIN_MILLIS)
                    ),
                ),
                None => problem(code::UNKNOWN_USER, format!("no user of {} has this name", self.domain)),
            },
        )
    }
}
