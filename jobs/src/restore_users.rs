//! `restore-users`: deleted users who come back.

use crate::faults::Faults;
use crate::model::user_ref;
use crate::{Change, Column, Job, Problem, Row, position};

/// The kind.
pub(crate) struct RestoreUsers;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");

impl Job for RestoreUsers {
    fn kind(&self) -> &'static str {
        "restore-users"
    }

    fn summary(&self) -> &'static str {
        "Restore users that were deleted within 30 days"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("restore_users.csv")
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let user = user_ref::read(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        faults.finish(Change::RestoreUser(user))
    }
}

#[cfg(test)]
mod tests;
