//! Rows of `update-account`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::CustomerRef;
use crate::testing;

fn row_of<'a>(cells: &[(&str, &'a str)]) -> Vec<Option<&'a str>> {
    let mut row = vec![Some(""); COLUMNS.len()];
    row[CUSTOMER] = Some("CRM-7");
    for (name, value) in cells {
        row[position(COLUMNS, name)] = Some(value);
    }
    row
}

/// `code column` of every problem of a row with these cells.
fn check(cells: &[(&str, &str)], expected: &[&str]) {
    let row = row_of(cells);
    let problems = testing::change(&UpdateAccount, &row).err().unwrap_or_default();
    let told: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} {}", problem.code, problem.column))
        .collect();
    assert_eq!(told, expected, "{cells:?}");
}

#[test]
fn profile_fields_follow_the_customer_in_order() {
    for (column, field) in COLUMNS[CUSTOMER + 1..].iter().zip(CustomerField::ALL) {
        assert_eq!(column.name, field.name());
    }
}

#[test]
fn only_named_fields_are_in_the_patch() {
    let row = row_of(&[
        ("city", "Voss"),
        ("phone", "<CLEAR>"),
        ("country", "no"),
        ("external_id", "<clear>"),
    ]);
    let Change::UpdateCustomer(patch) = testing::change(&UpdateAccount, &row).unwrap() else {
        panic!("another change");
    };
    assert_eq!(patch.customer, CustomerRef::Name("CRM-7"));
    let fields = [
        (CustomerField::Phone, Cow::Borrowed("")),
        (CustomerField::City, Cow::Borrowed("Voss")),
        (CustomerField::Country, Cow::Borrowed("NO")),
    ];
    assert_eq!(patch.fields, fields);
    assert_eq!(patch.external_id, Some(""));
}

#[test]
fn problems() {
    check(&[], &["nothing-to-change "]);
    check(&[("customer", "")], &["required customer", "nothing-to-change "]);
    check(&[("city", "Voss")], &[]);
    for phone in ["1,5", "2.5", "1", "12"] {
        check(&[("phone", phone)], &["invalid phone"]);
    }
    for phone in ["110", "555.1234", "01.23.45.67.89", "+47 55 50 01 20"] {
        check(&[("phone", phone)], &[]);
    }
    check(&[("postal_code", "98116.5")], &["invalid postal_code"]);
    check(&[("postal_code", "01.310-100")], &[]);
    check(&[("postal_code", "155"), ("country", "NO")], &["invalid postal_code"]);
    check(
        &[
            ("company_name", "<clear>"),
            ("email", "<Clear>"),
            ("language", "<clear>"),
            ("state", "<clear>"),
        ],
        &[
            "cannot-clear company_name",
            "cannot-clear email",
            "cannot-clear language",
        ],
    );
    // Which country the state belongs to is known only when the row says so.
    check(&[("state", "Hordaland"), ("postal_code", "57")], &[]);
    check(
        &[("state", "Hordaland"), ("postal_code", "57"), ("country", "US")],
        &["unknown-state state", "invalid postal_code"],
    );
    check(&[("last_name", "a\u{1}"), ("tags", "ok")], &["bad-character last_name"]);
}
