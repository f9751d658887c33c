//! Small files through a drop folder, from `in/` to `done/`, beside the same jobs over the Redis inbox; and a folder with very many
//! files.
//!
//!     cargo bench --bench folder -- [--only rate|scan] [--files 10000] [--rounds 3] [--many 100000]
//!
//! - `rate`: one-row files that lie in `in/` already, until each lies in `done/` with its results, by one worker; the reference is
//!   the rate of a worker with the same jobs in the inbox, on the same servers, in the same run. Beside it, a bare loop on two threads reads, moves
//!   and writes the same files and records nothing: its time and the inbox's together are what the folder's is held against.
//! - `scan`: how long it takes until the first of very many files is in `done/`, what the worker's memory comes to until thousands of
//!   them are, and what looking through the folder costs when nothing is to be taken.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

#[path = "contention/office.rs"]
#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod office;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
/// Files put away before the memory of very many is read last.
const SOME: usize = 5_000;
/// Files put on disk together, as a worker does it.
const TOGETHER: usize = 500;
/// How long a folder is looked at that nothing is taken from.
const IDLE: Duration = Duration::from_secs(60);

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
    let (files, rounds, many) = (
        number("--files", 10_000),
        number("--rounds", 3),
        number("--many", 100_000),
    );
    let only = after("--only").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only == name;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let servers = Servers {
            pg: PgServer::durable().await,
            redis: RedisServer::private().await,
        };
        if wanted("rate") {
            rate(&servers, files, rounds).await;
        }
        if wanted("scan") {
            scan(&servers, many).await;
        }
    });
}

async fn rate(servers: &Servers, files: usize, rounds: usize) {
    // Removed when all is measured: on ext4 a process that creates files looks at each file removed in the last minutes.
    let mut places = Vec::new();
    for on in [On::Postgres, On::Sqlite] {
        let (mut dropped, mut sent, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let place = Dropping::new(servers, on).await;
            place.put(files);
            let seconds = place.drained(files).await;
            dropped.push(files as f64 / seconds);
            places.push(place);
            let place = Dropping::new(servers, on).await;
            place.send(&servers.redis, files).await;
            let began = Instant::now();
            assert!(place.worker(&["--drain"], true).0.wait().unwrap().success());
            sent.push(files as f64 / began.elapsed().as_secs_f64());
            place.is_done(files).await;
            place.put(files);
            bare.push(files as f64 / place.moved_and_written(files));
            places.push(place);
            println!(
                "{files} files of one row on {on:?}: {:.0} files/s; the same over the inbox: {:.0} jobs/s; files alone: {:.0} files/s",
                dropped.last().unwrap(),
                sent.last().unwrap(),
                bare.last().unwrap()
            );
        }
        let (dropped, sent, bare) = (median(dropped), median(sent), median(bare));
        let both = 1.0 / (1.0 / sent + 1.0 / bare);
        println!(
            "on {on:?}: median {dropped:.0} files/s, inbox {sent:.0} jobs/s, ratio {:.2}; files alone {bare:.0} files/s, \
             with the inbox {both:.0} files/s, ratio {:.2}",
            dropped / sent,
            dropped / both
        );
    }
}

async fn scan(servers: &Servers, many: usize) {
    let place = Dropping::new(servers, On::Sqlite).await;
    place.put(many);
    let began = Instant::now();
    let worker = place.worker(&[], false);
    let mut first = None;
    let mut done = 0;
    while done < SOME.min(many) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        done = place.shelved();
        if done > 0 {
            first.get_or_insert_with(|| began.elapsed().as_secs_f64());
        }
    }
    println!(
        "{many} files: the first is in `done` after {:.1} s, {done} after {:.1} s; memory at most {} MiB",
        first.unwrap(),
        began.elapsed().as_secs_f64(),
        status(worker.0.id(), "VmHWM")
    );
    std::mem::drop(worker);
    // As many that nothing becomes of, as they wait for their markers.
    let place = Dropping::new(servers, On::Sqlite).await;
    place.configure("complete = \"marker\"\nsettle = \"5s\"\nrescan = \"1s\"\n");
    place.put(many);
    let worker = place.worker(&[], false);
    tokio::time::sleep(IDLE / 2).await;
    let before = ticks(worker.0.id());
    tokio::time::sleep(IDLE).await;
    let share = (ticks(worker.0.id()) - before) as f64 / 100.0 / IDLE.as_secs_f64();
    println!(
        "{many} files that wait: {:.1} % of a core; memory at most {} MiB",
        share * 100.0,
        status(worker.0.id(), "VmHWM")
    );
}

/// A ledger of its own with customers in it, a folder, and an inbox.
struct Dropping {
    office: Office,
    url: String,
    redis: String,
    prefix: String,
    founded: i64,
    directory: TempDir,
}

impl Dropping {
    async fn new(servers: &Servers, on: On) -> Self {
        let directory = TempDir::new().unwrap();
        let url = match on {
            On::Postgres => servers.pg.database().await,
            On::Sqlite => format!("sqlite:{}", directory.path().join("tenantry.db").display()),
        };
        let office = Office::at(url.clone()).await;
        for file in WORLD.foundation().into_iter().take(2) {
            office.submit(file.kind, file.csv).await;
            office.drain();
        }
        let founded = ask(&office.ledger, "SELECT COUNT(*) FROM jobs").await;
        let place = Self {
            office,
            url,
            redis: servers.redis.url(),
            prefix: servers.redis.prefix(),
            founded,
            directory,
        };
        std::fs::create_dir_all(place.path("drop/in")).unwrap();
        place.configure("complete = \"whole\"\n");
        place
    }

