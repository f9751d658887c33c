//! The servers do what the tests rely on: they come back with their data, and tests do not meet.

use super::postgres::connect;
use super::{PgServer, RedisServer};

async fn execute(url: &str, sql: &str) {
    let client = connect(url).await.expect("connect");
    client.batch_execute(sql).await.expect(sql);
}

async fn one(url: &str, sql: &str) -> i32 {
    let client = connect(url).await.expect("connect");
    client.query_one(sql, &[]).await.expect(sql).get(0)
}

#[tokio::test]
async fn redis_keeps_its_data_through_kill_9() {
    let mut server = RedisServer::start().await;
    let mut before = server.connect().await;
    () = redis::cmd("SET")
        .arg("k")
        .arg("v")
        .query_async(&mut before)
        .await
        .expect("SET");
    let url = server.url();
    server.kill9();
    server.restart().await;
    assert_eq!(url, server.url());
    let value: String = redis::cmd("GET")
        .arg("k")
        .query_async(&mut server.connect().await)
        .await
        .expect("GET");
    assert_eq!(value, "v");
}

#[tokio::test]
async fn postgres_keeps_its_data_through_kill_9_and_restart() {
    let mut server = PgServer::private().await;
    let url = server.database().await;
    execute(&url, "create table t (n int); insert into t values (7)").await;
    server.kill9();
    server.restart().await;
    server.restart().await;
    assert_eq!(one(&url, "select n from t").await, 7);
}

#[tokio::test]
async fn databases_of_the_shared_server_are_apart() {
    let (first, second) = tokio::join!(PgServer::shared().database(), PgServer::shared().database());
    assert_ne!(first, second);
    execute(&first, "create table t (n int)").await;
    execute(&second, "create table t (n int)").await;
    let shared = RedisServer::shared().await;
    assert_ne!(shared.prefix(), shared.prefix());
}

