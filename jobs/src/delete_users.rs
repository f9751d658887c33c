//! `delete-users`: users who leave. Their directories keep them for 30 days.

use crate::faults::Faults;
use crate::model::cell;
use crate::{Change, Column, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, Template, Undo, position};

/// The kind.
pub(crate) struct DeleteUsers;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user to delete"),
    Column::optional("reason", "why, up to 256 characters; noted in the record"),
];

/// What Entra's bulk deletion is uploaded in.
const ENTRA: Template = Template {
    name: "Microsoft Entra bulk delete",
    preamble: Some("version:v1.0"),
    markers: &[],
    opposite: None,
    columns: &[("User name [userPrincipalName] Required", Some("user_principal_name"))],
};

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const REASON: usize = position(COLUMNS, "reason");

impl JobKind for DeleteUsers {
    fn kind(&self) -> &'static str {
        "delete-users"
    }

    fn summary(&self) -> &'static str {
        "Delete users; they can be restored for 30 days"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn templates(&self) -> &'static [Template] {
        &[ENTRA]
    }

    fn sample(&self) -> &'static str {
        include_str!("delete_users.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: true,
            undo: Undo::Within30Days,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let user = cell::user(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        // A user's directory has no place for it; the record keeps the row.
        faults.line(row, REASON, 256);
        faults.finish(Change::DeleteUser(user))
    }
}

#[cfg(test)]
mod tests;
