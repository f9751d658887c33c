//! Lists of what a store holds, edited as people edit them and handed in again: nothing is changed but what they changed.

use std::path::Path;

use tenantry_jobs::{ExportOf, export_columns};

use crate::place::{Place, read};

const USERS: &str = "\
customer,user_principal_name,display_name,first_name,last_name,usage_location,office_phone,job_title
A-1,ana@alpha.onmicrosoft.com,-Ana,Ana,'t Hooft,GB,+44 20 7946 0018,'quoted'
A-1,bo@alpha.onmicrosoft.com,Bo,Bo,=Ek,GB,,@night
";

/// The list of that sort, every column of it.
pub(super) fn list(place: &Place, what: ExportOf) -> Vec<Vec<String>> {
    let columns: Vec<&str> = export_columns(what).iter().map(|column| column.name).collect();
    let (what, columns) = (
        format!(
            "what={}",
            match what {
                ExportOf::Customers => "customers",
                ExportOf::Subscriptions => "subscriptions",
                ExportOf::Users => "users",
            }
        ),
        format!("columns={}", columns.join(";")),
    );
    let run = [
        "run",
        "export-customers",
        "--set",
        &what,
        "--set",
        &columns,
        "--set",
        "name=list",
        "--out",
        "out",
    ];
    place.tenantry(&run).ends(0);
    let text = read(Path::new(&place.path("out")).join("list.csv"));
    std::fs::remove_dir_all(place.path("out")).expect("the results");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let records = reader.records().map(|record| record.expect("CSV"));
    records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect()
}

