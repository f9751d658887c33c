//! The plan that is approved can be looked at: it is kept with the job, has the hash that is approved, and goes with the rows.

use serde_json::json;

use crate::place::{On, Place, on_both, tables};

const USERS: &str = "\
customer,user_principal_name,display_name
A-1,ida@alpha.onmicrosoft.com,Ida Ek
A-1,bo@alpha.onmicrosoft.com,Bo Ek
A-1,kim@alpha.onmicrosoft.com,Kim Ek
";
const LEAVERS: &str = "\
customer,user_principal_name
A-1,ida@alpha.onmicrosoft.com
A-1,nobody@alpha.onmicrosoft.com
A-1,bo@alpha.onmicrosoft.com
A-1,BO@alpha.onmicrosoft.com
";

/// Customer and users.
async fn filled(on: &On) -> Place {
    let place = Place::new(*on).await;
    place.write("customers.csv", crate::place::CUSTOMERS);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    place
}

fn job(place: &Place, command: &[&str]) -> (String, String) {
    let parked = place.tenantry(command).json();
    let job = parked["job"].as_str().expect("a job").to_owned();
    let shown = place.tenantry(&["show", &job, "--json"]).ends(0).json();
    assert_eq!(shown["state"], "awaiting-approval", "{shown}");
    (job, shown["approval"]["hash"].as_str().expect("a hash").to_owned())
}

/// The longest state moves no column.
fn columns_are_straight(place: &Place) {
    let listed = place.tenantry(&["jobs"]).ends(0).out;
    let mut lines = listed.lines();
    let at = lines
        .next()
        .and_then(|titles| titles.find("submitted"))
        .expect("titles");
    let rows: Vec<&str> = lines.collect();
    assert!(rows.iter().any(|row| row.contains("awaiting-approval")), "{listed}");
    let is_straight = |row: &&str| row[at - 2..].starts_with("  2");
    assert!(rows.len() >= 3 && rows.iter().all(is_straight), "{listed}");
}

