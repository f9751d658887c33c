//! Rows of `restore-users`, good and bad.

use super::*;
use crate::told::told;

#[test]
fn a_user_is_named_whole() {
    assert!(told(&RestoreUsers, &["A-1", "ada@alpha.example"]).is_empty());
    assert_eq!(
        told(&RestoreUsers, &["", ""]),
        ["required customer", "required user_principal_name"]
    );
    assert!(!RestoreUsers.is_destructive());
}
