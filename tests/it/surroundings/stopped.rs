//! Workers that are stopped where they stand, and databases that do not answer.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tenantry_ledger::JobState;

use super::{users, with_customer};
use crate::place::{CUSTOMERS, On, Place, Running, tables};
use crate::servers::{PgServer, connect, eventually};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a signal is sent");
}

fn quiet(mut command: Command) -> Running {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("a worker starts"))
}

/// Wakes a worker up, which finishes what it has in hand before it ends.
fn ends_awake(worker: &mut Running) {
    signal(&worker.0, Signal::CONT);
    worker.stop();
}

/// A worker is stopped while it holds the locks of a transaction; another one goes on, and the first does no harm when it
/// wakes up again.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stopped_inside_a_transaction_is_replaced() {
    let place = Place::new(On::Postgres).await;
    with_customer(&place).await;
    place.write("users.csv", users(50));
    place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
    // The worker is kept waiting inside its transaction from outside, and so is stopped there.
    let outside = connect(&place.url).await.expect("a connection");
    outside
        .batch_execute("BEGIN; SELECT 1 FROM customers FOR UPDATE")
        .await
        .expect("a lock");
    let worker = |place: &Place| {
        let mut command = place.hurried(&["worker"]);
        command.env("TENANTRY__LEDGER__IDLE_TRANSACTION", "1s");
        quiet(command)
    };
    let mut first = worker(&place);
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    // A transaction sees what others do as of when it first looked.
    let looking = connect(&place.url).await.expect("a connection");
    eventually("the worker to wait for the lock", async || {
        let row = looking.query_one(waiting, &[]).await.ok()?;
        (row.get::<_, i64>(0) > 0).then_some(())
    })
    .await;
    signal(&first.0, Signal::STOP);
    outside.batch_execute("ROLLBACK").await.expect("unlocked");
    let _second = worker(&place);
    let ledger = place.ledger().await;
    let job = eventually("the other worker to end the job", async || {
        let mut jobs = ledger
            .jobs(tenantry_ledger::JobFilter {
                limit: 1,
                ..Default::default()
            })
            .await
            .ok()?;
        jobs.pop().filter(|job| job.state.is_final())
    })
    .await;
    assert_eq!((job.state, job.counts.applied), (JobState::Completed, 50));
    let before = place.dump().await;
    ends_awake(&mut first);
    assert_eq!(place.dump().await, before);
}

/// A worker is stopped while chunks of it wait for locks: it stops waiting, however long it would wait if it were well, so
/// that none of them holds the customer next.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_waits_for_no_locks() {
    const CHUNKS: i64 = 6;
    let place = Place::new(On::Postgres).await;
    // Chunks of one customer would wait for each other in the worker, and not in the database.
    let (columns, alpha) = CUSTOMERS.split_once('\n').expect("two lines");
    let zeta = |n| {
        alpha
            .replace("alpha", &format!("zeta{n}"))
            .replace("A-1", &format!("Z-{n}"))
    };
    let customers: String = (0..CHUNKS).map(zeta).collect();
    place.write("customers.csv", format!("{columns}\n{customers}"));
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    for n in 0..CHUNKS {
        // Two of them are too large to be carried out together.
        let file = users(2_600)
            .replace("A-1,", &format!("Z-{n},"))
            .replace("@alpha.", &format!("@zeta{n}."));
        place.write("users.csv", file);
        place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
    }
    let outside = connect(&place.url).await.expect("a connection");
    outside
        .batch_execute("BEGIN; SELECT 1 FROM customers FOR UPDATE")
        .await
        .expect("a lock");
    let worker = |lock_wait: &str| {
        let mut command = place.hurried(&["worker"]);
        command
            .env("TENANTRY__WORKER__CONCURRENCY", CHUNKS.to_string())
            .env("TENANTRY__LEDGER__CONNECTIONS", "8")
            .env("TENANTRY__LEDGER__LOCK_WAIT", lock_wait)
            .env("TENANTRY__LEDGER__IDLE_TRANSACTION", "1s");
        quiet(command)
    };
    let first = worker("1h");
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let looking = connect(&place.url).await.expect("a connection");
    let until = async |what: &str, number: i64| {
        eventually(what, async || {
            let row = looking.query_one(waiting, &[]).await.ok()?;
            (row.get::<_, i64>(0) == number).then_some(())
        })
        .await;
    };
    until("all chunks to wait", CHUNKS).await;
    // Those that are well ask again, and wait on.
    let row = looking.query_one("SELECT clock_timestamp()::text", &[]).await;
    let began: String = row.expect("the time").get(0);
    let again = format!("{waiting} AND query_start > '{began}'");
    eventually("all chunks to wait again", async || {
        let row = looking.query_one(&again, &[]).await.ok()?;
        (row.get::<_, i64>(0) == CHUNKS).then_some(())
    })
    .await;
    signal(&first.0, Signal::STOP);
    until("nothing to wait", 0).await;
    let _second = worker("30s");
    until("the other worker to wait", CHUNKS).await;
    outside.batch_execute("ROLLBACK").await.expect("unlocked");
    let ledger = place.ledger().await;
    eventually("the other worker to end the jobs", async || {
        let mut jobs = ledger
            .jobs(tenantry_ledger::JobFilter {
                limit: 20,
                ..Default::default()
            })
            .await
            .ok()?;
        jobs.retain(|job| job.kind == "bulk-add-users");
        let have_ended = jobs.iter().all(|job| job.state.is_final());
        (have_ended && jobs.len() == CHUNKS as usize).then_some(())
    })
    .await;
    assert_eq!(crate::invariants::violations(ledger.db()).await, Vec::<String>::new());
}

