//! `tenantry undo`: take back what a job did.

use std::fmt::Write as _;
use std::io::Write;

use clap::Args;
use serde_json::json;

use super::CommandEnd;
use super::destination::DestinationArgs;
use super::outcome::print_summary;
use super::output::{self, SHOWN};
use super::run::{has_place, process};
use crate::app::App;
use crate::delivery::MayHold;
use crate::ledger::{Actor, JobId};
use crate::plan::held::HeldRows;
use crate::service::RunOptions;
use crate::store::Verdict;
use crate::undo::{UndoPlan, UndoRequest, UndoRow};

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// Job ID, or a unique beginning or end of it
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
    #[command(flatten)]
    out: DestinationArgs,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn undo(args: &UndoArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    if args.plan {
        return plan(args, app, &job, json).await;
    }
    if !args.submit {
        has_place(app, args.out.dir(), MayHold::Nothing)?;
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
        return Ok(CommandEnd::Fine);
    }
    let stop = super::stop_signal()?;
    let options = RunOptions {
        out: args.out.destination(),
        concurrency: None,
        stop: &stop,
    };
    let undone = process(app, id, options, json).await?;
    print_summary(&undone, json)
}

async fn plan(args: &UndoArgs, app: &App, job: &crate::ledger::Job, json: bool) -> anyhow::Result<CommandEnd> {
    let mut shown = UndoTable {
        out: output::out(),
        all: args.all || json,
        json,
        told: 0,
        of: job.id,
        later: HeldRows::default(),
    };
    let request = UndoRequest {
        ledger: &app.service.ledger,
        stores: &app.service.stores,
        limits: &app.service.rules().limits,
        job,
    };
    let plan = request.plan(&args.by, &mut |row| shown.row(row)).await?;
    let is_whole = plan.totals.reject == 0;
    let is_anything = plan.totals.create + plan.totals.change > 0;
    shown.close(plan)?;
    if is_anything && !json {
        output::hint(&format!("tenantry undo {}", job.id));
    }
    Ok(if is_whole {
        CommandEnd::Fine
    } else {
        CommandEnd::SomeRowsNot
    })
}

struct UndoTable<W> {
    out: W,
    all: bool,
    json: bool,
    told: u64,
    of: JobId,
    /// What is not destructive, to follow what is.
    later: HeldRows,
}

impl<W: Write> UndoTable<W> {
    fn row(&mut self, row: &UndoRow<'_>) -> std::io::Result<()> {
        let UndoRow { preview, .. } = row;
        // What cannot easily be put right again is shown however much stands before it.
        if !self.all && !preview.destructive && self.later.count() >= SHOWN {
            return Ok(());
        }
        self.told += 1;
        let (word, changes, why) = match &preview.verdict {
            Verdict::Unchanged => ("unchanged", &[][..], None),
            Verdict::Change(changes) => ("undo", changes.as_slice(), None),
            Verdict::Create => ("undo", &[][..], None),
            Verdict::Reject(problem) if problem.code == tenantry_jobs::code::EDITED_SINCE => {
                ("keep", &[][..], Some(problem.to_string()))
            }
            Verdict::Reject(problem) => ("irreversible", &[][..], Some(problem.to_string())),
        };
        if self.json {
            // Not before there is something to tell: what goes wrong is a document of its own.
            let separator = match self.told {
                1 => self.head(),
                _ => ",".to_owned(),
            };
            let mut told = json!({ "row": preview.row, "line": row.line(), "action": word, "changes": changes,
                "destructive": preview.destructive, "why": why });
            if let Some(subject) = row.subject() {
                told["subject"] = json!(subject);
            }
            if !preview.note.is_empty() {
                told["note"] = json!(preview.note);
            }
            return write!(self.out, "{separator}\n{told}");
        }
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        let subject = row.subject().map_or(String::new(), |subject| format!(" {subject}"));
        let mark = if preview.destructive { " (destructive)" } else { "" };
        let mut text = format!("row {}: {word}{subject}{mark}{why}\n", preview.row);
        for change in changes {
            let _ = writeln!(text, "    {}: {:?} → {:?}", change.field, change.old, change.new);
        }
        if !preview.note.is_empty() {
            let _ = writeln!(text, "    note: {}", preview.note);
        }
        if preview.destructive {
            return self.out.write_all(text.as_bytes());
        }
        self.later.push(preview.row, 0, &text)
    }

    /// What the document begins with.
    fn head(&self) -> String {
        format!("{{\"undo_of\":\"{}\",\"rows\":[", self.of)
    }

    fn close(mut self, plan: UndoPlan) -> std::io::Result<()> {
        let totals = plan.totals;
        let reasons = plan.gate.map(|gate| gate.reasons).unwrap_or_default();
        if self.json {
            let rest = json!({ "totals": totals, "destructive": plan.impact.destructive(), "hash": plan.hash,
                "approval": reasons });
            writeln!(self.out, "],{}", rest.to_string().trim_start_matches('{'))?;
            return self.out.flush();
        }
        let mut later = self.later.release()?;
        while let Some(row) = later.up_to(u64::MAX)? {
            self.out.write_all(row.text.as_bytes())?;
        }
        let untold = totals.rows - self.told;
        if untold > 0 {
            let untold = output::counted(untold, "more row");
            writeln!(self.out, "… and {untold}; --all shows them")?;
        }
        writeln!(
            self.out,
            "{}: {} to undo, {} need nothing, {} stay as they are",
            output::counted(totals.rows, "row"),
            totals.change + totals.create,
            totals.unchanged,
            totals.reject
        )?;
        for reason in reasons {
            writeln!(self.out, "needs approval: {reason}")?;
        }
        if plan.is_own {
            writeln!(
                self.out,
                "needs no approval: the job is your own, ended a short while ago, and nothing was edited since"
            )?;
        }
        self.out.flush()
    }
}
