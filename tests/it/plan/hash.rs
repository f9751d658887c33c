//! The hash of a plan: the same for the same plan wherever it is made, another for any other.

use std::collections::HashSet;

use rust_xlsxwriter::Workbook;
use tenantry_jobs::KINDS;
use tenantry_ledger::Ledger;

use crate::place::{On, Place, Run, apply, on_both};

/// Rows of every fate: one to add, one who is there, one who is not as the row says, one of nobody's, and one twice.
const MIXED: &str = "\
customer,user_principal_name,display_name,usage_location
CRM-1001,new@alpenblickhotels.onmicrosoft.com,New,CH
CRM-1001,luc.perrin@alpenblickhotels.onmicrosoft.com,Luc Perrin (Spa),CH
CRM-1001,beat.aeschlimann@alpenblickhotels.onmicrosoft.com,Somebody Else,CH
CRM-9999,two@alpenblickhotels.onmicrosoft.com,Two,CH
CRM-1001,NEW@alpenblickhotels.onmicrosoft.com,New,CH
";

async fn prepared(place: &Place) -> Ledger {
    let ledger = place.ledger().await;
    for kind in ["add-customer", "set-seats", "bulk-add-users", "set-subscriptions"] {
        let sample = tenantry_jobs::find(kind).expect("a kind").sample();
        apply(&ledger, kind, sample).await;
    }
    ledger
}

/// The hash of a plan of `csv`, with more arguments, in chunks of so many rows.
fn hash_of(place: &Place, kind: &str, csv: &str, more: &[&str], chunk_rows: &str) -> String {
    place.write("rows.csv", csv);
    hash_of_file(place, kind, "rows.csv", more, chunk_rows)
}

fn hash_of_file(place: &Place, kind: &str, file: &str, more: &[&str], chunk_rows: &str) -> String {
    let mut command = place.command(&[&["plan", kind, file, "--json"], more].concat());
    command.env("TENANTRY__WORKER__CHUNK_ROWS", chunk_rows);
    let plan = Run::from(command.output().expect("tenantry starts")).json();
    plan["hash"].as_str().expect("a hash").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_same_on_every_database_and_however_the_file_is_split() {
    let (sqlite, postgres) = (Place::new(On::Sqlite).await, Place::new(On::Postgres).await);
    for place in [&sqlite, &postgres] {
        prepared(place).await;
    }
    let mut hashes = HashSet::new();
    let samples = KINDS.iter().map(|job| (job.kind(), job.sample()));
    for (kind, csv) in samples.chain([("bulk-add-users", MIXED)]) {
        let hash = hash_of(&sqlite, kind, csv, &["--skip-invalid"], "5000");
        for (place, chunk_rows) in [(&sqlite, "1"), (&postgres, "2"), (&postgres, "5000")] {
            let other = hash_of(place, kind, csv, &["--skip-invalid"], chunk_rows);
            assert_eq!(other, hash, "{kind} in chunks of {chunk_rows} rows");
        }
        assert!(hashes.insert(hash), "{kind} has the hash of another plan");
    }
    // What is recorded when the same file is run is the same plan.
    sqlite.write("rows.csv", MIXED);
    let ran = sqlite
        .tenantry(&["run", "bulk-add-users", "rows.csv", "--skip-invalid", "--json"])
        .ends(1)
        .json();
    let id = ran["job"].as_str().and_then(|id| id.parse().ok()).expect("a job");
    let job = sqlite.ledger().await.job(id).await.expect("asked").expect("there");
    let planned = hash_of(&postgres, "bulk-add-users", MIXED, &["--skip-invalid"], "3");
    assert_eq!(job.plan_hash, Some(planned));
}

on_both! {
    async fn every_difference_shows(place: Place) {
        const LEAVERS: &str = "customer,user_principal_name\nCRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com\nCRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com\n";
        let ledger = prepared(&place).await;
        let hash = |kind: &str, csv: &str, more: &[&str]| hash_of(&place, kind, csv, more, "5000");
        let no_customer = LEAVERS.replace("customer,", "").replace("CRM-1003,", "");
        let of_customer = ["--customer", "CRM-1003"];
        let mut hashes = vec![
            hash("delete-users", LEAVERS, &[]),
            hash("delete-users", &LEAVERS.replace("sean.oconnor", "dana.whitlock"), &[]),
            hash("delete-users", &LEAVERS.replace("sean.oconnor", "nobody"), &[]),
            // The same rows in another order, and in the same order with another line ending.
            hash("delete-users", &LEAVERS.replace("lena.fischbach", "x").replace("sean.oconnor", "lena.fischbach").replace("x@", "sean.oconnor@"), &[]),
            hash("delete-users", &LEAVERS.replace('\n', "\r\n"), &[]),
            hash("delete-users", LEAVERS, &["--skip-invalid"]),
            hash("delete-users", &no_customer, &of_customer),
            hash("delete-users", &no_customer, &["--customer", "graysonlogistics.onmicrosoft.com"]),
            hash("reset-passwords", LEAVERS, &[]),
            hash("restore-users", LEAVERS, &[]),
        ];
        let moved = apply(&ledger, "assign-licenses", "customer,user_principal_name,usage_location\nCRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com,IE\n").await;
        assert_eq!(moved.counts.applied, 1);
        hashes.push(hash("delete-users", LEAVERS, &[]));
        let back = apply(&ledger, "assign-licenses", "customer,user_principal_name,usage_location\nCRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com,US\n").await;
        assert_eq!(back.counts.applied, 1);
        assert_eq!(hash("delete-users", LEAVERS, &[]), hashes[0], "all is as it was");
        let different: HashSet<&String> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len(), "{hashes:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sheets_of_a_workbook_are_two_plans() {
    let place = Place::with_customer().await;
    let mut book = Workbook::new();
    for (name, user) in [("Old", "a@alpha.onmicrosoft.com"), ("New", "b@alpha.onmicrosoft.com")] {
        let sheet = book.add_worksheet();
        sheet.set_name(name).expect("a name");
        for (column, (header, value)) in (0..).zip([("customer", "A-1"), ("user_principal_name", user)]) {
            sheet.write_string(0, column, header).expect("written");
            sheet.write_string(1, column, value).expect("written");
        }
    }
    book.save(place.path("users.xlsx")).expect("saved");
    // Both only create users, of which a plan says no more than how many there are.
    let [old, new] =
        ["Old", "New"].map(|sheet| hash_of_file(&place, "bulk-add-users", "users.xlsx", &["--sheet", sheet], "5000"));
    assert_ne!(old, new);
}
