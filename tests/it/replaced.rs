//! A ledger's file that is removed or replaced while a process has it open, and databases that were closed.

use std::process::Stdio;
use std::time::Duration;

use tenantry_foundation::db::{ConnectOptions, Db, DbError};
use tenantry_ledger::JobFilter;
use tokio::task::JoinSet;

use crate::place::{CUSTOMERS, On, Place, Running, tables};
use crate::servers::{PATIENCE, eventually};

const SAYS: &str = "was removed or replaced while it was open; nothing more is written to it; start again";

async fn note(db: &Db, key: &'static str) -> Result<u64, DbError> {
    db.write(move |tx| tables::add_meta(tx, key, "")).await
}

async fn noted(db: &Db) -> Result<i64, DbError> {
    tables::empty_meta(db).await
}

/// Whatever is asked for, the answer is that the file is another one.
async fn assert_noticed(db: &Db, path: &std::path::Path) {
    let expected = format!("the ledger's file {} {SAYS}", path.display());
    let answers = [
        note(db, "lost").await.map(drop),
        noted(db).await.map(drop),
        db.change_mark().map(drop),
    ];
    for answer in answers {
        assert!(
            matches!(&answer, Err(error @ DbError::Replaced(_)) if error.to_string() == expected),
            "{answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_another_one_is_noticed() {
    let place = Place::new(On::Sqlite).await;
    let (path, away) = (place.path("tenantry.db"), place.path("away.db"));
    let db = Db::open(&place.url, ConnectOptions::default()).await.expect("it opens");
    note(&db, "one").await.expect("written");
    assert!(db.change_mark().is_ok() && noted(&db).await.expect("read") == 1);

    std::fs::rename(&path, &away).expect("renamed");
    assert_noticed(&db, &path).await;
    assert!(!path.exists(), "no empty one is made");
    // Back again, it is the same.
    std::fs::rename(&away, &path).expect("renamed");
    note(&db, "two").await.expect("written");
    assert_eq!(noted(&db).await.expect("read"), 2);

    // Another ledger in its place, which others use by now.
    std::fs::rename(&path, &away).expect("renamed");
    for left in ["tenantry.db-wal", "tenantry.db-shm"] {
        std::fs::remove_file(place.path(left)).expect("removed");
    }
    let other = Db::open(&place.url, ConnectOptions::default()).await.expect("it opens");
    note(&other, "three").await.expect("written");
    assert_noticed(&db, &path).await;
    db.close().await;
    note(&other, "four").await.expect("its log was not taken away");
    other.close().await;
    let other = Db::open(&place.url, ConnectOptions::default()).await.expect("it opens");
    assert_eq!(
        noted(&other).await.expect("read"),
        2,
        "all of the other one's, and nothing else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_under_way_is_not_said_to_be_kept() {
    let place = Place::new(On::Sqlite).await;
    let db = Db::open(&place.url, ConnectOptions::default()).await.expect("it opens");
    let (path, away) = (place.path("tenantry.db"), place.path("away.db"));
    let (from, to) = (path.clone(), away.clone());
    let written = db
        .write(move |tx| {
            tables::add_meta(tx, "lost", "")?;
            std::fs::rename(&from, &to).expect("renamed");
            Ok(())
        })
        .await;
    assert!(matches!(written, Err(DbError::Replaced(_))), "{written:?}");
    std::fs::rename(&away, &path).expect("renamed");
    assert_eq!(noted(&db).await.expect("read"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_says_so_and_makes_no_new_ledger() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    let mut users = String::from("customer,user_principal_name,first_name,last_name\n");
    for n in 0..20_000 {
        users.push_str(&format!("A-1,user{n}@alpha.onmicrosoft.com,First{n},Last{n}\n"));
    }
    place.write("users.csv", users);
    let mut command = place.hurried(&["run", "bulk-add-users", "users.csv"]);
    command.env("TENANTRY__WORKER__CHUNK_ROWS", "10");
    let run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut run = Running(run.expect("tenantry starts"));
    let ledger = place.ledger().await;
    eventually("rows to be applied", async || {
        let jobs = ledger
            .jobs(JobFilter {
                limit: 1,
                ..JobFilter::default()
            })
            .await
            .expect("jobs");
        (jobs[0].kind == "bulk-add-users" && jobs[0].counts.finished() > 0).then_some(())
    })
    .await;
    drop(ledger);
    std::fs::rename(place.path("tenantry.db"), place.path("away.db")).expect("renamed");
    let code = eventually("the run to end", async || run.0.try_wait().expect("asked")).await;
    let mut said = String::new();
    std::io::Read::read_to_string(&mut run.0.stderr.take().expect("piped"), &mut said).expect("read");
    assert_eq!(code.code(), Some(2), "{said}");
    assert!(said.contains(SAYS), "{said}");
    assert!(!place.path("tenantry.db").exists());
    // With its log, which belongs to it, it is back and goes on.
    std::fs::rename(place.path("away.db"), place.path("tenantry.db")).expect("renamed");
    let again = place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(again["counts"]["applied"], 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_says_so_and_waits_for_no_reader() {
    let place = Place::new(On::Sqlite).await;
    let db = Db::open(&place.url, ConnectOptions::default()).await.expect("it opens");
    note(&db, "one").await.expect("written");
    let mut reading = JoinSet::new();
    reading.spawn({
        let db = db.clone();
        async move {
            let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
            db.read(|tx| tx.query(endless, &[]).map(drop)).await
        }
    });
    // One that nobody waits for any more, and one that somebody does.
    let _ = tokio::time::timeout(
        Duration::from_millis(100),
        db.read(|tx| {
            tx.query(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
                &[],
            )
            .map(drop)
        }),
    )
    .await;
    tokio::time::timeout(PATIENCE, db.close()).await.expect("it closes");
    let interrupted = tokio::time::timeout(PATIENCE, reading.join_next()).await;
    let interrupted = interrupted.expect("the reading ends").expect("one").expect("it ends");
    assert!(matches!(interrupted, Err(DbError::Closed)), "{interrupted:?}");
    assert!(!place.path("tenantry.db-wal").exists() && !place.path("tenantry.db-shm").exists());
    let answers = [
        note(&db.clone(), "two").await.map(drop),
        noted(&db).await.map(drop),
        db.change_mark().map(drop),
        db.copy_to(&place.path("copy.db")).await,
    ];
    assert!(
        answers.iter().all(|answer| matches!(answer, Err(DbError::Closed))),
        "{answers:?}"
    );
    // Once more is no harm.
    db.close().await;
}
