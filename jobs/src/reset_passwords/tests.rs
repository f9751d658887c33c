//! Rows of `reset-passwords`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const GOOD: [(&str, &str); 2] = [
    ("customer", "CRM-7"),
    ("user_principal_name", "ola.bakke@fjordbakeri.example"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&ResetPasswords, &GOOD, cells, expected);
}

#[test]
fn a_change_is_forced_and_a_second_password_is_not_unless_the_row_says_so() {
    for (cells, expected) in [
        (&[][..], (true, false)),
        (&[("force_change", "no")], (false, false)),
        (&[("force_change", "Yes"), ("again", "TRUE")], (true, true)),
        (&[("force_change", "false"), ("again", "no")], (false, false)),
    ] {
        let row = testing::row_of(&ResetPasswords, &GOOD, cells);
        let Change::ResetPassword(reset) = testing::change(&ResetPasswords, &row).unwrap() else {
            panic!("another change");
        };
        assert_eq!((reset.force_change, reset.again), expected, "{cells:?}");
    }
    assert!(ResetPasswords.policy().passwords == Passwords::Only && !ResetPasswords.policy().destructive);
}

#[test]
fn problems() {
    check(&[], &[]);
    check(
        &[
            ("customer", ""),
            ("user_principal_name", "ola@"),
            ("force_change", "maybe"),
            ("again", "n\0o"),
        ],
        &[
            "required customer ",
            "invalid user_principal_name ola@",
            "invalid force_change maybe",
            "bad-character again n\0o",
        ],
    );
}
