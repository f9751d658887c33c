//! Correct under fire: processes are killed with no chance to clean up, at named places and at random, and what
//! is left in store and ledger must equal a calm run's, to the last field.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::invariants::violations_at_work;
use crate::place::{On, Place, Running, TWO_CUSTOMERS, tables};
use crate::servers::{PgServer, RedisServer, eventually};

const ROWS: usize = 6_000;

/// Many users of two customers, with licences; some rows faulty, so that every kind of outcome is there.
fn users() -> String {
    let mut text = String::from("customer,user_principal_name,first_name,last_name,usage_location,licenses\n");
    for n in 0..ROWS {
        let (customer, domain) = if n % 3 == 0 { ("B-2", "beta") } else { ("A-1", "alpha") };
        let licence = if n % 4 == 0 { "SPB" } else { "" };
        let name = if n % 500 == 77 {
            "user@nowhere.example".to_owned()
        } else {
            format!("user{n}@{domain}.onmicrosoft.com")
        };
        text.push_str(&format!("{customer},{name},First{n},Last{n},GB,{licence}\n"));
    }
    text
}

/// Customers, seats and the users' file; the store is ready for the job.
async fn prepared(on: On) -> (Place, PathBuf) {
    let place = Place::new(on).await;
    let customers = place.write("customers.csv", TWO_CUSTOMERS);
    let seats = place.write("seats.csv", "customer,sku,seats\nA-1,SPB,5000\nB-2,SPB,5000\n");
    place
        .tenantry(&["run", "add-customer", &customers.display().to_string()])
        .ends(0);
    place
        .tenantry(&["run", "set-seats", &seats.display().to_string()])
        .ends(0);
    let file = place.write("users.csv", users());
    (place, file)
}

/// Small chunks and short leases, so that there is much to interrupt and little to wait for.
fn in_small_chunks(mut command: std::process::Command) -> std::process::Command {
    command
        .env("TENANTRY__WORKER__CHUNK_ROWS", "200")
        .env("TENANTRY__RETRY__ATTEMPTS", "100")
        .env("TENANTRY__RETRY__FIRST_DELAY", "10ms")
        .env("TENANTRY__RETRY__MAX_DELAY", "100ms")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What is held when nothing disturbs the job, and its results. It is the same for all tests of a database.
async fn calm(on: On) -> &'static (String, String) {
    static ON_SQLITE: OnceCell<(String, String)> = OnceCell::const_new();
    static ON_POSTGRES: OnceCell<(String, String)> = OnceCell::const_new();
    let known = match on {
        On::Sqlite => &ON_SQLITE,
        On::Postgres => &ON_POSTGRES,
    };
    known.get_or_init(async || undisturbed(on).await).await
}

async fn undisturbed(on: On) -> (String, String) {
    let (place, file) = prepared(on).await;
    let out = place.path("out");
    let run = in_small_chunks(place.hurried(&[
        "run",
        "bulk-add-users",
        &file.display().to_string(),
        "--skip-invalid",
        "--out",
        &out.display().to_string(),
    ]))
    .status()
    .expect("tenantry starts");
    assert_eq!(run.code(), Some(1), "some rows are rejected");
    (
        place.dump().await,
        without_ids(&crate::place::read(out.join("results.csv"))),
    )
}

