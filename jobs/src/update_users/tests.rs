//! Rows and headers of `update-users`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use proptest::prelude::*;

use super::*;
use crate::{CustomerRef, header, testing};

const GOOD: [(&str, &str); 2] = [
    ("customer", "CRM-7"),
    ("user_principal_name", "ola.bakke@fjordbakeri.example"),
];

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&UpdateUsers, &GOOD, cells, expected);
}

fn patch<'a>(row: &'a [Option<&'a str>]) -> UserPatch<'a> {
    match testing::change(&UpdateUsers, row).unwrap() {
        Change::UpdateUser(patch) => patch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn profile_fields_stand_where_their_variants_say() {
    for field in UserField::ALL {
        assert_eq!(COLUMNS[PROFILE[field as usize]].name, field.name());
    }
}

#[test]
fn only_named_fields_are_in_the_patch() {
    let row = testing::row_of(
        &UpdateUsers,
        &GOOD,
        &[
            ("first_name", "Olav"),
            ("fax", "<CLEAR>"),
            ("usage_location", "no"),
            ("country", "norway"),
            ("new_user_principal_name", "olav.bakke@fjordbakeri.example"),
            ("block_sign_in", "No"),
        ],
    );
    let patch = patch(&row);
    assert_eq!(patch.user.customer, CustomerRef::Name("CRM-7"));
    assert_eq!(patch.display_name, None);
    assert_eq!(patch.block_sign_in, Some(false));
    let texts: Vec<_> = patch.texts().collect();
    let expected = [
        ("user_principal_name", "olav.bakke@fjordbakeri.example"),
        ("usage_location", "NO"),
        ("country", "NO"),
        ("first_name", "Olav"),
        ("fax", ""),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn every_problem_of_a_row_in_column_order() {
    check(
        &[
            ("customer", ""),
            ("display_name", "<clear>"),
            ("usage_location", "UK"),
            ("job_title", "a\0b"),
            ("alternate_email", "ola"),
            ("new_user_principal_name", ".josé@fjord"),
            ("block_sign_in", "maybe"),
        ],
        &[
            "required customer ",
            "cannot-clear display_name <clear>",
            "unknown-country usage_location UK > GB",
            "bad-character job_title a\0b",
            "invalid alternate_email ola",
            "bad-character new_user_principal_name .josé@fjord",
            "invalid new_user_principal_name .josé@fjord",
            "invalid new_user_principal_name .josé@fjord",
            "invalid block_sign_in maybe",
        ],
    );
}

#[test]
fn a_value_that_a_user_needs_is_not_erased() {
    check(&[], &["nothing-to-change  "]);
    check(
        &[("user_principal_name", "<clear>")],
        &["invalid user_principal_name <clear>", "nothing-to-change  "],
    );
    for column in &COLUMNS[FIELDS..] {
        let kept = [
            "display_name",
            "usage_location",
            "new_user_principal_name",
            "block_sign_in",
        ];
        let fault = format!("cannot-clear {} <clear>", column.name);
        let expected = if kept.contains(&column.name) {
            vec![fault.as_str()]
        } else {
            assert!(column.about.ends_with("; `<clear>` erases"), "{}", column.about);
            Vec::new()
        };
        check(&[(column.name, "<clear>")], &expected);
    }
}

#[test]
fn a_user_and_a_new_name_stand_once_in_a_file() {
    let row = testing::row_of(
        &UpdateUsers,
        &GOOD,
        &[("new_user_principal_name", "o@fjordbakeri.example")],
    );
    let mut keys = Vec::new();
    Change::UpdateUser(patch(&row)).each_key(&|customer| customer.as_written().to_owned(), &mut |column, parts| {
        keys.push(format!("{column} {}", parts.join(" ")));
    });
    let expected = [
        "user_principal_name CRM-7 ola.bakke@fjordbakeri.example",
        "new_user_principal_name o@fjordbakeri.example",
    ];
    assert_eq!(keys, expected);
}

/// The template a header is read as; or the code, column and value of each problem.
fn read(names: &str) -> String {
    let cells: Vec<&str> = names.split(',').collect();
    match header::recognise(&UpdateUsers, &cells, &[]) {
        Ok(mapping) => mapping.template.unwrap_or("native").to_owned(),
        Err(problems) => {
            let told = problems.iter().map(|p| format!("{} {}({})", p.code, p.column, p.value));
            told.collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn headers() {
    for (names, expected) in [
        ("customer,user_principal_name,fax", "native"),
        ("Customer,Username,Office number", "Microsoft 365 admin centre"),
        ("customer,Email,First name,Status update", "Partner Center user upload"),
        (
            "customer,User name [userPrincipalName] Required,Job title [jobTitle]",
            "Microsoft Entra bulk create",
        ),
        // A list as `export-customers` and `customers` make it.
        (
            "Microsoft ID,Primary domain name,User principal name,Display name,First name,Last name,Usage location,\
             Licenses,Roles,Sign-in blocked,Status",
            "exported list",
        ),
        ("microsoft_id,user_principal_name,job_title", "exported list"),
        // In any other file these are wishes that this kind cannot grant.
        ("customer,user_principal_name,fax,licenses", "unknown-column (licenses)"),
        (
            "customer,User name [userPrincipalName] Required,Initial password [passwordProfile] Required,Job title [jobTitle]",
            "unknown-column (Initial password [passwordProfile] Required)",
        ),
        ("customer,user_principal_name", "missing-column ()"),
        ("user_principal_name,fax", "missing-column customer()"),
    ] {
        assert_eq!(read(names), expected, "{names}");
    }
}

#[test]
fn a_password_that_is_read_past_is_not_kept() {
    let cells = [
        "customer",
        "Username",
        "Fax",
        "_Initial password [passwordProfile] Required",
        "_password",
        "_note",
    ];
    let mapping = header::recognise(&UpdateUsers, &cells, &[]).unwrap();
    assert_eq!(mapping.secret, [3, 4]);
}

proptest! {
    #[test]
    fn a_cell_is_taken_or_refused_as_that_of_a_new_user_is(
        at in 0..COLUMNS.len() - FIELDS,
        text in prop_oneof!["[ -~]{0,80}", any::<String>(), Just("DE".to_owned()), Just("yes".to_owned())],
    ) {
        let name = COLUMNS[FIELDS + at].name;
        let added = crate::find("bulk-add-users").unwrap();
        let at_new = if name == "new_user_principal_name" { "user_principal_name" } else { name };
        prop_assume!(!matches!(Wish::of(text.trim()), Wish::Leave | Wish::Erase));
        let faults = |job: &dyn JobKind, column: &str| {
            let row = testing::row_of(job, &GOOD, &[(column, &text)]);
            let told = job.request(&RowCells::new(&row)).err().map_or_else(Vec::new, |faulty| faulty.problems);
            told.into_iter().map(|problem| (problem.code, problem.value, problem.expected)).collect::<Vec<_>>()
        };
        prop_assert_eq!(faults(&UpdateUsers, name), faults(added, at_new), "{}", name);
    }
}
