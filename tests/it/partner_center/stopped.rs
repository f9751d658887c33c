//! Workers that are stopped between intent and call, for longer than their lease: another one goes on, and the first sends nothing when it
//! wakes up. What it would send is out of date by then, as a password that nobody is told.

use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::Office;
use super::killed::{command, recipient};
use super::kinds::with_users;
use crate::place::{Running, outcomes};

/// Waits until the process has stopped itself.
async fn stopped(child: &Child) {
    let pid = Pid::from_child(child);
    let is_stopped = || {
        let told = waitpid(Some(pid), WaitOptions::UNTRACED | WaitOptions::NOHANG).expect("a child");
        told.map(|(_, status)| assert!(status.stopped(), "it ended: {status:?}"))
    };
    while is_stopped().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A row of `kind` whose worker stops before it has `operation` done, and wakes up when another one has done it.
async fn passed_to_another(kind: &str, cells: (&str, &str), operation: &str) {
    let (office, _) = with_users().await;
    let recipient = recipient(&office);
    let csv = format!(
        "customer,user_principal_name{}\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com{}\n",
        cells.0, cells.1
    );
    office.place.write("rows.csv", csv);
    let to = |office: &Office, args: &[&str]| {
        let mut command = command(office, args);
        command
            .env("TENANTRY__PASSWORDS__DELIVER", "true")
            .env("TENANTRY__PASSWORDS__RECIPIENTS", &recipient);
        command
    };
    let submitted = to(&office, &["submit", kind, "rows.csv"]).status();
    assert_eq!(submitted.expect("tenantry starts").code(), Some(0), "{kind}");
    let before = office.here.effects(operation).await;
    let mut first = to(&office, &["worker"]);
    first.env("TENANTRY_FAILPOINT", "stop:after-intent@1");
    // It is stopped as a whole. What it writes besides at that moment would keep the database of a file locked for the other one.
    first.env("TENANTRY__WORKER__SWEEP_INTERVAL", "1m");
    let mut first = Running(first.spawn().expect("tenantry starts"));
    stopped(&first.0).await;
    let drained = to(&office, &["worker", "--drain"])
        .env("TENANTRY__WORKER__LEASE", "5m")
        .status();
    assert_eq!(drained.expect("tenantry starts").code(), Some(0), "{kind}");
    assert_eq!(office.here.effects(operation).await - before, 1, "{kind}");
    let calls = async || {
        let counters = office.here.get("/sandbox/counters").await.json();
        counters["operations"][operation]["calls"].as_u64()
    };
    let called = calls().await;
    kill_process(Pid::from_child(&first.0), Signal::CONT).expect("a signal is sent");
    // It finishes what it has in hand.
    assert_eq!(first.stop(), Some(0), "{kind}");
    assert_eq!(calls().await, called, "{kind}");
    let job = crate::place::tables::newest(&office.ledger).await;
    assert_eq!(
        job.counts.applied,
        1,
        "{kind}: {:?}",
        outcomes(&office.ledger, &job).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_stopped_before_a_call_does_not_make_it_when_another_one_has() {
    for (kind, cells, operation) in [
        ("reset-passwords", ("", ""), "reset-user-password"),
        ("assign-licenses", (",remove", ",<all>"), "update-licenses"),
    ] {
        Box::pin(passed_to_another(kind, cells, operation)).await;
    }
}
