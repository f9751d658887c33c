//! Rows of `assign-licenses`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const SPB: &str = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46";

const GOOD: [(&str, &str); 2] = [
    ("customer", "CRM-7"),
    ("user_principal_name", "ola.bakke@fjordbakeri.example"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&AssignLicenses, &GOOD, cells, expected);
}

fn licenses<'a>(row: &'a [Option<&'a str>]) -> LicenseChange<'a> {
    match testing::change(&AssignLicenses, row).unwrap() {
        Change::AssignLicenses(change) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_are_read_and_countries_normalised() {
    let cells = [
        ("assign", "SPB; EMS;spb"),
        ("remove", "VISIOCLIENT"),
        ("usage_location", "no"),
    ];
    let row = testing::row_of(&AssignLicenses, &GOOD, &cells);
    let change = licenses(&row);
    assert_eq!(
        (change.assign, change.remove),
        (vec!["SPB", "EMS"], vec!["VISIOCLIENT"])
    );
    assert_eq!((change.remove_all, &*change.usage_location), (false, "NO"));
}

#[test]
fn all_others_can_be_removed() {
    let row = testing::row_of(&AssignLicenses, &GOOD, &[("assign", "SPB"), ("remove", "<ALL>")]);
    let change = licenses(&row);
    assert!(change.remove_all && change.remove.is_empty());
    assert_eq!(change.assign, ["SPB"]);
}

#[test]
fn a_sku_named_twice_is_one_sku() {
    let twice = format!("SPB;EMS;{SPB};11111111-2222-4333-8444-555555555555");
    let row = testing::row_of(&AssignLicenses, &GOOD, &[("assign", &twice)]);
    let expected = ["SPB", "EMS", "11111111-2222-4333-8444-555555555555"];
    assert_eq!(licenses(&row).assign, expected);
}

#[test]
fn problems() {
    check(&[], &["nothing-to-change  "]);
    check(&[("remove", " ; ")], &["nothing-to-change  "]);
    check(&[("usage_location", "NO")], &[]);
    check(
        &[("customer", ""), ("user_principal_name", "")],
        &[
            "required customer ",
            "required user_principal_name ",
            "nothing-to-change  ",
        ],
    );
    check(&[("assign", "SPB;EMS"), ("remove", "ems")], &["conflicting remove ems"]);
    // The same SKU, once by its part number and once by its id.
    check(
        &[("assign", "SPB"), ("remove", SPB)],
        &[&format!("conflicting remove {SPB}")],
    );
    check(&[("assign", SPB), ("remove", "EMS")], &[]);
    check(
        &[("remove", "<all>;EMS;SPB")],
        &["conflicting remove EMS", "conflicting remove SPB"],
    );
    let long = "X".repeat(129);
    check(
        &[("assign", &long), ("remove", "a\0b"), ("usage_location", "Norway")],
        &[
            &format!("too-long assign {}…", &long[..120]),
            "bad-character remove a\0b",
            "unknown-country usage_location Norway > NO",
        ],
    );
}
