//! Workers whose clocks are off, by faking the system's clock for one process and not for the other.

use std::process::{Command, Stdio};

use tenantry_ledger::JobState;

use super::{users, users_called, with_customer};
use crate::place::{On, Place, Running, apply, column, on_both, tables};
use crate::servers::{eventually, library};

/// The command, run by another clock: `+37d`, `-1h`.
fn by_clock(mut command: Command, off: &str) -> Command {
    let library = library("faketime/libfaketime.so.1", "libfaketime");
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", off)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

on_both! {
    async fn a_clock_that_is_ahead_takes_nothing_away(place: Place) {
        with_customer(&place).await;
        let ledger = place.ledger().await;
        apply(&ledger, "bulk-add-users", &users(20)).await;
        let leavers = users(5).replace(",first_name,last_name", "");
        let leavers: String = leavers.lines().map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",") + "\n").collect();
        apply(&ledger, "delete-users", &leavers).await;
        place.write("stayers.csv", leavers.replace("user1@", "user11@").replace("user2@", "user12@"));
        place.tenantry(&["submit", "delete-users", "stayers.csv", "--skip-invalid"]).ends(0);
        let gated = async || {
            let jobs = tables::jobs(&ledger).await.into_iter();
            jobs.filter(|job| job.state == JobState::AwaitingApproval).count()
        };
        let deleted = async || column(ledger.db(), "SELECT CAST(COUNT(*) AS TEXT) FROM deleted_users").await;
        assert_eq!((gated().await, deleted().await), (1, vec!["5".to_owned()]));
        let spooled = tables::spooled_blocks(&ledger).await;
        let mut worker = by_clock(place.hurried(&["worker"]), "+40d");
        // Old rows are looked for at once and then in each hundred-and-twentieth sweep.
        let worker = Running(worker.env("TENANTRY__WORKER__SWEEP_INTERVAL", "10ms").spawn().expect("a worker starts"));
        // What is old by the ledger's time goes. When the second one has gone, the first look is over.
        for kept in ["4", "3"] {
            tables::delete_one_a_year_earlier(&ledger).await;
            eventually("what is old to go", async || (deleted().await == [kept]).then_some(())).await;
        }
        drop(worker);
        assert_eq!(deleted().await, ["3"], "they can still be restored");
        assert_eq!(gated().await, 1, "it can still be approved");
        assert_eq!(tables::spooled_blocks(&ledger).await, spooled);
    }

    async fn large_files_come_in_beside_a_clock_that_is_ahead(place: Place) {
        with_customer(&place).await;
        let mut worker = by_clock(place.hurried(&["worker"]), "+1h");
        let _worker = Running(worker.spawn().expect("a worker starts"));
        place.write("users.csv", users(30_000));
        place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
        let ledger = place.ledger().await;
        eventually("the job to end", async || {
            let jobs = ledger.jobs(tenantry_ledger::JobFilter { limit: 1, ..Default::default() }).await.ok()?;
            (jobs[0].state == JobState::Completed && jobs[0].counts.applied == 30_000).then_some(())
        })
        .await;
    }

    async fn a_chunk_that_a_worker_of_another_clock_leaves_is_soon_taken_up(place: Place) {
        with_customer(&place).await;
        for (name, off) in [("early", "+1h"), ("late", "-1h")] {
            place.write("users.csv", users_called(name, 100));
            place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
            let mut dying = by_clock(place.hurried(&["worker"]), off);
            let status = dying.env("TENANTRY_FAILPOINT", "after-claim").status().expect("a worker starts");
            assert_eq!(status.code(), None, "it dies with a chunk in hand");
            let mut next = place.hurried(&["worker", "--drain"]);
            let next = next.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker starts");
            let mut next = Running(next);
            eventually("the next worker to have done it", async || next.0.try_wait().expect("asked")).await;
        }
        let ledger = place.ledger().await;
        let jobs = tables::jobs(&ledger).await;
        assert!(jobs.iter().all(|job| job.state == JobState::Completed), "{jobs:?}");
    }
}
