//! Step 6 of the protocol: a job that has to be approved is shown in `waiting/`, with its plan row by row, its hash and the
//! commands to decide. Approval itself is not given here, for a share proves no identity.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::FolderError;
use crate::file::WholeFile;
use crate::ledger::{Job, Ledger};
use crate::moment::rfc3339;
use crate::plan::{KeptPlan, KeptRowsError, ToldRow, each_kept_row};
use crate::table::{Form, Table};

/// The plan for people.
pub(super) const TEXT: &str = "plan.txt";
/// The plan row by row.
pub(super) const TABLE: &str = "plan.csv";
/// The columns of that.
pub(super) const PLAN_HEAD: [&str; 7] = ["row", "line", "action", "subject", "destructive", "changes", "note"];
/// How long the ledger is waited for; the writer comes again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the plan is written.
#[derive(Clone, Copy)]
pub(super) struct BesideFile<'w> {
    /// The directory of the file.
    pub(super) dir: &'w Path,
    /// What the directory is going to be called.
    pub(super) stem: &'w str,
    /// The name of the file.
    pub(super) file: &'w str,
    /// Whether tables begin with a byte order mark.
    pub(super) bom: bool,
}

impl BesideFile<'_> {
    /// The names of what is written, which give way to the file's own.
    pub(super) fn names<const N: usize>(&self, usual: [&str; N]) -> [String; N] {
        let is_taken = usual.contains(&self.file.to_lowercase().as_str());
        usual.map(|name| {
            if is_taken {
                format!("{}.job-{name}", self.stem)
            } else {
                name.to_owned()
            }
        })
    }
}

/// The cells of a row of the table, of which nothing is known but where it stands and whom it is about.
pub(super) fn cells(row: u64, line: Option<u64>, about: Option<String>) -> [String; PLAN_HEAD.len()] {
    let line = line.map(|line| line.to_string()).unwrap_or_default();
    let mut cells = <[String; PLAN_HEAD.len()]>::default();
    (cells[0], cells[1], cells[3]) = (row.to_string(), line, about.unwrap_or_default());
    cells
}

/// In a cell.
pub(super) fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "" }.to_owned()
}

/// What a row would change: fields with their old and new values.
pub(super) fn changes<'c>(changes: impl Iterator<Item = (&'c str, &'c str, &'c str)>) -> String {
    changes.fold(String::new(), |mut text, (field, old, new)| {
        let between = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{between}{field}: {old:?} → {new:?}");
        text
    })
}

/// Writes the plan of a job that waits for approval beside its file.
pub(super) async fn write(ledger: &Ledger, job: &Job, beside: &BesideFile<'_>) -> Result<(), FolderError> {
    let BesideFile { dir, bom, .. } = *beside;
    let form = Form { bom, ..Form::default() };
    let [text, table] = beside.names([TEXT, TABLE]);
    let fault = |error: io::Error| FolderError::io(dir, error);
    let mut counts = PlanCounts::default();
    if let Some(mut plan) = KeptPlan::open(ledger, job).await? {
        let out = WholeFile::create(&dir.join(&table)).map_err(fault)?;
        let mut rows = Table::new(out, PLAN_HEAD, form).map_err(fault)?;
        let mut tell = |told: &ToldRow<'_>| {
            let row = told.row;
            counts.add(&row.action, row.destructive);
            let mut record = cells(row.row, told.line(), told.subject().map(|subject| subject.to_string()));
            record[2].clone_from(&row.action);
            record[4] = yes(row.destructive);
            record[5] = changes(row.changes.iter().map(|one| (&*one.field, &*one.old, &*one.new)));
            record[6].clone_from(&row.note);
            for cell in &record {
                rows.cell(cell);
            }
            rows.end_row()
        };
        match each_kept_row(ledger, job, &mut plan, PATIENCE, &mut tell).await {
            // Without rows: an approval is of the hash, and the approver can still ask for the plan.
            Ok(()) | Err(KeptRowsError::RowsGone) => {}
            Err(KeptRowsError::Db(error)) => return Err(error.into()),
            Err(KeptRowsError::Io(error)) => return Err(fault(error)),
        }
        let (out, _) = rows.finish().map_err(fault)?;
        out.finish().map_err(fault)?;
    }
    let mut out = WholeFile::create(&dir.join(&text)).map_err(fault)?;
    write_text(&mut out, job, &counts, &table).map_err(fault)?;
    out.finish().map_err(fault)
}

/// How many rows of a plan do what.
#[derive(Default)]
struct PlanCounts {
    create: u64,
    change: u64,
    unchanged: u64,
    reject: u64,
    destructive: u64,
}

impl PlanCounts {
    fn add(&mut self, action: &str, destructive: bool) {
        match action {
            "create" => self.create += 1,
            "change" => self.change += 1,
            "unchanged" => self.unchanged += 1,
            _ => self.reject += 1,
        }
        self.destructive += u64::from(destructive);
    }
}

fn write_text(out: &mut impl Write, job: &Job, counts: &PlanCounts, table: &str) -> io::Result<()> {
    let hash = job.hash_to_approve();
    writeln!(
        out,
        "{} waits for approval: job {}, kind {}",
        job.input_name, job.id, job.kind
    )?;
    writeln!(out, "Nothing of it has been carried out.\n")?;
    for reason in &job.gate {
        writeln!(out, "why       {reason}")?;
    }
    writeln!(
        out,
        "rows      {} to create, {} to change, {} unchanged, {} to reject",
        counts.create, counts.change, counts.unchanged, counts.reject
    )?;
    writeln!(
        out,
        "          {} of them destructive; row by row in {table}",
        counts.destructive
    )?;
    writeln!(out, "submitted by {}", job.submitted_by)?;
    if let Some(until) = job.approval_until {
        writeln!(out, "until     {}", rfc3339(until))?;
    }
    for recipient in &job.parameters.seal_to {
        writeln!(out, "passwords are sealed to {recipient}")?;
    }
    writeln!(out, "plan      {hash}\n")?;
    writeln!(
        out,
        "Another person than {} decides, on the command line, with the configuration of this folder's worker (--config FILE where it is \
         not found by itself):\n",
        job.submitted_by
    )?;
    writeln!(out, "tenantry approve {} --hash {hash} --by NAME", job.id)?;
    writeln!(out, "tenantry reject {} --by NAME", job.id)
}
