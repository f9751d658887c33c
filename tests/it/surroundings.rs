//! What is wrong with the surroundings waits and fails no row; what is wrong with a row fails that row alone.

mod clocks;
mod contended;
mod stopped;

use std::process::Stdio;
use std::time::Duration;

use tenantry::testing::runner::retry::RetryPolicy;
use tenantry::testing::submit::Submitted;
use tenantry_ledger::{JobLookup, JobState};

use crate::place::{
    CUSTOMERS, On, Place, Running, TestJob, Work, apply, by, claimant, on_both, outcomes, settings, tables,
};
use crate::servers::{PgServer, RedisServer, connect, eventually};

/// Users of the one customer, numbered from 1.
fn users(count: usize) -> String {
    users_called("user", count)
}

fn users_called(name: &str, count: usize) -> String {
    let rows = (1..=count).map(|n| format!("A-1,{name}{n}@alpha.onmicrosoft.com,First{n},Last{n}\n"));
    format!(
        "customer,user_principal_name,first_name,last_name\n{}",
        rows.collect::<String>()
    )
}

async fn with_customer(place: &Place) {
    let ledger = place.ledger().await;
    assert_eq!(apply(&ledger, "add-customer", CUSTOMERS).await.counts.applied, 1);
}

/// Starts workers one after the other until one finds nothing more to do; how many died.
pub(crate) fn workers_until_done(place: &Place, failpoint: &str) -> usize {
    for deaths in 0..80 {
        let mut worker = place.hurried(&["worker", "--drain"]);
        worker
            .env("TENANTRY__WORKER__CHUNK_ROWS", "100")
            .env("TENANTRY_FAILPOINT", failpoint);
        let status = worker
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("a worker starts");
        if status.code() == Some(0) {
            return deaths;
        }
        assert_eq!(status.code(), None, "it dies or it ends well");
    }
    panic!("workers die for ever")
}