pub(super) fn without(rows: &[Vec<String>], titles: &[&str]) -> String {
    let kept: Vec<usize> = (0..rows[0].len())
        .filter(|at| !titles.contains(&rows[0][*at].as_str()))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // As a spreadsheet saves them: with another column in front.
        let cells = kept.iter().map(|at| row[*at].as_str());
        writer
            .write_record(std::iter::once("_note").chain(cells))
            .expect("memory");
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_handed_in_changes_nothing() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    let customer = [
        "run",
        "update-account",
        "--set",
        "customer=A-1",
        "--set",
        "phone=+44 20 7946 0000",
    ];
    place.tenantry(&customer).ends(0);

    let users = list(&place, ExportOf::Users);
    assert!(users[1].contains(&"'+44 20 7946 0018".to_owned()), "guarded: {users:?}");
    let columns: [&[&str]; 5] = [
        &[],
        &["Microsoft ID"],
        &["Primary domain name"],
        &["Microsoft ID", "Licenses", "Roles"],
        &["Status", "Company name", "External ID"],
    ];
    for titles in columns {
        place.write("edited.csv", without(&users, titles));
        let plan = place.tenantry(&["plan", "update-users", "edited.csv", "--json"]);
        let plan = plan.ends(0).json();
        assert_eq!(plan["totals"]["unchanged"], 2, "without {titles:?}: {plan:#}");
    }
    let customers = list(&place, ExportOf::Customers);
    for titles in [&[][..], &["Microsoft ID"], &["Primary domain name"]] {
        place.write("edited.csv", without(&customers, titles));
        let plan = place
            .tenantry(&["plan", "update-account", "edited.csv", "--json"])
            .ends(0)
            .json();
        assert_eq!(plan["totals"]["unchanged"], 1, "without {titles:?}: {plan:#}");
    }
    place.write("leavers.csv", without(&users, &[]));
    let leavers = place
        .tenantry(&["plan", "delete-users", "leavers.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(leavers["totals"]["change"], 2, "{leavers:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_can_be_fixed_with_columns_moved_or_removed() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS.replace("GB", "Britain"));
    let run = [
        "run",
        "bulk-add-users",
        "users.csv",
        "--no-passwords",
        "--skip-invalid",
        "--out",
        "rejected",
    ];
    place.tenantry(&run).ends(1);
    let rejects = read(place.path("rejected").join("rejects.csv"));
    assert!(rejects.contains("'+44 20 7946 0018"), "{rejects}");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(rejects.trim_start_matches('\u{feff}').as_bytes());
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|record| record.expect("CSV").iter().map(str::to_owned).collect())
        .collect();
    for titles in [&[][..], &["_code"], &["_message"], &["_code", "_message"]] {
        place.write("fixed.csv", without(&rows, titles).replace("Britain", "GB"));
        let plan = ["plan", "bulk-add-users", "fixed.csv", "--out", "plan.json"];
        place.tenantry(&plan).ends(0);
    }
    place
        .tenantry(&["run", "bulk-add-users", "fixed.csv", "--no-passwords"])
        .ends(0);
    let users = list(&place, ExportOf::Users);
    let cells: Vec<&str> = users[1].iter().map(String::as_str).collect();
    for expected in ["'-Ana", "'t Hooft", "'+44 20 7946 0018", "'quoted'"] {
        assert!(cells.contains(&expected), "{expected}: {cells:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_names_two_customers_is_refused() {
    let place = Place::with_customer().await;
    let other = read(place.path("customers.csv"))
        .replace("A-1", "B-1")
        .replace("alpha", "beta");
    place.write("other.csv", other);
    place.tenantry(&["run", "add-customer", "other.csv"]).ends(0);
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    let users = list(&place, ExportOf::Users);
    let at = |title: &str| users[0].iter().position(|one| one == title).expect("the column");
    let (id, domain, external) = (at("Microsoft ID"), at("Primary domain name"), at("External ID"));
    let plan = |kind: &str, changes: &[(usize, &str)], without_titles: &[&str]| {
        let mut rows = users.clone();
        for (column, value) in changes {
            (*value).clone_into(&mut rows[2][*column]);
        }
        place.write("edited.csv", without(&rows, without_titles));
        place.tenantry(&["plan", kind, "edited.csv", "--json"])
    };
    for kind in [
        "delete-users",
        "update-users",
        "reset-passwords",
        "assign-licenses",
        "remove-relationship",
    ] {
        let leave_out: &[&str] = if kind == "assign-licenses" { &["Roles"] } else { &[] };
        for (column, value) in [
            (domain, "beta.onmicrosoft.com"),
            (external, "B-1"),
            (domain, "nowhere.example"),
        ] {
            let run = plan(kind, &[(column, value)], leave_out);
            let told = run.out.clone() + &run.err;
            assert!(
                told.contains("conflicting")
                    && told.contains(value)
                    && told.contains(users[2][id].trim_start_matches('\'')),
                "{kind} {value}: {told}"
            );
        }
    }
    // The same in another spelling, or where a cell says nothing.
    for changes in [
        &[(domain, "ALPHA.OnMicrosoft.com"), (external, "a-1")][..],
        &[(domain, ""), (external, "")],
    ] {
        let plan = plan("delete-users", changes, &[]).ends(0).json();
        assert_eq!(plan["totals"]["change"], 2, "{changes:?}: {plan:#}");
    }
    let by_domain = plan("delete-users", &[(external, "B-1")], &["Microsoft ID"]);
    let told = by_domain.out.clone() + &by_domain.err;
    assert!(told.contains("conflicting") && told.contains("B-1"), "{told}");
    // Where it is carried out, the other row is.
    let run = plan("delete-users", &[(domain, "beta.onmicrosoft.com")], &[]);
    run.ends(1);
    place.needs_no_approval();
    place
        .tenantry(&["run", "delete-users", "edited.csv", "--skip-invalid"])
        .ends(1);
    let left = list(&place, ExportOf::Users);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[1].contains(&"bo@alpha.onmicrosoft.com".to_owned()), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_may_have_records_without_values_in_its_columns() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    for (what, columns, kind) in [
        ("customers", "microsoft_id;external_id;state", "update-account"),
        (
            "users",
            "microsoft_id;primary_domain_name;user_principal_name;fax",
            "update-users",
        ),
    ] {
        let (what, columns) = (format!("what={what}"), format!("columns={columns}"));
        let export = [
            "run",
            "export-customers",
            "--set",
            &what,
            "--set",
            &columns,
            "--set",
            "name=list",
            "--out",
            kind,
        ];
        place.tenantry(&export).ends(0);
        let file = format!("{kind}/list.csv");
        let counts = place.tenantry(&["run", kind, &file, "--json"]).ends(0).json()["counts"].clone();
        assert_eq!(counts["unchanged"], counts["total"], "{kind}: {counts}");
        // What somebody wrote by hand asks for nothing by mistake.
        let by_hand = read(place.path(&file)).replace("Microsoft ID", "customer");
        let by_hand = by_hand
            .replace("Primary domain name", "_domain")
            .replace("External ID", "_id");
        place.write("by-hand.csv", by_hand);
        place.tenantry(&["plan", kind, "by-hand.csv"]).ends(1);
    }
}
