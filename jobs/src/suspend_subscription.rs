//! `suspend-subscription`: subscriptions that stop, or go on.

use crate::faults::Faults;
use crate::{Change, Column, CustomerRef, Job, Problem, Row, Suspension, position};

/// The kind.
pub(crate) struct SuspendSubscription;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("subscription_id", "GUID of the subscription"),
    Column::optional("action", "`suspend` (the default) or `reactivate`"),
    Column::optional("reason", "why; kept with the row"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SUBSCRIPTION_ID: usize = position(COLUMNS, "subscription_id");
const ACTION: usize = position(COLUMNS, "action");
const REASON: usize = position(COLUMNS, "reason");

impl Job for SuspendSubscription {
    fn kind(&self) -> &'static str {
        "suspend-subscription"
    }

    fn summary(&self) -> &'static str {
        "Suspend subscriptions, or reactivate them"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("suspend_subscription.csv")
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = faults.required_line(row, CUSTOMER, 256);
        let subscription_id = faults.guid(row, SUBSCRIPTION_ID, true);
        let suspend = faults.choice(row, ACTION, Some(true), &[("suspend", true), ("reactivate", false)]);
        let reason = faults.line(row, REASON, 256);
        faults.finish(Change::SuspendSubscription(Suspension {
            customer: CustomerRef::parse(customer),
            subscription_id: subscription_id.unwrap_or_default(),
            suspend: suspend.unwrap_or(true),
            reason,
        }))
    }
}

#[cfg(test)]
mod tests;
