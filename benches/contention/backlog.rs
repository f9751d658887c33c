//! Queued one-row jobs, drained by one worker.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenantry_foundation::db::Dialect;

use super::Options;
use super::office::{Office, ask};
use super::shared::mixture::World;
use super::shared::servers::{PgServer, connect};

const WORLD: World = World {
    customers: 50,
    names: 4,
};

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

/// As a server is long after it was filled, when it does not vacuum and write out what it was just given.
async fn settle(url: &str) {
    let client = connect(url).await.unwrap();
    for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(sql).await.unwrap();
    }
}

fn one_row(number: usize) -> String {
    format!(
        "customer,phone\nW-{},+49 30 {:07}\n",
        number % WORLD.customers,
        number % 9_999_999
    )
}

/// Ended jobs, as many, each like the last one there is but for its numbers.
async fn remember(office: &Office, count: usize) {
    let ledger = &office.ledger;
    let job = ask(ledger, "SELECT MAX(seq) FROM jobs").await;
    let input = ask(ledger, "SELECT MAX(id) FROM inputs").await;
    let numbers = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let digits = "SUBSTR(CAST(1000000000000 + i AS TEXT), 2)";
    let of_each = |table: &str, rest: &str| {
        format!(
            "INSERT INTO {table} (job, {rest}) SELECT j.seq, {} FROM jobs j JOIN {table} t ON t.job = {job} WHERE j.seq > {job}",
            rest.split(", ")
                .map(|column| format!("t.{column}"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let copies = "kind, parameters, state, priority, submitted_by, created_at, planning_until, started_at, finished_at,
        claimed_at, chunks_left, total, applied, unchanged, rejected, plan_hash";
    for sql in [
        format!(
            "{numbers} INSERT INTO inputs (name, header, sha256, bytes, rows)
             SELECT t.name, t.header, t.sha256, t.bytes, t.rows FROM n CROSS JOIN inputs t WHERE t.id = {input}"
        ),
        format!(
            "INSERT INTO spool (input, block, data) SELECT i.id, t.block, t.data FROM inputs i
             JOIN spool t ON t.input = {input} WHERE i.id > {input}"
        ),
        format!(
            "{numbers} INSERT INTO jobs (id, fingerprint, input, {copies})
             SELECT '00000000-0000-7000-8000-' || {digits}, t.fingerprint || {digits}, {input} + i, {copies}
             FROM n CROSS JOIN jobs t WHERE t.seq = {job}"
        ),
        of_each(
            "chunks",
            "chunk, first_row, rows, pending, state, attempt, failures, not_before",
        ),
        of_each("row_outcomes", "row, outcome, code, message, target"),
        of_each("before_images", "row, step, object, target, part, before, after"),
    ] {
        office.change(sql).await;
    }
    assert_eq!(
        ask(ledger, "SELECT COUNT(*) FROM row_outcomes").await as usize,
        count + 1,
        "every job has its outcome"
    );
}
