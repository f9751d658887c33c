//! Real Redis and PostgreSQL, started by the tests on free loopback ports in private directories.
//!
//! Nothing has to be installed or running beforehand: a missing server is installed with the
//! system's packages, and no test is ever skipped. One shared server of each sort serves the
//! whole test process, told apart by database or key prefix; a test that restarts, kills or
//! flushes a server takes a private one.
//!
//! A server never outlives its tests: a dropped handle kills it, and should the test process
//! itself be killed, the kernel does (`setpriv --pdeathsig`). Only processes started here are
//! ended, each by its own id.

mod install;
mod nursery;
#[allow(dead_code, reason = "the benches pool nothing")]
pub(crate) mod pooler;
mod postgres;
#[allow(dead_code, reason = "the benches start none")]
pub(crate) mod prometheus;
mod redis;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[allow(unused_imports, reason = "the benches use less of it")]
pub(crate) use install::library;
#[allow(unused_imports, reason = "the benches use less of it")]
pub(crate) use postgres::{PgServer, connect};
pub(crate) use redis::RedisServer;

/// A guard against hanging for ever, never a measure of speed: these machines can be very busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const DIRECTORY_PREFIX: &str = "tenantry-it-";

/// A port that no process listens on at the moment. Another process may still snatch it, so a caller
/// that starts a server on it tries again with another one.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free loopback port")
        .port()
}

/// A number no other caller in this process has.
pub(crate) fn ordinal() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A server's private directory, removed with its handle.
///
/// A shared server lives in a `static`, which is never dropped; what it leaves behind is
/// swept by the next test process, which sees from the name that its owner is gone.
#[derive(Debug)]
struct ServerDirectory(PathBuf);

impl ServerDirectory {
    fn create(server: &str) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let path = std::env::temp_dir().join(format!(
            "{DIRECTORY_PREFIX}{}-{server}-{}",
            std::process::id(),
            ordinal()
        ));
        fs::create_dir_all(&path).expect("a server's directory");
        // PostgreSQL may run as another user, who has to get through.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a server's directory");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ServerDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the directories of our own test processes that are no more.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    let me = effective_user();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| {
            name.strip_prefix(DIRECTORY_PREFIX)?
                .split('-')
                .next()?
                .parse::<u32>()
                .ok()
        });
        // Run by root, PostgreSQL's are its own user's.
        let ours = me == 0 || entry.metadata().is_ok_and(|metadata| metadata.uid() == me);
        if let Some(pid) = owner
            && ours
            && !Path::new("/proc").join(pid.to_string()).exists()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn effective_user() -> u32 {
    fs::metadata("/proc/self").expect("/proc is mounted").uid()
}

/// Waits until somebody wants to connect to a port that a server of ours has left.
async fn missed_at(port: u16) {
    let listener = eventually("the port to be left", async || {
        tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok()
    })
    .await;
    let came = tokio::time::timeout(PATIENCE, listener.accept()).await;
    came.expect("somebody misses the server").expect("a connection");
}

/// Asks again and again until `attempt` gives an answer.
pub(crate) async fn eventually<T>(what: &str, attempt: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, attempt).await
}

/// How long so many jobs may take whose workers are killed, some of them one by one.
pub(crate) fn patience_for(jobs: usize) -> Duration {
    PATIENCE + jobs as u32 * Duration::from_millis(20)
}

/// As [`eventually`], for so long.
pub(crate) async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> T {
    let until = tokio::time::Instant::now() + patience;
    loop {
        if let Some(answer) = attempt().await {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < until,
            "still waiting after {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn redis_keeps_its_data_through_kill_9() {
    let mut server = RedisServer::private().await;
    let mut before = server.connect().await;
    () = ::redis::cmd("SET")
        .arg("k")
        .arg("v")
        .query_async(&mut before)
        .await
        .expect("SET");
    let url = server.url();
    server.kill9().await;
    server.start().await;
    assert_eq!(url, server.url());
    let value: String = ::redis::cmd("GET")
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
    server::execute(&url, "create table t (n int); insert into t values (7)").await;
    server.kill9().await;
    server.start().await;
    server.restart().await;
    assert_eq!(server::one(&url, "select n from t").await, 7);
}

#[tokio::test]
async fn databases_of_the_shared_server_are_apart() {
    let (first, second) = tokio::join!(PgServer::shared(), PgServer::shared());
    let (first, second) = tokio::join!(first.database(), second.database());
    assert_ne!(first, second);
    server::execute(&first, "create table t (n int)").await;
    server::execute(&second, "create table t (n int)").await;
    let shared = RedisServer::shared().await;
    assert_ne!(shared.prefix(), shared.prefix());
}

/// The little SQL these tests need.
mod server {
    pub(super) async fn execute(url: &str, sql: &str) {
        let client = super::postgres::connect(url).await.expect("connect");
        client.batch_execute(sql).await.expect(sql);
    }

    pub(super) async fn one(url: &str, sql: &str) -> i32 {
        let client = super::postgres::connect(url).await.expect("connect");
        client.query_one(sql, &[]).await.expect(sql).get(0)
    }
}
