//! Rows of `bulk-add-users`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const GOOD: &[(&str, &str)] = &[
    ("customer", "fjordbakeri.example"),
    ("user_principal_name", "ola.bakke@fjordbakeri.example"),
];

fn row_of<'a>(cells: &[(&str, &'a str)]) -> Vec<Option<&'a str>> {
    testing::row_of(&BulkAddUsers, GOOD, cells)
}

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&BulkAddUsers, GOOD, cells, expected);
}

fn user<'a>(row: &'a [Option<&'a str>]) -> NewUser<'a> {
    match testing::change(&BulkAddUsers, row).unwrap() {
        Change::CreateUser(user) => user,
        other => panic!("{other:?}"),
    }
}

#[test]
fn profile_fields_stand_where_their_variants_say() {
    for (index, field) in UserField::ALL.into_iter().enumerate() {
        assert_eq!(field as usize, index);
        assert_eq!(COLUMNS[PROFILE[index]].name, field.name());
    }
}

#[test]
fn a_good_row_is_borrowed_and_normalised() {
    let row = row_of(&[
        ("first_name", "Ola"),
        ("city", " Bergen "),
        ("usage_location", "no"),
        ("country", "norway"),
        ("licenses", "SPB; EMS;spb"),
        ("roles", "company administrator;Global Administrator;Global reader"),
        ("password", "Hunter2!"),
        ("block_sign_in", "Yes"),
    ]);
    let user = user(&row);
    assert_eq!(user.profile[UserField::City as usize], "Bergen");
    assert!(matches!(user.usage_location, Cow::Borrowed("NO")));
    assert!(matches!(user.country, Cow::Borrowed("NO")));
    assert_eq!(user.licenses, ["SPB", "EMS"]);
    assert_eq!(user.roles, ["Global Administrator", "Global Reader"]);
    assert!(user.block_sign_in);
    assert!(!format!("{user:?}").contains("Hunter2"));
}

#[test]
fn display_names() {
    for (cells, expected) in [
        (&[][..], "ola.bakke"),
        (&[("first_name", "Ola")], "Ola"),
        (&[("last_name", "Bakke")], "Bakke"),
        (&[("first_name", "Ola"), ("last_name", "Bakke")], "Ola Bakke"),
        (&[("first_name", "Ola"), ("display_name", "Ola B.")], "Ola B."),
    ] {
        assert_eq!(user(&row_of(cells)).display_name, expected, "{cells:?}");
    }
}

#[test]
fn every_problem_of_a_row_in_column_order() {
    check(&[], &[]);
    check(
        &[
            ("customer", ""),
            ("user_principal_name", ".josé@fjord"),
            ("usage_location", "UK"),
            ("job_title", "a\0b"),
            ("alternate_email", "ola"),
            ("roles", "Global Admin;Wizard"),
            ("block_sign_in", "maybe"),
        ],
        &[
            "required customer ",
            "bad-character user_principal_name .josé@fjord",
            "invalid user_principal_name .josé@fjord",
            "invalid user_principal_name .josé@fjord",
            "unknown-country usage_location UK > GB",
            "bad-character job_title a\0b",
            "invalid alternate_email ola",
            "unknown-role roles Global Admin > Global Administrator",
            "unknown-role roles Wizard",
            "invalid block_sign_in maybe",
        ],
    );
}

#[test]
fn single_problems() {
    let long = "x".repeat(65);
    check(&[("user_principal_name", "")], &["required user_principal_name "]);
    check(&[("first_name", &long)], &[&format!("too-long first_name {long}")]);
    check(&[("licenses", "SPB")], &["usage-location-required usage_location "]);
    check(&[("licenses", " ; ")], &[]);
    check(
        &[("licenses", "SPB"), ("usage_location", "Norway")],
        &["unknown-country usage_location Norway > NO"],
    );
    check(&[("street_address", "Strandkaien 7\r\n5013 Bergen")], &[]);
    check(
        &[("street_address", "Strandkaien\u{1b}7")],
        &["bad-character street_address Strandkaien\u{1b}7"],
    );
    check(&[("country", "Narnia")], &[]);
    check(&[("country", "Nar\u{7}nia")], &["bad-character country Nar\u{7}nia"]);
    // A telephone has a digit, and a name is no date and lacks no letter.
    for column in ["office_phone", "mobile_phone", "fax"] {
        for no_number in ["-", "TRUE", "(leer)", "ask"] {
            check(&[(column, no_number)], &[&format!("invalid {column} {no_number}")]);
        }
        check(&[(column, "ext. 5")], &[]);
        check(&[(column, "٠١٥٥")], &[]);
    }
    check(&[("city", "2026-03-05")], &["error-cell city 2026-03-05"]);
    check(&[("display_name", "5-Mar")], &["error-cell display_name 5-Mar"]);
    check(&[("display_name", "May 5")], &[]);
    check(&[("last_name", "Mu?oz")], &["bad-character last_name Mu?oz"]);
    check(&[("first_name", "Jos?")], &["bad-character first_name Jos?"]);
    check(&[("display_name", "Any questions?")], &[]);
    // A secret is never shown.
    check(&[("password", "Hun\0ter2")], &["bad-character password "]);
}
