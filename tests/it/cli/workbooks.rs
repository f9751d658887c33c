//! Results and rejects as workbooks, where a command or the configuration asks for them.

use std::process::Stdio;

use rust_xlsxwriter::Workbook;
use serde_json::Value;

use crate::place::{Place, Run, read};

const HEADER: [&str; 6] = [
    "customer",
    "user_principal_name",
    "first_name",
    "last_name",
    "usage_location",
    "mobile_phone",
];

/// Three users, the second of which has a usage location that there is not.
const USERS: [[&str; 6]; 3] = [
    ["A-1", "a@alpha.onmicrosoft.com", "Ann", "Ek", "GB", "+44 20 7946 0001"],
    ["A-1", "b@alpha.onmicrosoft.com", "Ben", "Ek", "UK", "+44 20 7946 0002"],
    ["A-1", "c@alpha.onmicrosoft.com", "'Cy", "=Ek", "GB", ""],
];

fn users(place: &Place, file: &str) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Starters").expect("a name");
    for (row, cells) in (0..).zip([HEADER].iter().chain(&USERS)) {
        sheet.write_row(row, 0, *cells).expect("a row");
    }
    place.write(file, book.save_to_buffer().expect("a workbook"));
}

/// What a kind that is handed a workbook of ours makes of its rows: its plan.
fn plan_of(place: &Place, file: &str) -> Value {
    place.tenantry(&["plan", "bulk-add-users", file, "--json"]).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_gives_workbooks_back_where_that_is_asked_for() {
    let place = Place::with_customer().await;
    users(&place, "users.xlsx");
    let run = [
        "run",
        "bulk-add-users",
        "users.xlsx",
        "--skip-invalid",
        "--format",
        "xlsx",
        "--out",
        "out",
    ];
    let told = place.tenantry(&run).ends(1);
    assert!(
        told.out.contains("out/results.xlsx") && told.out.contains("out/rejects.xlsx"),
        "{told:#?}"
    );
    assert!(
        told.err.contains("out/rejects.xlsx"),
        "what is to be fixed is named: {told:#?}"
    );
    for name in ["results.csv", "rejects.csv"] {
        assert!(!place.path("out").join(name).exists(), "{name}");
    }
    let receipt: Value = serde_json::from_str(&read(place.path("out/receipt.json"))).expect("JSON");
    assert_eq!(
        (&receipt["results"], &receipt["rejects"]),
        (&"results.xlsx".into(), &"rejects.xlsx".into())
    );
    // Where the fault was stands in the rejects, and they are read back: the same fault, at its new place.
    let again = plan_of(&place, "out/rejects.xlsx");
    assert_eq!(again["totals"]["rows"], 1, "{again:#}");
    assert_eq!(again["errors"][0]["code"], "unknown-country", "{again:#}");
    assert_eq!(again["errors"][0]["sheet"], "Sheet1", "{again:#}");
    let job = place.tenantry(&["jobs", "--json"]).ends(0).out;
    let job: Value = serde_json::from_str(job.lines().next().expect("a job")).expect("JSON");
    let id = job["job"].as_str().expect("an id");
    let rejects = place.tenantry(&["rejects", id]).ends(0).out;
    assert!(rejects.contains("\"sheet Starters, row 3 (E3)\""), "{rejects}");
    // All rows that were applied come back from the results unchanged, whatever stands before their cells.
    let all = plan_of(&place, "out/results.xlsx");
    assert_eq!(all["totals"]["unchanged"], 2, "{all:#}");
    assert_eq!(all["totals"]["reject"], 1, "{all:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_writes_results_writes_workbooks() {
    let place = Place::with_customer().await;
    let row = |name: &str| format!("customer,user_principal_name\nA-1,{name}@alpha.onmicrosoft.com\n");
    let ends_in = |run: &Run, ending: &str| {
        let results = run.json()["results"].as_str().expect("a path").to_owned();
        assert!(results.ends_with(ending), "{results}");
        assert!(std::fs::metadata(&results).is_ok(), "{results}");
    };
    for name in ["u", "v", "w"] {
        place.write(&format!("{name}.csv"), row(name));
    }
    // A plan that is applied, and the undo of that.
    let plan = ["plan", "bulk-add-users", "u.csv", "--out", "plan.json"];
    place.tenantry(&plan).ends(0);
    let applied = place
        .tenantry(&["apply", "plan.json", "--format", "xlsx", "--json"])
        .ends(0);
    ends_in(&applied, "/results.xlsx");
    place.needs_no_approval();
    let undo = place.tenantry(&[
        "undo",
        applied.json()["job"].as_str().expect("an id"),
        "--format",
        "xlsx",
        "--json",
    ]);
    ends_in(&undo.ends(0), "/results.xlsx");
    // The same results once more, as the other of the two, and as they were asked for last.
    let id = applied.json()["job"].as_str().expect("an id").to_owned();
    let other = place
        .tenantry(&["results", &id, "--out", "other", "--format", "csv", "--json"])
        .ends(0);
    ends_in(&other, "/other/results.csv");
    let same = place.tenantry(&["results", &id, "--out", "third", "--json"]).ends(0);
    ends_in(&same, "/third/results.csv");
    // As configured, which an option overrides.
    let configured = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("TENANTRY__RESULTS__FORMAT", "xlsx");
        Run::from(command.output().expect("tenantry starts")).ends(0)
    };
    ends_in(
        &configured(&["run", "bulk-add-users", "v.csv", "--json"]),
        "/results.xlsx",
    );
    let csv = configured(&["run", "bulk-add-users", "w.csv", "--format", "csv", "--json"]);
    ends_in(&csv, "/results.csv");
    // What is printed is CSV unless it is asked for otherwise.
    assert!(configured(&["results", &id]).out.contains("_outcome"));
    let mut wrong = place.command(&["jobs"]);
    wrong.env("TENANTRY__RESULTS__FORMAT", "xls");
    let told = Run::from(wrong.output().expect("tenantry starts")).ends(2);
    assert!(told.err.contains("`csv` or `xlsx`"), "{told:#?}");
    // Without --wait nobody writes any.
    let told = place
        .tenantry(&["submit", "bulk-add-users", "w.csv", "--format", "xlsx"])
        .ends(2);
    assert!(told.err.contains("--wait"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_a_killed_run_are_written_in_its_format() {
    let place = Place::with_customer().await;
    users(&place, "users.xlsx");
    let run = [
        "run",
        "bulk-add-users",
        "users.xlsx",
        "--skip-invalid",
        "--format",
        "xlsx",
        "--out",
        "out",
    ];
    let killed = place
        .command(&run)
        .env("TENANTRY_FAILPOINT", "before-delivered@1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(killed.expect("tenantry starts").code(), None);
    std::fs::remove_dir_all(place.path("out")).expect("it is ours");
    place.tenantry(&["worker", "--drain"]).ends(0);
    assert!(place.path("out/results.xlsx").exists() && place.path("out/rejects.xlsx").exists());
    assert!(!place.path("out/results.csv").exists());
    assert_eq!(plan_of(&place, "out/results.xlsx")["totals"]["unchanged"], 2);
}
