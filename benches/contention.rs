//! The cost of many jobs to each other: a mixture over the same customers on PostgreSQL with one, two and four workers, and
//! a backlog of one-row jobs on both databases, on an empty ledger and on one with a history.
//!
//!     cargo bench --bench contention -- [--only mixture|backlog] [--jobs 301] [--rounds 3] [--backlog 4000] [--history 200000] [--at-most 120]
//!
//! The mixture is the same for each number of workers, in a fresh database each, and should take no longer with more of
//! them, nor leave anything failed or violated. Numbers of workers take turns, and medians are compared, since one run
//! differs from the next by more than they do.
//!
//! Of the backlog the ratio counts: a history should make no difference. Its statistics, on PostgreSQL, are those of a
//! ledger in which nothing was queued, and its tables are vacuumed as those of an old ledger are. A backlog that takes
//! longer than `--at-most` seconds is cut off and counted as far as it came.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

#[path = "contention/backlog.rs"]
mod backlog;
#[path = "contention/history.rs"]
mod history;
#[path = "contention/office.rs"]
mod office;

use std::time::{Duration, Instant};

#[path = "../tests/it"]
mod shared {
    #[path = "contention/mixture.rs"]
    pub(crate) mod mixture;
    #[expect(dead_code, unused_imports, reason = "the tests use more of it")]
    pub(crate) mod servers;
    #[path = "invariants/statements.rs"]
    pub(crate) mod statements;
}
use office::{Office, ask};
use shared::mixture::{Mixture, World};
use shared::{servers, statements};

/// Some 170,000 rows in 301 jobs.
const ROWS: std::ops::Range<usize> = 120..1_200;
const WORLD: World = World {
    customers: 50,
    names: 400,
};
const SEED: u64 = 20_261_127;

struct Options {
    only: String,
    jobs: usize,
    rounds: usize,
    backlog: usize,
    history: usize,
    at_most: Duration,
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
        jobs: number("--jobs", 301),
        rounds: number("--rounds", 3),
        backlog: number("--backlog", 4_000),
        history: number("--history", 200_000),
        at_most: Duration::from_secs(number("--at-most", 120) as u64),
    }
}

fn main() {
    let options = options();
    let wanted = |name: &str| options.only.is_empty() || options.only == name;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let server = servers::PgServer::durable().await;
        if wanted("mixture") {
            let mut seconds = [1, 2, 4].map(|workers| (workers, Vec::new()));
            for _ in 0..options.rounds {
                for (workers, of_them) in &mut seconds {
                    of_them.push(mixture(&options, &server, *workers).await);
                }
            }
            let medians = seconds.map(|(workers, of_them)| (workers, median(of_them)));
            for (workers, seconds) in medians {
                println!(
                    "mixture, workers {workers}: median {seconds:.1} s, ratio to one {:.2}",
                    seconds / medians[0].1
                );
            }
        }
        if wanted("backlog") {
            backlog::on_both(&options, &server).await;
        }
    });
}

fn deadlocks(server: &servers::PgServer) -> usize {
    let log = std::fs::read_to_string(server.directory().join("log")).unwrap();
    log.matches("deadlock detected").count()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds.
async fn mixture(options: &Options, server: &servers::PgServer, workers: usize) -> f64 {
    let office = Office::at(server.database().await).await;
    office.needs_no_approval();
    for file in WORLD.foundation() {
        office.submit(file.kind, file.csv).await;
        office.drain();
    }
    let founded = ask(&office.ledger, "SELECT COALESCE(MAX(seq), 0) FROM jobs").await;
    for file in Mixture::new(SEED, WORLD, ROWS).take(options.jobs) {
        office.submit(file.kind, file.csv).await;
    }
    let before = deadlocks(server);
    let began = Instant::now();
    let running: Vec<_> = (0..workers).map(|_| office.worker()).collect();
    for mut worker in running {
        assert!(worker.0.wait().unwrap().success(), "a worker ended badly");
    }
    let seconds = began.elapsed().as_secs_f64();
    let rows = format!("SELECT CAST(SUM(total) AS BIGINT) FROM jobs WHERE seq > {founded}");
    let again = "SELECT CAST(SUM(attempt - 1) AS BIGINT) FROM chunks WHERE attempt > 1";
    let failed = "SELECT CAST(SUM(failed) AS BIGINT) FROM jobs";
    let (failed, violations) = (
        ask(&office.ledger, failed).await,
        statements::violations(office.ledger.db()).await,
    );
    println!(
        "mixture on PostgreSQL, {} jobs, {} rows, workers {workers}: {seconds:.1} s, deadlocks {}, chunks tried again {}, failed rows {}, violations {}",
        options.jobs,
        ask(&office.ledger, &rows).await,
        deadlocks(server) - before,
        ask(&office.ledger, again).await,
        failed,
        violations.len(),
    );
    assert!(
        failed == 0 && violations.is_empty(),
        "this is not the work that is to be measured"
    );
    seconds
}
