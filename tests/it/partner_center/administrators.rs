//! The password of a new customer's administrator, which is told once: sealed like any other, whatever becomes of the worker.

use std::process::Stdio;

use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::undo::UndoRequest;

use super::killed::{command, recipient};
use super::{Office, PLAIN_CUSTOMERS, USERS, held};
use crate::place::{On, Place, Run, Work, by, outcomes, read};

const ADMINISTRATORS: [&str; 2] = ["admin@alpha.onmicrosoft.com", "admin@beta.onmicrosoft.com"];

/// The program, with somebody to seal passwords to.
fn tenantry(office: &Office, to: &str, args: &[&str], failpoint: &str) -> Run {
    let mut command = command(office, args);
    command
        .env("TENANTRY__PASSWORDS__DELIVER", "true")
        .env("TENANTRY__PASSWORDS__RECIPIENTS", to)
        // One after the other, so that the one that is cut off is the only one.
        .env("TENANTRY__PARTNER_CENTER__CONCURRENCY", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !failpoint.is_empty() {
        command.env("TENANTRY_FAILPOINT", failpoint);
    }
    Run::from(command.output().expect("tenantry starts"))
}

/// Whose passwords the newest job handed out, and the passwords.
async fn handed_out(office: &Office) -> Vec<(String, String)> {
    let id = newest(office).await.to_string();
    let revealed = tenantry(office, "", &["reveal", &id, "--identity", "key.txt"], "").ends(0);
    let mut told: Vec<(String, String)> = revealed
        .out
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.splitn(3, ',').collect();
            (cells[1].to_owned(), cells[2].to_owned())
        })
        .collect();
    told.sort();
    told
}

async fn newest(office: &Office) -> tenantry_ledger::JobId {
    let jobs = office.ledger.jobs(tenantry_ledger::JobFilter {
        limit: 1,
        ..Default::default()
    });
    jobs.await.expect("asked")[0].id
}

