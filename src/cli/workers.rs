//! `tenantry workers`: who works on the jobs of the ledger.

use std::io::Write;

use serde_json::json;

use super::text_table::TextTable;
use super::{CommandEnd, output, when};
use crate::app::App;
use crate::ledger::Worker;
use crate::moment::rfc3339;

pub(super) async fn workers(app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let service = &app.service;
    let workers = service.patiently(|| service.ledger.workers()).await?;
    let mut out = output::out();
    if json {
        for worker in &workers {
            writeln!(out, "{}", document(worker))?;
        }
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let titles = [
        "host",
        "process",
        "state",
        "chunks",
        "seen",
        "started",
        "version",
        "jobs take effect in",
    ];
    let mut table = TextTable::new(out, titles);
    for worker in &workers {
        table.row(vec![
            output::printable(&worker.host),
            worker.pid.to_string(),
            state(worker).to_owned(),
            format!("{} (at most {})", worker.chunks, worker.concurrency),
            when::second(worker.seen_at),
            when::minute(worker.started_at),
            worker.version.clone(),
            output::printable(&worker.store),
        ])?;
    }
    table.end()?;
    if workers.iter().all(|worker| worker.is_lost) {
        output::warn("no worker serves this ledger");
        output::hint("`tenantry worker` starts one");
    }
    Ok(CommandEnd::Fine)
}

fn state(worker: &Worker) -> &'static str {
    match worker.chunks {
        _ if worker.is_lost => "lost",
        0 => "idle",
        _ => "working",
    }
}

/// A worker as programs read it.
fn document(worker: &Worker) -> serde_json::Value {
    json!({
        "worker": worker.id, "host": worker.host, "pid": worker.pid, "version": worker.version, "state": state(worker),
        "chunks": worker.chunks, "concurrency": worker.concurrency, "store": worker.store,
        "started_at": rfc3339(worker.started_at), "seen_at": rfc3339(worker.seen_at),
    })
}