on_both! {
    async fn a_row_that_kills_its_worker_fails_alone(place: Place) {
        with_customer(&place).await;
        place.write("users.csv", users(300));
        place.tenantry(&["submit", "bulk-add-users", "users.csv"]).ends(0);
        let deaths = workers_until_done(&place, "row:117");
        assert!((6..30).contains(&deaths), "{deaths}");
        let ledger = place.ledger().await;
        let job = ledger.jobs(tenantry_ledger::JobFilter { limit: 1, ..Default::default() }).await.expect("jobs").remove(0);
        assert_eq!((job.state, job.counts.applied, job.counts.failed), (JobState::Failed, 299, 1));
        assert_eq!(outcomes(&ledger, &job).await, [(117, "failed".to_owned(), "at-fault".to_owned())]);
        let said = tables::messages(&ledger, "failed").await;
        assert_eq!(said, ["its worker died 3 times"]);
        // Rows of a part are recorded with the id that whole chunks' rows have without a record.
        let results = place.tenantry(&["results", &job.id.to_string()]).ends(0).out;
        let without_id = results.lines().skip(1).filter(|line| line.ends_with(',')).count();
        assert_eq!(without_id, 1, "{results}");
        // The row is at fault no more.
        let again = ledger.retry(&job, &by("tester"), 60_000).await.expect("asked").queued().expect("there is something to retry");
        let again = Work::on(&ledger, &ledger.job(again).await.expect("asked").expect("there")).until_idle().await;
        assert_eq!((again.state, again.counts.applied), (JobState::Completed, 1));
    }

    async fn a_row_the_database_refuses_fails_alone(place: Place) {
        with_customer(&place).await;
        let ledger = place.ledger().await;
        let triggers: &[&str] = match ledger.db().dialect() {
            tenantry_foundation::db::Dialect::Sqlite => &["CREATE TRIGGER no BEFORE INSERT ON users WHEN NEW.first_name = 'First33' BEGIN
                SELECT RAISE(ABORT, 'not this one'); END"],
            tenantry_foundation::db::Dialect::Postgres => &[
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF NEW.first_name = 'First33' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$",
                "CREATE TRIGGER no BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION no()",
            ],
        };
        for trigger in triggers {
            ledger.db().write(|tx| tx.exec(trigger, &[]).map(drop)).await.expect("a trigger");
        }
        let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", &users(60)).chunks(50).submit().await else {
            panic!("queued")
        };
        let job = ledger.job(id).await.expect("asked").expect("there");
        let mut settings = settings(2);
        settings.retry = RetryPolicy { attempts: 2, ..settings.retry };
        let job = Work::on(&ledger, &job).settings(settings).until_idle().await;
        assert_eq!((job.state, job.counts.applied, job.counts.failed), (JobState::Failed, 59, 1));
        assert_eq!(outcomes(&ledger, &job).await, [(33, "failed".to_owned(), "at-fault".to_owned())]);
        let said = tables::messages(&ledger, "failed").await;
        assert!(said[0].starts_with("given up after 2 attempts") && said[0].contains("not this one"), "{said:?}");
    }

    async fn a_chunk_done_in_parts_ends_as_one_done_at_once(place: Place) {
        with_customer(&place).await;
        let ledger = place.ledger().await;
        for suspicions in 1..=4 {
            let csv = users_called(&format!("user{suspicions}of"), 10);
            let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", &csv).chunks(50).submit().await else {
                panic!("queued")
            };
            // Half of the rows are suspected, then half of those, and so on, and none is at fault.
            for _ in 0..suspicions {
                let claim = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
                let cause = tenantry_ledger::Cause::Rows { most: 1 };
                ledger.set_back(&claim, cause, |_| Duration::ZERO, "a fault".to_owned()).await.expect("set back");
            }
            let job = Work::on(&ledger, &ledger.job(id).await.expect("asked").expect("there")).until_idle().await;
            assert_eq!((job.state, job.counts.applied), (JobState::Completed, 10));
            assert_eq!(outcomes(&ledger, &job).await, [], "{suspicions}");
        }
    }

    async fn a_server_that_is_away_is_waited_for_however_often(place: Place) {
        with_customer(&place).await;
        let ledger = place.ledger().await;
        let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", &users(10)).chunks(50).submit().await else {
            panic!("queued")
        };
        for times in 1..=30 {
            let claim = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
            let pause = |times| { assert!(times <= 30); Duration::ZERO };
            let cause = tenantry_ledger::Cause::Surroundings;
            ledger.set_back(&claim, cause, pause, format!("away {times}")).await.expect("set back");
        }
        let job = ledger.job(id).await.expect("asked").expect("there");
        assert_eq!((job.state, job.message.as_deref()), (JobState::Retryable, Some("away 30")));
        let job = Work::on(&ledger, &job).until_idle().await;
        assert_eq!((job.state, job.counts.applied, job.message), (JobState::Completed, 10, None));
        assert_eq!(tables::setbacks(&ledger).await, ["0"]);
    }

    async fn a_job_is_retried_by_one_job(place: Place) {
        with_customer(&place).await;
        let ledger = place.ledger().await;
        let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", &users(10)).chunks(50).submit().await else {
            panic!("queued")
        };
        let claim = ledger.claim(claimant("w", 60_000)).await.expect("asked").expect("a chunk");
        ledger.give_up(&claim, "hopeless".to_owned()).await.expect("given up");
        let job = ledger.job(id).await.expect("asked").expect("there");
        let retries = (0..12).map(|n| { let (ledger, job) = (&ledger, &job); async move { ledger.retry(job, &by(&format!("tester {n}")), 60_000).await } });
        let made = futures::future::join_all(retries).await;
        let made: std::collections::HashSet<_> = made.into_iter().map(|made| made.expect("asked").queued().expect("retried")).collect();
        assert_eq!(made.len(), 1);
        let retries = tables::jobs(&ledger).await.into_iter().filter(|job| job.retry_of.is_some());
        assert_eq!(retries.count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_again_and_again_fail_no_row() {
    let place = Place::new(On::Postgres).await;
    with_customer(&place).await;
    place.write("users.csv", users(20_000));
    let mut submit = place.command(&["submit", "bulk-add-users", "users.csv"]);
    submit.env("TENANTRY__WORKER__CHUNK_ROWS", "500").stdout(Stdio::null());
    assert!(submit.status().expect("tenantry starts").success());
    let mut worker = place.hurried(&["worker"]);
    worker
        .env("TENANTRY__RETRY__ATTEMPTS", "2")
        .env("TENANTRY__RETRY__FIRST_DELAY", "20ms");
    let _worker = Running(
        worker
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a worker starts"),
    );
    let cutter = connect(&place.url).await.expect("a connection");
    let ledger = place.ledger().await;
    // Connections that write are cut off, more often than a chunk is tried.
    let mut cut = 0;
    eventually("writers to be cut off, or the job to end", async || {
        let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND application_name = 'tenantry' AND state <> 'idle'
            AND (query LIKE '%COPY%' OR query LIKE 'UPDATE%' OR query = 'COMMIT')";
        cut += cutter.query_one(sql, &[]).await.expect("cut").get::<_, i64>(0);
        let is_over = ledger.has_open_jobs().await.is_ok_and(|are_open| !are_open);
        (cut > 20 || is_over).then_some(())
    })
    .await;
    assert!(cut > 2, "{cut}");
    let job = eventually("the job to end", async || {
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
    assert_eq!(
        (job.state, job.counts.applied),
        (JobState::Completed, 20_000),
        "{:?}",
        job.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn submitters_are_told_once_by_however_many_workers() {
    let place = Place::new(On::Postgres).await;
    with_customer(&place).await;
    let server = RedisServer::shared().await;
    let (prefix, mut redis) = (server.prefix(), server.connect().await);
    let start = || {
        let mut worker = place.command(&["worker"]);
        worker
            .env("TENANTRY__QUEUE__URL", server.url())
            .env("TENANTRY__QUEUE__PREFIX", &prefix);
        worker
            .env("TENANTRY__WORKER__SWEEP_INTERVAL", "20ms")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running(worker.spawn().expect("a worker starts"))
    };
    let _workers: Vec<Running> = (0..4).map(|_| start()).collect();
    for n in 0..60 {
        let document = format!(
            r#"{{"kind":"update-account","rows":[{{"customer":"A-1","phone":"+44 {n}"}}],"reply_to":"{prefix}:told"}}"#
        );
        let mut add = redis::cmd("XADD");
        add.arg(format!("{prefix}:inbox")).arg(&["*", "job", &document]);
        () = add.query_async(&mut redis).await.expect("XADD");
    }
    let ledger = place.ledger().await;
    eventually("everybody to be told", async || {
        (tables::told(&ledger).await == 60).then_some(())
    })
    .await;
    let replies: u64 = redis::cmd("XLEN")
        .arg(format!("{prefix}:told"))
        .query_async(&mut redis)
        .await
        .expect("XLEN");
    assert_eq!(replies, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_one_row_sends_one_notification() {
    let place = Place::with_customer().await;
    let server = RedisServer::shared().await;
    let prefix = server.prefix();
    let mut submit = place.command(&[
        "submit",
        "update-account",
        "--set",
        "customer=A-1",
        "--set",
        "phone=+44 1",
    ]);
    submit
        .env("TENANTRY__QUEUE__URL", server.url())
        .env("TENANTRY__QUEUE__PREFIX", &prefix);
    assert!(submit.status().expect("tenantry starts").success());
    let sent: u64 = redis::cmd("LLEN")
        .arg(format!("{prefix}:tickets"))
        .query_async(&mut server.connect().await)
        .await
        .expect("LLEN");
    assert_eq!(sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_by_either_end_of_their_ids() {
    let place = Place::with_customer().await;
    let ledger = place.ledger().await;
    let job = ledger
        .jobs(tenantry_ledger::JobFilter {
            limit: 1,
            ..Default::default()
        })
        .await
        .expect("jobs")
        .remove(0);
    let id = job.id.to_string();
    for text in [&id[..], &id[..8], &id[..20], &id[28..], &id.to_uppercase()] {
        let found = ledger.find_job(text).await.expect("asked");
        assert!(
            matches!(&found, JobLookup::Found(found) if found.seq == job.seq),
            "{text}: {found:?}"
        );
    }
    let found = ledger.find_job("0000ffff").await.expect("asked");
    assert!(matches!(found, JobLookup::NotFound(_)), "{found:?}");
    // The end of one id that another begins with tells neither.
    place
        .tenantry(&["run", "update-account", "--set", "customer=A-1", "--set", "phone=+44 1"])
        .ends(0);
    let other = format!("{}{}", &id[28..], &id[8..]);
    let renamed = other.clone();
    let sql = "UPDATE jobs SET id = $1 WHERE seq = (SELECT MAX(seq) FROM jobs)";
    ledger
        .db()
        .write(move |tx| tx.exec(sql, &[renamed.as_str().into()]))
        .await
        .expect("written");
    match ledger.find_job(&id[28..]).await.expect("asked") {
        JobLookup::NotFound(why) => assert!(why.contains(&id) && why.contains(&other), "{why}"),
        found => panic!("{found:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_listed_is_found_by_its_short_id_however_many_came_after_it() {
    for on in [On::Sqlite, On::Postgres] {
        let place = Place::new(on).await;
        place.write("customers.csv", crate::place::CUSTOMERS);
        place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
        let ledger = place.ledger().await;
        crate::place::tables::skip_job_numbers(&ledger, on, 20_000).await;
        place.write("more.csv", "customer,city\nA-1,York\n");
        place.tenantry(&["run", "update-account", "more.csv"]).ends(0);
        let jobs = crate::place::tables::jobs(&ledger).await;
        let short = ledger
            .short_ids(jobs.iter().map(|job| job.id).collect())
            .await
            .expect("asked");
        assert_eq!(jobs.len(), 2);
        for (job, is_old) in jobs.iter().zip([false, true]) {
            let text = short.of_job(job.id);
            assert!(
                text.len() < 36 && job.id.to_string().starts_with(&text) == is_old,
                "{text}"
            );
            let found = ledger.find_job(&text).await.expect("asked");
            assert!(
                matches!(&found, JobLookup::Found(found) if found.seq == job.seq),
                "{text}: {found:?}"
            );
        }
        ledger.close().await;
        let listed = place.tenantry(&["jobs"]).ends(0).out;
        for job in &jobs {
            assert!(listed.contains(&short.of_job(job.id)), "{listed}");
        }
    }
}

/// Nothing that workers ask again and again reads jobs that have ended, whatever the planner believes.
#[tokio::test(flavor = "multi_thread")]
async fn claims_and_sweeps_go_by_indexes() {
    let server = PgServer::private().await;
    let url = server.database().await;
    let ledger = tenantry_ledger::Ledger::open(&url, 4, tenantry_foundation::clock::Clock::system())
        .await
        .expect("opened");
    // With fewer ended jobs, or once the tables were vacuumed, the server chooses well whatever indexes it has.
    let client = connect(&url).await.expect("a connection");
    for sql in tables::HISTORY {
        client.batch_execute(sql).await.expect("history");
    }
    client.batch_execute("SELECT pg_stat_reset()").await.expect("reset");
    for _ in 0..30 {
        ledger
            .claim(claimant("w", 60_000))
            .await
            .expect("claimed")
            .expect("a chunk");
        assert_eq!(
            ledger
                .claimable(tenantry_ledger::Scope::All, 4)
                .await
                .expect("asked")
                .len(),
            4
        );
    }
    ledger.clear_up_cancelled().await.expect("swept");
    ledger
        .discard_stale_plans(&mut tenantry_ledger::Seen::default())
        .await
        .expect("swept");
    ledger.expire_approvals().await.expect("swept");
    ledger.prune_spool(0).await.expect("swept");
    assert!(!ledger.has_untold().await.expect("asked"));
    // The server counts rows read by sequential scans, and those its indexes led it to; of a connection at its end.
    drop(ledger);
    eventually("the connections to have ended", async || {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        client.query(sql, &[]).await.ok()?.is_empty().then_some(())
    })
    .await;
    let sql = "SELECT COALESCE(SUM(seq_tup_read), 0)::bigint, COALESCE(SUM(idx_tup_fetch), 0)::bigint
        FROM pg_stat_user_tables WHERE relname IN ('jobs', 'chunks', 'inputs', 'spool')";
    let counted = client.query_one(sql, &[]).await.expect("counted");
    let (scanned, fetched) = (counted.get::<_, i64>(0), counted.get::<_, i64>(1));
    assert!(fetched > 0, "nothing was counted");
    assert!(scanned < 2_000, "{scanned} rows of ended jobs were read");
    assert!(fetched < 20_000, "{fetched} rows were looked up for 60 questions");
}
