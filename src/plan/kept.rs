//! Plans kept with their jobs, for those who are to approve them: what every row would do, as it was when the job was
//! submitted. They are read back only if they have the hash that is to be approved.
//!
//! Which jobs need approval is known once the last row is, so every plan is written to a temporary file first. A row that
//! creates something, as most rows of large files do, takes no line there, and whom rows are about is told from the rows
//! themselves when the plan is shown.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::REJECTED;
use super::file::{self, PlanFile};
use super::held::HeldRows;
use super::scratch::Scratch;
use super::{CheckedBlock, PlanHash};
use crate::db::DbError;
use crate::ledger::{Draft, Job, Ledger, Parameters};
use crate::store::{FieldChange, Preview, State, Verdict, state_of};

/// Bytes of text in a part, about.
const PART: usize = 1 << 20;
/// Bytes in memory before the rest goes to a file.
const IN_MEMORY: usize = 64 * 1024;
/// Stands for the verdict of a row that repeats another one.
const REPEAT: &str = "repeat";

/// What a plan's hash covers besides its rows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptHead {
    pub(crate) kind: String,
    pub(crate) parameters: Parameters,
    pub(crate) part: Option<String>,
    /// Hash of the file, or the job that is undone.
    pub(crate) content: String,
}

#[derive(Serialize)]
struct KeptLine<'a> {
    row: u64,
    action: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changes: &'a [FieldChange],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    destructive: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    column: &'a str,
}

impl<'a> KeptLine<'a> {
    fn bare(row: u64, action: &'a str) -> Self {
        Self {
            row,
            action,
            changes: &[],
            destructive: false,
            note: "",
            code: "",
            column: "",
        }
    }
}

/// A row of a kept plan.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct KeptRow {
    pub(crate) row: u64,
    pub(crate) action: String,
    #[serde(default)]
    pub(crate) changes: Vec<KeptChange>,
    #[serde(default)]
    pub(crate) destructive: bool,
    /// What there is to know of it; why it stays as it is.
    #[serde(default)]
    pub(crate) note: String,
    /// Why an undo leaves it as it is.
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    column: String,
    /// As in a plan's file.
    #[serde(default)]
    repeats: bool,
    #[serde(default)]
    expected: String,
}

/// A field's old and new value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptChange {
    pub(crate) field: String,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// A plan being written.
pub(crate) struct Keeping(Scratch);

impl Default for Keeping {
    fn default() -> Self {
        Self(Scratch::new(IN_MEMORY))
    }
}

impl Keeping {
    /// A plan that was made earlier. Its hash does not cover which rows are destructive, so those that are so now are marked
    /// whatever the file says; `destructive` has them in row order.
    pub(crate) fn of_file(plan: &PlanFile, destructive: HeldRows) -> io::Result<Self> {
        let mut keeping = Self::default();
        let mut destructive = destructive.release()?;
        let mut next = destructive.up_to(u64::MAX)?;
        plan.each_line(&mut |line| {
            let line = line.trim_end().trim_end_matches(',');
            let planned = file::planned(line)?;
            // What creates something need not stand in the file.
            while let Some(unsaid) = next.take_if(|next| next.row < planned.row) {
                keeping.destructive_create(unsaid.row)?;
                next = destructive.up_to(u64::MAX)?;
            }
            if next.take_if(|next| next.row == planned.row).is_some() {
                next = destructive.up_to(u64::MAX)?;
                if planned.destructive != Some(true) {
                    let mut marked: Value = serde_json::from_str(line)?;
                    marked["destructive"] = true.into();
                    return keeping.line(&marked);
                }
            }
            keeping.0.write_all(line.as_bytes())?;
            keeping.0.write_all(b"\n")
        })?;
        while let Some(unsaid) = next {
            keeping.destructive_create(unsaid.row)?;
            next = destructive.up_to(u64::MAX)?;
        }
        plan.repeated_rows().try_for_each(|row| keeping.repeated(row))?;
        Ok(keeping)
    }

    /// Adds the rows of a block.
    pub(crate) fn block(&mut self, checked: &CheckedBlock) -> io::Result<()> {
        let mut rejects = checked.rejects.keys().copied().peekable();
        for preview in &checked.previews {
            while let Some(row) = rejects.next_if(|row| *row < preview.row) {
                self.bare(row, "reject")?;
            }
            if preview.verdict != Verdict::Create || preview.destructive || !preview.note.is_empty() {
                self.row(preview)?;
            }
        }
        rejects.try_for_each(|row| self.bare(row, "reject"))
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, preview: &Preview) -> io::Result<()> {
        let mut note = preview.note.clone();
        let (changes, code, column) = match &preview.verdict {
            Verdict::Change(changes) => (changes.as_slice(), "", ""),
            Verdict::Reject(problem) => {
                note = problem.to_string();
                (&[][..], problem.code.as_str(), problem.column.as_str())
            }
            Verdict::Create | Verdict::Unchanged => (&[][..], "", ""),
        };
        self.line(&KeptLine {
            row: preview.row,
            action: preview.verdict.action(),
            changes,
            destructive: preview.destructive,
            note: &note,
            code,
            column,
        })
    }

    /// Adds a row that repeats another one.
    pub(crate) fn repeated(&mut self, row: u64) -> io::Result<()> {
        self.bare(row, REPEAT)
    }

    fn bare(&mut self, row: u64, action: &str) -> io::Result<()> {
        self.line(&KeptLine::bare(row, action))
    }

