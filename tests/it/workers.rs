//! Who works on the jobs of a ledger: known while they work, gone when they end, lost when they are killed, and told of where
//! somebody waits for them.

use std::fs::File;
use std::process::{Child, Stdio};

use serde_json::Value;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::DbError;
use tenantry_ledger::{Ledger, WorkerSign};

use crate::place::{CUSTOMERS, On, Place, Running, claimant, on_both, read};
use crate::servers::{connect, eventually};

fn workers(place: &Place) -> Vec<Value> {
    let listed = place.tenantry(&["workers", "--json"]).ends(0);
    let lines = listed.out.lines().map(serde_json::from_str::<Value>);
    lines.map(|line| line.expect("JSON")).collect()
}

fn worker(place: &Place) -> Running {
    let mut command = place.hurried(&["worker"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("a worker starts"))
}

/// The worker's line once it is in that state.
async fn seen(place: &Place, child: &Child, state: &str) -> Value {
    eventually("the worker to be seen", async || {
        let all = workers(place);
        all.into_iter()
            .find(|one| one["pid"] == child.id() && one["state"] == state)
    })
    .await
}

async fn exec(ledger: &Ledger, sql: &'static str) {
    let done = ledger.db().write(move |tx| tx.exec(sql, &[]).map(drop));
    done.await.unwrap_or_else(|error: DbError| panic!("{sql}: {error}"));
}

fn sign(id: &str, chunks: u64) -> WorkerSign {
    WorkerSign {
        id: id.to_owned(),
        host: "host".to_owned(),
        pid: 7,
        version: "0.0.1",
        store: "sqlite:x".to_owned(),
        concurrency: 2,
        every_millis: 2_000,
        chunks,
    }
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

on_both! {
    async fn a_worker_is_known_while_it_works_and_lost_once_it_is_killed(place: Place) {
        let ledger = place.ledger().await;
        let none = place.tenantry(&["workers"]).ends(0);
        assert!(none.err.contains("warning: no worker serves this ledger\nhint: `tenantry worker` starts one"), "{none:?}");
        let (mut calm, mut killed) = (worker(&place), worker(&place));
        let first = seen(&place, &calm.0, "idle").await;
        seen(&place, &killed.0, "idle").await;
        assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&first["concurrency"], &first["chunks"]), (&2.into(), &0.into()));
        assert!(first["worker"].as_str().expect("an id").contains(first["host"].as_str().expect("a host")));
        assert_eq!(calm.stop(), Some(0));
        let left = workers(&place);
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0]["pid"], killed.0.id());
        killed.kill();
        exec(&ledger, "UPDATE workers SET seen_at = seen_at - 60000").await;
        let left = workers(&place);
        assert_eq!(left[0]["state"], "lost");
        let shown = place.tenantry(&["workers"]).ends(0);
        assert!(shown.out.contains("lost") && shown.err.contains("no worker serves this ledger"), "{shown:?}");
        let found = place.tenantry(&["doctor"]).ends(0);
        let lost = format!("no worker serves this ledger; `run` needs none, `submit` and the inbox need a `tenantry worker`; \
            lost: process {} on ", killed.0.id());
        assert!(found.out.contains(&lost), "{}", found.out);
    }

    async fn a_worker_is_judged_by_the_time_of_the_ledger(place: Place) {
        let clock = Clock::held(100 * DAY);
        let ledger = place.ledger_at(&clock).await;
        ledger.sign(sign("a", 0)).await.expect("signed");
        ledger.sign(sign("b", 0)).await.expect("signed");
        clock.advance(10_000);
        let all = ledger.workers().await.expect("listed");
        assert!(all.iter().all(|one| !one.is_lost && one.started_at == 100 * DAY), "{all:?}");
        clock.advance(1);
        ledger.sign(sign("b", 3)).await.expect("signed");
        let all = ledger.workers().await.expect("listed");
        let told: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.is_lost, one.chunks, one.started_at)).collect();
        assert_eq!(told, [("b", false, 3, 100 * DAY), ("a", true, 0, 100 * DAY)]);
        assert!(ledger.has_workers().await.expect("asked"));
        // A clock that has been put back: signs of the future are as good as none.
        clock.advance(-MINUTE);
        assert!(!ledger.has_workers().await.expect("asked"));
        ledger.sign(sign("b", 0)).await.expect("signed");
        assert!(ledger.has_workers().await.expect("asked"));
        ledger.sign_off("b").await.expect("signed off");
        assert!(!ledger.has_workers().await.expect("asked"));
    }

    async fn the_lost_are_forgotten_after_a_day_and_the_living_never(place: Place) {
        let clock = Clock::held(100 * DAY);
        let ledger = place.ledger_at(&clock).await;
        for id in ["lost", "alive"] {
            ledger.sign(sign(id, 0)).await.expect("signed");
        }
        clock.advance(DAY);
        ledger.sign(sign("alive", 0)).await.expect("signed");
        ledger.forget_lost_workers().await.expect("swept");
        assert_eq!(ledger.workers().await.expect("listed").len(), 2, "shown for a day");
        clock.advance(1);
        ledger.forget_lost_workers().await.expect("swept");
        let left = ledger.workers().await.expect("listed");
        assert_eq!(left.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["alive"]);
    }

    async fn a_sign_of_life_goes_with_the_leases(place: Place) {
        let ledger = place.ledger().await;
        place.write("customers.csv", CUSTOMERS);
        place.tenantry(&["submit", "add-customer", "customers.csv"]).ends(0);
        let claim = ledger.claim(claimant("w", 60_000)).await.expect("claimed").expect("a chunk");
        let held = [(claim.job, claim.chunk, claim.attempt)];
        ledger.renew("w", (&held, &[]), 60_000, Some(sign("w", 1))).await.expect("renewed");
        let [one] = &*ledger.workers().await.expect("listed") else { panic!("one worker") };
        assert_eq!((one.chunks, one.is_lost), (1, false));
        // One who works on a single job gives none.
        ledger.sign_off("w").await.expect("signed off");
        ledger.renew("w", (&held, &[]), 60_000, None).await.expect("renewed");
        assert!(ledger.workers().await.expect("listed").is_empty());
    }

    async fn a_command_that_waits_is_told_that_there_is_no_worker(place: Place) {
        place.write("customers.csv", CUSTOMERS);
        let found = place.tenantry(&["doctor"]).ends(0);
        assert!(!found.out.contains(" workers"), "there is no ledger yet: {}", found.out);
        let said = place.path("said");
        let mut waiting = place.hurried(&["submit", "add-customer", "customers.csv", "--wait", "--json"]);
        waiting.stdout(Stdio::null()).stderr(File::create(&said).expect("a file"));
        let mut waiting = Running(waiting.spawn().expect("it starts"));
        eventually("the command to say that nobody works", async || {
            read(&said).contains("warning: no worker serves this ledger; this command waits until one does").then_some(())
        })
        .await;
        let found = place.tenantry(&["doctor"]).ends(2);
        assert!(found.out.contains("FAIL workers        no worker serves this ledger, and jobs wait"), "{}", found.out);
        let mut at_work = worker(&place);
        let ended = waiting.0.wait().expect("it ends");
        assert_eq!(ended.code(), Some(0), "{}", read(&said));
        assert_eq!(read(&said).matches("no worker serves").count(), 1, "said once");
        seen(&place, &at_work.0, "idle").await;
        let found = place.tenantry(&["doctor"]).ends(0);
        assert!(found.out.contains("ok   workers        1 works on the jobs of this ledger"), "{}", found.out);
        at_work.stop();
    }
}

