//! `delete-users`: users who leave; they can be restored for 30 days.

use crate::faults::Faults;
use crate::model::user_ref;
use crate::{Change, Column, Job, Problem, Row, position};

/// The kind.
pub(crate) struct DeleteUsers;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user"),
    Column::optional("reason", "why; kept with the row"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const REASON: usize = position(COLUMNS, "reason");

impl Job for DeleteUsers {
    fn kind(&self) -> &'static str {
        "delete-users"
    }

    fn summary(&self) -> &'static str {
        "Delete users; they can be restored for 30 days"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("delete_users.csv")
    }

    fn is_destructive(&self) -> bool {
        true
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let user = user_ref::read(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        // It stays with the row, for whoever reads the results.
        faults.line(row, REASON, 256);
        faults.finish(Change::DeleteUser(user))
    }
}

#[cfg(test)]
mod tests;
