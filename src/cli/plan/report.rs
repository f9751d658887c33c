//! What `plan` prints for people.

use std::io::{self, Write};

use super::output::{self, SHOWN};
use crate::plan::document::{Head, Tail, View};
use crate::plan::{CheckedBlock, FaultLog};
use crate::store::Verdict;

/// A plan as people read it.
pub(super) struct Report<W> {
    out: W,
    /// Whether every row is shown.
    all: bool,
    offline: bool,
    kind: &'static str,
    /// What a line of the file is called.
    line: &'static str,
    shown: u64,
    noted: u64,
}

/// Customers and SKUs that are named.
const MOST_NAMED: usize = 10;

impl<W: Write> Report<W> {
    pub(super) fn new(out: W, kind: &'static str, all: bool) -> Self {
        Self {
            out,
            all,
            offline: false,
            kind,
            line: "line",
            shown: 0,
            noted: 0,
        }
    }
}

impl<W: Write + Send> View for Report<W> {
    fn open(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.offline = head.offline;
        if head.sheet.is_some() {
            self.line = "row";
        }
        match head.template {
            Some(template) => writeln!(self.out, "recognised as the template: {template}"),
            None => Ok(()),
        }
    }

    /// Rejected rows are told as faults, which say more.
    fn rows(&mut self, checked: &CheckedBlock) -> io::Result<()> {
        // Offline nothing is known but that the row is sound.
        if self.offline {
            return Ok(());
        }
        for preview in &checked.previews {
            // What there is to know of a row is told of rows beyond those, too.
            let is_noted = !preview.note.is_empty() && self.noted < SHOWN;
            if !self.all && self.shown >= SHOWN && !is_noted {
                continue;
            }
            let changes = match &preview.verdict {
                Verdict::Change(changes) => changes.as_slice(),
                _ => &[],
            };
            let line = checked.line(preview.row);
            let what = output::what(self.kind, &preview.verdict, checked.subject(preview.row).as_ref());
            let mark = if preview.destructive { " (destructive)" } else { "" };
            writeln!(self.out, "{} {line}: {what}{mark}", self.line)?;
            if !preview.note.is_empty() {
                self.noted += 1;
                writeln!(self.out, "    note: {}", preview.note)?;
            }
            for change in changes {
                writeln!(self.out, "    {}: {:?} → {:?}", change.field, change.old, change.new)?;
            }
            self.shown += 1;
        }
        Ok(())
    }

    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()> {
        let (out, totals) = (&mut self.out, tail.totals);
        let valid = totals.rows - totals.reject;
        if !self.offline && valid > self.shown {
            let more = output::counted(valid - self.shown, "more row");
            writeln!(out, "… and {more}; --all shows them")?;
        }
        if !faults.is_empty() {
            output::faults(out, faults, self.all)?;
        }
        for note in &tail.notes {
            writeln!(out, "note: {note}")?;
        }
        let rows = output::counted(totals.rows, "row");
        if self.offline {
            writeln!(
                out,
                "{rows}: {valid} sound, {} to mend (the store was not asked)",
                totals.reject
            )?;
            return out.flush();
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
        out.flush()
    }
}