async fn approver_sees(place: &Place) {
    place.write("leavers.csv", LEAVERS);
    let submit = ["submit", "delete-users", "leavers.csv", "--skip-invalid", "--json"];
    let (of_file, hash) = job(place, &submit);
    columns_are_straight(place);
    let before = place.tenantry(&["plan", &of_file, "--json"]).ends(0).json();
    assert_eq!(before["hash"], hash.as_str());
    let rows: Vec<_> = before["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| json!([row["line"], row["action"], row["subject"]["key"], row["destructive"]]))
        .collect();
    assert_eq!(
        rows,
        [
            json!([2, "change", "ida@alpha.onmicrosoft.com", true]),
            json!([3, "reject", "nobody@alpha.onmicrosoft.com", false]),
            json!([4, "change", "bo@alpha.onmicrosoft.com", true]),
            json!([5, "reject", "BO@alpha.onmicrosoft.com", false]),
        ]
    );
    let text = place.tenantry(&["plan", &of_file]).ends(0);
    assert!(text.out.contains("row 1 (line 2): delete ida@alpha.onmicrosoft.com (of Alpha Ltd) (destructive)\n    status: \"active\" → \"deleted\"\n"), "{}", text.out);
    assert!(
        text.out.contains("row 4 (line 5): reject BO@alpha.onmicrosoft.com"),
        "{}",
        text.out
    );
    assert!(text.out.ends_with(&format!("plan {hash}\n")), "{}", text.out);
    assert!(
        text.err.contains(&format!("tenantry approve {of_file} --hash {hash}")),
        "{}",
        text.err
    );

    // It stays what it was when the store changes.
    place.write(
        "one.csv",
        "customer,user_principal_name,display_name\nA-1,ida@alpha.onmicrosoft.com,Ida Oh\n",
    );
    place.tenantry(&["run", "update-users", "one.csv"]).ends(0);
    assert_eq!(place.tenantry(&["plan", &of_file, "--json"]).ends(0).json(), before);

    // A kept plan that somebody has edited is not shown.
    let ledger = place.ledger().await;
    for (from, to) in [
        ("\"active\"", "\"idle\""),
        ("\"row\":3", "\"row\":4"),
        ("\"skip_invalid\":true", "\"skip_invalid\":false"),
        ("\"action\":\"repeat\"", "\"action\":\"reject\",\"note\":\"-\""),
    ] {
        tables::edit_plan(&ledger, of_file.clone(), from, to).await;
        let refused = place.tenantry(&["plan", &of_file]).ends(2);
        assert!(
            refused.out.is_empty() && refused.err.contains("is not the one it has the hash of"),
            "{refused:#?}"
        );
        tables::edit_plan(&ledger, of_file.clone(), to, from).await;
    }
    assert_eq!(place.tenantry(&["plan", &of_file, "--json"]).ends(0).json(), before);

    // Approved, it can still be looked at; the row that has changed since is refused alone.
    place
        .tenantry(&["approve", &of_file, "--hash", &hash, "--by", "boss"])
        .ends(0);
    place.tenantry(&["apply", &of_file]).ends(1);
    let after = place.tenantry(&["plan", &of_file, "--json"]).ends(0).json();
    assert_eq!(
        (&after["rows"], &after["state"]),
        (&before["rows"], &json!("completed"))
    );
    let none = place.tenantry(&["plan", "nothing-of-that-name"]).ends(2);
    assert!(none.out.is_empty(), "{none:#?}");
    ledger.close().await;
}

on_both! {
    async fn the_approver_sees_the_plan_that_the_hash_covers(place: Place) {
        place.write("customers.csv", crate::place::CUSTOMERS);
        place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
        place.write("users.csv", USERS);
        place.tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"]).ends(0);
        approver_sees(&place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plans_of_an_undo_and_of_a_plan_file_are_kept_and_go_with_the_rows() {
    let place = filled(&On::Sqlite).await;
    let made = place
        .tenantry(&["jobs", "--kind", "bulk-add-users", "--json"])
        .ends(0)
        .json();
    // Nobody takes even a job of their own back alone.
    place
        .tenantry(&["policy", "set", "approval.own_undo_within", "0s"])
        .ends(0);
    let (undo, hash) = job(
        &place,
        &["undo", made["job"].as_str().expect("a job"), "--submit", "--json"],
    );
    let shown = place.tenantry(&["plan", &undo]).ends(0).out;
    assert!(
        shown.contains("row 1 (line 2): undo ida@alpha.onmicrosoft.com (Ida Ek, of Alpha Ltd) (destructive)"),
        "{shown}"
    );
    assert!(shown.ends_with(&format!("plan {hash}\n")), "{shown}");
    place.tenantry(&["reject", &undo, "--by", "boss"]).ends(0);

    place.write("leavers.csv", LEAVERS);
    place
        .tenantry(&[
            "plan",
            "delete-users",
            "leavers.csv",
            "--skip-invalid",
            "--out",
            "plan.json",
        ])
        .ends(1);
    let (applied, hash) = job(&place, &["apply", "plan.json", "--json"]);
    let shown = place.tenantry(&["plan", &applied]).ends(0).out;
    assert!(
        shown.contains("delete bo@alpha.onmicrosoft.com") && shown.ends_with(&format!("plan {hash}\n")),
        "{shown}"
    );
    assert!(shown.contains("reject BO@alpha.onmicrosoft.com"), "{shown}");

    let ungated = place.tenantry(&["plan", made["job"].as_str().expect("a job")]).ends(2);
    assert!(ungated.err.contains("it needed no approval"), "{}", ungated.err);
    place.tenantry(&["cancel", &applied]).ends(0);
    let ledger = place.ledger().await;
    ledger.prune_spool(-1000).await.expect("pruned");
    assert_eq!(tables::plan_parts(&ledger).await, 0);
    ledger.close().await;
    let gone = place.tenantry(&["plan", &applied]).ends(2);
    assert!(gone.err.contains("no longer kept"), "{}", gone.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_a_workers_job_are_written_as_run_would_have() {
    let place = filled(&On::Sqlite).await;
    place.write(
        "more.csv",
        "customer,user_principal_name\nA-1,new@alpha.onmicrosoft.com\nA-9,lost@alpha.onmicrosoft.com\n",
    );
    let submit = [
        "submit",
        "bulk-add-users",
        "more.csv",
        "--skip-invalid",
        "--no-passwords",
    ];
    let job = place.tenantry(&submit).ends(0).out.trim().to_owned();
    let early = place.tenantry(&["results", &job, "--out", "out"]).ends(2);
    assert!(
        early.err.contains("is queued; its files are written once it has ended"),
        "{}",
        early.err
    );
    place.tenantry(&["worker", "--drain"]).ends(0);
    let told = place
        .tenantry(&["results", &job, "--out", "out", "--json"])
        .ends(0)
        .json();
    let receipt: serde_json::Value =
        serde_json::from_str(&crate::place::read(place.path("out/receipt.json"))).expect("JSON");
    assert_eq!((&receipt["job"], &told["job"]), (&json!(job), &json!(job)));
    assert!(crate::place::read(place.path("out/results.csv")).contains("new@alpha.onmicrosoft.com"));
    assert!(crate::place::read(place.path("out/rejects.csv")).contains("lost@alpha.onmicrosoft.com"));
    // Again, and elsewhere.
    let again = place.tenantry(&["results", &job, "--out", "other"]).ends(0);
    assert!(
        again.err.contains("hint: fix the rows in ") && again.err.contains("rejects.csv"),
        "{}",
        again.err
    );
    assert!(place.path("other/receipt.json").exists());
}
