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
async fn a_worker_leaves_a_directory_alone_while_somebody_writes_to_it() {
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
    let drained = place.tenantry(&["worker", "--drain"]).ends(0);
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