/// A worker is stopped in the middle of a COPY, where the server waits for it as if it were busy: the COPY is ended, others
/// do the chunk, and what the worker sends when it wakes up again is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stopped_inside_a_copy_is_replaced() {
    let place = Place::new(On::Postgres).await;
    with_customer(&place).await;
    place.write("users.csv", users(20_000));
    place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
    let looking = connect(&place.url).await.expect("a connection");
    let copying = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND pid <> pg_backend_pid() AND query LIKE '%COPY users%'";
    let starving = format!("{copying} AND wait_event = 'ClientRead'");
    let number = async |text: &str| looking.query_one(text, &[]).await.expect("a number").get::<_, i64>(0);
    let worker = || {
        let mut command = place.hurried(&["worker"]);
        command
            .env("TENANTRY__LEDGER__IDLE_TRANSACTION", "1s")
            .env("TENANTRY__WORKER__CONCURRENCY", "1");
        quiet(command)
    };
    let mut first = worker();
    loop {
        while number(copying).await == 0 {
            assert!(number(tables::OPEN_CHUNKS).await > 0, "it was never stopped in a COPY");
        }
        signal(&first.0, Signal::STOP);
        // What it had sent is worked off: either the server waits for more of it then, or it was all.
        let is_caught = eventually("the server to have read what it was sent", async || {
            let is_starving = number(&starving).await > 0;
            (is_starving || number(copying).await == 0).then_some(is_starving)
        })
        .await;
        if is_caught {
            break;
        }
        signal(&first.0, Signal::CONT);
    }
    let _second = worker();
    let ledger = place.ledger().await;
    let job = eventually("the other worker to end the job", async || {
        let filter = tenantry_ledger::JobFilter {
            limit: 1,
            ..Default::default()
        };
        ledger.jobs(filter).await.ok()?.pop().filter(|job| job.state.is_final())
    })
    .await;
    assert_eq!((job.state, job.counts.applied), (JobState::Completed, 20_000));
    let before = place.dump().await;
    ends_awake(&mut first);
    assert_eq!(place.dump().await, before);
    assert_eq!(crate::invariants::violations(ledger.db()).await, Vec::<String>::new());
}

/// PostgreSQL hangs: every process of it is stopped. Asked to stop, a worker leaves all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_a_database_that_does_not_answer() {
    let server = PgServer::private().await;
    let url = server.database().await;
    let place = Place {
        url,
        ..Place::new(On::Sqlite).await
    };
    with_customer(&place).await;
    place.write("users.csv", users(3_000));
    place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
    let outside = connect(&place.url).await.expect("a connection");
    outside
        .batch_execute("BEGIN; SELECT 1 FROM customers FOR UPDATE")
        .await
        .expect("a lock");
    let mut command = place.hurried(&["worker"]);
    command.env("TENANTRY__WORKER__LEAVE_WITHIN", "1s");
    let mut worker = quiet(command);
    let backends = "SELECT pid, wait_event_type = 'Lock' FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'tenantry'";
    let looking = connect(&place.url).await.expect("a connection");
    let pids: Vec<i32> = eventually("the worker to have a chunk in hand", async || {
        let rows = looking.query(backends, &[]).await.ok()?;
        let waits = rows.iter().any(|row| row.get::<_, Option<bool>>(1) == Some(true));
        waits.then(|| rows.iter().map(|row| row.get(0)).collect())
    })
    .await;
    let all = |signal: Signal| {
        for pid in &pids {
            let pid = Pid::from_raw(*pid).expect("a process id");
            // One that has ended meanwhile cannot be signalled.
            let _ = kill_process(pid, signal);
        }
    };
    all(Signal::STOP);
    let code = tokio::task::spawn_blocking(move || worker.stop())
        .await
        .expect("it was waited for");
    all(Signal::CONT);
    assert_eq!(code, Some(0));
    outside.batch_execute("ROLLBACK").await.expect("unlocked");
    place
        .hurried(&["worker", "--drain"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("a worker starts");
    let ledger = place.ledger().await;
    let jobs = ledger
        .jobs(tenantry_ledger::JobFilter {
            limit: 1,
            ..Default::default()
        })
        .await
        .expect("jobs");
    assert_eq!((jobs[0].state, jobs[0].counts.applied), (JobState::Completed, 3_000));
}

/// SQLite's file is put aside below a worker, which does not go on with what nobody sees.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_when_its_ledger_is_replaced() {
    let place = Place::with_customer().await;
    let mut worker = place.hurried(&["worker"]);
    let mut worker = Running(
        worker
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a worker starts"),
    );
    place.write("users.csv", users(1));
    place
        .tenantry(&["submit", "bulk-add-users", "users.csv", "--wait"])
        .ends(0);
    assert!(worker.0.try_wait().expect("asked").is_none(), "it works");
    std::fs::rename(place.path("tenantry.db"), place.path("aside.db")).expect("renamed");
    let code = tokio::task::spawn_blocking(move || worker.0.wait().expect("it ends").code())
        .await
        .expect("waited");
    assert_eq!(code, Some(2));
}