    fn path(&self, place: &str) -> PathBuf {
        self.directory.path().join(place)
    }

    fn configure(&self, more: &str) {
        let path = self.path("drop");
        let text = format!(
            "[folders.bench]\npath = \"{}\"\nkind = \"update-account\"\n{more}",
            path.display()
        );
        std::fs::write(self.path("tenantry.toml"), text).unwrap();
    }

    /// Puts in files of one row.
    fn put(&self, files: usize) {
        for number in 0..files {
            let (customer, phone) = row(number);
            let text = format!("customer,phone\n{customer},{phone}\n");
            std::fs::write(self.path("drop/in").join(format!("file{number}.csv")), text).unwrap();
        }
    }

    /// Sends the same to the inbox.
    async fn send(&self, server: &RedisServer, jobs: usize) {
        let mut redis = server.connect().await;
        let mut set = redis::cmd("CONFIG");
        set.arg(&["SET", "appendfsync", "everysec"]);
        set.query_async::<()>(&mut redis).await.unwrap();
        let numbers: Vec<usize> = (0..jobs).collect();
        for some in numbers.chunks(1_000) {
            let mut pipe = redis::pipe();
            for number in some {
                let (customer, phone) = row(*number);
                let job =
                    serde_json::json!({ "kind": "update-account", "rows": [{ "customer": customer, "phone": phone }] });
                pipe.cmd("XADD")
                    .arg(format!("{}:inbox", self.prefix))
                    .arg(&["*", "job", &job.to_string()])
                    .ignore();
            }
            pipe.query_async::<()>(&mut redis).await.unwrap();
        }
    }

    fn worker(&self, more: &[&str], with_inbox: bool) -> Running {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .arg("worker")
            .args(more)
            .env("TENANTRY_CONFIG", self.path("tenantry.toml"))
            .env("TENANTRY__LEDGER__URL", &self.url)
            .env("TENANTRY__PASSWORDS__DELIVER", "false")
            .env("TENANTRY__LOG__LEVEL", "error")
            // As the service unit and the image have it.
            .env("MALLOC_ARENA_MAX", "2")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        if with_inbox {
            command
                .env("TENANTRY__QUEUE__URL", &self.redis)
                .env("TENANTRY__QUEUE__PREFIX", &self.prefix);
        }
        Running(command.spawn().unwrap())
    }

    /// Has a worker take all files. How long that took.
    async fn drained(&self, files: usize) -> f64 {
        let began = Instant::now();
        assert!(self.worker(&["--drain"], false).0.wait().unwrap().success());
        let took = began.elapsed().as_secs_f64();
        assert_eq!(self.shelved(), files);
        self.is_done(files).await;
        took
    }

    /// Does with the files of `in/` what a worker does, on two threads, and nothing else. How long that takes.
    fn moved_and_written(&self, files: usize) -> f64 {
        let (working, done) = (self.path("drop/working"), self.path("drop/done/by-hand"));
        std::fs::create_dir_all(&working).unwrap();
        std::fs::create_dir_all(&done).unwrap();
        let handle = |number: usize| {
            let name = format!("file{number}.csv");
            let (from, directory) = (self.path("drop/in").join(&name), working.join(number.to_string()));
            std::fs::create_dir(&directory).unwrap();
            std::fs::rename(from, directory.join(&name)).unwrap();
            std::fs::read(directory.join(&name)).unwrap();
            std::fs::write(directory.join("results.csv"), [b'r'; 191]).unwrap();
            std::fs::write(directory.join("receipt.json"), [b'j'; 892]).unwrap();
            directory
        };
        let half = |numbers: std::ops::Range<usize>| {
            for portion in numbers.collect::<Vec<_>>().chunks(TOGETHER) {
                let handled: Vec<PathBuf> = portion.iter().map(|number| handle(*number)).collect();
                rustix::fs::syncfs(std::fs::File::open(&working).unwrap()).unwrap();
                for directory in handled {
                    std::fs::rename(&directory, done.join(directory.file_name().unwrap())).unwrap();
                }
            }
        };
        let began = Instant::now();
        std::thread::scope(|threads| {
            threads.spawn(|| half(0..files / 2));
            half(files / 2..files);
        });
        began.elapsed().as_secs_f64()
    }

    async fn is_done(&self, jobs: usize) {
        let ended = "SELECT COUNT(*) FROM jobs WHERE state = 'completed' AND applied > 0";
        assert_eq!(ask(&self.office.ledger, ended).await, jobs as i64 + self.founded);
        self.office.ledger.close().await;
    }

    /// How many directories lie in `done/`.
    fn shelved(&self) -> usize {
        let list = |path: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect()
        };
        let days = list(&self.path("drop/done"));
        days.iter().map(|day| list(day).len()).sum()
    }
}

/// What the job of that number does.
fn row(number: usize) -> (String, String) {
    let customer = format!("W-{}", number % WORLD.customers);
    (customer, format!("+49 30 {:07}", number % 9_999_999 + 1))
}

/// A line of a process' status, in MiB.
fn status(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    let kib: u64 = found.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    kib >> 10
}

/// What a process has used of a core, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