    fn destructive_create(&mut self, row: u64) -> io::Result<()> {
        self.line(&KeptLine {
            destructive: true,
            ..KeptLine::bare(row, "create")
        })
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, line)?;
        self.0.write_all(b"\n")
    }

    /// Keeps the plan with its job.
    pub(crate) async fn keep(self, ledger: &Ledger, job: Draft, head: &KeptHead) -> Result<(), KeepError> {
        let mut lines = self.0.into_reader()?;
        let mut text = serde_json::to_string(head).map_err(io::Error::from)?;
        text.push('\n');
        let mut part = 0;
        while lines.read_line(&mut text)? > 0 {
            if text.len() >= PART {
                ledger.keep_plan(job, part, std::mem::take(&mut text)).await?;
                part += 1;
            }
        }
        if !text.is_empty() {
            ledger.keep_plan(job, part, text).await?;
        }
        Ok(())
    }
}

/// Why a plan could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("a temporary file cannot be written: {0}")]
    Temporary(#[from] io::Error),
}

impl KeptRow {
    /// A row of which no more is to be said.
    pub(crate) fn bare(row: u64, action: &str) -> Self {
        Self {
            row,
            action: action.to_owned(),
            changes: Vec::new(),
            destructive: false,
            note: String::new(),
            code: String::new(),
            column: String::new(),
            repeats: false,
            expected: String::new(),
        }
    }

    fn state(&self) -> Option<State> {
        match (self.action.as_str(), self.code.as_str()) {
            ("create", _) => None,
            ("reject", _) if self.repeats => file::state(&self.expected),
            ("reject", "") => Some(REJECTED),
            ("reject", code) => Some(state_of("reject", std::iter::once((code, self.column.as_str(), "")))),
            (action, _) => {
                let changes = self.changes.iter();
                let changes = changes.map(|change| (change.field.as_str(), change.old.as_str(), change.new.as_str()));
                Some(state_of(action, changes))
            }
        }
    }
}

/// A kept plan, read row by row.
pub(crate) struct KeptPlan {
    ledger: Ledger,
    job: i64,
    /// The hash of what is shown.
    pub(crate) hash: String,
    /// Whether that is the hash of the job's plan.
    pub(crate) is_of_job: bool,
    /// Rows that repeat another one.
    pub(crate) repeated: BTreeSet<u64>,
    part: u64,
    rows: VecDeque<KeptRow>,
}

impl KeptPlan {
    /// The plan of a job, if one is kept.
    ///
    /// # Errors
    /// What is kept is damaged.
    pub(crate) async fn open(ledger: &Ledger, job: &Job) -> Result<Option<Self>, DbError> {
        let Some(kept_with) = ledger.plan_kept_with(job.seq).await? else {
            return Ok(None);
        };
        let mut plan = Self {
            ledger: ledger.clone(),
            job: kept_with,
            hash: String::new(),
            is_of_job: false,
            repeated: BTreeSet::new(),
            part: 0,
            rows: VecDeque::new(),
        };
        let Some(first) = ledger.plan_part(kept_with, 0).await? else {
            return Ok(None);
        };
        let head: KeptHead = first
            .lines()
            .next()
            .and_then(|head| serde_json::from_str(head).ok())
            .ok_or_else(damaged)?;
        let mut hash = PlanHash::default();
        let mut repeats = BTreeSet::new();
        while let Some(row) = plan.read().await? {
            if row.action == REPEAT {
                hash.told_repeated(row.row);
                plan.repeated.insert(row.row);
                continue;
            }
            if row.repeats {
                repeats.insert(row.row);
            }
            if let Some(state) = row.state() {
                hash.told(row.row, state);
            }
        }
        plan.part = 0;
        plan.hash = hash.finish(&head.kind, &head.parameters, head.part.as_deref(), &head.content);
        plan.is_of_job = head.kind == job.kind
            && (job.undo_of.is_some() || head.content == job.input_sha256)
            && repeats.is_subset(&plan.repeated)
            && job.plan_hash.as_deref() == Some(plan.hash.as_str())
            // Once rows have ended, a job that tries them again is another selection of them.
            && (job.state.is_final() || job.seal.is_none() || ledger.is_as_sealed(job).await?);
        Ok(Some(plan))
    }

    /// Passes over rows before `first`, which are no rows of the job.
    pub(crate) async fn pass(&mut self, first: u64) -> Result<(), DbError> {
        while let Some(row) = self.read().await? {
            if row.row >= first && row.action != REPEAT {
                self.rows.push_front(row);
                break;
            }
        }
        Ok(())
    }

    /// The next row up to `last` of which there is something to say; of a plan of a file, those not told of create something.
    pub(crate) async fn next(&mut self, last: u64) -> Result<Option<KeptRow>, DbError> {
        let Some(row) = self.read().await? else { return Ok(None) };
        if row.action != REPEAT && row.row <= last {
            return Ok(Some(row));
        }
        self.rows.push_front(row);
        Ok(None)
    }

    async fn read(&mut self) -> Result<Option<KeptRow>, DbError> {
        while self.rows.is_empty() {
            let Some(text) = self.ledger.plan_part(self.job, self.part).await? else {
                return Ok(None);
            };
            let head = usize::from(self.part == 0);
            self.part += 1;
            let rows = text.lines().skip(head).map(serde_json::from_str);
            self.rows = rows.collect::<Result<_, _>>().map_err(|_| damaged())?;
        }
        Ok(self.rows.pop_front())
    }
}

fn damaged() -> DbError {
    DbError::Broken("the plan kept with the job is damaged".to_owned())
}
