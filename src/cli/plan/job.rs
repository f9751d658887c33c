//! `tenantry plan JOB`: the plan of a job that has to be approved, as it was when the job was submitted.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::bail;
use serde_json::json;
use tenantry_jobs::Subject;

use crate::app::App;
use crate::cli::CommandEnd;
use crate::cli::output::{self, SHOWN, WITH_KEY};
use crate::ledger::{Job, JobState};
use crate::plan::held::HeldRows;
use crate::plan::{KeptPlan, KeptRow, KeptRowsError, ToldRow, each_kept_row};
use crate::store::FieldChange;

/// Shows the plan of a job.
pub(super) async fn show(app: &App, job: &str, all: bool, json: bool) -> anyhow::Result<CommandEnd> {
    let service = &app.service;
    let job = service.find(job).await?;
    let Some(mut plan) = service.patiently(|| KeptPlan::open(&service.ledger, &job)).await? else {
        bail!(
            "no plan of job {0} is kept: {1}; `tenantry rows {0}` lists its rows",
            job.id,
            if job.gate.is_empty() {
                "it needed no approval"
            } else {
                "its rows are no longer kept (`spool.retention`), or it was submitted by an earlier version"
            }
        );
    };
    if !plan.is_of_job {
        bail!(
            "the plan kept of job {} is not the one it has the hash of; reject the job, and submit it again",
            job.id
        );
    }
    let mut shown = PlanTable {
        out: output::out(),
        job: &job,
        all: all || json,
        json,
        told: 0,
        rows: 0,
        unchanged: 0,
        later: HeldRows::default(),
    };
    if json {
        write!(
            shown.out,
            "{{\"job\":\"{}\",\"kind\":{},\"rows\":[",
            job.id,
            json!(job.kind)
        )?;
    }
    let patience = service.settings.patience;
    let mut show = |told: &ToldRow<'_>| shown.row(told.row, told.line(), || told.subject());
    let told = each_kept_row(&service.ledger, &job, &mut plan, patience, &mut show).await;
    match told {
        Err(KeptRowsError::RowsGone) => bail!("the rows of job {} are no longer kept (`spool.retention`)", job.id),
        told => told?,
    }
    shown.close(job.hash_to_approve())?;
    Ok(CommandEnd::Fine)
}

struct PlanTable<'s, W> {
    out: W,
    job: &'s Job,
    all: bool,
    json: bool,
    told: u64,
    rows: u64,
    /// Rows that stay as they are and are not shown.
    unchanged: u64,
    /// What is not destructive, to follow what is.
    later: HeldRows,
}

impl<W: Write> PlanTable<'_, W> {
    fn row(&mut self, row: &KeptRow, line: Option<u64>, subject: impl Fn() -> Option<Subject>) -> std::io::Result<()> {
        self.rows += 1;
        // What cannot easily be put right again is shown however much stands before it.
        if !self.all && !row.destructive {
            if row.action == "unchanged" && row.note.is_empty() {
                self.unchanged += 1;
                return Ok(());
            }
            if self.later.count() >= SHOWN {
                return Ok(());
            }
        }
        self.told += 1;
        let subject = subject();
        let is_undo = self.job.undo_of.is_some();
        let word = match (row.action.as_str(), row.code.as_str()) {
            ("change" | "create", _) if is_undo => "undo",
            ("reject", tenantry_jobs::code::EDITED_SINCE) if is_undo => "keep",
            ("reject", _) if is_undo => "irreversible",
            ("change" | "create", _) => tenantry_jobs::verb(&self.job.kind).unwrap_or(&row.action),
            (action, _) => action,
        };
        let (why, note) = if is_undo && row.action == "reject" {
            (row.note.as_str(), "")
        } else {
            ("", row.note.as_str())
        };
        if self.json {
            let separator = if self.told == 1 { "" } else { "," };
            let mut told = json!({ "row": row.row, "line": line, "action": if is_undo { word } else { &row.action },
                "changes": row.changes, "destructive": row.destructive });
            if let Some(subject) = subject {
                told["subject"] = json!(subject);
            }
            for (name, said) in [("why", why), ("note", note)] {
                if !said.is_empty() {
                    told[name] = json!(said);
                }
            }
            return write!(self.out, "{separator}\n{told}");
        }
        let line = line.map_or(String::new(), |line| format!(" (line {line})"));
        let subject = subject.map_or(String::new(), |subject| format!(" {subject}"));
        let mark = if row.destructive { " (destructive)" } else { "" };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        let mut text = format!("row {}{line}: {word}{subject}{mark}{why}\n", row.row);
        if !note.is_empty() {
            let _ = writeln!(text, "    note: {note}");
        }
        for change in row
            .changes
            .iter()
            .filter(|change| change.field != FieldChange::FINGERPRINT)
        {
            let _ = writeln!(text, "    {}: {:?} → {:?}", change.field, change.old, change.new);
        }
        if row.destructive {
            return self.out.write_all(text.as_bytes());
        }
        self.later.push(row.row, 0, &text)
    }

    fn close(mut self, hash: &str) -> std::io::Result<()> {
        let job = self.job;
        if self.json {
            let rest = json!({ "hash": hash, "state": job.state, "approval": job.gate,
                "plan_hash": job.plan_hash, "parameters": job.parameters, "submitted_by": job.submitted_by });
            writeln!(self.out, "\n],{}", rest.to_string().trim_start_matches('{'))?;
            return self.out.flush();
        }
        let mut later = self.later.release()?;
        while let Some(row) = later.up_to(u64::MAX)? {
            self.out.write_all(row.text.as_bytes())?;
        }
        let untold = self.rows - self.told - self.unchanged;
        if untold > 0 {
            writeln!(
                self.out,
                "… and {}; --all shows them",
                output::counted(untold, "more row")
            )?;
        }
        if self.unchanged > 0 {
            let unchanged = output::counted(self.unchanged, "unchanged row");
            writeln!(self.out, "… and {unchanged}; --all shows them")?;
        }
        writeln!(self.out, "submitted by {}", output::printable(&job.submitted_by))?;
        for term in output::terms(&job.parameters) {
            writeln!(self.out, "{term}")?;
        }
        for reason in &job.gate {
            writeln!(self.out, "needs approval: {reason}")?;
        }
        writeln!(self.out, "plan {hash}")?;
        self.out.flush()?;
        if job.state == JobState::AwaitingApproval {
            output::hint(&format!(
                "`tenantry approve {0} --hash {hash} --by NAME` ({WITH_KEY}), or `tenantry reject {0}`; by another person than {1}",
                job.id, job.submitted_by
            ));
        }
        Ok(())
    }
}
