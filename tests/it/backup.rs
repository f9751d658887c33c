//! At rest an SQLite ledger is one file, which can be copied; while it is used, `tenantry backup` copies it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tenantry_ledger::{JobFilter, JobState};

use crate::place::{On, Place, Running, tables};
use crate::servers::eventually;

const ROWS: usize = 4_000;

/// What there is of an SQLite file: itself, and what SQLite keeps beside it.
fn files_of(place: &Place, name: &str) -> Vec<String> {
    let listed = std::fs::read_dir(place.dir.path()).expect("a directory").flatten();
    let names = listed.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut found: Vec<String> = names.filter(|found| found.starts_with(name)).collect();
    found.sort();
    found
}

#[track_caller]
fn assert_at_rest(place: &Place) {
    assert_eq!(files_of(place, "tenantry.db"), ["tenantry.db"]);
}

/// A place whose ledger is a copy of that file alone.
fn restored(file: &Path) -> Place {
    let dir = TempDir::new().expect("a temporary directory");
    let ledger = dir.path().join("tenantry.db");
    std::fs::copy(file, &ledger).expect("copied");
    let url = format!("sqlite:{}", ledger.display());
    Place { dir, url }
}

fn customers(from: usize) -> String {
    let mut text = String::from(
        "domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country,external_id\n",
    );
    for n in from..from + 10 {
        text.push_str(&format!(
            "c{n},C{n} Ltd,Ada,Lovelace,ada@c{n}.example,1 High Street,London,,N1 9GU,GB,C-{n}\n"
        ));
    }
    text
}

fn users(of: &str) -> String {
    let mut text = String::from("customer,user_principal_name,first_name,last_name\n");
    for n in 0..ROWS {
        text.push_str(&format!("{of},user{n}@alpha.onmicrosoft.com,First{n},Last{n}\n"));
    }
    text
}

/// A worker with small chunks and short leases.
fn worker(place: &Place, args: &[&str]) -> Running {
    let mut command = place.hurried(&[&["worker"], args].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("tenantry starts"))
}

/// A customer, and a job of many small chunks that is queued.
async fn with_a_job() -> Place {
    let place = Place::with_customer().await;
    place.write("users.csv", users("A-1"));
    let submitted = place
        .command(&["submit", "bulk-add-users", "users.csv"])
        .env("TENANTRY__WORKER__CHUNK_ROWS", "20")
        .stdout(Stdio::null())
        .status()
        .expect("tenantry starts");
    assert!(submitted.success());
    place
}

/// Waits until that many rows more are done.
async fn until_done(place: &Place, more: u64) {
    let ledger = place.ledger().await;
    let finished = async || {
        let jobs = ledger
            .jobs(JobFilter {
                limit: 1,
                ..JobFilter::default()
            })
            .await;
        jobs.expect("jobs")[0].counts.finished()
    };
    let enough = (finished().await + more).min(ROWS as u64);
    eventually("rows to be applied", async || {
        (finished().await >= enough).then_some(())
    })
    .await;
    ledger.close().await;
}

/// One moment of the job, whole: the record unbroken, and the counters say what the store holds.
async fn assert_consistent(place: &Place) {
    place.tenantry(&["audit", "verify"]).ends(0);
    let ledger = place.ledger().await;
    let jobs = ledger
        .jobs(JobFilter {
            limit: 1,
            ..JobFilter::default()
        })
        .await;
    let counts = jobs.expect("jobs")[0].counts;
    let held = ledger.db().read(|tx| {
        let users = tx.query("SELECT count(*) FROM users", &[])?[0].int(0)?;
        Ok((users, tables::open_rows(tx)?))
    });
    let (users, open) = held.await.expect("read");
    assert_eq!(users as u64, counts.applied, "{counts:?}");
    assert_eq!(counts.finished() + open as u64, counts.total, "{counts:?}");
    ledger.close().await;
}

