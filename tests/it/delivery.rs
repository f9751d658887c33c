//! Results are written by one process at a time, whole, and by somebody in the end.

use std::fmt::Write as _;
use std::fs::File;
use std::process::Stdio;

use crate::place::{Place, read};

async fn with_users(count: usize) -> Place {
    let place = Place::with_customer().await;
    let mut users = "customer,user_principal_name\n".to_owned();
    for n in 0..count {
        writeln!(users, "A-1,u{n:05}@alpha.onmicrosoft.com").expect("a string");
    }
    place.write("users.csv", users);
    place
}

const RUN: [&str; 5] = ["run", "bulk-add-users", "users.csv", "--out", "out"];

/// Runs the job to its end, and dies with the results written and nobody told.
fn die_before_delivered(place: &Place) {
    let killed = place
        .command(&RUN)
        .env("TENANTRY_FAILPOINT", "before-delivered@1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(killed.expect("tenantry starts").code(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_file_write_it_once_and_whole() {
    let place = with_users(20_000).await;
    let run = || {
        let mut command = place.command(&RUN);
        command.env("TENANTRY__WORKER__CHUNK_ROWS", "500");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("tenantry starts")
    };
    let runs = [run(), run(), run()];
    for mut run in runs {
        assert!(run.wait().expect("asked").success());
    }
    let results = read(place.path("out/results.csv"));
    assert_eq!(results.lines().count(), 20_001);
    for (n, line) in results.lines().skip(1).enumerate() {
        assert!(line.starts_with(&format!("A-1,u{n:05}@")), "{line}");
    }
    assert!(!place.path("out/results.csv.partial").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_a_locked_directory_alone() {
    let place = with_users(10).await;
    die_before_delivered(&place);
    let out = place.path("out");
    std::fs::remove_file(out.join("results.csv")).expect("it had been written");
    let lock = File::open(&out).expect("a directory");
    lock.lock().expect("nobody has it");
    place.tenantry(&["worker", "--drain"]).ends(0);
    assert!(!out.join("results.csv").exists(), "somebody else is at it");
    drop(lock);
    place.tenantry(&["worker", "--drain"]).ends(0);
    assert_eq!(read(out.join("results.csv")).lines().count(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_written_to_stops_nothing_else() {
    let place = with_users(10).await;
    die_before_delivered(&place);
    let out = place.path("out");
    std::fs::remove_dir_all(&out).expect("it is ours");
    place.write("out", "a file where the directory was");
    place.write(
        "more.csv",
        "customer,user_principal_name\nA-1,z@alpha.onmicrosoft.com\n",
    );
    place.tenantry(&["submit", "bulk-add-users", "more.csv"]).ends(0);
    let drained = place.tenantry(&["worker", "--drain"]).ends(2);
    assert!(
        drained.err.contains("its results could not be written"),
        "{}",
        drained.err
    );
    let jobs = place
        .tenantry(&["jobs", "--kind", "bulk-add-users", "--json"])
        .ends(0)
        .out;
    assert_eq!(jobs.matches("\"completed\"").count(), 2, "{jobs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_submitted_when_results_cannot_be_written() {
    let place = with_users(2).await;
    place.write("file", "");
    std::fs::copy(place.path("users.csv"), place.path("more.csv")).expect("copied");
    let plan = ["plan", "bulk-add-users", "users.csv", "--out", "plan.json"];
    place.tenantry(&plan).ends(0);
    let jobs = || place.tenantry(&["jobs", "--json"]).ends(0).out;
    let before = jobs();
    let customers = before.lines().next().expect("a job");
    let done: serde_json::Value = serde_json::from_str(customers).expect("JSON");
    let done = done["job"].as_str().expect("an id");
    for out in ["file", "file/out", "/proc/out"] {
        for command in [
            vec!["run", "bulk-add-users", "users.csv"],
            vec!["run", "bulk-add-users", "users.csv", "more.csv"],
            vec!["submit", "bulk-add-users", "users.csv", "--wait"],
            vec!["apply", "plan.json"],
            vec!["undo", done],
        ] {
            let refused = place.tenantry(&[command.as_slice(), &["--out", out]].concat()).ends(2);
            let told = refused.err.trim();
            assert!(
                told.contains(&format!("results cannot be written to {out}")),
                "{command:?}: {told}"
            );
            assert!(
                told.contains("nothing was submitted") && told.contains("--out"),
                "{command:?}: {told}"
            );
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
    let mut command = place.command(&["run", "bulk-add-users", "users.csv"]);
    command.env("TENANTRY__RESULTS__DIR", "file/results");
    let refused = crate::place::Run::from(command.output().expect("tenantry starts")).ends(2);
    assert!(refused.err.contains("`results.dir`"), "{}", refused.err);
    assert_eq!(jobs(), before);
    // What writes nothing is asked for nothing.
    place.tenantry(&["undo", done, "--plan", "--out", "file"]);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--out", "new/deep"])
        .ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_told_where_they_are() {
    let place = with_users(3).await;
    // As a disk that fills up later: there is room when it is tried, and not for the results.
    std::fs::create_dir_all(place.path("out/results.csv.partial/in-the-way")).expect("made");
    let run = place.tenantry(&RUN).ends(2);
    let told = run.err.trim();
    assert!(
        told.contains("cannot write") && told.contains("results.csv.partial"),
        "{told}"
    );
    assert_eq!(told.matches("os error").count(), 1, "{told}");
    let at = told.find("`tenantry results ").expect("what to do") + "`tenantry results ".len();
    let job = told[at..].split('`').next().expect("an id");
    std::fs::remove_dir_all(place.path("out/results.csv.partial")).expect("removed");
    place.tenantry(&["worker", "--drain"]).ends(0);
    assert_eq!(place.tenantry(&["results", job]).ends(0).out.lines().count(), 4);
    assert_eq!(read(place.path("out/results.csv")).lines().count(), 4);
}

/// Who can write to the ledger's database says where results are to lie and how files are called, and no worker writes elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_worker_writes_where_only_the_ledger_says() {
    let place = Place::with_customer().await;
    place.write("export.csv", "what\ncustomers\n");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let outside = elsewhere.path().join("outside").display().to_string();
    let ledger = place.ledger().await;
    let attempts = [
        format!("UPDATE jobs SET out_dir = '{outside}', delivered_at = NULL"),
        format!(
            "UPDATE jobs SET out_dir = '{}/../outside', delivered_at = NULL",
            place.path("out").display()
        ),
        "UPDATE artifacts SET name = '../../outside.csv'".to_owned(),
        format!("UPDATE artifacts SET name = '{outside}'"),
        "UPDATE artifacts SET name = '.bashrc'".to_owned(),
    ];
    for attempt in attempts {
        let ran = place
            .tenantry(&["run", "export-customers", "export.csv", "--out", "out", "--json"])
            .ends(0);
        assert!(place.path("out").join("customers.csv").exists(), "{ran:?}");
        let forged = attempt.clone();
        let forge = move |tx: &mut dyn tenantry_foundation::db::Tx| {
            tx.exec(
                "UPDATE jobs SET delivered_at = NULL WHERE kind = 'export-customers'",
                &[],
            )?;
            tx.exec(&forged, &[])
        };
        assert!(ledger.db().write(forge).await.expect("forged") > 0, "{attempt}");
        std::fs::remove_dir_all(place.path("out")).expect("removed");
        place.tenantry(&["worker", "--drain"]).ends(2);
        let job = ran.json()["job"].as_str().expect("a job").to_owned();
        place.tenantry(&["apply", &job]).ends(2);
        let left: Vec<_> = std::fs::read_dir(elsewhere.path()).expect("read").collect();
        assert!(left.is_empty(), "{attempt}: {left:?}");
        let is_known = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("outside") || name == ".bashrc";
        let beside = std::fs::read_dir(place.path("")).expect("read");
        assert!(!beside.flatten().any(|one| is_known(&one.file_name())), "{attempt}");
        assert!(!place.path("out").join(".bashrc").exists(), "{attempt}");
        let clean = |tx: &mut dyn tenantry_foundation::db::Tx| {
            tx.exec("UPDATE artifacts SET name = 'customers.csv'", &[])?;
            tx.exec("UPDATE jobs SET delivered_at = 1, out_dir = NULL", &[])
        };
        ledger.db().write(clean).await.expect("cleaned");
    }
    ledger.close().await;
}
