//! Rows of `reset-passwords`, good and bad.

use super::*;
use crate::told::told;

#[test]
fn a_new_password_is_temporary_unless_the_row_says_otherwise() {
    let read = |force: &'static str, again: &'static str| {
        let row = [Some("A-1"), Some("ada@alpha.example"), Some(force), Some(again)];
        match ResetPasswords.change(&Row::new(&row)) {
            Ok(Change::ResetPassword(reset)) => Some((reset.force_change, reset.again)),
            _ => None,
        }
    };
    assert_eq!(read("", ""), Some((true, false)));
    assert_eq!(read("No", "YES"), Some((false, true)));
    assert_eq!(read("perhaps", ""), None);
    assert_eq!(
        told(&ResetPasswords, &["A-1", "ada@alpha.example", "perhaps", "never"]),
        ["invalid force_change", "invalid again"]
    );
    assert!(ResetPasswords.hands_out_passwords());
}
