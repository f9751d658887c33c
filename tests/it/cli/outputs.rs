//! What `--out` and its like write over: files and results of ours, and nothing else.

use crate::place::{CUSTOMERS, On, Place, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_written_over_a_plan_at_most() {
    let place = Place::new(On::Sqlite).await;
    let customers = place.write("customers.csv", CUSTOMERS);
    let plan = |out: &str| place.tenantry(&["plan", "add-customer", "customers.csv", "--out", out]);
    let over_input = plan("customers.csv").ends(2);
    assert!(over_input.all().contains("customers.csv"), "{}", over_input.all());
    assert_eq!(read(&customers), CUSTOMERS, "the input is what it was");
    let notes = place.write("notes.txt", "mine\n");
    plan("notes.txt").ends(2);
    assert_eq!(read(&notes), "mine\n");
    std::os::unix::fs::symlink("notes.txt", place.path("link.json")).expect("linked");
    plan("link.json").ends(2);
    plan("plan.json").ends(0);
    plan("plan.json").ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_written_over_a_page_at_most() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    let run = place
        .tenantry(&["run", "add-customer", "customers.csv", "--json"])
        .ends(0);
    let job = run.json()["job"].as_str().expect("an id").to_owned();
    let page = |file: &str| place.tenantry(&["report", &job, "--html", file]);
    page("customers.csv").ends(2);
    assert_eq!(read(place.path("customers.csv")), CUSTOMERS);
    page("page.html").ends(0);
    page("page.html").ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_saved_over_no_file() {
    let place = Place::with_customer().await;
    let job = place.tenantry(&["jobs", "--json"]).ends(0).json();
    let job = job["job"].as_str().expect("an id");
    let ledger = std::fs::read(place.path("tenantry.db")).expect("a ledger");
    for (command, name) in [("results", "customers.csv"), ("rejects", "tenantry.db")] {
        let told = place.tenantry(&[command, job, "--save", name]).ends(2).err;
        let expected =
            format!("{name} cannot be written: it is there already and is not overwritten; name another file");
        assert!(told.contains(&expected), "{told}");
    }
    assert_eq!(read(place.path("customers.csv")), CUSTOMERS);
    assert!(ledger.starts_with(b"SQLite") && place.tenantry(&["show", job]).ends(0).err.is_empty());
    place.tenantry(&["results", job, "--save", "all.csv"]).ends(0);
    place.tenantry(&["results", job, "--save", "all.csv"]).ends(2);
    place
        .tenantry(&["results", job, "--save", "all.csv", "--format", "xlsx"])
        .ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_another_job_are_not_written_over() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    place.write("changes.csv", "customer,city\nA-1,Leeds\n");
    let first = place
        .tenantry(&["run", "add-customer", "customers.csv", "--out", "out", "--json"])
        .ends(0)
        .json();
    let first = first["job"].as_str().expect("an id").to_owned();
    let results = read(place.path("out/results.csv"));
    let second = ["run", "update-account", "changes.csv", "--out", "out"];
    let refused = place.tenantry(&second).ends(2);
    assert!(
        refused.all().contains(&format!("holds the results of job {first}")),
        "{}",
        refused.all()
    );
    assert!(refused.all().contains("nothing was submitted"), "{}", refused.all());
    assert_eq!(read(place.path("out/results.csv")), results);
    let changed = place
        .tenantry(&[
            "run",
            "update-account",
            "changes.csv",
            "--idempotency-key",
            "k",
            "--out",
            "changed",
            "--json",
        ])
        .ends(0)
        .json();
    let changed = changed["job"].as_str().expect("an id").to_owned();
    // Its own are written again, whichever command asks.
    place
        .tenantry(&[
            "run",
            "update-account",
            "changes.csv",
            "--idempotency-key",
            "k",
            "--out",
            "changed",
        ])
        .ends(0);
    place.tenantry(&["results", &changed, "--out", "changed"]).ends(0);
    for command in [
        &["results", &changed, "--out", "out"][..],
        &["undo", &changed, "--out", "out"],
        &[
            "run",
            "update-account",
            "changes.csv",
            "--idempotency-key",
            "k",
            "--out",
            "out",
        ],
    ] {
        let refused = place.tenantry(command).ends(2);
        assert!(refused.all().contains(&first), "{command:?}: {}", refused.all());
        assert_eq!(read(place.path("out/results.csv")), results, "{command:?}");
    }
    place.write("out/receipt.json", "{\"mine\":true}");
    let refused = place.tenantry(&second).ends(2);
    assert!(
        refused.all().contains("holds the results of another program"),
        "{}",
        refused.all()
    );
}
