//! Jobs of one row and of ten, as other programs hand them in over the Redis inbox, up to their recorded results.
//!
//!     cargo bench --bench small -- [--only backlog|latency|rows|size] [--jobs 60000] [--rounds 3]
//!
//! Beside it, on the same servers, `BullMQ` does what it would for the same: a transaction per job that changes the row and records
//! the result, 50 at a time, with Redis' file synced every second. It is installed from npm; without it the ratio is not told.
//!
//! - `backlog`: jobs that have been sent already, with one, two and four workers on PostgreSQL and one on SQLite.
//! - `latency`: 100 jobs a second, from sending one to its reply. A reply comes after a commit, so the disk alone is measured before
//!   and after it at the same pace.
//! - `rows`: `bulk-add-users` with ten rows a job.
//! - `size`: bytes that an ended job takes in the ledger.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

#[path = "contention/office.rs"]
#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod office;
#[path = "small/reference.rs"]
mod reference;

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

#[path = "../tests/it"]
mod shared {
    #[path = "contention/mixture.rs"]
    #[expect(dead_code, reason = "the other benchmark uses more of it")]
    pub(crate) mod mixture;
    #[expect(dead_code, reason = "the tests use more of it")]
    pub(crate) mod servers;
}
use office::{Office, Running, ask};
use shared::mixture::World;
use shared::servers::{PgServer, RedisServer};

const WORLD: World = World {
    customers: 1_000,
    names: 4,
};
/// Jobs whose latency is taken, at [`PACE`].
const LATENCIES: usize = 1_500;
const PACE: Duration = Duration::from_millis(10);
/// Blocks put on disk to see how long one takes.
const SYNCS: usize = 500;
const ROWS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
enum On {
    Sqlite,
    Postgres,
}

struct Servers {
    pg: PgServer,
    redis: RedisServer,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        args.iter()
            .position(|arg| arg == name)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let number = |name: &str, default: usize| after(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (jobs, rounds) = (number("--jobs", 60_000), number("--rounds", 3));
    let only = after("--only").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only == name;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let servers = Servers {
            pg: PgServer::durable().await,
            redis: RedisServer::private().await,
        };
        let mut redis = servers.redis.connect().await;
        let mut set = redis::cmd("CONFIG");
        set.arg(&["SET", "appendfsync", "everysec"]);
        set.query_async::<()>(&mut redis).await.unwrap();
        if wanted("backlog") {
            backlog(&servers, jobs, rounds).await;
        }
        if wanted("latency") {
            for on in [On::Postgres, On::Sqlite] {
                disk_alone();
                latency(&servers, on).await;
                disk_alone();
            }
        }
        if wanted("rows") {
            for on in [On::Postgres, On::Sqlite] {
                let took = drained(&servers, on, 1, jobs / ROWS, users).await;
                println!(
                    "{} jobs of {ROWS} users on {on:?}: {:.0} rows/s",
                    jobs / ROWS,
                    jobs as f64 / took.seconds
                );
            }
        }
        if wanted("size") {
            for on in [On::Postgres, On::Sqlite] {
                let took = drained(&servers, on, 1, jobs, one_row).await;
                println!(
                    "an ended job of one row on {on:?}: {:.0} bytes",
                    took.bytes / jobs as f64
                );
            }
        }
    });
}

async fn backlog(servers: &Servers, jobs: usize, rounds: usize) {
    let ways = [(On::Postgres, 1), (On::Postgres, 2), (On::Postgres, 4), (On::Sqlite, 1)];
    let mut rates: HashMap<usize, Vec<f64>> = HashMap::new();
    let mut references = Vec::new();
    for _ in 0..rounds {
        references.extend(reference::rate(&servers.redis, &servers.pg, jobs, WORLD.customers).await);
        for (at, (on, workers)) in ways.iter().enumerate() {
            let took = drained(servers, *on, *workers, jobs, one_row).await;
            let rate = jobs as f64 / took.seconds;
            println!("{jobs} jobs of one row on {on:?}, workers {workers}: {rate:.0} jobs/s");
            rates.entry(at).or_default().push(rate);
        }
    }
    let reference = median(references);
    println!("BullMQ, the same on PostgreSQL: median {reference:.0} jobs/s");
    for (at, (on, workers)) in ways.iter().enumerate() {
        let rate = median(rates.remove(&at).unwrap_or_default());
        println!(
            "one row on {on:?}, workers {workers}: median {rate:.0} jobs/s, ratio to BullMQ {:.2}",
            rate / reference
        );
    }
}

