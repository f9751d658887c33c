//! Rows of `remove-relationship`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::{CustomerRef, testing};

const GOOD: [(&str, &str); 1] = [("customer", "CRM-7")];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&RemoveRelationship, &GOOD, cells, expected);
}

#[test]
fn nothing_is_suspended_unasked() {
    for (cell, expected) in [("", false), ("no", false), ("yes", true)] {
        let cells = [("suspend_subscriptions", cell), ("reason", "Closed")];
        let row = testing::row_of(&RemoveRelationship, &GOOD, &cells);
        let removal = Removal {
            customer: CustomerRef::Name("CRM-7"),
            suspend_subscriptions: expected,
            reason: "Closed",
        };
        let change = testing::change(&RemoveRelationship, &row).unwrap();
        assert_eq!(change, Change::RemoveRelationship(removal));
    }
    assert!(RemoveRelationship.policy().destructive);
}

#[test]
fn problems() {
    check(&[], &[]);
    let long = "x".repeat(257);
    check(
        &[("customer", ""), ("suspend_subscriptions", "all"), ("reason", &long)],
        &[
            "required customer ",
            "invalid suspend_subscriptions all",
            &format!("too-long reason {}…", &long[..120]),
        ],
    );
}
