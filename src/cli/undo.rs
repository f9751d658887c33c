//! `tenantry undo`: take back what a job did.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::End;
use super::outcome::tell;
use super::output::{self, SHOWN};
use super::run::{has_place, process};
use crate::app::App;
use crate::ledger::Actor;
use crate::service::RunOptions;
use crate::store::Verdict;
use crate::undo::{self, UndoRow};

#[derive(Debug, Args)]
pub(super) struct Undo {
    /// Job id, or enough of its beginning or end to tell it apart
    job: String,
    /// Only show what it would do
    #[arg(long)]
    plan: bool,
    /// Queue it for the workers instead of working on it here
    #[arg(long, conflicts_with = "plan")]
    submit: bool,
    /// With --plan: show every row, not just the first; --json always does
    #[arg(long)]
    all: bool,
    /// Directory for results.csv, rejects.csv and receipt.json [default: ./tenantry-out/JOB]
    #[arg(long, value_name = "DIR", value_parser = super::directory)]
    out: Option<PathBuf>,
    /// Who asks
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn undo(args: &Undo, app: &App, json: bool) -> anyhow::Result<End> {
    let job = app.service.find(&args.job).await?;
    if args.plan {
        return plan(args, app, &job, json).await;
    }
    if !args.submit {
        has_place(app, args.out.as_deref())?;
    }
    let id = app.service.undo(&args.by, &job, args.submit).await?;
    if args.submit {
        let mut out = output::out();
        if json {
            writeln!(out, "{}", json!({ "job": id, "kind": "undo", "undo_of": job.id }))?;
        } else {
            writeln!(out, "{id}")?;
        }
        out.flush()?;
        return Ok(End::Fine);
    }
    let stop = super::stop_signal()?;
    let options = RunOptions {
        out: args.out.as_deref(),
        concurrency: None,
        stop: &stop,
    };
    let undone = process(app, id, options, json).await?;
    tell(&undone, json)
}

async fn plan(args: &Undo, app: &App, job: &crate::ledger::Job, json: bool) -> anyhow::Result<End> {
    let mut out = output::out();
    let mut shown = 0;
    if json {
        write!(out, "{{\"undo_of\":\"{}\",\"rows\":[", job.id)?;
    }
    let all = args.all || json;
    let mut each = |row: &UndoRow<'_>| {
        if !all && shown >= SHOWN {
            return Ok(());
        }
        let separator = if shown == 0 { "\n" } else { ",\n" };
        shown += 1;
        let (word, changes, why) = match &row.preview.verdict {
            Verdict::Unchanged => ("unchanged", &[][..], None),
            Verdict::Change(changes) => ("undo", changes.as_slice(), None),
            Verdict::Create => ("undo", &[][..], None),
            Verdict::Reject(problem) if problem.code == tenantry_jobs::code::EDITED_SINCE => {
                ("keep", &[][..], Some(problem.to_string()))
            }
            Verdict::Reject(problem) => ("irreversible", &[][..], Some(problem.to_string())),
        };
        if json {
            let mut told =
                json!({ "row": row.preview.row, "line": row.line(), "action": word, "changes": changes, "why": why });
            if let Some(subject) = row.subject() {
                told["subject"] = json!(subject);
            }
            return write!(out, "{separator}{told}");
        }
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        let subject = row.subject().map_or(String::new(), |subject| format!(" {subject}"));
        writeln!(out, "row {}: {word}{subject}{why}", row.preview.row)?;
        for change in changes {
            writeln!(out, "    {}: {:?} → {:?}", change.field, change.old, change.new)?;
        }
        Ok(())
    };
    let plan = undo::plan(
        &app.service.ledger,
        &app.service.stores,
        job,
        &app.service.settings.rules.limits,
        &mut each,
    )
    .await?;
    let totals = plan.totals;
    let reasons = plan.gate.map(|gate| gate.reasons).unwrap_or_default();
    if json {
        let rest = json!({ "totals": totals, "destructive": plan.impact.destructive(), "hash": plan.hash,
            "approval": reasons });
        writeln!(out, "],{}", rest.to_string().trim_start_matches('{'))?;
    } else {
        let untold = totals.rows - shown;
        if untold > 0 {
            writeln!(out, "… and {}; --all shows them", output::counted(untold, "more row"))?;
        }
        writeln!(
            out,
            "{}: {} to undo, {} need nothing, {} stay as they are",
            output::counted(totals.rows, "row"),
            totals.change + totals.create,
            totals.unchanged,
            totals.reject
        )?;
        for reason in reasons {
            writeln!(out, "needs approval: {reason}")?;
        }
    }
    out.flush()?;
    Ok(if totals.reject > 0 { End::SomeRowsNot } else { End::Fine })
}