struct Took {
    seconds: f64,
    bytes: f64,
}

/// Sends jobs and has workers do them.
async fn drained(servers: &Servers, on: On, workers: usize, jobs: usize, job: fn(usize) -> String) -> Took {
    let inbox = Inbox::new(servers, on).await;
    let mut redis = servers.redis.connect().await;
    let numbers: Vec<usize> = (0..jobs).collect();
    for some in numbers.chunks(1_000) {
        let mut pipe = redis::pipe();
        for number in some {
            pipe.cmd("XADD")
                .arg(format!("{}:inbox", inbox.prefix))
                .arg(&["*", "job", &job(*number)])
                .ignore();
        }
        pipe.query_async::<()>(&mut redis).await.unwrap();
    }
    let before = inbox.bytes().await;
    let began = Instant::now();
    let running: Vec<Running> = (0..workers).map(|_| inbox.worker(&["--drain"])).collect();
    for mut worker in running {
        assert!(worker.0.wait().unwrap().success(), "a worker ended badly");
    }
    let seconds = began.elapsed().as_secs_f64();
    let ended = "SELECT COUNT(*) FROM jobs WHERE state = 'completed' AND applied > 0";
    assert_eq!(ask(&inbox.office.ledger, ended).await, jobs as i64 + inbox.founded);
    let bytes = inbox.bytes().await - before;
    inbox.office.ledger.close().await;
    Took { seconds, bytes }
}

/// The time from sending a job to its reply.
async fn latency(servers: &Servers, on: On) {
    let inbox = Inbox::new(servers, on).await;
    let _worker = inbox.worker(&[]);
    let (mut sender, mut reader) = (servers.redis.connect().await, servers.redis.connect().await);
    let replies = format!("{}-replies", inbox.prefix);
    let stream = replies.clone();
    let reading = tenantry_foundation::tasks::spawn("the benchmark", async move {
        let mut came = HashMap::new();
        let mut last = "0-0".to_owned();
        while came.len() < LATENCIES + 1 {
            let read = replies_after(&mut reader, &stream, &last).await;
            let now = Instant::now();
            for (id, entry) in read {
                last = id;
                came.insert(entry, now);
            }
        }
        came
    });
    let mut sent = HashMap::new();
    let mut warm = true;
    let mut ticks = tokio::time::interval(PACE);
    for number in 0..=LATENCIES {
        ticks.tick().await;
        let mut document: serde_json::Value = serde_json::from_str(&one_row(number)).unwrap();
        document["reply_to"] = replies.clone().into();
        let at = Instant::now();
        let mut add = redis::cmd("XADD");
        add.arg(format!("{}:inbox", inbox.prefix))
            .arg(&["*", "job", &document.to_string()]);
        let id: String = add.query_async(&mut sender).await.unwrap();
        if std::mem::take(&mut warm) {
            // The first one waits for the worker to start.
            tokio::time::sleep(Duration::from_secs(2)).await;
            ticks.reset();
        } else {
            sent.insert(id, at);
        }
    }
    let came = tokio::time::timeout(Duration::from_secs(60), reading)
        .await
        .unwrap()
        .unwrap();
    let took: Vec<f64> = sent
        .iter()
        .map(|(entry, at)| came[entry].duration_since(*at).as_secs_f64() * 1_000.0)
        .collect();
    println!(
        "from sending to the reply at {} jobs/s on {on:?}: {}",
        1_000 / PACE.as_millis(),
        spread(took)
    );
}