/// GUIDs hold the installation's own number; everything else of a results file is the same everywhere.
fn without_ids(results: &str) -> String {
    results
        .lines()
        .map(|line| line.rsplit_once(',').map_or(line, |(rest, _)| rest))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A small generator of our own: the moments of the kills are logged and can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

async fn job_is_over(place: &Place, kind: &str) -> bool {
    let ledger = place.ledger().await;
    let jobs = ledger
        .jobs(tenantry_ledger::JobFilter {
            kind: Some(kind.to_owned()),
            limit: 10,
            ..Default::default()
        })
        .await;
    jobs.is_ok_and(|jobs| !jobs.is_empty() && jobs.iter().all(|job| job.state.is_final()))
}

async fn until_over(place: &Place) {
    eventually("the job to end", async || {
        // Right after a restart a server may still refuse; that is no end of the job.
        let over = job_is_over(place, "bulk-add-users");
        (tokio::time::timeout(Duration::from_secs(5), over).await == Ok(true)).then_some(())
    })
    .await;
}

async fn killed_at(on: On, failpoint: &str) {
    let (expected, results) = calm(on).await;
    let (place, file) = prepared(on).await;
    let out = place.path("out");
    let args = [
        "run",
        "bulk-add-users",
        &file.display().to_string(),
        "--skip-invalid",
        "--out",
        &out.display().to_string(),
    ];
    let mut died = 0;
    // Again and again, each time a little further in, until the failpoint is no longer come by.
    for turn in 1..=6 {
        let status = in_small_chunks(place.hurried(&args))
            .env("TENANTRY_FAILPOINT", format!("{failpoint}@{turn}"))
            .status()
            .expect("tenantry starts");
        if status.code().is_some() {
            break;
        }
        died += 1;
        // Once it has ended, the same command would be a new job.
        if job_is_over(&place, "bulk-add-users").await {
            break;
        }
    }
    assert!(died > 0, "`{failpoint}` was never come by");
    if !job_is_over(&place, "bulk-add-users").await {
        let status = in_small_chunks(place.hurried(&args)).status().expect("tenantry starts");
        assert_eq!(status.code(), Some(1));
    }
    // What was left unwritten is written by a worker on this machine.
    let drained = in_small_chunks(place.hurried(&["worker", "--drain"])).status();
    assert_eq!(drained.expect("tenantry starts").code(), Some(0));
    assert!(out.join("receipt.json").exists(), "the results are delivered");
    compare(&place.dump().await, expected);
    assert_eq!(
        violations_at_work(place.ledger().await.db()).await,
        Vec::<String>::new()
    );
    assert_eq!(without_ids(&crate::place::read(out.join("results.csv"))), *results);
}

/// Sequence numbers of jobs depend on how often the door was knocked at; everything else must be the same.
#[track_caller]
fn compare(found: &str, expected: &str) {
    let (found, expected) = (normal(found), normal(expected));
    let users = |dump: &[String]| dump.iter().filter(|line| line.starts_with("users")).count();
    assert_eq!(users(&found), users(&expected), "users");
    if let Some((found, expected)) = found.iter().zip(&expected).find(|(found, expected)| found != expected) {
        panic!("found    {found}\nexpected {expected}");
    }
    assert_eq!(found.len(), expected.len());
}

/// A record's id is `job << 32 | row`; the job is named by its rank among those there are.
fn normal(dump: &str) -> Vec<String> {
    let mut jobs: Vec<u64> = dump
        .lines()
        .filter(|line| line.starts_with("jobs"))
        .filter_map(|line| line.split("Int(").nth(1)?.split(')').next()?.parse().ok())
        .collect();
    jobs.sort_unstable();
    let rank = |seq: u64| {
        jobs.iter()
            .position(|job| *job == seq)
            .map_or(seq, |rank| rank as u64 + 1)
    };
    dump.lines()
        .map(|line| {
            let mut parts = line.split("Int(");
            let mut text = parts.next().unwrap_or_default().to_owned();
            for (at, part) in parts.enumerate() {
                let (number, rest) = part.split_once(')').unwrap_or((part, ""));
                let mut number: u64 = number.parse().unwrap_or_default();
                if number >> 32 > 0 {
                    number = (rank(number >> 32) << 32) | (number & 0xffff_ffff);
                } else if at == 0 && !line.starts_with("skus") {
                    number = rank(number);
                }
                text.push_str(&format!("Int({number}){rest}"));
            }
            text
        })
        .collect()
}

macro_rules! failpoints {
    ($($name:ident: $failpoint:literal),* $(,)?) => {
        $(mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() { killed_at(On::Sqlite, $failpoint).await }
            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() { killed_at(On::Postgres, $failpoint).await }
        })*
    };
}

failpoints! {
    while_planning: "planning",
    after_recording: "after-record",
    before_claim: "before-claim",
    after_claim: "after-claim",
    before_finish: "before-finish",
    before_commit: "before-commit",
    after_commit: "after-commit",
    while_writing_results: "while-writing-results",
    before_delivered: "before-delivered",
}

