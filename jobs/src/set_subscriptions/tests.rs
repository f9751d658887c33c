//! Rows of `set-subscriptions`, good and bad.

use super::*;
use crate::told::told;

const ID: &str = "4f1c62c2-6e59-4d6a-9f0e-2a6d5b7c1101";

fn check(cells: [&str; 7], expected: &[&str]) {
    let [product_type, quantity, status, renews, ends, until, partner] = cells;
    let cells = [
        "A-1",
        ID,
        "Azure plan",
        product_type,
        quantity,
        status,
        renews,
        ends,
        until,
        partner,
    ];
    assert_eq!(told(&SetSubscriptions, &cells), expected, "{cells:?}");
}

#[test]
fn what_is_left_out_has_a_default() {
    let row = [Some("A-1"), Some(ID), Some("Azure plan"), Some("Azure-Plan")];
    let Ok(Change::SetSubscription(state)) = SetSubscriptions.change(&Row::new(&row)) else {
        panic!("another change");
    };
    assert_eq!(
        (state.quantity, state.status, state.auto_renew),
        (1, SubscriptionStatus::Active, None)
    );
    assert_eq!((state.product_type, state.term_ends), (ProductType::AzurePlan, None));
}

#[test]
fn every_fault_is_told() {
    check(
        [
            "reservation",
            "3",
            "suspended",
            "no",
            "2027-06-30",
            "2026-12-01T10:00:00Z",
            "123",
        ],
        &[],
    );
    check(
        ["reservaton", "0", "actve", "x", "30.06.2027", "2027-02-29", ""],
        &[
            "unknown-choice product_type > reservation",
            "invalid quantity",
            "unknown-choice status > active",
            "invalid auto_renew",
            "invalid term_ends",
            "invalid cancellable_until",
        ],
    );
    assert_eq!(
        told(&SetSubscriptions, &["A-1", "12345", "", ""]),
        ["invalid subscription_id", "required product", "required product_type"]
    );
}