/// How long it takes to put a block on disk, at the pace of the jobs.
fn disk_alone() {
    let mut file = tempfile::tempfile().unwrap();
    let block = [7; 8_192];
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        let elapsed = began.elapsed();
        took.push(elapsed.as_secs_f64() * 1_000.0);
        std::thread::sleep(PACE.saturating_sub(elapsed));
    }
    println!("the disk alone, a block of {} bytes: {}", block.len(), spread(took));
}

/// How milliseconds are spread.
fn spread(mut took: Vec<f64>) -> String {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    )
}

/// Ids and fields.
type Entries = Vec<(String, HashMap<String, String>)>;

async fn replies_after(reader: &mut MultiplexedConnection, stream: &str, last: &str) -> Vec<(String, String)> {
    let mut read = redis::cmd("XREAD");
    read.arg(&["BLOCK", "1000", "STREAMS", stream, last]);
    let read: Option<Vec<(String, Entries)>> = read.query_async(reader).await.unwrap();
    let entries = read.into_iter().flatten().flat_map(|(_, entries)| entries);
    entries
        .map(|(id, fields)| {
            let outcome: serde_json::Value = serde_json::from_str(&fields["outcome"]).unwrap();
            (id, outcome["entry"].as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

/// A ledger of its own with customers in it, and the inbox of its workers.
struct Inbox {
    office: Office,
    url: String,
    redis: String,
    prefix: String,
    founded: i64,
    _directory: Option<TempDir>,
}

impl Inbox {
    async fn new(servers: &Servers, on: On) -> Self {
        let (url, directory) = match on {
            On::Postgres => (servers.pg.database().await, None),
            On::Sqlite => {
                let directory = TempDir::new().unwrap();
                (
                    format!("sqlite:{}", directory.path().join("tenantry.db").display()),
                    Some(directory),
                )
            }
        };
        let office = Office::at(url.clone()).await;
        for file in WORLD.foundation().into_iter().take(2) {
            office.submit(file.kind, file.csv).await;
            office.drain();
        }
        let founded = ask(&office.ledger, "SELECT COUNT(*) FROM jobs").await;
        Self {
            office,
            url,
            redis: servers.redis.url(),
            prefix: servers.redis.prefix(),
            founded,
            _directory: directory,
        }
    }

    fn worker(&self, more: &[&str]) -> Running {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .arg("worker")
            .args(more)
            .env("TENANTRY__LEDGER__URL", &self.url)
            .env("TENANTRY__QUEUE__URL", &self.redis)
            .env("TENANTRY__QUEUE__PREFIX", &self.prefix)
            .env("TENANTRY__PASSWORDS__DELIVER", "false")
            .env("TENANTRY__LOG__LEVEL", "error")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// What the ledger takes.
    async fn bytes(&self) -> f64 {
        if self.url.starts_with("sqlite") {
            let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
            return ask(&self.office.ledger, sql).await as f64;
        }
        ask(&self.office.ledger, "SELECT pg_database_size(current_database())").await as f64
    }
}

fn one_row(number: usize) -> String {
    let customer = format!("W-{}", number % WORLD.customers);
    let phone = format!("+49 30 {:07}", number % 9_999_999 + 1);
    serde_json::json!({ "kind": "update-account", "rows": [{ "customer": customer, "phone": phone }] }).to_string()
}

fn users(number: usize) -> String {
    let customer = number % WORLD.customers;
    let rows: Vec<serde_json::Value> = (0..ROWS)
        .map(|row| {
            serde_json::json!({ "customer": format!("W-{customer}"), "user_principal_name": format!("small{number}-{row}@world{customer}.onmicrosoft.com"),
                "display_name": format!("Small {number} {row}"), "usage_location": "DE" })
        })
        .collect();
    serde_json::json!({ "kind": "bulk-add-users", "rows": rows }).to_string()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
