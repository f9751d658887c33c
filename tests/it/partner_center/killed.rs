//! Workers killed between intent, call and outcome: whoever goes on does the rest, and nothing twice.

use std::process::{Command, Stdio};

use serde_json::json;
use tenantry::clock::Clock;

use super::{Office, USERS};
use crate::place::column;
use crate::sandbox::{Here, TOKEN};

fn command(office: &Office, args: &[&str]) -> Command {
    let mut command = office.place.hurried(args);
    command
        .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
        .env("TENANTRY__PARTNER_CENTER__API_URL", &office.here.base)
        .env("TENANTRY__PARTNER_CENTER__TOKEN", TOKEN)
        .env("TENANTRY__PARTNER_CENTER__CONCURRENCY", "2")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

async fn killed_at(failpoint: &str) {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 10).await;
    let mut users = USERS.to_owned();
    for n in 0..6 {
        users.push_str(&format!(
            "{alpha},user{n}@alpha.onmicrosoft.com,User,N{n},GB,SPB,User Administrator\n"
        ));
    }
    office.place.write("users.csv", users);
    let killed = command(&office, &["run", "bulk-add-users", "users.csv"])
        .env("TENANTRY_FAILPOINT", failpoint)
        .status()
        .expect("tenantry starts");
    assert_eq!(killed.code(), None, "{failpoint}");
    let drained = command(&office, &["worker", "--drain"])
        .status()
        .expect("tenantry starts");
    assert_eq!(drained.code(), Some(0), "{failpoint}");
    let counts = column(
        office.ledger.db(),
        "SELECT state || ' ' || CAST(applied AS TEXT) || ' of ' || CAST(total AS TEXT) FROM jobs ORDER BY seq DESC LIMIT 1",
    );
    assert_eq!(counts.await, ["completed 6 of 6"], "{failpoint}");
    for (operation, effects) in [("create-user", 6), ("update-licenses", 6), ("add-user-to-role", 6)] {
        assert_eq!(
            office.here.effects(operation).await,
            effects,
            "{failpoint}: {operation}"
        );
    }
    assert_eq!(office.users(&alpha).await.len(), 6, "{failpoint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_every_effect_happens_once() {
    for (place, hits) in [("after-intent", 18), ("after-answer", 18), ("before-commit", 1)] {
        for hit in [1, 2, 3, 7, 12, 18].into_iter().filter(|hit| *hit <= hits) {
            killed_at(&format!("{place}@{hit}")).await;
        }
    }
}

/// A user whose making was cut short gets the password that is handed out now; here the answer to that is lost.
async fn with_a_lost_answer(records_are_there: bool) {
    // The client asks for records from a day on, so both have to agree what day it is.
    let here = Here::by(Clock::system()).await;
    let (office, [alpha, _]) = Office::at(here).await.and_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    office.place.write("users.csv", users);
    let killed = command(&office, &["run", "bulk-add-users", "users.csv"])
        .env("TENANTRY_FAILPOINT", "after-answer@1")
        .status()
        .expect("tenantry starts");
    assert_eq!(killed.code(), None);
    let lost = json!({ "operation": "reset-user-password", "fault": "cut-after-commit", "times": 1 });
    office.here.fault(&lost).await;
    if !records_are_there {
        let away = json!({ "operation": "audit-records", "fault": "error-503", "times": 1000 });
        office.here.fault(&away).await;
    }
    let drained = command(&office, &["worker", "--drain"])
        .status()
        .expect("tenantry starts");
    assert_eq!(drained.code(), Some(0));
    let counters = office.here.get("/sandbox/counters").await.json();
    let reset = &counters["operations"]["reset-user-password"];
    assert_eq!(reset["effects"], 1, "{reset}");
    assert_eq!(reset["calls"], if records_are_there { 1 } else { 2 }, "{reset}");
    assert_eq!(office.users(&alpha).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_record_tells_that_a_password_was_set() {
    futures::join!(with_a_lost_answer(true), with_a_lost_answer(false));
}
