//! The command line as its users meet it: words, JSON, exit codes, files.

mod absent;
mod asked;
mod generate;
mod init;
mod jobs;
mod memory;
mod modes;
mod outputs;
mod piped;
mod sandbox;
mod schedules;
mod several;
mod shown;
mod wait;
mod workbooks;

use serde_json::json;

use crate::place::{CUSTOMERS, On, Place, read};

const GOOD: &str = "customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,A,A\nA-1,b@alpha.onmicrosoft.com,B,B\n";
const MIXED: &str = "customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,A,A\nA-1,not a name,B,B\nA-9,c@alpha.onmicrosoft.com,C,C\n";

#[tokio::test(flavor = "multi_thread")]
async fn run_writes_results_and_receipt_and_prints_one_object() {
    let place = Place::with_customer().await;
    place.write("users.csv", GOOD);
    let run = place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--json", "--out", "out"])
        .ends(0);
    let job = run.json();
    assert_eq!(job["state"], "completed");
    assert_eq!(
        job["counts"],
        json!({"applied": 2, "unchanged": 0, "rejected": 0, "failed": 0, "cancelled": 0, "total": 2})
    );
    for key in [
        "job",
        "kind",
        "started_at",
        "finished_at",
        "results",
        "rejects",
        "receipt",
    ] {
        assert!(job.get(key).is_some(), "{key} is missing: {job}");
    }
    assert_eq!(job["rejects"], json!(null));
    assert!(!place.path("out/rejects.csv").exists(), "no rejects, no file");
    let results = read(job["results"].as_str().expect("a path"));
    let lines: Vec<&str> = results.lines().collect();
    assert_eq!(
        lines[0],
        "\u{feff}customer,user_principal_name,first_name,last_name,_row,_place,_outcome,_code,_subject,_message,_id"
    );
    assert!(
        lines[1].starts_with("A-1,a@alpha.onmicrosoft.com,A,A,1,\"row 1, line 2\",applied,,\"a@alpha.onmicrosoft.com (A A, of Alpha Ltd)\",,"),
        "{}",
        lines[1]
    );
    assert_eq!(lines.len(), 3);
    let receipt: serde_json::Value = serde_json::from_str(&read(place.path("out/receipt.json"))).expect("JSON");
    assert_eq!(receipt["counts"]["applied"], 2);
    // The same file again: a new job, nothing to do.
    let again = place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--json"])
        .ends(0)
        .json();
    assert_ne!(again["job"], job["job"]);
    assert_eq!(again["counts"]["unchanged"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn licences_by_other_names_are_refused_with_the_part_number_that_is_held() {
    let place = Place::with_customer().await;
    place.write("seats.csv", "customer,sku,seats\nA-1,SPB,5\nA-1,SPE_E3,5\n");
    place.tenantry(&["run", "set-seats", "seats.csv"]).ends(0);
    for (written, meant) in [
        ("Microsoft 365 Business Premium", "did you mean `SPB`?"),
        ("alpha:SPB", "did you mean `SPB`?"),
        ("\"SPB,SPE_E3\"", "did you mean `SPB;SPE_E3`?"),
        ("cbdc14abd96c4c30b9f46ada7cdc1d46", "did you mean `SPB`?"),
        ("Office 365 E3", "the customer holds SPE_E3, SPB [unknown-sku]"),
    ] {
        let rows = format!(
            "customer,user_principal_name,first_name,last_name,usage_location,licenses\n\
             A-1,a@alpha.onmicrosoft.com,A,A,GB,{written}\n"
        );
        place.write("users.csv", rows);
        let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(1);
        assert!(plan.out.contains(meant), "{written}: {}", plan.out);
    }
    let seats = "customer,sku,sku_id,seats\nA-1,MICROSOFT 365 E3,05e9a617-0261-4cee-bb44-138d3ef5d965,9\n";
    place.write("seats.csv", seats);
    let plan = place.tenantry(&["plan", "set-seats", "seats.csv"]).ends(1);
    assert!(plan.out.contains("did you mean `SPE_E3`?"), "{}", plan.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_row_on_the_command_line_name_no_line() {
    let place = Place::with_customer().await;
    let run = place
        .tenantry(&["run", "export-customers", "--set", "what=food"])
        .ends(2);
    assert!(
        run.out.contains("--set: what: `food` is not `customers`, "),
        "{}",
        run.out
    );
    let run = place
        .tenantry(&["run", "export-customers", "--set", "wat=users"])
        .ends(2);
    let told = "--set: `wat` is not a column of export-customers; ";
    assert!(run.out.contains(told) || run.err.contains(told), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_bad_rows_is_refused_whole_with_every_fault() {
    let place = Place::with_customer().await;
    place.write("users.csv", MIXED);
    let run = place.tenantry(&["run", "bulk-add-users", "users.csv"]).ends(2);
    assert!(
        run.out
            .contains("users.csv:3: column 2 user_principal_name: `not a name` is not a user name like "),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("users.csv:4: column 1 customer: `A-9`") && run.out.contains("[unknown-customer]"),
        "{}",
        run.out
    );
    let jobs = place.tenantry(&["jobs", "--kind", "bulk-add-users", "--json"]).ends(0);
    assert_eq!(jobs.out, "", "nothing was recorded");
    let skipped = place
        .tenantry(&[
            "run",
            "bulk-add-users",
            "users.csv",
            "--skip-invalid",
            "--json",
            "--out",
            "out",
        ])
        .ends(1)
        .json();
    assert_eq!(
        (&skipped["counts"]["applied"], &skipped["counts"]["rejected"]),
        (&json!(1), &json!(2))
    );
    // The rejects, fixed, go in as they are.
    let rejects = read(place.path("out/rejects.csv"));
    assert_eq!(rejects.lines().count(), 3);
    place.write(
        "fixed.csv",
        rejects
            .replace("not a name", "b@alpha.onmicrosoft.com")
            .replace("A-9", "A-1"),
    );
    let fixed = place
        .tenantry(&["run", "bulk-add-users", "fixed.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(fixed["counts"]["applied"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_writes_nothing() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    let offline = place
        .tenantry(&["plan", "add-customer", "customers.csv", "--offline"])
        .ends(0);
    assert!(offline.out.contains("1 row: 1 sound"), "{}", offline.out);
    let plan = place.tenantry(&["plan", "add-customer", "customers.csv"]).ends(0);
    assert!(plan.out.contains("1 to create"), "{}", plan.out);
    assert!(!place.path("tenantry.db").exists(), "a plan makes no ledger");
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place.write("patch.csv", "customer,email\nA-1,new@alpha.example\n");
    let plan = place
        .tenantry(&["plan", "update-account", "patch.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(
        plan["rows"][0]["changes"][0],
        json!({"field": "email", "old": "ada@alpha.example", "new": "new@alpha.example"})
    );
    assert_eq!(plan["totals"]["change"], 1);
    let before = place.dump().await;
    place.tenantry(&["plan", "update-account", "patch.csv"]).ends(0);
    assert_eq!(place.dump().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_worker_show_rows_results() {
    let place = Place::with_customer().await;
    place.write("users.csv", MIXED);
    let id = place
        .tenantry(&["submit", "bulk-add-users", "users.csv", "--skip-invalid"])
        .ends(0)
        .out
        .trim()
        .to_owned();
    let same = place
        .tenantry(&["submit", "bulk-add-users", "users.csv", "--skip-invalid"])
        .ends(0)
        .out
        .trim()
        .to_owned();
    assert_eq!(id, same, "the same work is one job");
    let queued = place.tenantry(&["show", &id, "--json"]).ends(0).json();
    assert_eq!(queued["state"], "queued");
    place.tenantry(&["worker", "--drain"]).ends(0);
    let done = place.tenantry(&["show", &id[..13], "--json"]).ends(0).json();
    assert_eq!(done["state"], "completed");
    let rejected = place
        .tenantry(&["rows", &id, "--outcome", "rejected", "--json"])
        .ends(0)
        .out;
    assert_eq!(rejected.lines().count(), 2, "{rejected}");
    assert_eq!(place.tenantry(&["results", &id]).ends(0).out.lines().count(), 4);
    assert_eq!(place.tenantry(&["rejects", &id]).ends(0).out.lines().count(), 3);
    place.tenantry(&["retry", &id]).ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_stands_for_one_job_for_ever() {
    let place = Place::with_customer().await;
    place.write("users.csv", GOOD);
    let key = ["--idempotency-key", "nightly-7", "--json"];
    let first = place
        .tenantry(&[&["run", "bulk-add-users", "users.csv"], &key[..]].concat())
        .ends(0)
        .json();
    let second = place
        .tenantry(&[&["run", "bulk-add-users", "users.csv"], &key[..]].concat())
        .ends(0)
        .json();
    assert_eq!(first["job"], second["job"]);
    place.write("users.csv", GOOD.replace("b@", "z@"));
    let reused = place
        .tenantry(&[&["run", "bulk-add-users", "users.csv"], &key[..]].concat())
        .ends(2);
    assert!(reused.err.contains("idempotency key belongs to job"), "{}", reused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named_with_the_nearest_choice() {
    let place = Place::with_customer().await;
    place.write("users.csv", GOOD.replace("first_name", "frist_name"));
    let header = place.tenantry(&["run", "bulk-add-users", "users.csv"]).ends(2);
    assert!(
        header.err.contains("users.csv:1: ") && header.err.contains("did you mean `first_name`?"),
        "{}",
        header.err
    );
    let fault = place.tenantry(&["sandbox", "--fault", "cut-after=0.1"]).ends(2);
    assert!(fault.err.contains("cut-before-commit, cut-after-commit"), "{fault:?}");
    let kind = place.tenantry(&["run", "bulk-add-user", "users.csv"]).ends(2);
    assert!(kind.err.contains("did you mean `bulk-add-users`?"), "{}", kind.err);
    let missing = place.tenantry(&["run", "bulk-add-users", "nothere.csv"]).ends(2);
    assert!(missing.err.contains("nothere.csv"), "{}", missing.err);
    place.tenantry(&["show", "ffffffff"]).ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_speaks_for_itself() {
    let place = Place::new(On::Sqlite).await;
    let kinds = place.tenantry(&["kinds"]).ends(0).out;
    for job in tenantry_jobs::KINDS {
        assert!(kinds.contains(job.kind()) && kinds.contains(job.summary()), "{kinds}");
        let header = place.tenantry(&["template", job.kind()]).ends(0).out;
        assert_eq!(header.trim().split(',').count(), job.columns().len());
        assert_eq!(
            place
                .tenantry(&["template", job.kind(), "--sample"])
                .ends(0)
                .out
                .trim_start_matches('\u{feff}'),
            job.sample()
        );
        let explained = place.tenantry(&["template", job.kind(), "--explain"]).ends(0).out;
        assert_eq!(explained.lines().count(), job.columns().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_the_failing_parts() {
    let place = Place::new(On::Sqlite).await;
    let fine = place.tenantry(&["doctor"]).ends(0);
    assert!(fine.out.contains("ok   ledger"), "{}", fine.out);
    let bad = place
        .tenantry(&[
            "doctor",
            "--ledger",
            "postgres://127.0.0.1:1/none",
            "--queue",
            "redis://127.0.0.1:1",
        ])
        .ends(2);
    assert!(
        bad.out.contains("FAIL ledger") && bad.out.contains("FAIL queue"),
        "{}",
        bad.out
    );
}

/// A workbook whose second sheet has these rows.
fn workbook(rows: &[&[&str]]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    book.add_worksheet()
        .set_name("Notes")
        .expect("a name")
        .write(0, 0, "none")
        .expect("a cell");
    let sheet = book.add_worksheet().set_name("Users").expect("a name");
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(*cells) {
            if *cell == "#N/A" {
                let formula = rust_xlsxwriter::Formula::new("=NA()").set_result("#N/A");
                sheet.write(row, column, formula).expect("a cell");
            } else {
                sheet.write(row, column, *cell).expect("a cell");
            }
        }
    }
    book.save_to_buffer().expect("a workbook")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_goes_in_like_csv_and_its_faults_name_cells() {
    let place = Place::with_customer().await;
    let header: &[&str] = &["_row", "customer", "user_principal_name", "first_name", "last_name"];
    place.write(
        "users.xlsx",
        workbook(&[
            header,
            &["9", "A-1", "a@alpha.onmicrosoft.com", "-A1", "A"],
            &[],
            &["#N/A", "A-1", "not a name", "B", "B"],
            &["", "A-1", "b@alpha.onmicrosoft.com", "#N/A", "B"],
            &["", "A-1", "a@alpha.onmicrosoft.com", "A", "A"],
            &["", "A-1", "c@alpha.onmicrosoft.com", "A", "A", "", "more"],
        ]),
    );
    // The sheet `Notes` before it fits no kind.
    let taken = place
        .tenantry(&["plan", "bulk-add-users", "users.xlsx", "--json"])
        .ends(1);
    assert_eq!(taken.json()["sheet"], "Users");
    let refused = place
        .tenantry(&["run", "bulk-add-users", "users.xlsx", "--sheet", "Notes"])
        .ends(2);
    assert!(
        refused.err.contains("sheet \"Notes\": the header does not fit"),
        "{}",
        refused.err
    );
    assert!(
        refused.err.contains("users.xlsx sheet \"Notes\" row 1"),
        "{}",
        refused.err
    );
    let unknown = place
        .tenantry(&["plan", "bulk-add-users", "users.xlsx", "--sheet", "user"])
        .ends(2);
    assert!(unknown.err.contains("did you mean `Users`?"), "{}", unknown.err);

    let run = ["run", "bulk-add-users", "users.xlsx", "--sheet", "Users"];
    let refused = place.tenantry(&run).ends(2);
    for fault in [
        "users.xlsx sheet \"Users\" row 4, column C (user_principal_name): `not a name` is not a user name like ",
        "users.xlsx sheet \"Users\" row 5, column D (first_name): `#N/A`: cell D5 holds an error instead of a value, \
         or a formula that was never calculated; fix it, or type the value [error-cell]",
        "users.xlsx sheet \"Users\" row 6, column C (user_principal_name): `a@alpha.onmicrosoft.com`: row 2 has the \
         same value [duplicate-in-file]",
        "users.xlsx sheet \"Users\" row 7: expected nothing in columns without a name, and column G has none here",
        "4 faults",
    ] {
        assert!(refused.out.contains(fault), "{fault}\n{}", refused.out);
    }
    let plan = ["plan", "bulk-add-users", "users.xlsx", "--sheet", "users", "--json"];
    let plan = place.tenantry(&plan).ends(1).json();
    assert_eq!(plan["sheet"], "Users");
    let error = &plan["errors"][0];
    assert_eq!(
        (
            &error["sheet"],
            &error["line"],
            &error["column_number"],
            &error["column_letter"]
        ),
        (&json!("Users"), &json!(4), &json!(3), &json!("C"))
    );
    let skipped = [&run[..], &["--skip-invalid", "--json", "--out", "out"]].concat();
    let skipped = place.tenantry(&skipped).ends(1).json();
    assert_eq!(
        (&skipped["counts"]["applied"], &skipped["counts"]["rejected"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(skipped["input"]["name"], "users.xlsx sheet \"Users\"");
    let results = read(place.path("out/results.csv"));
    assert!(
        results.contains("\n9,A-1,a@alpha.onmicrosoft.com,'-A1,A,1,\"sheet Users, row 2\",applied,"),
        "{results}"
    );
    // The rejects, fixed, go in as they are.
    let rejects = read(place.path("out/rejects.csv"));
    assert_eq!(rejects.lines().count(), 5, "{rejects}");
    for place in [
        "\"sheet Users, row 4 (C4)\",invalid,",
        "\"sheet Users, row 5 (D5)\",error-cell,",
    ] {
        assert!(rejects.contains(place), "{place}\n{rejects}");
    }
    let fixed = rejects
        .replace("not a name", "d@alpha.onmicrosoft.com")
        .replace("#N/A", "x");
    let fixed = fixed.lines().take(3).collect::<Vec<_>>().join("\n");
    place.write("fixed.csv", fixed);
    let several = ["run", "bulk-add-users", "fixed.csv", "users.xlsx", "--sheet", "Users"];
    let several = place.tenantry(&several).ends(2);
    assert!(
        several.err.contains("the sheet `Users` is asked for"),
        "{}",
        several.err
    );
    place.tenantry(&["run", "bulk-add-users", "fixed.csv"]).ends(0);
    place.write(
        "more.xlsx",
        workbook(&[header, &["", "A-1", "e@alpha.onmicrosoft.com"]]),
    );
    place
        .tenantry(&["submit", "bulk-add-users", "more.xlsx", "--sheet", "Users"])
        .ends(0);
    place.tenantry(&["worker", "--drain"]).ends(0);
    let applied = place.tenantry(&["plan", "bulk-add-users", "more.xlsx", "--sheet", "Users", "--json"]);
    assert_eq!(applied.ends(0).json()["totals"]["unchanged"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_have_a_byte_order_mark_unless_none_is_wanted() {
    let place = Place::with_customer().await;
    place.write("users.csv", MIXED);
    place.write("unmarked.toml", "[results]\nbom = false\n");
    let configured = |args: &[&str]| place.tenantry(&[&["--config", "unmarked.toml"], args].concat());
    let run = [
        "run",
        "bulk-add-users",
        "users.csv",
        "--skip-invalid",
        "--json",
        "--out",
        "out",
    ];
    let job = place.tenantry(&run).ends(1).json();
    for name in ["out/results.csv", "out/rejects.csv"] {
        assert!(read(place.path(name)).starts_with("\u{feff}customer,"), "{name}");
    }
    let id = job["job"].as_str().expect("an id");
    for command in ["results", "rejects"] {
        assert!(
            place
                .tenantry(&[command, id])
                .ends(0)
                .out
                .starts_with("\u{feff}customer,")
        );
        assert!(configured(&[command, id]).ends(0).out.starts_with("customer,"));
    }
    let plan = ["plan", "bulk-add-users", "out/rejects.csv", "--json"];
    assert_eq!(place.tenantry(&plan).ends(1).json()["totals"]["rows"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_told_where_they_stand_and_rejects_can_be_a_workbook() {
    let place = Place::with_customer().await;
    let header = "customer,user_principal_name,first_name,last_name,street_address,job_title,usage_location\n";
    let users = format!(
        "{header}A-1,a@alpha.onmicrosoft.com,A,A,\"Hof 1\n2. Stock\",x,GB\n\
         A-1,b@alpha.onmicrosoft.com,=B,B,,007,UK\n\
         A-1,not a name,C,+C,,0000000000000000042,GB\n"
    );
    place.write("users.csv", users);
    let run = [
        "run",
        "bulk-add-users",
        "users.csv",
        "--skip-invalid",
        "--json",
        "--out",
        "out",
    ];
    let job = place.tenantry(&run).ends(1).json();
    let id = job["job"].as_str().expect("an id");
    let rejects = read(place.path("out/rejects.csv"));
    assert!(rejects.contains("\"row 2, line 4\",unknown-country,"), "{rejects}");
    for args in [
        &["rejects", id, "--save", "rejects.xlsx"][..],
        &["results", id, "--save", "all.xlsx"],
    ] {
        place.tenantry(args).ends(0);
    }
    assert!(
        std::fs::read(place.path("rejects.xlsx"))
            .expect("a workbook")
            .starts_with(b"PK")
    );
    assert!(
        place
            .tenantry(&["rejects", id, "--format", "xlsx"])
            .ends(0)
            .out
            .starts_with("PK")
    );
    place
        .tenantry(&["results", id, "--save", "x.csv", "--out", "out"])
        .ends(2);
    // Handed in as they are, they are refused for the same reasons, in their cells.
    let again = [
        "run",
        "bulk-add-users",
        "rejects.xlsx",
        "--skip-invalid",
        "--json",
        "--out",
        "again",
    ];
    let again = place.tenantry(&again).ends(1).json();
    assert_eq!(again["counts"]["rejected"], 2, "{again:#}");
    let told = read(place.path("again/rejects.csv"));
    for line in [
        "A-1,b@alpha.onmicrosoft.com,'=B,B,,'007,UK,\"sheet Sheet1, row 2 (G2)\",unknown-country,",
        "A-1,not a name,C,'+C,,'0000000000000000042,GB,\"sheet Sheet1, row 3 (B3)\",invalid,",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let report = place.tenantry(&["report", again["job"].as_str().expect("an id"), "--json"]);
    let report = report.ends(0).json();
    let example = &report["errors"][0]["examples"][0];
    assert_eq!(
        (&example["sheet"], &example["cells"][0]),
        (&json!("Sheet1"), &json!("B3")),
        "{report:#}"
    );
    // Fixed as a spreadsheet fixes it, they are applied.
    place.write(
        "fixed.csv",
        told.replace(",UK,", ",GB,")
            .replace("not a name", "c@alpha.onmicrosoft.com"),
    );
    let fixed = place
        .tenantry(&["run", "bulk-add-users", "fixed.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(fixed["counts"]["applied"], 2, "{fixed:#}");
    let all = ["run", "bulk-add-users", "all.xlsx", "--skip-invalid", "--json"];
    let all = place.tenantry(&all).ends(1).json();
    assert_eq!(
        (&all["counts"]["unchanged"], &all["counts"]["rejected"]),
        (&json!(1), &json!(2)),
        "{all:#}"
    );
}
