//! `remove-relationship`: customers who are no longer ours.

use crate::faults::Faults;
use crate::{Change, Column, CustomerRef, Job, Problem, Removal, Row, position};

/// The kind.
pub(crate) struct RemoveRelationship;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::optional(
        "suspend_subscriptions",
        "`yes`: suspend first what can be suspended; `no` is the default",
    ),
    Column::optional("reason", "why; kept with the row"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SUSPEND_SUBSCRIPTIONS: usize = position(COLUMNS, "suspend_subscriptions");
const REASON: usize = position(COLUMNS, "reason");

impl Job for RemoveRelationship {
    fn kind(&self) -> &'static str {
        "remove-relationship"
    }

    fn summary(&self) -> &'static str {
        "End the reseller relationship with customers"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("remove_relationship.csv")
    }

    fn is_destructive(&self) -> bool {
        true
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = faults.required_line(row, CUSTOMER, 256);
        let removal = Removal {
            customer: CustomerRef::parse(customer),
            suspend_subscriptions: faults.yes_no(row, SUSPEND_SUBSCRIPTIONS, false),
            reason: faults.line(row, REASON, 256),
        };
        faults.finish(Change::RemoveRelationship(removal))
    }
}

#[cfg(test)]
mod tests;
