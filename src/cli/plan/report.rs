//! The text that `plan` prints.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::output::{self, SHOWN};
use crate::plan::document::{Head, Tail, View};
use crate::plan::held::HeldRows;
use crate::plan::{CheckedBlock, FaultLog, Repeated, Totals};
use crate::store::{FieldChange, Verdict};

/// A plan as people read it: what is destructive first, and what stays as it is as a number.
pub(super) struct PlanText<W> {
    out: W,
    /// Whether every row is shown.
    all: bool,
    offline: bool,
    kind: &'static str,
    /// What a line of the file is called.
    line: &'static str,
    destructive: HeldRows,
    others: HeldRows,
    /// Rows that turned out to repeat others, in their order.
    repeated: Vec<u64>,
}

/// Rows held of each sort, of which those that repeat others fall out, unless all are shown.
const MOST_HELD: u64 = 10 * SHOWN;

// What is to be known of a row to show it.
const NOTED: u8 = 1;
const UNCHANGED: u8 = 2;

/// Customers and SKUs that are named.
const MOST_NAMED: usize = 10;

impl<W: Write> PlanText<W> {
    pub(super) fn new(out: W, kind: &'static str, all: bool) -> Self {
        Self {
            out,
            all,
            offline: false,
            kind,
            line: "line",
            destructive: HeldRows::default(),
            others: HeldRows::default(),
            repeated: Vec::new(),
        }
    }
}

impl<W: Write> PlanText<W> {
    /// The rows that are held.
    fn show(&mut self, totals: &Totals) -> io::Result<()> {
        let (mut shown, mut noted, mut unchanged) = (0, 0, 0);
        for held in [&mut self.destructive, &mut self.others] {
            let mut held = std::mem::take(held).release()?;
            while let Some(row) = held.up_to(u64::MAX)? {
                let is_noted = row.mark & NOTED != 0 && noted < SHOWN;
                let is_shown = self.all || shown < SHOWN || is_noted;
                if !is_shown || self.repeated.binary_search(&row.row).is_ok() {
                    continue;
                }
                shown += 1;
                noted += u64::from(row.mark & NOTED != 0);
                unchanged += u64::from(row.mark & UNCHANGED != 0);
                self.out.write_all(row.text.as_bytes())?;
            }
        }
        let folded = totals.unchanged - unchanged;
        let more = totals.rows - totals.reject - shown - folded;
        if more > 0 {
            writeln!(
                self.out,
                "… and {}; --all shows them",
                output::counted(more, "more row")
            )?;
        }
        if folded > 0 {
            writeln!(
                self.out,
                "… and {}; --all shows them",
                output::counted(folded, "unchanged row")
            )?;
        }
        Ok(())
    }
}

impl<W: Write + Send> View for PlanText<W> {
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
            let (changes, unchanged) = match &preview.verdict {
                Verdict::Change(changes) => (changes.as_slice(), 0),
                Verdict::Unchanged => (&[][..], UNCHANGED),
                Verdict::Create | Verdict::Reject(_) => (&[][..], 0),
            };
            let noted = if preview.note.is_empty() { 0 } else { NOTED };
            let held = if preview.destructive {
                &mut self.destructive
            } else {
                &mut self.others
            };
            let is_wanted = match noted {
                // What there is to know of a row is told of rows beyond the first ones, too.
                NOTED => held.count() < 2 * MOST_HELD,
                _ => held.count() < MOST_HELD && unchanged == 0,
            };
            if !self.all && !is_wanted {
                continue;
            }
            let line = checked.line(preview.row);
            let what = output::planned_action(self.kind, &preview.verdict, checked.subject(preview.row).as_ref());
            let mark = if preview.destructive { " (destructive)" } else { "" };
            let mut text = format!("{} {line}: {what}{mark}\n", self.line);
            if !preview.note.is_empty() {
                let _ = writeln!(text, "    note: {}", preview.note);
            }
            for change in changes.iter().filter(|change| change.field != FieldChange::FINGERPRINT) {
                let _ = writeln!(text, "    {}: {:?} → {:?}", change.field, change.old, change.new);
            }
            held.push(preview.row, noted | unchanged, &text)?;
        }
        Ok(())
    }

    fn repeated(&mut self, repeated: &Repeated) -> io::Result<()> {
        self.repeated.push(repeated.fault.row);
        Ok(())
    }

    fn close(&mut self, tail: &Tail, faults: &mut FaultLog) -> io::Result<()> {
        let totals = tail.totals;
        let valid = totals.rows - totals.reject;
        if !self.offline {
            self.show(&totals)?;
        }
        let out = &mut self.out;
        if !faults.is_empty() {
            output::faults(out, faults, self.all)?;
        }
        for note in &tail.notes {
            writeln!(out, "note: {note}")?;
        }
        if tail.sha256.is_none() {
            writeln!(out, "the file cannot be read to its end, so that this is not all of it")?;
            return out.flush();
        }
        let rows = output::counted(totals.rows, "row");
        if self.offline {
            writeln!(
                out,
                "{rows}: {valid} sound, {} to fix (the store was not asked)",
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
