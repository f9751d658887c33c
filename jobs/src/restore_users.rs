//! `restore-users`: users deleted by mistake, while their directories still keep them.

use crate::faults::Faults;
use crate::model::cell;
use crate::{Change, Column, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, Undo, position};

/// The kind.
pub(crate) struct RestoreUsers;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required(
        "user_principal_name",
        "sign-in name of a user deleted in the last 30 days",
    ),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");

impl JobKind for RestoreUsers {
    fn kind(&self) -> &'static str {
        "restore-users"
    }

    fn summary(&self) -> &'static str {
        "Restore users deleted in the last 30 days, with their licences where seats are free"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("restore_users.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::WhileUntouched,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let user = cell::user(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        faults.finish(Change::RestoreUser(user))
    }
}

#[cfg(test)]
mod tests;
