//! Rows of `export-customers`, good and bad.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::HashSet;

use super::*;
use crate::testing;

fn check(cells: &[(&str, &str)], expected: &[&str]) {
    testing::check(&ExportCustomers, &[], cells, expected);
}

fn export<'a>(row: &'a [Option<&'a str>]) -> Export<'a> {
    match ExportCustomers.request(&RowCells::new(row)).unwrap() {
        Request::Export(export) => export,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_row_exports_all_customers() {
    let row = testing::row_of(&ExportCustomers, &[], &[]);
    let export = export(&row);
    assert_eq!(
        export.columns,
        [
            "microsoft_id",
            "company_name",
            "primary_domain_name",
            "relationship",
            "tags"
        ]
    );
    assert_eq!(
        (export.what, export.format, export.stem()),
        (ExportOf::Customers, ExportFormat::Csv, "customers")
    );
    assert_eq!(
        (export.field, export.matching),
        (SearchField::Any, Matching::StartsWith)
    );
    assert_eq!((export.customer, export.sort), (None, None));
}

#[test]
fn a_row_can_choose_everything() {
    let cells = [
        ("what", "Users"),
        ("search", "3f2a-"),
        ("field", "id"),
        ("match", "contains"),
        ("relationship", "reseller"),
        ("country", "no"),
        ("tag", "gold"),
        ("sort", "- Display Name"),
        (
            "columns",
            "user principal name; ROLES;user_principal_name;Sign-in blocked",
        ),
        ("format", "XLSX"),
        ("name", "gold-users.2027"),
    ];
    let row = testing::row_of(&ExportCustomers, &[], &cells);
    let export = export(&row);
    assert_eq!(
        (export.what, export.field, export.matching),
        (ExportOf::Users, SearchField::Id, Matching::Contains)
    );
    assert_eq!(
        (export.search, export.relationship, export.tag),
        ("3f2a-", "reseller", "gold")
    );
    assert_eq!(export.country, "NO");
    assert_eq!(export.sort, Some(("display_name", true)));
    assert_eq!(export.columns, ["user_principal_name", "roles", "block_sign_in"]);
    assert_eq!((export.format, export.stem()), (ExportFormat::Xlsx, "gold-users.2027"));
}

#[test]
fn defaults_are_partner_centers_own_columns() {
    let titles = |what| {
        default_export_columns(what)
            .iter()
            .map(|column| column.title)
            .collect::<Vec<_>>()
    };
    let customers = [
        "Microsoft ID",
        "Company name",
        "Primary domain name",
        "Relationship",
        "Tags",
    ];
    assert_eq!(titles(ExportOf::Customers), customers);
    let subscriptions = [
        "Microsoft ID",
        "Subscription ID",
        "Subscription",
        "Quantity",
        "Status",
        "Reseller",
    ];
    assert_eq!(titles(ExportOf::Subscriptions), subscriptions);
    assert_eq!(titles(ExportOf::Users).last(), Some(&"Sign-in blocked"));
    for what in ExportOf::ALL {
        let columns = export_columns(*what);
        let names: HashSet<&str> = columns.iter().map(|column| column.name).collect();
        let titles: HashSet<String> = columns.iter().map(|column| column.title.to_lowercase()).collect();
        assert_eq!((names.len(), titles.len()), (columns.len(), columns.len()));
        for column in columns {
            // A list of columns could not name it otherwise.
            assert!(!column.title.contains(';') && !column.title.starts_with('-'));
        }
    }
}

#[test]
fn two_files_of_one_name_are_one_too_many() {
    let keys = |cells: &[(&str, &str)]| {
        let row: Vec<Option<String>> = testing::row_of(&ExportCustomers, &[], cells)
            .into_iter()
            .map(|cell| cell.map(str::to_owned))
            .collect();
        let row: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
        let mut keys = Vec::new();
        let change = ExportCustomers.request(&RowCells::new(&row)).unwrap();
        change.each_key(&|_| String::new(), &mut |column, parts| {
            keys.push(format!("{column} {}", parts.join(".")));
        });
        keys
    };
    assert_eq!(keys(&[]), ["name customers.csv"]);
    assert_eq!(keys(&[("what", "users"), ("format", "json")]), ["name users.json"]);
    assert_eq!(keys(&[("name", "customers")]), ["name customers.csv"]);
}

#[test]
fn every_problem_of_a_row_in_column_order() {
    check(
        &[
            ("what", "custmers"),
            ("search", "a\0b"),
            ("field", "company"),
            ("match", "start-with"),
            ("relationship", "a\tb"),
            ("country", "Norway"),
            ("tag", "a\0b"),
            ("sort", "shoe_size"),
            ("format", "xls"),
            ("name", "../etc"),
        ],
        &[
            "unknown-choice what custmers > customers",
            "bad-character search a\0b",
            "unknown-choice field company",
            "unknown-choice match start-with > starts-with",
            "bad-character relationship a\tb",
            "unknown-country country Norway > NO",
            "bad-character tag a\0b",
            "unknown-choice format xls > xlsx",
            "invalid name ../etc",
        ],
    );
}

#[test]
fn columns_belong_to_the_exported_list() {
    check(
        &[("sort", "Compny name")],
        &["unknown-choice sort Compny name > company_name"],
    );
    check(&[("sort", "-")], &["unknown-choice sort "]);
    check(
        &[("what", "users"), ("sort", "-quantity")],
        &["unknown-choice sort quantity"],
    );
    check(
        &[("columns", "tags;subscription_idd;users")],
        &["unknown-choice columns subscription_idd"],
    );
    check(
        &[("what", "subscriptions"), ("columns", "subscription_idd;users")],
        &[
            "unknown-choice columns subscription_idd > subscription_id",
            "unknown-choice columns users",
        ],
    );
    check(
        &[("sort", "a\0b"), ("columns", "c\0d")],
        &["bad-character sort a\0b", "bad-character columns c\0d"],
    );
}

#[test]
fn filters_without_effect_are_faults() {
    check(
        &[
            ("customer", "CRM-7"),
            ("search", "x"),
            ("relationship", "reseller"),
            ("country", "NO"),
            ("tag", "gold"),
        ],
        &[
            "conflicting search x",
            "conflicting relationship reseller",
            "conflicting country NO",
            "conflicting tag gold",
        ],
    );
    check(
        &[("field", "name"), ("match", "contains")],
        &["conflicting field name", "conflicting match contains"],
    );
    check(&[("search", "fjord"), ("field", "id")], &["invalid search fjord"]);
}

#[test]
fn names_are_safe_file_names() {
    for name in ["a", "2027-06.gold_customers", "csv"] {
        check(&[("name", name)], &[]);
    }
    for name in ["a/b", "a\\b", ".hidden", "-x", "a.", "..", "zoë", "a b", "C:x"] {
        check(&[("name", name)], &[&format!("invalid name {name}")]);
    }
    check(&[("name", "gold.CSV")], &["invalid name gold.CSV > gold"]);
    check(&[("name", "gold.csv"), ("format", "json")], &[]);
    let long = "x".repeat(101);
    check(&[("name", &long)], &[&format!("too-long name {long}")]);
}
