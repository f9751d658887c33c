//! Rows of `add-customer`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing;

const GOOD: [(&str, &str); 9] = [
    ("domain", "Nordlicht"),
    ("company_name", "Nordlicht Optik GmbH"),
    ("first_name", "Jörg"),
    ("last_name", "Ämmer"),
    ("email", "j@nordlicht.example"),
    ("address_line1", "Am Kai 3"),
    ("city", "Kiel"),
    ("postal_code", "24103"),
    ("country", "de"),
];

/// `code column` and the suggestion of every problem of the good row with these cells instead.
fn check(cells: &[(&str, &str)], expected: &[&str]) {
    let mut row = vec![Some(""); COLUMNS.len()];
    for (name, value) in GOOD.iter().chain(cells) {
        row[position(COLUMNS, name)] = Some(*value);
    }
    let problems = testing::change(&AddCustomer, &row).err().unwrap_or_default();
    let told: Vec<String> = problems
        .iter()
        .map(|problem| match &problem.suggestion {
            Some(near) => format!("{} {} > {near}", problem.code, problem.column),
            None => format!("{} {}", problem.code, problem.column),
        })
        .collect();
    assert_eq!(told, expected, "{cells:?}");
}

#[test]
fn a_good_row_is_normalised() {
    let mut row = vec![None; COLUMNS.len()];
    for (name, value) in GOOD
        .iter()
        .chain(&[("tags", " gold ; Gold; kiel"), ("external_id", "K-7")])
    {
        row[position(COLUMNS, name)] = Some(*value);
    }
    let Change::CreateCustomer(customer) = testing::change(&AddCustomer, &row).unwrap() else {
        panic!("another change");
    };
    assert_eq!(customer.domain, "nordlicht.onmicrosoft.com");
    assert_eq!(customer.external_id, "K-7");
    let of = |field: CustomerField| &*customer.profile[field as usize];
    assert_eq!(of(CustomerField::Country), "DE");
    assert_eq!(of(CustomerField::Culture), "de-DE");
    assert_eq!(of(CustomerField::Language), "de");
    assert_eq!(of(CustomerField::Tags), "gold;kiel");
}

#[test]
fn profile_fields_stand_where_their_variants_say() {
    for (index, field) in CustomerField::ALL.into_iter().enumerate() {
        assert_eq!(field as usize, index);
        assert_eq!(COLUMNS[FIELDS[index]].name, field.name());
    }
}

#[test]
fn required_cells() {
    check(&[], &[]);
    check(
        &[
            ("domain", ""),
            ("company_name", "  "),
            ("first_name", ""),
            ("email", ""),
            ("country", ""),
        ],
        &[
            "required domain",
            "required company_name",
            "required first_name",
            "required email",
            "required country",
        ],
    );
}

#[test]
fn domains() {
    check(&[("domain", "nordlicht.onmicrosoft.com")], &[]);
    check(&[("domain", "nordlicht.example")], &["invalid domain"]);
    check(&[("domain", "nord_licht")], &["bad-character domain"]);
    check(&[("domain", "nord\0licht")], &["bad-character domain"]);
    check(&[("domain", "abcdefghijklmnopqrstuvwxyz-1")], &["too-long domain"]);
}

#[test]
fn texts() {
    let long = "x".repeat(51);
    check(&[("company_name", "GmbH")], &["invalid company_name"]);
    check(
        &[("first_name", &long), ("last_name", "a\tb")],
        &["too-long first_name", "bad-character last_name"],
    );
    check(&[("email", "kai@Microsoft.com")], &["invalid email"]);
    check(&[("email", "kai")], &["invalid email"]);
    check(&[("phone", "none")], &["error-cell phone"]);
    check(&[("phone", "k. A.")], &["invalid phone"]);
    check(&[("tags", &"x".repeat(51))], &["too-long tags"]);
    let many: Vec<String> = (0..151).map(|n| n.to_string()).collect();
    check(&[("tags", &many.join(";"))], &["too-many tags"]);
    check(&[("associated_partner_id", "4567890")], &[]);
    check(&[("associated_partner_id", "acme")], &["invalid associated_partner_id"]);
}

#[test]
fn countries() {
    check(&[("country", "UK")], &["unknown-country country > GB"]);
    check(&[("country", "Germany")], &["unknown-country country > DE"]);
    check(&[("country", "ZZ")], &["unknown-country country"]);
    check(&[("postal_code", "2410")], &["invalid postal_code"]);
    check(
        &[("country", "US"), ("city", ""), ("postal_code", "")],
        &["required city", "required state", "required postal_code"],
    );
    check(
        &[("country", "US"), ("state", "Oregn"), ("postal_code", "97035")],
        &["unknown-state state > OR"],
    );
    check(
        &[("country", "TH")],
        &[
            "phone-required phone",
            "registration-number-required registration_number",
        ],
    );
    check(
        &[
            ("country", "TH"),
            ("phone", "+66 2 555 01"),
            ("registration_number", "0105"),
        ],
        &[],
    );
}

#[test]
fn culture_and_language() {
    check(&[("country", "CH"), ("postal_code", "8001")], &["required culture"]);
    check(&[("country", "CH"), ("postal_code", "8001"), ("language", "fr")], &[]);
    check(
        &[
            ("country", "IN"),
            ("postal_code", "110001"),
            ("phone", "+91 11 2345 6789"),
            ("registration_number", "1"),
        ],
        &["required culture"],
    );
    check(&[("culture", "DE-at")], &[]);
    check(&[("culture", "sr-latn-RS")], &[]);
    check(&[("culture", "german")], &["invalid culture"]);
    check(&[("language", "de-DE")], &["invalid language > de"]);
}
