//! `set-subscriptions`: which subscriptions a customer holds, and how they stand.
//!
//! The SQL stores have no marketplace to buy from; this is how they learn what there is to suspend, to
//! transfer, or in the way of a relationship's end.

use crate::faults::Faults;
use crate::model::cell;
use crate::{
    Change, Column, Faulty, JobKind, Passwords, Policy, ProductType, Request, RowCells, RunsIn, SubscriptionState,
    SubscriptionStatus, Undo, code, position,
};

/// The kind.
pub(crate) struct SetSubscriptions;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("subscription_id", "GUID of the subscription"),
    Column::optional(
        "product",
        "name of the product, e.g. `Microsoft 365 Business Premium`; a new subscription needs it",
    ),
    Column::optional(
        "product_type",
        "what sort of product, e.g. `new-commerce-license`; a new subscription needs it",
    ),
    Column::optional(
        "quantity",
        "licences or units, from 1, which a new subscription has by default",
    ),
    Column::optional(
        "status",
        "`active` (the default of a new one), `suspended`, `cancelled` and others",
    ),
    Column::optional("auto_renew", "`yes` or `no`; empty where there is no such thing"),
    Column::optional(
        "term_ends",
        "date, which counts to its end in UTC, or time like `2027-06-30T12:00:00Z`",
    ),
    Column::optional("cancellable_until", "date or time likewise"),
    Column::optional(
        "partner_id_on_record",
        "partner who is credited with it, a GUID or a number",
    ),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const SUBSCRIPTION_ID: usize = position(COLUMNS, "subscription_id");
const PRODUCT: usize = position(COLUMNS, "product");
const PRODUCT_TYPE: usize = position(COLUMNS, "product_type");
const QUANTITY: usize = position(COLUMNS, "quantity");
const STATUS: usize = position(COLUMNS, "status");
const AUTO_RENEW: usize = position(COLUMNS, "auto_renew");
const TERM_ENDS: usize = position(COLUMNS, "term_ends");
const CANCELLABLE_UNTIL: usize = position(COLUMNS, "cancellable_until");
const PARTNER_ID_ON_RECORD: usize = position(COLUMNS, "partner_id_on_record");

impl JobKind for SetSubscriptions {
    fn kind(&self) -> &'static str {
        "set-subscriptions"
    }

    fn summary(&self) -> &'static str {
        "Set which subscriptions customers hold"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("set_subscriptions.csv")
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
        let state = SubscriptionState {
            customer: cell::customer(&mut faults, row, CUSTOMER),
            subscription_id: cell::required_guid(&mut faults, row, SUBSCRIPTION_ID),
            product: faults.line(row, PRODUCT, 256),
            product_type: cell::choice::<ProductType>(&mut faults, row, PRODUCT_TYPE),
            quantity: cell::whole_number(&mut faults, row, QUANTITY, 1),
            status: status(&mut faults, row),
            auto_renew: cell::yes_or_no(&mut faults, row, AUTO_RENEW),
            term_ends: cell::deadline(&mut faults, row, TERM_ENDS),
            cancellable_until: cell::deadline(&mut faults, row, CANCELLABLE_UNTIL),
            partner_id_on_record: cell::partner_id(&mut faults, row, PARTNER_ID_ON_RECORD),
        };
        if let (Some(end), Some(until)) = (state.term_ends, state.cancellable_until)
            && until > end
        {
            let expected = "a time before the end of the term in `term_ends`";
            faults.add(
                CANCELLABLE_UNTIL,
                code::CONFLICTING,
                row.text(CANCELLABLE_UNTIL),
                expected,
            );
        }
        faults.finish(Change::SetSubscription(state))
    }
}

/// A list says that a copied subscription is missing where it was copied from, whatever its status was.
fn status(faults: &mut Faults, row: &RowCells<'_>) -> Option<SubscriptionStatus> {
    if row.text(STATUS).eq_ignore_ascii_case("missing") {
        return None;
    }
    cell::choice(faults, row, STATUS)
}

#[cfg(test)]
mod tests;
