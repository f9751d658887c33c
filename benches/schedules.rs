//! Many schedules that are due in the same minute, served by several workers: none is left out, none fires twice, and how long the
//! last one waits.
//!
//!     cargo bench --bench schedules -- [--only sqlite|postgres] [--schedules 1000] [--workers 4] [--minutes 2]
//!
//! Each schedule has one row of its own, an export of a list of customers, every minute. Workers are processes with their defaults,
//! started before the first minute; the minutes are those of the machine's clock. A minute's times are to be seconds from its
//! beginning: until the last fire was recorded, until its job was, and until the last job had ended.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tenantry_foundation::clock::Clock;
use tenantry_ledger::Ledger;

#[path = "../tests/it"]
mod shared {
    #[expect(dead_code, unused_imports, reason = "the tests use more of it")]
    pub(crate) mod servers;
}
use shared::servers::PgServer;

const MINUTE: i64 = 60_000;
/// Before the first minute there is time for workers to start in.
const HEAD_START: i64 = 15_000;

/// A process that ends with the run.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Options {
    only: String,
    schedules: usize,
    workers: usize,
    minutes: i64,
}

fn options() -> Options {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        args.iter()
            .position(|arg| arg == name)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let number = |name: &str, default| after(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    Options {
        only: after("--only").unwrap_or_default(),
        schedules: number("--schedules", 1_000),
        workers: number("--workers", 4),
        minutes: number("--minutes", 2) as i64,
    }
}

fn main() {
    let options = options();
    let wanted = |name: &str| options.only.is_empty() || options.only == name;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        if wanted("sqlite") {
            let directory = TempDir::new().unwrap();
            let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
            minutes("SQLite", &url, &options).await;
        }
        if wanted("postgres") {
            let server = PgServer::durable().await;
            minutes("PostgreSQL", &server.database().await, &options).await;
        }
    });
}

async fn minutes(database: &str, url: &str, options: &Options) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tenantry.toml");
    std::fs::write(&file, sections(options.schedules)).unwrap();
    let ledger = Ledger::open(url, 2, Clock::system()).await.unwrap();
    let now = || Clock::system().now_millis();
    // Neither begun in the middle of the first minute nor without time to start.
    let mut first = (now() / MINUTE + 1) * MINUTE;
    if first - now() < HEAD_START {
        first += MINUTE;
    }
    sleep_until(first - HEAD_START).await;
    let workers: Vec<Running> = (0..options.workers).map(|_| worker(url, &file)).collect();
    let last = first + (options.minutes - 1) * MINUTE;
    sleep_until(last + 1_000).await;
    let began = now();
    let open = format!("SELECT COUNT(*) FROM fires WHERE due <= {last} AND ended_at IS NULL");
    let all = options.schedules as i64 * options.minutes;
    let fires = format!("SELECT COUNT(*) FROM fires WHERE due BETWEEN {first} AND {last}");
    while ask(&ledger, &open).await > 0 || ask(&ledger, &fires).await < all {
        assert!(now() - began < 10 * MINUTE, "it does not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(workers);
    for minute in (0..options.minutes).map(|minute| first + minute * MINUTE) {
        let of = async |what: &str| {
            let sql = format!("SELECT {what} FROM fires f LEFT JOIN jobs j ON j.seq = f.job WHERE f.due = {minute}");
            ask(&ledger, &sql).await
        };
        let seconds = |millis: i64| (millis - minute) as f64 / 1000.0;
        println!(
            "{database}, {} schedules, workers {}: fires {}, schedules {}, jobs {}, completed {}; seconds until the last was recorded \
             {:.1}, submitted {:.1}, ended {:.1}",
            options.schedules,
            options.workers,
            of("COUNT(*)").await,
            of("COUNT(DISTINCT f.schedule)").await,
            of("COUNT(DISTINCT f.job)").await,
            of("COUNT(CASE WHEN j.state = 'completed' THEN 1 END)").await,
            seconds(of("MAX(f.made_at)").await),
            seconds(of("MAX(j.created_at)").await),
            seconds(of("MAX(j.finished_at)").await),
        );
    }
}

/// An export of its own for each.
fn sections(schedules: usize) -> String {
    let mut text = String::new();
    for number in 0..schedules {
        text.push_str(&format!(
            "[schedules.s{number}]\nkind = \"export-customers\"\ncron = \"* * * * *\"\noverlap = \"wait\"\nmissed = \"all\"\n\
             set = {{ what = \"customers\", name = \"s{number}\" }}\n"
        ));
    }
    text
}

fn worker(url: &str, file: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command
        .arg("worker")
        .env("TENANTRY__LEDGER__URL", url)
        .env("TENANTRY_CONFIG", file)
        .env("TENANTRY__PASSWORDS__DELIVER", "false")
        .env("TENANTRY__LOG__LEVEL", "error")
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    Running(command.spawn().unwrap())
}

async fn sleep_until(at: i64) {
    let left = at - Clock::system().now_millis();
    tokio::time::sleep(Duration::from_millis(left.max(0) as u64)).await;
}

/// The one number a query gives, 0 for none.
async fn ask(ledger: &Ledger, sql: &str) -> i64 {
    let sql = sql.to_owned();
    let found = ledger.db().read(move |tx| tx.query_first(&sql, &[])).await.unwrap();
    found.and_then(|row| row.opt_int(0).unwrap()).unwrap_or(0)
}
