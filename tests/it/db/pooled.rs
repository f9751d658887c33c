//! Behind `PgBouncer`, which gives out a session for a transaction at a time.

use std::time::Duration;

use tenantry_foundation::db::{ConnectOptions, Db, DbError};
use tokio_postgres::SimpleQueryMessage;

use crate::place::{CUSTOMERS, On, Place};
use crate::servers::pooler::Pooler;
use crate::servers::{PgServer, connect};

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_pooled_and_leave_nothing_behind() {
    let server = PgServer::shared().await;
    for sessions in [1, 3] {
        let pooler = Pooler::before(server, "transaction", sessions).await;
        let mut place = Place::new(On::Postgres).await;
        let direct = std::mem::take(&mut place.url);
        place.url = pooler.url(&direct);
        place.write("customers.csv", CUSTOMERS);
        place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
        // Several at once, whose numbers of statements are the same.
        let running: Vec<_> = (0..5)
            .map(|at| {
                let phone = format!("phone=+44 20 7946 09{at:02}");
                let set = ["run", "update-account", "--set", "customer=A-1", "--set", &phone];
                place.command(&set).spawn().expect("tenantry starts")
            })
            .collect();
        for mut one in running {
            let ended = one.wait().expect("an end");
            assert!(ended.success(), "{sessions} sessions: {ended}");
        }
        place.tenantry(&["audit", "verify", "--deep"]).ends(0);
        place.tenantry(&["jobs"]).ends(0);
        let doctor = place.tenantry(&["doctor"]).ends(0).out;
        assert!(doctor.contains("can be written"), "{doctor}");

        let client = connect(&place.url).await.expect("in");
        for (question, answer) in [
            ("SHOW search_path", "\"$user\", public"),
            ("SHOW lock_timeout", "0"),
            ("SHOW plan_cache_mode", "auto"),
            ("SELECT COUNT(*) FROM pg_prepared_statements", "0"),
        ] {
            let told = client.simple_query(question).await.expect(question);
            let told = told.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            assert_eq!(told, Some(answer), "{question}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_works_behind_a_pooler() {
    let pooler = Pooler::before(PgServer::shared().await, "transaction", 2).await;
    let mut place = Place::new(On::Postgres).await;
    place.url = pooler.url(&place.url);
    place.write("customers.csv", CUSTOMERS);
    place.tenantry(&["submit", "add-customer", "customers.csv"]).ends(0);
    for _ in 0..2 {
        place.tenantry(&["worker", "--drain"]).ends(0);
    }
    let listed = place.tenantry(&["customers"]).ends(0).out;
    assert!(listed.contains("alpha"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_not_pooled() {
    let pooler = Pooler::before(PgServer::shared().await, "statement", 1).await;
    let place = Place::new(On::Postgres).await;
    let url = pooler.url(&place.url);
    let opened = tokio::time::timeout(
        Duration::from_secs(20),
        Db::open(&url, ConnectOptions::with_connections(1)),
    );
    match opened.await.expect("in time") {
        Err(DbError::Elsewhere(told)) => assert!(told.contains("`pool_mode"), "{told}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it cannot work"),
    }
}
