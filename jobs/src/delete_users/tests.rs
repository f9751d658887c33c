//! Rows of `delete-users`, good and bad.

use super::*;
use crate::told::told;

#[test]
fn a_user_is_named_whole() {
    let check = |cells: &[&str], expected: &[&str]| assert_eq!(told(&DeleteUsers, cells), expected, "{cells:?}");
    check(&["A-1", "ada@alpha.example", ""], &[]);
    check(&["A-1", "ada@alpha.example", "left"], &[]);
    check(
        &["", "ada", "a\nb"],
        &[
            "required customer",
            "invalid user_principal_name",
            "bad-character reason",
        ],
    );
    check(&["A-1", "", ""], &["required user_principal_name"]);
    check(
        &["A-1", "ada\t@alpha.example", &"x".repeat(257)],
        &["bad-character user_principal_name", "too-long reason"],
    );
    assert!(DeleteUsers.is_destructive());
}
