//! `set-subscriptions`: which subscriptions customers hold.
//!
//! The SQL stores have no marketplace to buy from; this is how they learn what there is to suspend and to transfer.

use crate::faults::Faults;
use crate::model::date;
use crate::{
    Change, Column, CustomerRef, Job, Problem, ProductType, Row, SubscriptionState, SubscriptionStatus, code, position,
};

/// The kind.
pub(crate) struct SetSubscriptions;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("subscription_id", "GUID of the subscription"),
    Column::required("product", "name of what was bought"),
    Column::required(
        "product_type",
        "e.g. `legacy-license`, `new-commerce-license`, `azure-plan`, `reservation`",
    ),
    Column::optional("quantity", "licences or units; 1 when empty"),
    Column::optional(
        "status",
        "`active` (the default), `suspended`, `expired`, `disabled`, `cancelled` …",
    ),
    Column::optional("auto_renew", "`yes` or `no`"),
    Column::optional("term_ends", "last day of the term, e.g. `2027-06-30`"),
    Column::optional("cancellable_until", "last day it can be cancelled"),
    Column::optional("partner_id_on_record", "indirect reseller on record"),
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

impl Job for SetSubscriptions {
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

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = faults.required_line(row, CUSTOMER, 256);
        let subscription_id = faults.guid(row, SUBSCRIPTION_ID, true);
        let product = faults.required_line(row, PRODUCT, 256);
        let types: Vec<_> = ProductType::ALL.iter().map(|one| (one.as_str(), *one)).collect();
        let product_type = faults.choice(row, PRODUCT_TYPE, None, &types);
        let quantity = quantity(&mut faults, row);
        let states: Vec<_> = SubscriptionStatus::ALL.iter().map(|one| (one.as_str(), *one)).collect();
        let status = faults.choice(row, STATUS, Some(SubscriptionStatus::Active), &states);
        let renews = faults.yes_no(row, AUTO_RENEW, false);
        let term_ends = day(&mut faults, row, TERM_ENDS);
        let cancellable_until = day(&mut faults, row, CANCELLABLE_UNTIL);
        let partner_id_on_record = faults.line(row, PARTNER_ID_ON_RECORD, 64);
        faults.finish(Change::SetSubscription(SubscriptionState {
            customer: CustomerRef::parse(customer),
            subscription_id: subscription_id.unwrap_or_default(),
            product,
            product_type: product_type.unwrap_or(ProductType::LegacyLicense),
            quantity,
            status: status.unwrap_or(SubscriptionStatus::Active),
            auto_renew: (!row.text(AUTO_RENEW).is_empty()).then_some(renews),
            term_ends,
            cancellable_until,
            partner_id_on_record,
        }))
    }
}

fn quantity(faults: &mut Faults, row: &Row<'_>) -> u32 {
    let written = faults.line(row, QUANTITY, 256);
    if written.is_empty() {
        return 1;
    }
    match written.parse() {
        Ok(quantity) if quantity > 0 => quantity,
        _ => {
            let expected = format!("a whole number from 1 to {}", u32::MAX);
            faults.add(QUANTITY, code::INVALID, written, expected);
            1
        }
    }
}

fn day(faults: &mut Faults, row: &Row<'_>, column: usize) -> Option<i64> {
    let written = faults.line(row, column, 256);
    let found = date::last_moment(written);
    if found.is_none() && !written.is_empty() {
        faults.add(column, code::INVALID, written, "a date like `2027-06-30`");
    }
    found
}

#[cfg(test)]
mod tests;
