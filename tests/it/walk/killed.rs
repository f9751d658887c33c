//! Rows of several steps, and undos, killed at every named place: what is left in the end is what a calm run leaves.

use std::process::Stdio;

use tenantry_ledger::{Job, JobFilter, Ledger};

use crate::place::{On, Place};

/// What each job is, in order; the last one takes the one before it back.
const JOBS: [&[&str]; 3] = [
    &["run", "remove-relationship", "removals.csv"],
    &["run", "delete-users", "leavers.csv"],
    &["undo"],
];
const REMOVALS: &str = "customer,suspend_subscriptions,reason\nkowalskimeble.onmicrosoft.com,yes,over\naoraridesign.onmicrosoft.com,yes,over\n";

async fn prepared(on: On) -> Place {
    let place = Place::new(on).await;
    for kind in ["add-customer", "set-seats", "bulk-add-users", "set-subscriptions"] {
        let sample = tenantry_jobs::find(kind).expect("a kind").sample();
        place.write("sample.csv", sample);
        place.tenantry(&["run", kind, "sample.csv"]).ends(0);
    }
    place.needs_no_approval();
    place.write("removals.csv", REMOVALS);
    let leavers = tenantry_jobs::find("bulk-add-users").expect("a kind").sample();
    let mut rows = csv::Reader::from_reader(leavers.as_bytes());
    let mut text = "customer,user_principal_name\n".to_owned();
    for row in rows.records() {
        let row = row.expect("a row");
        // Of the customers that are left.
        if !row[0].starts_with("kowalski") && !row[0].starts_with("aorari") {
            text.push_str(&format!("{},{}\n", &row[0], &row[1]));
        }
    }
    place.write("leavers.csv", text);
    place
}

pub(super) fn command(place: &Place, args: &[&str]) -> std::process::Command {
    let mut command = place.hurried(args);
    command
        .env("TENANTRY__WORKER__CHUNK_ROWS", "4")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

pub(super) async fn last_job(ledger: &Ledger) -> Job {
    let filter = JobFilter {
        limit: 1,
        ..JobFilter::default()
    };
    ledger.jobs(filter).await.expect("asked").remove(0)
}

/// Runs the jobs; with a failpoint, each is killed there and a worker goes on with it.
async fn run(on: On, failpoint: Option<&str>) -> String {
    let place = prepared(on).await;
    for job in JOBS {
        let id = last_job(&place.ledger().await).await.id.to_string();
        let mut args = job.to_vec();
        if job == ["undo"] {
            args.push(&id);
        }
        let mut first = command(&place, &args);
        if let Some(failpoint) = failpoint {
            first.env("TENANTRY_FAILPOINT", format!("{failpoint}@1"));
            assert_eq!(
                first.status().expect("tenantry starts").code(),
                None,
                "{job:?} was not killed"
            );
            let worker = command(&place, &["worker", "--drain"])
                .status()
                .expect("tenantry starts");
            assert_eq!(worker.code(), Some(0));
        } else {
            assert_eq!(first.status().expect("tenantry starts").code(), Some(0), "{job:?}");
        }
    }
    place.dump().await
}

async fn killed_at_every_place(on: On) {
    let calm = run(on, None).await;
    for failpoint in ["after-claim", "before-finish", "before-commit", "after-commit"] {
        assert_eq!(run(on, Some(failpoint)).await, calm, "{failpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    killed_at_every_place(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    killed_at_every_place(On::Postgres).await;
}
