//! `reset-passwords`: new passwords for users, each handed out once.

use crate::faults::Faults;
use crate::model::cell;
use crate::{
    Change, Column, Faulty, JobKind, PasswordReset, Passwords, Policy, Request, RowCells, RunsIn, Undo, position,
};

/// The kind.
pub(crate) struct ResetPasswords;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user"),
    Column::optional(
        "force_change",
        "`yes` (the default): choose another at the next sign-in; or `no`",
    ),
    Column::optional(
        "again",
        "`yes`: even if one, or the first, was handed out in the last 24 hours; `no` is the default",
    ),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const FORCE_CHANGE: usize = position(COLUMNS, "force_change");
const AGAIN: usize = position(COLUMNS, "again");

impl JobKind for ResetPasswords {
    fn kind(&self) -> &'static str {
        "reset-passwords"
    }

    fn summary(&self) -> &'static str {
        "Give users new passwords, handed out once"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("reset_passwords.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::Never("passwords are not kept"),
            passwords: Passwords::Only,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let reset = PasswordReset {
            user: cell::user(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME),
            force_change: cell::yes_or_no(&mut faults, row, FORCE_CHANGE).unwrap_or(true),
            again: cell::yes_or_no(&mut faults, row, AGAIN).unwrap_or(false),
        };
        faults.finish(Change::ResetPassword(reset))
    }
}

#[cfg(test)]
mod tests;