fn names(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn is_sealed_in_one_file_and_in_the_clear_nowhere() {
    let office = Office::new().await;
    let to = recipient(&office);
    office.place.write("customers.csv", PLAIN_CUSTOMERS);
    let run = ["run", "add-customer", "customers.csv", "--out", "out"];
    tenantry(&office, &to, &run, "").ends(0);
    let receipt: serde_json::Value = serde_json::from_str(&read(office.place.path("out/receipt.json"))).expect("JSON");
    let files: Vec<&str> = receipt["files"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|file| file["name"].as_str())
        .collect();
    assert_eq!(files, ["passwords.csv.age"]);
    let told = handed_out(&office).await;
    assert_eq!(names(&told), ADMINISTRATORS);
    assert_ne!(told[0].1, told[1].1);
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(office.place.dir.path())
        .expect("a directory")
        .flatten()
    {
        if entry.path().is_file() {
            kept.extend(std::fs::read(entry.path()).expect("a file"));
        }
    }
    kept.extend(read(office.place.path("out/results.csv")).into_bytes());
    for (_, password) in told {
        let is_there = kept.windows(password.len()).any(|part| part == password.as_bytes());
        assert!(!is_there, "{password} is in the clear");
    }
    // Again, there is nobody new.
    let again = tenantry(
        &office,
        &to,
        &["run", "add-customer", "customers.csv", "--out", "again"],
        "",
    )
    .ends(0);
    assert!(again.out.contains("2 unchanged"), "{again:?}");
    assert!(!office.place.path("again/passwords.csv.age").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_none_and_tells_none_twice() {
    for failpoint in [
        "after-intent@1",
        "after-answer@1",
        "after-settle@1",
        "after-intent@2",
        "after-answer@2",
        "after-settle@2",
        "before-finish@1",
        "before-commit@1",
    ] {
        let office = Office::new().await;
        let to = recipient(&office);
        office.place.write("customers.csv", PLAIN_CUSTOMERS);
        let run = ["run", "add-customer", "customers.csv"];
        assert_eq!(tenantry(&office, &to, &run, failpoint).code, -1, "{failpoint}");
        tenantry(&office, &to, &run, "").ends(0);
        assert_eq!(names(&handed_out(&office).await), ADMINISTRATORS, "{failpoint}");
        assert_eq!(office.here.effects("create-customer").await, 2, "{failpoint}");
        let job = office
            .ledger
            .job(newest(&office).await)
            .await
            .expect("asked")
            .expect("there");
        assert_eq!(job.counts.applied, 2, "{failpoint}");
        for row in [1, 2] {
            let message = office.message(&job, row).await;
            assert!(!message.contains("password"), "{failpoint}: {message}");
        }
    }
}

/// Partner Center does not repeat what it told: then the row says how to get another one.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_lost_with_its_answer_is_told_of_with_the_way_out() {
    let office = Office::new().await;
    let to = recipient(&office);
    office.place.write("customers.csv", PLAIN_CUSTOMERS);
    let run = ["run", "add-customer", "customers.csv"];
    assert_eq!(tenantry(&office, &to, &run, "after-answer@1").code, -1);
    let Office { here, place, .. } = office;
    let office = Office::at(here.restarted().await, place).await;
    tenantry(&office, &to, &run, "").ends(0);
    let job = office
        .ledger
        .job(newest(&office).await)
        .await
        .expect("asked")
        .expect("there");
    assert_eq!(job.counts.applied, 2, "{:?}", outcomes(&office.ledger, &job).await);
    assert_eq!(handed_out(&office).await.len(), 1);
    let messages = [office.message(&job, 1).await, office.message(&job, 2).await];
    let lost: Vec<&String> = messages.iter().filter(|one| one.contains("did not arrive")).collect();
    assert_eq!(lost.len(), 1, "{messages:?}");
    let name = lost[0].split("admin@").nth(1).and_then(|rest| rest.split(' ').next());
    let name = format!("admin@{}", name.expect("a name"));
    assert!(
        lost[0].contains("`reset-passwords` gives that user a new one"),
        "{}",
        lost[0]
    );
    let domain = name.trim_start_matches("admin@");
    office
        .place
        .write("reset.csv", format!("customer,user_principal_name\n{domain},{name}\n"));
    tenantry(&office, &to, &["run", "reset-passwords", "reset.csv"], "").ends(0);
    assert_eq!(names(&handed_out(&office).await), [name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_needs_a_recipient_unless_it_is_waived() {
    let office = Office::new().await;
    office.place.write("customers.csv", PLAIN_CUSTOMERS);
    let refused = tenantry(&office, "", &["run", "add-customer", "customers.csv"], "").ends(2);
    assert!(
        refused.err.contains("`add-customer` hands out passwords"),
        "{}",
        refused.err
    );
    assert_eq!(office.here.effects("create-customer").await, 0);
    let none = ["run", "add-customer", "customers.csv", "--no-passwords"];
    tenantry(&office, "", &none, "").ends(0);
    let job = office
        .ledger
        .job(newest(&office).await)
        .await
        .expect("asked")
        .expect("there");
    let message = office.message(&job, 1).await;
    assert!(
        message.contains("admin@alpha.onmicrosoft.com was not kept"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_makes_no_administrator() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", PLAIN_CUSTOMERS);
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("TENANTRY__PASSWORDS__DELIVER", "true");
        Run::from(command.output().expect("tenantry starts"))
    };
    let plain = [
        "run",
        "add-customer",
        "customers.csv",
        "--plaintext-passwords",
        "pw.csv",
    ];
    let refused = run(&plain).ends(2);
    assert!(
        refused.err.contains("`add-customer` hands out no passwords"),
        "{}",
        refused.err
    );
    run(&["run", "add-customer", "customers.csv"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn are_neither_made_nor_given_passwords_unnoticed() {
    let office = Office::new().await;
    office.applies("add-customer", PLAIN_CUSTOMERS).await;
    let alpha = office.customer("Alpha Ltd").await;
    let user = |name: &str, role: &str| format!("{USERS}{alpha},{name}@alpha.onmicrosoft.com,F,L,GB,,{role}\n");
    office.applies("bulk-add-users", &user("reader", "Global Reader")).await;
    let plan = |kind: &str, csv: String| {
        office.place.write("rows.csv", csv);
        office.tenantry(&["plan", kind, "rows.csv"]).ends(0).out
    };
    let made = plan("bulk-add-users", user("boss", "User Administrator"));
    assert!(made.contains("makes an administrator: User Administrator"), "{made}");
    let reset = |name: &str| format!("customer,user_principal_name\n{alpha},{name}@alpha.onmicrosoft.com\n");
    let grave = plan("reset-passwords", reset("admin"));
    assert!(
        grave.contains("the password of an administrator: Global Administrator"),
        "{grave}"
    );
    for plan in [made, grave] {
        assert!(plan.contains("destructive rows: 1"), "{plan}");
    }
    let usual = plan("reset-passwords", reset("reader"));
    assert!(!usual.contains("destructive"), "{usual}");
}

/// As somebody can let them go who writes to the ledger's database.
#[tokio::test(flavor = "multi_thread")]
async fn are_neither_made_nor_given_passwords_by_an_unapproved_job() {
    let office = Office::new().await;
    office.applies("add-customer", PLAIN_CUSTOMERS).await;
    let alpha = office.customer("Alpha Ltd").await;
    office
        .applies(
            "bulk-add-users",
            &format!("{USERS}{alpha},one@alpha.onmicrosoft.com,F,L,GB,,\n"),
        )
        .await;
    let limits = Limits {
        destructive_rows: 0,
        ..Limits::NONE
    };
    let carry_out = async |kind: &str, csv: &str| held::carried_out(&office, kind, csv, limits).await;
    let refused = |row: i64| (row, "not-approved".to_owned());
    let users = format!(
        "{USERS}{alpha},eve@alpha.onmicrosoft.com,F,L,GB,,User Administrator\n{alpha},two@alpha.onmicrosoft.com,F,L,GB,,\n"
    );
    let (ends, made) = carry_out("bulk-add-users", &users).await;
    assert!(ends.contains(&refused(1)) && made.counts.applied == 1, "{ends:?}");
    let reset = format!(
        "customer,user_principal_name\n{alpha},admin@alpha.onmicrosoft.com\n{alpha},one@alpha.onmicrosoft.com\n"
    );
    let (ends, reset) = carry_out("reset-passwords", &reset).await;
    assert!(ends.contains(&refused(1)) && reset.counts.applied == 1, "{ends:?}");
    let undo = UndoRequest {
        ledger: &office.ledger,
        stores: &office.stores,
        limits: &Limits::NONE,
        job: &made,
    };
    let undo = undo
        .submit(&Queue::embedded(), &by("tester"))
        .await
        .expect("it runs")
        .job;
    let undo = office.ledger.job(undo).await.expect("asked").expect("there");
    let done = Work::on(&office.ledger, &undo)
        .stores(&office.stores)
        .settings(held::worker(limits))
        .until_ended()
        .await;
    assert_eq!(
        (done.counts.rejected, done.counts.applied),
        (1, 0),
        "{:?}",
        outcomes(&office.ledger, &done).await
    );
    // Whether somebody who was deleted had been one, Partner Center does not say.
    let one = format!("customer,user_principal_name\n{alpha},two@alpha.onmicrosoft.com\n");
    office.applies("delete-users", &one).await;
    office.place.write("rows.csv", &one);
    let plan = office.tenantry(&["plan", "restore-users", "rows.csv"]).ends(0).out;
    assert!(
        plan.contains("destructive rows: 1") && plan.contains("may be an administrator"),
        "{plan}"
    );
}
