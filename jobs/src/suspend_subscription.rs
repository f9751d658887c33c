//! `suspend-subscription`: subscriptions switched off, and on again.

use crate::faults::Faults;
use crate::model::cell;
use crate::{
    Change, Column, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, SubscriptionStatus, Suspension,
    Undo, position,
};

/// The kind.
pub(crate) struct SuspendSubscription;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("subscription_id", "GUID of the subscription"),
    Column::optional(
        "action",
        "`suspend` (the default) or `reactivate`; in an exported list, `Status`; empty leaves it",
    ),
    Column::optional("reason", "why, up to 256 characters; noted in the record"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SUBSCRIPTION_ID: usize = position(COLUMNS, "subscription_id");
const ACTION: usize = position(COLUMNS, "action");
const REASON: usize = position(COLUMNS, "reason");

/// Each action, and what happens to the subscription.
const ACTIONS: &[(&str, SubscriptionStatus)] = &[
    ("suspend", SubscriptionStatus::Suspended),
    ("reactivate", SubscriptionStatus::Active),
];

impl JobKind for SuspendSubscription {
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
        let suspension = Suspension {
            customer: cell::customer(&mut faults, row, CUSTOMER),
            subscription_id: cell::required_guid(&mut faults, row, SUBSCRIPTION_ID),
            to: action(&mut faults, row),
            reason: faults.line(row, REASON, 256),
        };
        faults.finish(Change::SuspendSubscription(suspension))
    }
}

/// What the row asks for. Lists say how a subscription stands, which is understood as how it should; an empty cell there, or that
/// a copied one is missing where it was copied from, says nothing of that.
fn action(faults: &mut Faults, row: &RowCells<'_>) -> Option<SubscriptionStatus> {
    let written = row.text(ACTION);
    if written.eq_ignore_ascii_case("missing") || (written.is_empty() && row.is_of_list()) {
        return None;
    }
    let wanted = SubscriptionStatus::parse(written).or_else(|| cell::word_of(faults, row, ACTION, ACTIONS));
    Some(wanted.unwrap_or(SubscriptionStatus::Suspended))
}

#[cfg(test)]
mod tests;
