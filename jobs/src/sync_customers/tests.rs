//! Rows of `sync-customers`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::{CustomerRef, testing};

const GOOD: [(&str, &str); 1] = [("from", "mirror_2")];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&SyncCustomers, &GOOD, cells, expected);
}

#[test]
fn everything_is_copied_unless_the_row_selects_parts() {
    for (what, users, subscriptions) in [
        ("", true, true),
        (";", true, true),
        ("customers", false, false),
        ("Users", true, false),
        ("customers; subscriptions", false, true),
        ("subscriptions;users", true, true),
    ] {
        let row = testing::row_of(&SyncCustomers, &GOOD, &[("what", what)]);
        let sync = Sync {
            from: "mirror_2",
            customer: None,
            users,
            subscriptions,
            full: false,
        };
        assert_eq!(
            SyncCustomers.request(&RowCells::new(&row)).unwrap(),
            Request::Sync(sync),
            "{what}"
        );
    }
}

#[test]
fn one_customer_and_all_of_it() {
    let row = testing::row_of(&SyncCustomers, &GOOD, &[("customer", "CRM-7"), ("full", "yes")]);
    let change = SyncCustomers.request(&RowCells::new(&row)).unwrap();
    assert_eq!(change.customer(), Some(CustomerRef::Name("CRM-7")));
    assert!(matches!(change, Request::Sync(Sync { full: true, .. })));
}

#[test]
fn a_store_may_be_copied_from_once_for_each_customer() {
    for (customer, expected) in [("", "from mirror_2"), ("CRM-7", "from mirror_2 fjordbakeri")] {
        let row = testing::row_of(&SyncCustomers, &GOOD, &[("customer", customer)]);
        let change = SyncCustomers.request(&RowCells::new(&row)).unwrap();
        change.each_key(&|_| "fjordbakeri".to_owned(), &mut |column, parts| {
            assert_eq!(format!("{column} {}", parts.join(" ")), expected);
        });
    }
}

#[test]
fn problems() {
    check(&[], &[]);
    check(
        &[("from", ""), ("what", "users;subscription"), ("full", "maybe")],
        &[
            "required from ",
            "unknown-choice what subscription > subscriptions",
            "invalid full maybe",
        ],
    );
    check(&[("from", "Mirror")], &["invalid from Mirror > mirror"]);
    check(&[("from", "my mirror")], &["invalid from my mirror"]);
    check(&[("from", "mirror\0")], &["bad-character from mirror\0"]);
}
