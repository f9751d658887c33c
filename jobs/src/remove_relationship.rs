//! `remove-relationship`: customers who are to be customers no longer.
//!
//! What a customer still holds stands in the way, and only the store knows it. Suspending it on the way is
//! asked for row by row and never assumed: a removal that fails half-way leaves the subscriptions suspended.

use crate::faults::Faults;
use crate::model::cell;
use crate::{Change, Column, Faulty, JobKind, Passwords, Policy, Removal, Request, RowCells, RunsIn, Undo, position};

/// The kind.
pub(crate) struct RemoveRelationship;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::optional(
        "suspend_subscriptions",
        "`yes`: suspend first what may be suspended; `no` is the default",
    ),
    Column::optional("reason", "why, up to 256 characters; noted in the record"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SUSPEND_SUBSCRIPTIONS: usize = position(COLUMNS, "suspend_subscriptions");
const REASON: usize = position(COLUMNS, "reason");

impl JobKind for RemoveRelationship {
    fn kind(&self) -> &'static str {
        "remove-relationship"
    }

    fn summary(&self) -> &'static str {
        "End the reseller relationship with customers; only they can renew it"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("remove_relationship.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: true,
            undo: Undo::Never("a relationship is renewed only by the customer"),
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let removal = Removal {
            customer: cell::customer(&mut faults, row, CUSTOMER),
            suspend_subscriptions: cell::yes_or_no(&mut faults, row, SUSPEND_SUBSCRIPTIONS).unwrap_or(false),
            reason: faults.line(row, REASON, 256),
        };
        faults.finish(Change::RemoveRelationship(removal))
    }
}

#[cfg(test)]
mod tests;