/// Workers on one file, killed at random and started again.
async fn workers_killed_at_random(on: On, workers: usize, queue: Option<&RedisServer>, seed: u64) {
    let (expected, _) = calm(on).await;
    let (place, file) = prepared(on).await;
    let with_queue = |mut command: std::process::Command| {
        if let Some(redis) = queue {
            command.env("TENANTRY__QUEUE__URL", redis.url());
        }
        command
    };
    let submitted = in_small_chunks(with_queue(place.hurried(&[
        "submit",
        "bulk-add-users",
        &file.display().to_string(),
        "--skip-invalid",
    ])));
    let mut submitted = submitted;
    assert_eq!(submitted.status().expect("tenantry starts").code(), Some(0));
    let start = || {
        Running(
            in_small_chunks(with_queue(place.hurried(&["worker"])))
                .spawn()
                .expect("a worker starts"),
        )
    };
    let mut running: Vec<Running> = (0..workers).map(|_| start()).collect();
    let mut dice = Dice(seed);
    for _ in 0..12 {
        // Where a worker is when it is killed is left to chance.
        tokio::time::sleep(Duration::from_millis(30 + dice.roll(250))).await;
        let victim = dice.roll(workers as u64) as usize;
        running[victim].kill();
        running[victim] = start();
    }
    until_over(&place).await;
    drop(running);
    compare(&place.dump().await, expected);
    assert_eq!(
        violations_at_work(place.ledger().await.db()).await,
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_on_sqlite() {
    workers_killed_at_random(On::Sqlite, 2, None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_workers_on_postgres_and_redis() {
    let redis = RedisServer::private().await;
    workers_killed_at_random(On::Postgres, 4, Some(&redis), 2).await;
}

/// Waits until the newest job is under way, and makes sure that it is not over by then.
async fn mid_run(place: &Place) {
    let ledger = place.ledger().await;
    let newest = async || {
        let filter = tenantry_ledger::JobFilter {
            limit: 1,
            ..Default::default()
        };
        ledger.jobs(filter).await.expect("jobs").into_iter().next()
    };
    let job = crate::servers::eventually("some rows to be done", async || {
        newest()
            .await
            .filter(|job| job.kind == "bulk-add-users" && job.counts.applied > 0)
    })
    .await;
    assert!(!job.state.is_final(), "it was over before anything could happen to it");
}

/// What is done to the servers while two workers are at it.
async fn servers_under_fire(disturb: impl AsyncFnOnce(&mut RedisServer, &mut PgServer)) {
    let (expected, _) = calm(On::Postgres).await;
    let mut redis = RedisServer::private().await;
    let mut postgres = PgServer::durable().await;
    let mut place = Place::new(On::Sqlite).await;
    place.url = postgres.database().await;
    let customers = place.write("customers.csv", TWO_CUSTOMERS);
    let seats = place.write("seats.csv", "customer,sku,seats\nA-1,SPB,5000\nB-2,SPB,5000\n");
    place
        .tenantry(&["run", "add-customer", &customers.display().to_string()])
        .ends(0);
    place
        .tenantry(&["run", "set-seats", &seats.display().to_string()])
        .ends(0);
    let file = place.write("users.csv", users());
    let with_queue = |args: &[&str]| {
        let mut command = in_small_chunks(place.hurried(args));
        command
            .env("TENANTRY__QUEUE__URL", redis.url())
            .env("TENANTRY__WORKER__CHUNK_ROWS", "40");
        command
    };
    let mut submit = with_queue(&[
        "submit",
        "bulk-add-users",
        &file.display().to_string(),
        "--skip-invalid",
    ]);
    let mut workers: Vec<Running> = (0..2)
        .map(|_| Running(with_queue(&["worker"]).spawn().expect("a worker starts")))
        .collect();
    assert_eq!(submit.status().expect("tenantry starts").code(), Some(0));
    mid_run(&place).await;
    disturb(&mut redis, &mut postgres).await;
    until_over(&place).await;
    for worker in &mut workers {
        assert!(worker.0.try_wait().expect("asked").is_none(), "no worker may end");
    }
    drop(workers);
    compare(&place.dump().await, expected);
    assert_eq!(
        violations_at_work(place.ledger().await.db()).await,
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_flushed_and_killed_mid_run() {
    servers_under_fire(async |redis: &mut RedisServer, _: &mut PgServer| {
        let mut connection = redis.connect().await;
        ::redis::cmd("FLUSHALL")
            .query_async::<()>(&mut connection)
            .await
            .expect("flushed");
        redis.kill9().await;
        redis.missed().await;
        redis.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_and_restarted_mid_run() {
    servers_under_fire(async |_: &mut RedisServer, postgres: &mut PgServer| {
        postgres.kill9().await;
        postgres.missed().await;
        postgres.start().await;
    })
    .await;
}

/// A worker that is asked to stop finishes what it has in hand, lets go, and the next one goes on at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_stop_leaves_nothing_in_hand() {
    let (place, file) = prepared(On::Sqlite).await;
    in_small_chunks(place.hurried(&[
        "submit",
        "bulk-add-users",
        &file.display().to_string(),
        "--skip-invalid",
    ]))
    .status()
    .expect("tenantry starts");
    let worker = in_small_chunks(place.hurried(&["worker"])).spawn();
    let mut worker = Running(worker.expect("a worker starts"));
    mid_run(&place).await;
    assert_eq!(worker.stop(), Some(0));
    assert_eq!(tables::held_chunks(&place.ledger().await).await, 0);
}
