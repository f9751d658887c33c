//! Rows of `delete-users`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::{CustomerRef, UserRef, testing};

const GOOD: [(&str, &str); 2] = [
    ("customer", "CRM-7"),
    ("user_principal_name", "ola.bakke@fjordbakeri.example"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&DeleteUsers, &GOOD, cells, expected);
}

#[test]
fn a_good_row_names_a_user() {
    let row = testing::row_of(
        &DeleteUsers,
        &GOOD,
        &[("customer", " CRM-8 "), ("reason", "Left the company")],
    );
    let user = UserRef {
        customer: CustomerRef::Name("CRM-8"),
        user_principal_name: "ola.bakke@fjordbakeri.example",
    };
    let change = testing::change(&DeleteUsers, &row).unwrap();
    assert_eq!(change, Change::DeleteUser(user));
    assert_eq!(change.customer(), Some(CustomerRef::Name("CRM-8")));
    let mut keys = Vec::new();
    change.each_key(&|_| "fjordbakeri".to_owned(), &mut |column, parts| {
        keys.push(format!("{column} {}", parts.join(" ")));
    });
    assert_eq!(keys, ["user_principal_name fjordbakeri ola.bakke@fjordbakeri.example"]);
}

#[test]
fn problems() {
    check(&[], &[]);
    check(
        &[("customer", ""), ("user_principal_name", "")],
        &["required customer ", "required user_principal_name "],
    );
    check(&[("user_principal_name", "ola")], &["invalid user_principal_name ola"]);
    check(
        &[("user_principal_name", "o\0la@b.example")],
        &["bad-character user_principal_name o\0la@b.example"],
    );
    let long = "x".repeat(257);
    check(&[("reason", &long)], &[&format!("too-long reason {}…", &long[..120])]);
    check(&[("reason", "left\nus")], &["bad-character reason left\nus"]);
}

#[test]
fn it_is_destructive() {
    assert!(DeleteUsers.policy().destructive);
}
