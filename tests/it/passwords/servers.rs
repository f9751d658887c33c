//! Secrets planted in jobs that pass through real servers, and looked for in all that those keep and log.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use memchr::memmem;
use redis::AsyncCommands;
use tempfile::TempDir;

use super::{handed_out, key_pair};
use crate::place::{CUSTOMERS, Place, Run, Running, read};
use crate::servers::{PgServer, RedisServer};

/// A password somebody has put into a file, and one into an address.
const TYPED: &str = "S3cret-Canary!in-a-cell";
const OF_ADDRESS: &str = "S3cret-Canary-of-the-ledger";

/// Every file below a directory.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// What was found where: the name of a file or a key, and its bytes.
type Kept = Vec<(String, Vec<u8>)>;

/// Where `needle` stands as it is, or in the hexadecimal in which PostgreSQL logs bytes.
fn places(kept: &Kept, needle: &str) -> Vec<String> {
    let hex: String = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
    let holds = |data: &[u8]| {
        [needle, &hex]
            .iter()
            .any(|form| memmem::find(data, form.as_bytes()).is_some())
    };
    let holding = kept.iter().filter(|(_, data)| holds(data));
    holding.map(|(place, _)| place.clone()).collect()
}

/// Every key of the server with its value, as it would be written to disk.
async fn keys(redis: &RedisServer) -> Kept {
    let mut connection = redis.connect().await;
    let names: Vec<Vec<u8>> = connection.keys("*").await.expect("KEYS");
    let mut kept = Vec::new();
    for name in names {
        let mut dump = redis::cmd("DUMP");
        let value: Vec<u8> = dump.arg(&name).query_async(&mut connection).await.expect("DUMP");
        let place = format!("redis key {}", String::from_utf8_lossy(&name));
        kept.push((place, [name, value].concat()));
    }
    kept
}

/// Every file below some directories. A server may take one away while we look.
fn contents(dirs: &[&Path]) -> Kept {
    let all = dirs.iter().flat_map(|dir| files(dir));
    all.filter_map(|file| Some((file.display().to_string(), std::fs::read(file).ok()?)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_that_a_job_passes_through_keeps_or_logs_a_secret() {
    let (postgres, redis) = tokio::join!(PgServer::private(), RedisServer::private());
    postgres.log_statements().await;
    let mut settings = redis.connect().await;
    // As plain on disk as it can be had, and as talkative.
    for (key, value) in [("rdbcompression", "no"), ("loglevel", "debug")] {
        let mut set = redis::cmd("CONFIG");
        () = set
            .arg(&["SET", key, value])
            .query_async(&mut settings)
            .await
            .expect("CONFIG SET");
    }
    let url = postgres.database().await;
    let place = Place {
        dir: TempDir::new().expect("a temporary directory"),
        url: url.replace("tenantry@", &format!("tenantry:{OF_ADDRESS}@")),
    };
    assert_ne!(place.url, url);
    let (public, secret) = key_pair(&place, "tenantry-key.txt");
    let command = |args: &[&str]| {
        let mut command = place.command(args);
        command
            .env("TENANTRY__QUEUE__URL", redis.url())
            .env("TENANTRY__QUEUE__PREFIX", "planted")
            .env("TENANTRY__PASSWORDS__DELIVER", "true")
            .env("TENANTRY__PASSWORDS__RECIPIENTS", &public)
            .env("TENANTRY__LOG__LEVEL", "trace");
        command
    };
    let tenantry = |args: &[&str]| Run::from(command(args).output().expect("tenantry starts")).ends(0);
    place.write("customers.csv", CUSTOMERS);
    let users =
        [("one", TYPED), ("two", "")].map(|(name, password)| format!("A-1,{name}@alpha.onmicrosoft.com,{password}\n"));
    place.write(
        "users.csv",
        format!("customer,user_principal_name,password\n{}", users.concat()),
    );
    place.write(
        "resets.csv",
        "customer,user_principal_name,again\nA-1,one@alpha.onmicrosoft.com,yes\n",
    );

    let log = std::fs::File::create(place.path("worker.log")).expect("a log file");
    let mut worker = command(&["worker"]);
    let worker = worker.stdout(Stdio::null()).stderr(log).spawn();
    let mut worker = Running(worker.expect("a worker starts"));
    let (mut told, mut passwords, mut ids) = (String::new(), Vec::new(), Vec::new());
    for (kind, file) in [
        ("add-customer", "customers.csv"),
        ("bulk-add-users", "users.csv"),
        ("reset-passwords", "resets.csv"),
    ] {
        let ended = tenantry(&["submit", kind, file, "--wait", "--json", "--out", kind]);
        let id = ended.json()["job"].as_str().expect("a job").to_owned();
        told += &[ended.out, ended.err].concat();
        if kind != "add-customer" {
            let revealed = tenantry(&["reveal", &id, "--out", "revealed.csv"]);
            let clear = handed_out(&read(place.path("revealed.csv")));
            passwords.extend(clear.into_iter().map(|(_, password)| password));
            std::fs::remove_file(place.path("revealed.csv")).expect("removed");
            told += &[revealed.out, revealed.err].concat();
        }
        ids.push(id);
    }
    worker.kill();
    assert_eq!(passwords.len(), 3, "two that are new, and one of them anew");

    postgres.checkpoint().await;
    () = redis::cmd("SAVE").query_async(&mut settings).await.expect("SAVE");
    // What was typed stands in the file it was typed into, and the key in its own.
    for file in ["users.csv", "tenantry-key.txt"] {
        std::fs::remove_file(place.path(file)).expect("removed");
    }
    let mut kept = contents(&[place.dir.path(), postgres.directory(), redis.directory()]);
    kept.push(("what the program told".to_owned(), told.into_bytes()));
    kept.extend(keys(&redis).await);

    // What is there to be found is found: in the data, in the logs and in the queue.
    for (needle, part) in [
        ("two@alpha.onmicrosoft.com", postgres.directory().join("data/base")),
        (&ids[1], postgres.directory().join("log")),
        (&ids[1], redis.directory().join("appendonlydir")),
        ("planted", redis.directory().join("dump.rdb")),
        (&ids[1], place.path("worker.log")),
        ("two@alpha.onmicrosoft.com", place.path("bulk-add-users")),
    ] {
        let part = part.display().to_string();
        let is_found = places(&kept, needle).iter().any(|place| place.starts_with(&part));
        assert!(is_found, "{needle} ought to be in {part}");
    }
    let planted = [TYPED, OF_ADDRESS, &secret];
    let secrets = passwords.iter().map(String::as_str).chain(planted);
    let leaks: Vec<_> = secrets.flat_map(|secret| places(&kept, secret)).collect();
    assert_eq!(leaks, Vec::<String>::new(), "of {passwords:?} or {planted:?}");
}
