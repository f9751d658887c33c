//! The cost of years of history: questions that workers ask again and again, lists, and the jobs of a backlog, on an empty ledger
//! and on one with many ended jobs, on both databases.
//!
//!     cargo bench --bench history -- [--history 1000000] [--open 10000] [--rounds 15]
//!
//! Times are medians. Each should be the same on both ledgers, within what one round differs from the next.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

#[path = "contention/history.rs"]
mod history;
#[path = "contention/office.rs"]
#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod office;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenantry_foundation::db::Dialect;
use tenantry_ledger::{JobFilter, Ledger, LookedThrough, Scope, Seen};

#[path = "../tests/it"]
mod shared {
    #[path = "contention/mixture.rs"]
    #[expect(dead_code, reason = "the other benchmark uses more of it")]
    pub(crate) mod mixture;
    #[expect(dead_code, unused_imports, reason = "the tests use more of it")]
    pub(crate) mod servers;
}
use history::{WORLD, one_row, remember, settle};
use office::{Office, ask};
use shared::servers::PgServer;

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOTHING_OPEN: &str = "SELECT COUNT(*) FROM jobs WHERE state NOT IN ('completed', 'failed', 'cancelled')";

/// How long each thing took, by its name.
type Times = Vec<(&'static str, Duration)>;

fn number(name: &str, default: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
}

fn main() {
    let (history, open, rounds) = (
        number("--history", 1_000_000),
        number("--open", 10_000),
        number("--rounds", 15),
    );
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let server = PgServer::durable().await;
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let mut all: Vec<Times> = Vec::new();
            for history in [0, history] {
                let dir = TempDir::new().unwrap();
                let url = match dialect {
                    Dialect::Sqlite => format!("sqlite:{}", dir.path().join("tenantry.db").display()),
                    Dialect::Postgres => server.database().await,
                };
                all.push(times(&Office::at(url).await, history, open, rounds).await);
            }
            println!("{dialect:?}, {open} open jobs: on an empty ledger, after {history} ended jobs, ratio");
            for ((name, empty), (_, old)) in all[0].iter().zip(&all[1]) {
                let ratio = old.as_secs_f64() / empty.as_secs_f64();
                println!("  {name:<24} {empty:>10.2?} {old:>10.2?} {ratio:>6.2}");
            }
        }
    });
}

async fn times(office: &Office, history: usize, open: usize, rounds: usize) -> Times {
    for file in WORLD.foundation().into_iter().take(1) {
        office.submit(file.kind, file.csv).await;
    }
    office.submit("update-account", one_row(usize::MAX)).await;
    office.drain();
    if history > 0 {
        remember(office, history).await;
    }
    for number in 0..open {
        office.submit("update-account", one_row(number)).await;
    }
    if office.ledger.db().dialect() == Dialect::Postgres {
        settle(office.url()).await;
    }
    let mut times = questions(&office.ledger, rounds).await;
    let newest = office
        .ledger
        .jobs(JobFilter {
            limit: 1,
            ..JobFilter::default()
        })
        .await
        .unwrap()[0]
        .id
        .to_string();
    for (name, args) in [
        ("tenantry jobs", vec!["jobs"]),
        ("tenantry show", vec!["show", &newest]),
        ("tenantry customers", vec!["customers"]),
        ("tenantry workers", vec!["workers"]),
    ] {
        times.push((name, median(rounds, || run(office.url(), &args))));
    }
    let began = Instant::now();
    office.drain();
    times.push(("the open jobs, drained", began.elapsed()));
    assert_eq!(ask(&office.ledger, NOTHING_OPEN).await, 0, "everything was done");
    times
}

/// What workers ask while time passes.
async fn questions(ledger: &Ledger, rounds: usize) -> Times {
    let mut times = Times::new();
    macro_rules! ask {
        ($name:literal, $question:expr) => {
            let mut taken = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                let began = Instant::now();
                let _ = $question.await.unwrap();
                taken.push(began.elapsed());
            }
            taken.sort_unstable();
            times.push(($name, taken[rounds / 2]));
        };
    }
    ask!("work that is due", ledger.claimable(Scope::All, 8));
    ask!("is anything open", ledger.has_open_jobs());
    ask!("cancelled jobs", ledger.clear_up_cancelled());
    ask!("stale plans", ledger.discard_stale_plans(&mut Seen::default()));
    ask!("approvals run out", ledger.expire_approvals());
    ask!("anybody to be told", ledger.has_untold());
    ask!("replies to send", ledger.take_replies(500));
    ask!("results to write", ledger.undelivered("nowhere"));
    ask!("rows to let go of", ledger.prune_spool(35 * DAY));
    ask!(
        "jobs to remove",
        ledger.remove_jobs(400 * DAY, &mut LookedThrough::default())
    );
    ask!("what removed jobs left", ledger.clear_removed());
    ask!("files of folders", ledger.folders());
    ask!("open fires", ledger.open_fires());
    ask!("gauges of /metrics", ledger.backlog());
    times
}

fn median(rounds: usize, mut one: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            one();
            began.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[rounds / 2]
}

fn run(url: &str, args: &[&str]) {
    let ended = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(args)
        .env("TENANTRY__LEDGER__URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(ended.unwrap().success(), "{args:?} ended badly");
}
