//! `reset-passwords`: new passwords for users who have lost theirs.

use crate::faults::Faults;
use crate::model::user_ref;
use crate::{Change, Column, Job, PasswordReset, Problem, Row, position};

/// The kind.
pub(crate) struct ResetPasswords;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user"),
    Column::optional(
        "force_change",
        "`yes` (the default): a new one is chosen at the next sign-in",
    ),
    Column::optional("again", "`yes`: even if one was handed out within the last 24 hours"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const FORCE_CHANGE: usize = position(COLUMNS, "force_change");
const AGAIN: usize = position(COLUMNS, "again");

impl Job for ResetPasswords {
    fn kind(&self) -> &'static str {
        "reset-passwords"
    }

    fn summary(&self) -> &'static str {
        "Hand out new passwords to users"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("reset_passwords.csv")
    }

    fn hands_out_passwords(&self) -> bool {
        true
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let user = user_ref::read(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        let change = PasswordReset {
            user,
            force_change: faults.yes_no(row, FORCE_CHANGE, true),
            again: faults.yes_no(row, AGAIN, false),
        };
        faults.finish(Change::ResetPassword(change))
    }
}

#[cfg(test)]
mod tests;