/// What is at work shows, and only workers do: a command that works on its own job is nobody others could wait for.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_in_hand_are_told_and_a_command_is_no_worker() {
    let place = Place::new(On::Postgres).await;
    place.write("customers.csv", CUSTOMERS);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place.write("seats.csv", "customer,sku,seats\nA-1,SPB,5\n");
    // Held inside their transactions from outside.
    let outside = connect(&place.url).await.expect("a connection");
    let lock = "BEGIN; SELECT 1 FROM customers FOR UPDATE";
    outside.batch_execute(lock).await.expect("a lock");
    let ledger = place.ledger().await;
    let mut command = place.hurried(&["run", "set-seats", "seats.csv"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("it starts"));
    eventually("the command to have its chunk in hand", async || {
        let leased = ledger
            .db()
            .read(|tx| tx.query("SELECT 1 FROM chunks WHERE state = 'running'", &[]));
        (!leased.await.ok()?.is_empty()).then_some(())
    })
    .await;
    assert_eq!(workers(&place), [Value::Null; 0]);
    running.kill();
    let mut url = place.url.clone();
    url.push_str(if url.contains('?') { "&" } else { "?" });
    url.push_str("application_name=s3cret");
    let mut command = place.hurried(&["worker"]);
    command.env("TENANTRY__LEDGER__URL", url);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut at_work = Running(command.spawn().expect("a worker starts"));
    let told = seen(&place, &at_work.0, "working").await;
    assert_eq!(told["chunks"], 1);
    let store = told["store"].as_str().expect("a store");
    assert!(store.starts_with("postgres://") && !store.contains("s3cret"), "{store}");
    outside.batch_execute("ROLLBACK").await.expect("unlocked");
    seen(&place, &at_work.0, "idle").await;
    at_work.stop();
}

