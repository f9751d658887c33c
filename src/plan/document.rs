//! A plan as one JSON document with a row on each line: what programs read, and what [`super::file`] reads back to be
//! applied.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::file::{self, FORMAT};
use super::held::{HeldRow, HeldRows, Released};
use super::{CheckedBlock, FaultLog, Impact, Repeated, Totals};
use crate::input::HiddenRows;
use crate::ledger::{Gate, Parameters};
use crate::store::Verdict;

/// What is known before the first row.
#[derive(Debug, Clone)]
pub(crate) struct Head<'a> {
    pub kind: &'a str,
    pub file: PathBuf,
    pub header: &'a [String],
    pub sheet: Option<String>,
    /// The encoding that the text is said to have.
    pub encoding: Option<String>,
    /// Whether its cells may hold lines like its own.
    pub multiline_cells: bool,
    /// How hidden rows are handled, if somebody has said it.
    pub hidden_rows: Option<HiddenRows>,
    pub template: Option<&'static str>,
    pub parameters: &'a Parameters,
    /// Whether the store was not asked.
    pub offline: bool,
}

/// What is known after the last one.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub totals: Totals,
    pub notes: Vec<String>,
    pub impact: Impact,
    pub sha256: Option<String>,
    pub hash: Option<String>,
    pub approval: Option<Gate>,
    pub undo: Option<String>,
}

/// A form of a plan, which is given its parts in their order.
pub(crate) trait View: Send {
    /// Begins it.
    fn open(&mut self, head: &Head<'_>) -> io::Result<()>;
    /// The rows of a block.
    fn rows(&mut self, checked: &CheckedBlock) -> io::Result<()>;
    /// A row that was given with its block turned out to repeat another, and is rejected; they come in row order, each once.
    fn repeated(&mut self, repeated: &Repeated) -> io::Result<()>;
    /// Ends it.
    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()>;
}

/// The document.
pub(crate) struct Document<W> {
    out: W,
    /// Rows that create something go without saying.
    brief: bool,
    /// The cells of the one row, where there is no file.
    set: Vec<String>,
    offline: bool,
    rows: u64,
    held: HeldRows,
    /// The rows once more, when all are held.
    released: Option<Released>,
}

impl<W: Write> Document<W> {
    /// With every row.
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            brief: false,
            set: Vec::new(),
            offline: false,
            rows: 0,
            held: HeldRows::default(),
            released: None,
        }
    }

    /// With those that do something other than create.
    pub(crate) fn brief(out: W) -> Self {
        Self {
            brief: true,
            ..Self::new(out)
        }
    }

    /// With the cells of the one row that there is in place of a file.
    pub(crate) fn of_row(self, set: Vec<String>) -> Self {
        Self { set, ..self }
    }

    /// What it was written to.
    pub(crate) fn into_inner(self) -> W {
        self.out
    }

    fn row(&mut self, row: u64, told: &Value) -> io::Result<()> {
        self.held.push(row, 0, &told.to_string())
    }

    fn write(&mut self, row: &str) -> io::Result<()> {
        let separator = if self.rows == 0 { "" } else { "," };
        self.rows += 1;
        write!(self.out, "{separator}\n{row}")
    }

    /// The next row that is held, if it is none beyond `last`.
    fn next(&mut self, last: u64) -> io::Result<Option<HeldRow>> {
        let released = match &mut self.released {
            Some(released) => released,
            None => self.released.insert(std::mem::take(&mut self.held).release()?),
        };
        released.up_to(last)
    }

    fn rejected(&mut self, row: u64, checked: &CheckedBlock) -> io::Result<()> {
        let mut rejected = json!({ "row": row, "line": checked.line(row), "action": "reject" });
        if let Some(subject) = checked.subject(row) {
            rejected["subject"] = json!(subject);
        }
        self.row(row, &rejected)
    }
}

impl<W: Write + Send> View for Document<W> {
    fn open(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.offline = head.offline;
        let mut head = json!({ "tenantry_plan": FORMAT, "kind": head.kind, "file": head.file, "sheet": head.sheet, "encoding": head.encoding, "multiline_cells": head.multiline_cells, "hidden_rows": head.hidden_rows,
            "parameters": head.parameters, "template": head.template, "offline": head.offline });
        if !self.set.is_empty() {
            head["set"] = json!(self.set);
        }
        let head = head.to_string();
        write!(self.out, "{},\"rows\":[", head.trim_end_matches('}'))
    }

    fn rows(&mut self, checked: &CheckedBlock) -> io::Result<()> {
        // Offline nothing is known but that the row is sound.
        if self.offline {
            return Ok(());
        }
        let mut rejects = checked.rejects.keys().copied().peekable();
        for preview in &checked.previews {
            while let Some(row) = rejects.next_if(|row| *row < preview.row) {
                self.rejected(row, checked)?;
            }
            if self.brief && preview.verdict == Verdict::Create && preview.note.is_empty() && !preview.destructive {
                continue;
            }
            let changes = match &preview.verdict {
                Verdict::Change(changes) => changes.as_slice(),
                _ => &[],
            };
            let (line, action) = (checked.line(preview.row), preview.verdict.action());
            let mut row = json!({ "row": preview.row, "line": line, "action": action, "changes": changes,
                "destructive": preview.destructive });
            if let Some(subject) = checked.subject(preview.row) {
                row["subject"] = json!(subject);
            }
            if !preview.note.is_empty() {
                row["note"] = json!(preview.note);
            }
            self.row(preview.row, &row)?;
        }
        for row in rejects {
            self.rejected(row, checked)?;
        }
        Ok(())
    }

    fn repeated(&mut self, repeated: &Repeated) -> io::Result<()> {
        if self.offline {
            return Ok(());
        }
        let fault = &repeated.fault;
        while let Some(before) = self.next(fault.row - 1)? {
            self.write(&before.text)?;
        }
        let told = self.next(fault.row)?.map_or_else(String::new, |held| held.text);
        let mut subject = json!(fault.subject);
        let mut expected = None;
        if !told.is_empty() {
            let planned: Value = serde_json::from_str(&told)?;
            if planned["action"] == "reject" {
                return self.write(&told);
            }
            subject = planned["subject"].clone();
            expected = file::planned(&told)?.state;
        }
        let mut rejected = json!({ "row": fault.row, "line": fault.line, "action": "reject", "repeats": true });
        if !subject.is_null() {
            rejected["subject"] = subject;
        }
        if let Some(state) = expected {
            rejected["expected"] = json!(file::hexadecimal(state));
        }
        self.write(&rejected.to_string())
    }

    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()> {
        while let Some(held) = self.next(u64::MAX)? {
            self.write(&held.text)?;
        }
        write!(self.out, "\n],\"errors\":")?;
        faults.write_json(&mut self.out)?;
        let reasons = tail.approval.as_ref().map(|gate| &gate.reasons);
        let rest = json!({ "error_codes": faults.by_code(), "totals": tail.totals, "notes": tail.notes,
            "seats": tail.impact.seats().collect::<Vec<_>>(), "users": tail.impact.shares().collect::<Vec<_>>(),
            "destructive": tail.impact.destructive(), "approval": reasons, "undo": tail.undo,
            "sha256": tail.sha256, "hash": tail.hash });
        writeln!(self.out, ",{}", rest.to_string().trim_start_matches('{'))?;
        self.out.flush()
    }
}
