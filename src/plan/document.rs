//! A plan as one JSON document with a row on each line: what programs read, and what [`file`](super::file) reads back to be
//! applied.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::json;

use super::file::FORMAT;
use super::{CheckedBlock, FaultLog, Impact, Totals};
use crate::input::HiddenRows;
use crate::ledger::{Gate, Parameters};
use crate::store::Verdict;

/// What is known before the first row.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are the document's")]
pub struct Head<'a> {
    pub kind: &'a str,
    pub file: PathBuf,
    pub sheet: Option<String>,
    /// The encoding that the text is said to have.
    pub encoding: Option<String>,
    /// Whether its cells may hold lines like its own.
    pub multiline_cells: bool,
    /// What becomes of hidden rows, if somebody has said it.
    pub hidden_rows: Option<HiddenRows>,
    pub template: Option<&'static str>,
    pub parameters: &'a Parameters,
    /// Whether the store was not asked.
    pub offline: bool,
}

/// What is known after the last one.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the names are the document's")]
pub struct Tail {
    pub totals: Totals,
    pub notes: Vec<String>,
    pub impact: Impact,
    pub sha256: Option<String>,
    pub hash: Option<String>,
    pub approval: Option<Gate>,
    pub undo: Option<String>,
}

/// A form of a plan, which is given its parts in their order.
pub trait View: Send {
    /// Begins it.
    fn open(&mut self, head: &Head<'_>) -> io::Result<()>;
    /// The rows of a block.
    fn rows(&mut self, checked: &CheckedBlock) -> io::Result<()>;
    /// Ends it.
    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()>;
}

/// The document.
pub struct Document<W> {
    out: W,
    /// Rows that create something go without saying.
    brief: bool,
    offline: bool,
    rows: u64,
}

impl<W: Write> Document<W> {
    /// With every row.
    pub fn new(out: W) -> Self {
        Self {
            out,
            brief: false,
            offline: false,
            rows: 0,
        }
    }

    /// With those that do something other than create.
    pub fn brief(out: W) -> Self {
        Self {
            brief: true,
            ..Self::new(out)
        }
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn row(&mut self, row: &serde_json::Value) -> io::Result<()> {
        let separator = if self.rows == 0 { "" } else { "," };
        self.rows += 1;
        write!(self.out, "{separator}\n{row}")
    }

    fn rejected(&mut self, row: u64, checked: &CheckedBlock) -> io::Result<()> {
        let mut rejected = json!({ "row": row, "line": checked.line(row), "action": "reject" });
        if let Some(subject) = checked.subject(row) {
            rejected["subject"] = json!(subject);
        }
        self.row(&rejected)
    }
}

impl<W: Write + Send> View for Document<W> {
    fn open(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.offline = head.offline;
        let head = json!({ "tenantry_plan": FORMAT, "kind": head.kind, "file": head.file, "sheet": head.sheet, "encoding": head.encoding, "multiline_cells": head.multiline_cells, "hidden_rows": head.hidden_rows,
            "parameters": head.parameters, "template": head.template, "offline": head.offline });
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
            if self.brief && preview.verdict == Verdict::Create && preview.note.is_empty() {
                continue;
            }
            let changes = match &preview.verdict {
                Verdict::Change(changes) => changes.as_slice(),
                _ => &[],
            };
            let (line, action) = (checked.line(preview.row), preview.verdict.action());
            let mut row = json!({ "row": preview.row, "line": line, "action": action, "changes": changes });
            if let Some(subject) = checked.subject(preview.row) {
                row["subject"] = json!(subject);
            }
            if !preview.note.is_empty() {
                row["note"] = json!(preview.note);
            }
            self.row(&row)?;
        }
        for row in rejects {
            self.rejected(row, checked)?;
        }
        Ok(())
    }

    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()> {
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