/// What a worker logs of a job that ended: kind, counts and times, in the span of its chunk.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_job_is_logged_with_its_counts_and_times() {
    let place = Place::with_customer().await;
    let ledger = place.ledger().await;
    place.write(
        "seats.csv",
        "customer,sku,seats\nA-1,SPB,5\nA-1,NOSUCH,5\nA-1,EXCHANGEDESKLESS,3\n",
    );
    let submit = |kind: &str, file: &str| {
        let submitted = place.tenantry(&["submit", kind, file, "--skip-invalid"]).ends(0);
        submitted.out.trim().to_owned()
    };
    let fine = submit("set-seats", "seats.csv");
    // Its rows are gone, so its end is not that of a chunk that was carried out.
    place.write("other.csv", "customer,sku,seats\nA-1,SPB,7\nA-1,EXCHANGEDESKLESS,7\n");
    let damaged = submit("set-seats", "other.csv");
    exec(&ledger, "DELETE FROM spool WHERE input = (SELECT MAX(input) FROM jobs)").await;
    let mut command = place.command(&["worker", "--drain"]);
    command.env("TENANTRY__LOG__FORMAT", "json");
    let log = String::from_utf8(command.output().expect("it ends").stderr).expect("text");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let end_of = |job: &str, state: &str| {
        let says = format!("job {job} ended: {state}");
        let mut ends = lines.iter().filter(|line| line["message"] == says.as_str());
        let end = ends.next().unwrap_or_else(|| panic!("{says}: {log}"));
        assert!(ends.next().is_none(), "said once: {log}");
        end
    };
    let end = end_of(&fine, "completed");
    assert_eq!(end["job.kind"], "set-seats");
    let counts = ["rows", "applied", "unchanged", "rejected", "failed", "cancelled"].map(|name| end[name].as_u64());
    assert_eq!(counts, [Some(3), Some(2), Some(0), Some(1), Some(0), Some(0)]);
    assert!(
        end["duration_ms"].as_i64() >= Some(0) && end["waited_ms"].as_i64() > Some(0),
        "{end}"
    );
    let span = &end["span"];
    assert!(
        ["chunk", "chunks"].contains(&span["name"].as_str().expect("a span")),
        "{end}"
    );
    let end = end_of(&damaged, "failed");
    assert_eq!((&end["rows"], &end["failed"]), (&2.into(), &2.into()));
    let span = &end["span"];
    if span["name"] == "chunk" {
        assert_eq!(
            (&span["job.id"], &span["job.kind"]),
            (&damaged.as_str().into(), &"set-seats".into())
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_no_core() {
    let place = Place::with_customer().await;
    let mut worker = worker(&place);
    seen(&place, &worker.0, "idle").await;
    let limits = read(format!("/proc/{}/limits", worker.0.id()));
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let numbers: Vec<&str> = core.expect("a limit").split_whitespace().skip(4).collect();
    assert_eq!(numbers, ["0", "0", "bytes"]);
    assert_eq!(worker.stop(), Some(0));
}
