//! Health of workers: whether any serves the ledger's jobs.

use std::fmt::Write;

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{ConnectOptions, Db, DbError, SCHEMA_VERSION, Tx, patiently};
use crate::ledger::{Worker, workers};
use crate::moment::second;

/// How many of the workers that were lost are named.
const SHOWN: usize = 3;

/// Whether somebody works on the jobs of the ledger, if there is one. That nobody does is a fault once a job waits for a worker.
pub(super) async fn workers(config: &Config) -> Vec<Finding> {
    let url = config.ledger.url.reveal();
    if !matches!(Db::inspect(url).await, Ok(SCHEMA_VERSION)) {
        return Vec::new();
    }
    let asked = patiently(config.ledger.connect_timeout, async || {
        let db = Db::open_to_read(url, ConnectOptions::with_connections(1)).await?;
        let told = db.time().await?;
        let now = told.map_or_else(|| Clock::system().now_millis(), |told| told.millis);
        let asked = db.read(move |tx| Ok((workers::all(tx, now)?, waits(tx)?))).await;
        db.close().await;
        asked
    });
    let (fine, says) = match asked.await {
        Ok((workers, waits)) => judged(&workers, waits),
        Err(error) => (
            false,
            format!("they cannot be asked for: {error}; try again, or see what the ledger says"),
        ),
    };
    vec![Finding {
        what: "workers",
        fine,
        says,
    }]
}

/// Whether a job waits that nobody has begun.
fn waits(tx: &mut dyn Tx) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM jobs WHERE state IN ('queued', 'running', 'retryable') AND cancel_requested = 0
        AND state = 'queued' LIMIT 1";
    Ok(!tx.query(sql, &[])?.is_empty())
}

fn judged(workers: &[Worker], waits: bool) -> (bool, String) {
    let live = workers.iter().filter(|worker| !worker.is_lost).count();
    let mut says = match (live, waits) {
        (0, true) => {
            "no worker serves this ledger, and jobs wait; start a `tenantry worker`, or carry one out here with \
                      `tenantry apply JOB`"
                .to_owned()
        }
        (0, false) => "no worker serves this ledger; `run` needs none, `submit` and the inbox need a \
                       `tenantry worker`"
            .to_owned(),
        (1, _) => "1 works on the jobs of this ledger".to_owned(),
        (many, _) => format!("{many} work on the jobs of this ledger"),
    };
    let lost: Vec<String> = workers
        .iter()
        .filter(|worker| worker.is_lost)
        .map(|worker| {
            format!(
                "process {} on {}, last seen {}",
                worker.pid,
                worker.host,
                second(worker.seen_at)
            )
        })
        .collect();
    if !lost.is_empty() {
        let _ = write!(says, "; lost: {}", lost[..lost.len().min(SHOWN)].join("; "));
        if lost.len() > SHOWN {
            let _ = write!(says, "; and {} more", lost.len() - SHOWN);
        }
    }
    (live > 0 || !waits, says)
}
