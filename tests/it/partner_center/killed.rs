//! Workers killed between intent, call and outcome, and workers asked to stop: the next worker does the rest, and nothing
//! twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::passwords::write_key_pair;
use tenantry_ledger::{Job, JobState};
use tenantry_sandbox::Options;

use super::kinds::with_users;
use super::{LEGACY, Office, USERS};
use crate::place::{Running, outcomes, tables};
use crate::sandbox::{Here, OTHER_PARTNER, TOKEN};

pub(super) fn command(office: &Office, args: &[&str]) -> Command {
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

/// A job whose worker was killed at this place.
pub(super) async fn killed_while(office: &Office, failpoint: &str, kind: &str, csv: &str) -> Job {
    let job = office.submit(kind, csv).await;
    let killed = command(office, &["worker", "--drain"])
        .env("TENANTRY_FAILPOINT", failpoint)
        .status()
        .expect("tenantry starts");
    assert_eq!(killed.code(), None, "{kind} {failpoint}");
    job
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
    let job = tables::newest(&office.ledger).await;
    let counts = (job.state, job.counts.applied, job.counts.total);
    assert_eq!(counts, (JobState::Completed, 6, 6), "{failpoint}");
    for (operation, effects) in [("create-user", 6), ("update-licenses", 6), ("add-user-to-role", 6)] {
        assert_eq!(
            office.here.effects(operation).await,
            effects,
            "{failpoint}: {operation}"
        );
    }
    assert_eq!(office.users(&alpha).await.len(), 6, "{failpoint}");
}

/// One row of `kind`, killed at this place while it has `operation` done.
async fn one_killed_at(failpoint: &str, kind: &str, operation: &str) {
    let (office, alpha) = with_users().await;
    let old = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let id = old.rsplit('/').next().expect("an id");
    let users = "customer,user_principal_name\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com\n";
    let csv = match kind {
        "suspend-subscription" => format!("customer,subscription_id\n{alpha},{id}\n"),
        "assign-licenses" => {
            "customer,user_principal_name,remove\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com,<all>\n".to_owned()
        }
        "remove-relationship" => {
            let left = office
                .here
                .get(&format!("/v1/customers/{alpha}/subscriptions"))
                .await
                .json();
            for mut one in left["items"].as_array().expect("a list").clone() {
                if one["id"] != id {
                    one["status"] = "deleted".into();
                    let path = format!(
                        "/v1/customers/{alpha}/subscriptions/{}",
                        one["id"].as_str().expect("an id")
                    );
                    office.here.patch(&path, &one).await.is(200);
                }
            }
            "customer,suspend_subscriptions\nalpha.onmicrosoft.com,yes\n".to_owned()
        }
        "update-users" => "customer,user_principal_name,new_user_principal_name\n\
             alpha.onmicrosoft.com,one@alpha.onmicrosoft.com,uno@alpha.onmicrosoft.com\n"
            .to_owned(),
        _ => users.to_owned(),
    };
    if kind == "restore-users" {
        office.applies("delete-users", &csv).await;
    }
    let before = office.here.effects(operation).await;
    let job = killed_while(&office, failpoint, kind, &csv).await;
    let drained = command(&office, &["worker", "--drain"])
        .status()
        .expect("tenantry starts");
    assert_eq!(drained.code(), Some(0), "{kind} {failpoint}");
    let job = office.ledger.job(job.id).await.expect("asked").expect("there");
    assert_eq!(
        job.counts.applied,
        1,
        "{kind} {failpoint}: {:?}",
        outcomes(&office.ledger, &job).await
    );
    assert_eq!(office.here.effects(operation).await - before, 1, "{kind} {failpoint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_goes_on_with_the_job() {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 10).await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,\n");
    office.place.write("users.csv", users);
    let run = ["run", "bulk-add-users", "users.csv"];
    let killed = command(&office, &run)
        .env("TENANTRY_FAILPOINT", "after-answer@1")
        .status();
    assert_eq!(killed.expect("tenantry starts").code(), None);
    // The user is there, without the licence: as a new job, that would be refused.
    let again = command(&office, &run).status();
    assert_eq!(again.expect("tenantry starts").code(), Some(0));
    let mut jobs = tables::jobs(&office.ledger).await;
    jobs.retain(|job| job.kind == "bulk-add-users");
    let states: Vec<JobState> = jobs.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Completed]);
    assert_eq!(office.here.effects("create-user").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_survives_a_killed_worker() {
    for (kind, operation, calls) in [
        ("delete-users", "delete-user", 1),
        ("restore-users", "update-user", 1),
        ("assign-licenses", "update-licenses", 1),
        ("update-users", "update-user", 1),
        ("suspend-subscription", "update-subscription", 1),
        ("remove-relationship", "update-customer", 2),
    ] {
        for place in ["after-intent", "after-answer"] {
            Box::pin(one_killed_at(&format!("{place}@{calls}"), kind, operation)).await;
        }
        Box::pin(one_killed_at("before-commit@1", kind, operation)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_share_a_transfer_share_it_after_a_crash_too() {
    for place in ["after-intent", "after-answer"] {
        let (mut office, [alpha, _]) = Office::with_customers().await;
        office.here.as_partner(Some(OTHER_PARTNER)).await;
        let rows: String = [
            office.here.subscription(&alpha, 2).await,
            office.here.subscription(&alpha, 3).await,
        ]
        .iter()
        .map(|path| {
            let id = path.rsplit('/').next().expect("an id");
            format!("{alpha},{id},in,{OTHER_PARTNER},Other,it@alpha.example,new-commerce\n")
        })
        .collect();
        let header = "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow\n";
        let job = office.submit("switch-subscription", &format!("{header}{rows}")).await;
        let killed = command(&office, &["worker", "--drain"])
            .env("TENANTRY_FAILPOINT", format!("{place}@1"))
            .status()
            .expect("tenantry starts");
        assert_eq!(killed.code(), None, "{place}");
        let drained = command(&office, &["worker", "--drain"])
            .status()
            .expect("tenantry starts");
        assert_eq!(drained.code(), Some(0), "{place}");
        let job = office.ledger.job(job.id).await.expect("asked").expect("there");
        assert_eq!(outcomes(&office.ledger, &job).await, [], "{place}");
        assert_eq!(job.waiting, 2, "{place}");
        assert_eq!(office.here.effects("create-transfer").await, 1, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_every_effect_happens_once() {
    for (place, hits) in [("after-intent", 18), ("after-answer", 18), ("before-commit", 1)] {
        for hit in [1, 2, 3, 7, 12, 18].into_iter().filter(|hit| *hit <= hits) {
            Box::pin(killed_at(&format!("{place}@{hit}"))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_to_stop_leaves_its_rows_to_the_next_one() {
    let slow = Options {
        latency: Duration::from_millis(100),
        ..Options::default()
    };
    let (office, [alpha, _]) = Office::beside(Here::live(slow).await).await.and_customers().await;
    let rows = 200;
    let users: String = (0..rows)
        .map(|n| format!("{alpha},user{n}@alpha.onmicrosoft.com,User,N{n},GB,,\n"))
        .collect();
    let job = office.submit("bulk-add-users", &format!("{USERS}{users}")).await;
    let mut worker = Running(command(&office, &["worker"]).spawn().expect("tenantry starts"));
    let applied = async || {
        let job = office.ledger.job(job.id).await.expect("asked").expect("there");
        (job.counts.applied, job.state.is_final())
    };
    while applied().await.0 == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(worker.stop(), Some(0));
    let (so_far, is_over) = applied().await;
    assert!(so_far < rows && !is_over, "it has done all {so_far} rows first");
    // Nothing that was on its way when it left is in doubt.
    let made = office.here.effects("create-user").await;
    assert_eq!(made, so_far);
    let drained = command(&office, &["worker", "--drain"])
        .env("TENANTRY__PARTNER_CENTER__CONCURRENCY", "32")
        .status();
    assert_eq!(drained.expect("tenantry starts").code(), Some(0));
    assert_eq!(applied().await, (rows, true));
    assert_eq!(office.here.effects("create-user").await, rows);
}

/// What is lost while everybody is to stop is not taken for done.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_cut_off_while_its_worker_is_to_stop_is_not_done() {
    let slow = Options {
        latency: Duration::from_millis(400),
        ..Options::default()
    };
    let (office, [alpha, _]) = Office::beside(Here::live(slow).await).await.and_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let job = office.submit("bulk-add-users", &users).await;
    let nowhere = "http://127.0.0.1:9";
    let mut worker = command(&office, &["worker"]);
    worker.env("TENANTRY__PARTNER_CENTER__API_URL", nowhere);
    let mut worker = Running(worker.spawn().expect("tenantry starts"));
    let now = async || office.ledger.job(job.id).await.expect("asked").expect("there");
    while now().await.state.as_str() != "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(worker.stop(), Some(0));
    assert_eq!(now().await.counts.finished(), 0);
    let drained = command(&office, &["worker", "--drain"]).status();
    assert_eq!(drained.expect("tenantry starts").code(), Some(0));
    assert_eq!((now().await.counts.applied, office.users(&alpha).await.len()), (1, 1));
}

/// Somebody to seal passwords to.
pub(super) fn recipient(office: &Office) -> String {
    let key = write_key_pair(&office.place.path("key.txt"), &Clock::system());
    key.expect("a key pair").to_string()
}

/// A job that hands out no passwords sets none but those users are made with.
#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_reset_where_none_is_handed_out() {
    for place in ["after-intent@1", "after-answer@1", "after-answer@2", "before-commit@1"] {
        let (office, [alpha, _]) = Office::with_customers().await;
        office.here.subscription(&alpha, 10).await;
        let rows = ["one", "two"].map(|name| format!("{alpha},{name}@alpha.onmicrosoft.com,{name},Uno,GB,SPB,\n"));
        let job = killed_while(&office, place, "bulk-add-users", &format!("{USERS}{}", rows.concat())).await;
        let drained = command(&office, &["worker", "--drain"]).status();
        assert_eq!(drained.expect("tenantry starts").code(), Some(0), "{place}");
        let job = office.ledger.job(job.id).await.expect("asked").expect("there");
        assert_eq!(
            job.counts.applied,
            2,
            "{place}: {:?}",
            outcomes(&office.ledger, &job).await
        );
        assert_eq!(office.here.effects("create-user").await, 2, "{place}");
        let counters = office.here.get("/sandbox/counters").await.json();
        let reset = &counters["operations"]["reset-user-password"];
        assert_eq!(reset["calls"].as_u64().unwrap_or(0), 0, "{place}: {reset}");
    }
}

/// A user whose making was cut short gets the password that is handed out now; here the answer to that is lost.
async fn with_a_lost_answer(records_are_there: bool) {
    // The client asks for records from a day on, so both have to agree what day it is.
    let here = Here::by(Clock::system()).await;
    let (office, [alpha, _]) = Office::beside(here).await.and_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    office.place.write("users.csv", users);
    let recipient = recipient(&office);
    let killed = command(&office, &["run", "bulk-add-users", "users.csv"])
        .env("TENANTRY__PASSWORDS__DELIVER", "true")
        .env("TENANTRY__PASSWORDS__RECIPIENTS", &recipient)
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
    // One that loses its lease meanwhile, on a machine that is busy, leaves the row to another attempt with another password.
    let drained = command(&office, &["worker", "--drain"])
        .env("TENANTRY__WORKER__LEASE", "5m")
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

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_kills_its_worker_fails_alone() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let mut users = USERS.to_owned();
    for n in 0..40 {
        users.push_str(&format!("{alpha},user{n}@alpha.onmicrosoft.com,User,N{n},GB,,\n"));
    }
    office.place.write("users.csv", users);
    let submitted = command(&office, &["submit", "bulk-add-users", "users.csv"]).status();
    assert_eq!(submitted.expect("tenantry starts").code(), Some(0));
    let mut deaths = 0;
    while command(&office, &["worker", "--drain"])
        .env("TENANTRY_FAILPOINT", "row:7")
        .status()
        .expect("a worker starts")
        .code()
        .is_none()
    {
        deaths += 1;
        assert!(deaths < 40, "workers die for ever");
    }
    let job = tables::newest(&office.ledger).await;
    let counts = (job.state, job.counts.applied, job.counts.failed);
    assert_eq!(counts, (JobState::Failed, 39, 1));
    let recorded = tables::recorded(&office.ledger, &job).await.into_iter();
    let failed = recorded.filter(|(_, outcome, ..)| outcome == "failed");
    let failed: Vec<(i64, String)> = failed.map(|(row, _, _, message)| (row, message)).collect();
    assert_eq!(failed, [(7, "its worker died 3 times".to_owned())]);
    assert_eq!(office.here.effects("create-user").await, 39);
    assert_eq!(office.users(&alpha).await.len(), 39);
}
