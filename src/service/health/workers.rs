//! Health of workers: whether any serves the ledger's jobs.

use std::fmt::Write;
use std::iter;

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{ConnectOptions, Db, DbError, SCHEMA_VERSION, Tx, patiently};
use crate::ledger::{Worker, job, workers};
use crate::moment::second;

/// How many of the workers that were lost are named.
const SHOWN: usize = 3;
/// A chunk that was set back so often may not end by itself.
const OFTEN: u32 = 3;
/// How many jobs that cannot go on are counted.
const MOST_COUNTED: i64 = 1000;

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
        let asked = db
            .read(move |tx| Ok((workers::all(tx, now)?, waits(tx)?, set_back(tx)?)))
            .await;
        db.close().await;
        asked
    });
    let finding = |fine, says| Finding {
        what: "workers",
        fine,
        says,
    };
    match asked.await {
        Ok((workers, waits, set_back)) => {
            let (fine, says) = judged(&workers, waits);
            let set_back = set_back.map(|says| Finding {
                what: "jobs",
                fine: false,
                says,
            });
            iter::once(finding(fine, says)).chain(set_back).collect()
        }
        Err(error) => vec![finding(
            false,
            format!("they cannot be asked for: {error}; try again, or see what the ledger says"),
        )],
    }
}

/// Jobs that cannot go on for what surrounds them, and why the first cannot; `None` where there are none.
fn set_back(tx: &mut dyn Tx) -> Result<Option<String>, DbError> {
    // With the very condition of the index that holds what is open.
    let open = "j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0 AND j.state = 'retryable'";
    let sql = format!(
        "SELECT j.seq, (SELECT c.message FROM chunks c WHERE c.job = j.seq AND c.setbacks >= {OFTEN} ORDER BY c.chunk LIMIT 1)
         FROM jobs j WHERE {open} AND EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.setbacks >= {OFTEN})
         ORDER BY j.seq LIMIT {MOST_COUNTED}"
    );
    let found = tx.query(&sql, &[])?;
    let Some(first) = found.first() else { return Ok(None) };
    let (id, why) = (job::shown_id(tx, first.int(0)?)?, first.text_or_empty(1)?.to_owned());
    let more = if found.len() as i64 == MOST_COUNTED {
        " or more"
    } else {
        ""
    };
    Ok(Some(match found.len() {
        1 => format!("job {id} is tried again and again: {why}"),
        many => format!("{many}{more} are tried again and again; the first, {id}: {why}"),
    }))
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
