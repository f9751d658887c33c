//! Rows of `remove-relationship`, good and bad.

use super::*;
use crate::told::told;

#[test]
fn nothing_is_suspended_unless_the_row_says_so() {
    let read = |suspend: &'static str| match RemoveRelationship.change(&Row::new(&[Some("A-1"), Some(suspend), None])) {
        Ok(Change::RemoveRelationship(removal)) => Some(removal.suspend_subscriptions),
        _ => None,
    };
    assert_eq!(
        (read(""), read("no"), read("yes"), read("all")),
        (Some(false), Some(false), Some(true), None)
    );
    assert_eq!(
        told(&RemoveRelationship, &["", "all", ""]),
        ["required customer", "invalid suspend_subscriptions"]
    );
    assert!(RemoveRelationship.is_destructive());
}
