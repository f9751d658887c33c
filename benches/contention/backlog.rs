//! Queued one-row jobs, drained by one worker.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenantry_foundation::db::Dialect;

use super::Options;
use super::history::{WORLD, one_row, remember, settle};
use super::office::{Office, ask};
use super::shared::servers::PgServer;

pub(crate) async fn on_both(options: &Options, server: &PgServer) {
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let mut rates = Vec::new();
        for history in [0, options.history] {
            let dir = TempDir::new().unwrap();
            let url = match dialect {
                Dialect::Sqlite => format!("sqlite:{}", dir.path().join("tenantry.db").display()),
                Dialect::Postgres => server.database().await,
            };
            let office = Office::at(url).await;
            rates.push(rate(options, &office, history).await);
        }
        println!("backlog on {dialect:?}: ratio {:.2}", rates[1] / rates[0]);
    }
}

/// Jobs per second.
async fn rate(options: &Options, office: &Office, history: usize) -> f64 {
    for file in WORLD.foundation().into_iter().take(1) {
        office.submit(file.kind, file.csv).await;
    }
    office.submit("update-account", one_row(usize::MAX)).await;
    office.drain();
    if history > 0 {
        remember(office, history).await;
    }
    if office.ledger.db().dialect() == Dialect::Postgres {
        settle(office.url()).await;
    }
    for number in 0..options.backlog {
        office.submit("update-account", one_row(number)).await;
    }
    let open = "SELECT COUNT(*) FROM jobs WHERE state NOT IN ('completed', 'failed', 'cancelled')";
    assert_eq!(ask(&office.ledger, open).await, options.backlog as i64);
    let began = Instant::now();
    let mut worker = office.worker();
    while worker.0.try_wait().unwrap().is_none() && began.elapsed() < options.at_most {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = ask(&office.ledger, open).await;
    let seconds = began.elapsed().as_secs_f64();
    let done = options.backlog as i64 - left;
    let rate = done as f64 / seconds;
    println!(
        "backlog on {:?}, history of {history}: {done} of {} jobs in {seconds:.1} s, {rate:.0} jobs/s",
        office.ledger.db().dialect(),
        options.backlog
    );
    rate
}