/// A worker that is started there finishes the job, every row once.
async fn assert_goes_on(place: &Place, expected: &str) {
    assert_consistent(place).await;
    let mut worker = worker(place, &["--drain"]);
    assert!(worker.0.wait().expect("it ends").success());
    assert_at_rest(place);
    let ledger = place.ledger().await;
    let jobs = ledger
        .jobs(JobFilter {
            limit: 1,
            ..JobFilter::default()
        })
        .await;
    let job = &jobs.expect("jobs")[0];
    assert_eq!((job.state, job.counts.applied), (JobState::Completed, ROWS as u64));
    ledger.close().await;
    assert_consistent(place).await;
    assert_eq!(place.dump().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_leaves_one_file_with_everything_in_it() {
    let place = Place::with_customer().await;
    assert_at_rest(&place);
    place.write(
        "users.csv",
        "customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,A,A\n",
    );
    place.write(
        "bad.csv",
        "customer,user_principal_name,first_name,last_name\nA-9,nobody,A,A\n",
    );
    let others: [(&[&str], i32); 20] = [
        (&["run", "bulk-add-users", "users.csv"], 0),
        (&["run", "bulk-add-users", "bad.csv"], 2),
        (&["run", "bulk-add-users", "nowhere.csv"], 2),
        (&["run", "bulk-add-users", "bad.csv", "--skip-invalid"], 1),
        (&["plan", "bulk-add-users", "users.csv"], 0),
        (&["plan", "bulk-add-users", "bad.csv"], 1),
        (&["plan", "bulk-add-users", "nowhere.csv"], 2),
        (&["submit", "bulk-add-users", "users.csv"], 0),
        (&["worker", "--drain"], 0),
        (&["jobs"], 0),
        (&["show", "nothing"], 2),
        (&["rows", "nothing"], 2),
        (&["undo", "nothing"], 2),
        (&["customers"], 0),
        (&["customers", "--customer", "A-9"], 2),
        (&["audit"], 0),
        (&["audit", "verify"], 0),
        (&["audit", "export"], 0),
        (&["doctor"], 0),
        (&["backup", "copy.db"], 0),
    ];
    for (args, code) in others {
        place.tenantry(args).ends(code);
        assert_at_rest(&place);
    }
    for n in 0..10 {
        place.write("more.csv", customers(n * 10));
        place.tenantry(&["run", "add-customer", "more.csv"]).ends(0);
        assert_at_rest(&place);
    }
    let copy = restored(&place.path("tenantry.db"));
    assert_eq!(copy.tenantry(&["customers", "--json"]).ends(0).out.lines().count(), 101);
    assert_eq!(copy.dump().await, place.dump().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_databases_are_closed_as_well() {
    let (place, mirror) = (Place::with_customer().await, Place::with_customer().await);
    let config = format!("[stores.mirror]\nurl = \"{}\"\n", mirror.url);
    place.write("tenantry.toml", config);
    let config = ["--config", "tenantry.toml"];
    for args in [
        &["doctor"][..],
        &["plan", "sync-customers", "--set", "from=mirror"],
        &["run", "sync-customers", "--set", "from=mirror"],
    ] {
        // One or both of them find conflicts, as the two customers are alike; how it goes is no matter here.
        place.tenantry(&[args, &config].concat());
        assert_at_rest(&place);
        assert_at_rest(&mirror);
    }
    let mut sandbox = place.command(&["sandbox", "--state", "state.db", "--seed", "2"]);
    let mut sandbox = Running(sandbox.stdout(Stdio::null()).spawn().expect("tenantry starts"));
    eventually("the state", async || place.path("state.db").exists().then_some(())).await;
    assert_eq!(sandbox.stop(), Some(0));
    assert_eq!(files_of(&place, "state.db"), ["state.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_leaves_one_file() {
    let place = with_a_job().await;
    for _ in 0..3 {
        let mut worker = worker(&place, &[]);
        until_done(&place, 200).await;
        assert_eq!(worker.stop(), Some(0));
        assert_at_rest(&place);
    }
    let copy = restored(&place.path("tenantry.db"));
    assert!(worker(&place, &["--drain"]).0.wait().expect("it ends").success());
    assert_at_rest(&place);
    assert_goes_on(&copy, &place.dump().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_leaves_one_file() {
    let place = Place::with_customer().await;
    place.write("users.csv", users("A-1"));
    let mut run = place.hurried(&["run", "bulk-add-users", "users.csv"]);
    run.env("TENANTRY__WORKER__CHUNK_ROWS", "20")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut run = Running(run.spawn().expect("tenantry starts"));
    eventually("the job", async || {
        let ledger = place.ledger().await;
        let jobs = ledger
            .jobs(JobFilter {
                limit: 1,
                ..JobFilter::default()
            })
            .await
            .expect("jobs");
        ledger.close().await;
        (jobs[0].kind == "bulk-add-users" && jobs[0].counts.finished() > 100).then_some(())
    })
    .await;
    assert_eq!(run.stop(), Some(2));
    assert_at_rest(&place);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_a_worker_is_one_moment_of_the_job() {
    let place = with_a_job().await;
    let mut worker = worker(&place, &[]);
    let mut copies = Vec::new();
    for (turn, rows) in [100, 1_500].into_iter().enumerate() {
        until_done(&place, rows).await;
        let name = format!("copy{turn}.db");
        let told = place.tenantry(&["backup", &name, "--json"]).ends(0).json();
        let file = place.path(&name);
        let there = std::fs::metadata(&file).expect("a file");
        assert_eq!(
            (told["backup"].as_str(), told["bytes"].as_u64()),
            (Some(name.as_str()), Some(there.len()))
        );
        assert_eq!(there.permissions().mode() & 0o777, 0o600);
        assert_eq!(files_of(&place, &name), [name.as_str()]);
        let header = std::fs::read(&file).expect("read");
        assert_eq!(header[18..20], [1, 1], "it needs no log");
        copies.push(restored(&file));
    }
    until_done(&place, ROWS as u64).await;
    assert_eq!(worker.stop(), Some(0));
    let calm = place.dump().await;
    for copy in copies {
        assert_goes_on(&copy, &calm).await;
    }
    assert_eq!(files_of(&place, ".tenantry-backup"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_file_and_log_belong_together_and_a_backup_has_both() {
    let place = with_a_job().await;
    let mut killed = worker(&place, &[]);
    until_done(&place, 800).await;
    killed.kill();
    assert!(place.path("tenantry.db-wal").exists(), "a killed worker leaves its log");
    let both = restored(&place.path("tenantry.db"));
    std::fs::copy(place.path("tenantry.db-wal"), both.path("tenantry.db-wal")).expect("copied");
    let run = place.tenantry(&["backup", "copy.db"]).ends(0);
    assert!(
        run.err.contains("stop the workers") && run.err.contains("tenantry.db-wal"),
        "{run:?}"
    );
    assert_at_rest(&place);
    let copy = restored(&place.path("copy.db"));
    assert!(worker(&place, &["--drain"]).0.wait().expect("it ends").success());
    let calm = place.dump().await;
    assert_goes_on(&both, &calm).await;
    assert_goes_on(&copy, &calm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_backup_leaves_nothing() {
    let place = with_a_job().await;
    for _ in 0..5 {
        let mut command = place.command(&["backup", "copy.db"]);
        let mut backup = Running(
            command
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("tenantry starts"),
        );
        // Where it is by then is left to chance.
        tokio::time::sleep(Duration::from_millis(40)).await;
        // Before it listens for the signal, it dies of it.
        let code = backup.stop();
        assert_eq!(place.path("copy.db").exists(), code == Some(0));
        let _ = std::fs::remove_file(place.path("copy.db"));
        assert!(
            code.is_none() || files_of(&place, ".tenantry-backup").is_empty(),
            "{code:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_spoils_nothing() {
    let place = Place::new(On::Sqlite).await;
    let refused = |file: &str, why: &str| {
        let run = place.tenantry(&["backup", file]).ends(2);
        assert!(run.err.contains(why), "{file}: {run:?}");
    };
    refused("copy.db", "there is no ledger at");
    assert_eq!(files_of(&place, "tenantry.db"), [""; 0], "none was made");
    place.write("tenantry.db", "");
    refused("copy.db", "is no ledger of tenantry's, or an empty one");
    std::fs::remove_file(place.path("tenantry.db")).expect("removed");

    place.write("customers.csv", customers(0));
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    let before = std::fs::read(place.path("tenantry.db")).expect("read");
    place.write("there.db", "precious");
    place.write("left.db-wal", "of another file");
    symlink("tenantry.db", place.path("link.db")).expect("linked");
    symlink("nowhere", place.path("dangling.db")).expect("linked");
    refused("there.db", "is there already and is not overwritten");
    refused("dangling.db", "is there already and is not overwritten");
    refused("tenantry.db", "is the ledger itself");
    refused("./tenantry.db", "is the ledger itself");
    refused("link.db", "is the ledger itself");
    refused("tenantry.db-wal", "is a name that SQLite uses for the ledger");
    refused("./tenantry.db-journal", "is a name that SQLite uses for the ledger");
    refused("left.db", "left.db-wal is there, of another database");
    refused("nowhere/copy.db", "nothing can be written in nowhere");
    assert_eq!(crate::place::read(place.path("there.db")), "precious");
    assert_eq!(std::fs::read(place.path("tenantry.db")).expect("read"), before);
    assert_eq!(files_of(&place, "tenantry.db"), ["tenantry.db"]);

    let postgres = ["backup", "copy.db", "--ledger", "postgres://localhost/tenantry"];
    let run = place.tenantry(&postgres).ends(2);
    assert!(run.err.contains("pg_dump"), "{run:?}");
    assert!(!place.path("copy.db").exists());
}
