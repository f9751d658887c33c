//! What `plan` prints, and what it writes to a file: the same document, with a row on each line.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use tempfile::NamedTempFile;

use super::output::{self, SHOWN};
use crate::ledger::{Gate, Parameters};
use crate::plan::file::FORMAT;
use crate::plan::{CheckedBlock, FaultLog, Impact, Totals};
use crate::store::Verdict;

/// What is known before the first row.
#[derive(Debug, Serialize)]
pub(super) struct Head<'a> {
    pub(super) kind: &'a str,
    pub(super) file: PathBuf,
    pub(super) sheet: Option<String>,
    pub(super) parameters: &'a Parameters,
    pub(super) offline: bool,
}

/// What is known after the last one.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) totals: Totals,
    pub(super) impact: Impact,
    pub(super) sha256: Option<String>,
    pub(super) hash: Option<String>,
    pub(super) approval: Option<Gate>,
    pub(super) undo: Option<String>,
}

/// A plan as people or programs read it.
pub(super) struct Report<W: Write> {
    out: W,
    json: bool,
    /// Whether every row is shown.
    all: bool,
    /// Rows that create something go without saying.
    brief: bool,
    offline: bool,
    /// What a line of the file is called.
    line: &'static str,
    shown: u64,
}

/// Customers and SKUs that are named in the text form.
const MOST_NAMED: usize = 10;

impl<W: Write> Report<W> {
    pub(super) fn new(out: W, json: bool, all: bool, offline: bool) -> Self {
        Self {
            out,
            json,
            all,
            brief: false,
            offline,
            line: "line",
            shown: 0,
        }
    }

    pub(super) fn open(&mut self, head: &Head<'_>, template: Option<&str>) -> anyhow::Result<()> {
        if head.sheet.is_some() {
            self.line = "row";
        }
        if self.json {
            let head = json!({ "tenantry_plan": FORMAT, "kind": head.kind, "file": head.file,
                "sheet": head.sheet, "parameters": head.parameters, "template": template, "offline": head.offline });
            let head = head.to_string();
            write!(self.out, "{},\"rows\":[", head.trim_end_matches('}'))?;
        } else if let Some(template) = template {
            writeln!(self.out, "recognised as the template: {template}")?;
        }
        Ok(())
    }

    pub(super) fn rows(&mut self, checked: &CheckedBlock) -> anyhow::Result<()> {
        // Offline nothing is known but that the row is sound.
        if self.offline {
            return Ok(());
        }
        let mut rejects = checked.rejects.keys().copied().peekable();
        for preview in &checked.previews {
            while let Some(row) = rejects.next_if(|row| *row < preview.row) {
                self.rejected(row, checked.line(row))?;
            }
            if self.brief && preview.verdict == Verdict::Create {
                continue;
            }
            if !self.all && self.shown >= SHOWN {
                break;
            }
            let changes = match &preview.verdict {
                Verdict::Change(changes) => changes.as_slice(),
                _ => &[],
            };
            let (line, action) = (checked.line(preview.row), preview.verdict.action());
            if self.json {
                let row = json!({ "row": preview.row, "line": line, "action": action, "changes": changes });
                self.json_row(&row)?;
            } else {
                let mark = if preview.destructive { " (destructive)" } else { "" };
                writeln!(self.out, "{} {line}: {action}{mark}", self.line)?;
                for change in changes {
                    writeln!(self.out, "    {}: {:?} → {:?}", change.field, change.old, change.new)?;
                }
            }
            self.shown += 1;
        }
        for row in rejects {
            self.rejected(row, checked.line(row))?;
        }
        Ok(())
    }

    /// In the text form faults say more.
    fn rejected(&mut self, row: u64, line: u64) -> anyhow::Result<()> {
        if self.json {
            self.json_row(&json!({ "row": row, "line": line, "action": "reject" }))?;
            self.shown += 1;
        }
        Ok(())
    }

    fn json_row(&mut self, row: &serde_json::Value) -> std::io::Result<()> {
        let separator = if self.shown == 0 { "" } else { "," };
        write!(self.out, "{separator}\n{row}")
    }

    pub(super) fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> anyhow::Result<()> {
        if self.json {
            write!(self.out, "\n],\"errors\":")?;
            output::faults_json(&mut self.out, faults)?;
            let reasons = tail.approval.as_ref().map(|gate| &gate.reasons);
            let rest = json!({ "error_codes": faults.by_code(), "totals": tail.totals,
                "seats": tail.impact.seats().collect::<Vec<_>>(), "users": tail.impact.shares().collect::<Vec<_>>(),
                "destructive": tail.impact.destructive(), "approval": reasons, "undo": tail.undo,
                "sha256": tail.sha256, "hash": tail.hash });
            writeln!(self.out, ",{}", rest.to_string().trim_start_matches('{'))?;
        } else {
            self.close_text(tail, faults)?;
        }
        self.out.flush()?;
        Ok(())
    }

    fn close_text(&mut self, tail: &Tail, faults: &mut FaultLog) -> anyhow::Result<()> {
        let (out, totals) = (&mut self.out, tail.totals);
        let valid = totals.rows - totals.reject;
        if !self.offline && valid > self.shown {
            let more = output::counted(valid - self.shown, "more row");
            writeln!(out, "… and {more}; --all shows them")?;
        }
        if !faults.is_empty() {
            output::faults(out, faults, self.all)?;
        }
        let rows = output::counted(totals.rows, "row");
        if self.offline {
            writeln!(
                out,
                "{rows}: {valid} sound, {} to mend (the store was not asked)",
                totals.reject
            )?;
            return Ok(());
        }
        writeln!(
            out,
            "{rows}: {} to create, {} to change, {} unchanged, {} to reject",
            totals.create, totals.change, totals.unchanged, totals.reject
        )?;
        let limit = if self.all { usize::MAX } else { MOST_NAMED };
        for seats in tail.impact.seats().take(limit) {
            let short = if seats.needed > seats.available { "  SHORT" } else { "" };
            writeln!(
                out,
                "seats: {} of {}: {} needed, {} available{short}",
                seats.sku, seats.customer, seats.needed, seats.available
            )?;
        }
        for share in tail.impact.shares().take(limit) {
            writeln!(
                out,
                "users: {} of the {} users of {} are touched ({:.0} %)",
                share.touched,
                share.users,
                share.customer,
                share.share() * 100.0
            )?;
        }
        if tail.impact.destructive() > 0 {
            writeln!(out, "destructive rows: {}", tail.impact.destructive())?;
        }
        if let Some(undo) = &tail.undo {
            writeln!(out, "undo: {undo}")?;
        }
        for reason in tail.approval.iter().flat_map(|gate| &gate.reasons) {
            writeln!(out, "needs approval: {reason}")?;
        }
        if let Some(hash) = &tail.hash {
            writeln!(out, "plan {hash}")?;
        }
        Ok(())
    }
}

/// A plan being written to a file, which appears under its name when it is whole.
pub(super) struct PlanWriter {
    pub(super) report: Report<BufWriter<NamedTempFile>>,
    path: PathBuf,
}

impl PlanWriter {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let dir = path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(dir)
            .map_err(|error| anyhow::anyhow!("{}: the plan cannot be written: {error}", path.display()))?;
        let mut report = Report::new(BufWriter::new(file), true, true, false);
        report.brief = true;
        Ok(Self {
            report,
            path: path.to_owned(),
        })
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        let file = self.report.out.into_inner()?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}
