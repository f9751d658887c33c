//! Rows of `suspend-subscription`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const GOOD: [(&str, &str); 2] = [
    ("customer", "CRM-7"),
    ("subscription_id", "5b3c1f0a-7d52-4e0b-9c38-1f2a6d4e8b17"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&SuspendSubscription, &GOOD, cells, expected);
}

#[test]
fn suspends_unless_the_row_says_otherwise() {
    for (action, expected) in [
        ("", "suspended"),
        ("Missing", ""),
        ("Suspend", "suspended"),
        ("reactivate", "active"),
        // As a list says it.
        ("suspended", "suspended"),
        ("Active", "active"),
        ("expired", "expired"),
    ] {
        let cells = [("action", action), ("reason", "Unpaid")];
        let row = testing::row_of(&SuspendSubscription, &GOOD, &cells);
        let Change::SuspendSubscription(suspension) = testing::change(&SuspendSubscription, &row).unwrap() else {
            panic!("another change");
        };
        assert_eq!(
            (suspension.to.map_or("", |to| to.as_str()), suspension.reason),
            (expected, "Unpaid"),
            "{action}"
        );
        assert_eq!(suspension.subscription_id.to_string(), GOOD[1].1);
    }
}

#[test]
fn an_empty_cell_of_a_list_leaves_a_subscription_as_it_is() {
    for (action, in_a_list, alone) in [
        ("", "", "suspended"),
        ("suspended", "suspended", "suspended"),
        ("Active", "active", "active"),
    ] {
        let row = testing::row_of(&SuspendSubscription, &GOOD, &[("action", action)]);
        for (is_of_list, expected) in [(true, in_a_list), (false, alone)] {
            let Request::Change(Change::SuspendSubscription(suspension)) = SuspendSubscription
                .request(&RowCells::new(&row).of_list(is_of_list))
                .unwrap()
            else {
                panic!("another change");
            };
            assert_eq!(
                suspension.to.map_or("", |to| to.as_str()),
                expected,
                "{action} {is_of_list}"
            );
        }
    }
}

#[test]
fn problems() {
    check(&[], &[]);
    check(
        &[
            ("customer", ""),
            ("subscription_id", ""),
            ("action", "activate"),
            ("reason", "a\tb"),
        ],
        &[
            "required customer ",
            "required subscription_id ",
            "unknown-choice action activate > reactivate",
            "bad-character reason a\tb",
        ],
    );
    check(&[("subscription_id", "12")], &["invalid subscription_id 12"]);
    check(&[("action", "cancel")], &["unknown-choice action cancel"]);
}
