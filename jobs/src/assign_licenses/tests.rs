//! Rows of `assign-licenses`, good and bad.

use super::*;
use crate::told::told;

fn check(assign: &str, remove: &str, location: &str, expected: &[&str]) {
    let cells = ["A-1", "ada@alpha.example", assign, remove, location];
    assert_eq!(told(&AssignLicenses, &cells), expected, "{cells:?}");
}

#[test]
fn licences_are_given_and_taken() {
    check("SPB;SPE_E3", "EMS", "de", &[]);
    check("", "<ALL>", "", &[]);
    check("SPB", "<all>", "", &[]);
    check("", "", "CH", &[]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    check("", "", "", &["nothing-to-change"]);
    check("SPB", "spb;EMS", "", &["conflicting remove"]);
    check("", "<all>;EMS", "", &["conflicting remove"]);
    check("SPB", "", "Germany", &["unknown-country usage_location > DE"]);
    check(&"x".repeat(129), "", "", &["too-long assign"]);
}
