//! Plans in files: what `plan --out` writes and `apply` carries out.
//!
//! The file is one JSON document with a row on each line, so that one of a million rows is written and read without
//! holding it. Rows that create something, most of them, are left out. The hash at its end covers what is going to be
//! done; a plan that was edited is found out when it is opened. It does not cover what a row is about, where it stands and whether it is
//! destructive, which follow from the planned file: `apply` compares these, and refuses a plan that says otherwise. Nor does it
//! cover the totals, which have to be those of the rows, and how the job can be undone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tenantry_jobs::{Subject, code, printable};
use thiserror::Error;

use super::check::REJECTED;
use super::hash::{PlanHash, RepeatedHash};
use super::line::{Misstated, PlannedLine};
use crate::input::{HiddenRows, SpooledInput, SpooledReader};
use crate::ledger::Parameters;
use crate::store::{State, state_of};

/// The version of the format.
pub(crate) const FORMAT: u32 = 1;

/// Why a plan cannot be applied.
#[derive(Debug, Error)]
pub enum PlanFileError {
    /// It cannot be read.
    #[error("{path}: {error}", path = printable(&path.display().to_string()))]
    Unreadable {
        /// The plan's file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no plan, or one somebody has edited.
    #[error("{path}, line {line}: {message}", path = printable(&path.display().to_string()))]
    NoPlan {
        /// The plan's file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong.
        message: String,
    },
}

/// Whether a file that begins like this is a plan.
pub(crate) fn begins_a_plan(head: &[u8]) -> bool {
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
    first.starts_with(b"{") && memchr::memmem::find(first, b"\"tenantry_plan\":").is_some()
}

/// What stands before the rows.
#[derive(Debug, Clone, Deserialize)]
pub struct PlanHead {
    /// [`FORMAT`].
    pub tenantry_plan: u32,
    /// The kind of job.
    pub kind: String,
    /// What is the same for all rows.
    pub parameters: Parameters,
    /// The file that was planned.
    pub file: PathBuf,
    /// The sheet of it, where it has several.
    #[serde(default)]
    pub sheet: Option<String>,
    /// The encoding that the text is said to have.
    #[serde(default)]
    pub encoding: Option<String>,
    /// Whether its cells may hold lines like its own.
    #[serde(default)]
    pub multiline_cells: bool,
    /// How its hidden rows are handled.
    #[serde(default)]
    pub hidden_rows: Option<HiddenRows>,
    /// The cells of the one row, each as `COLUMN=VALUE`, of a plan that was made without a file.
    #[serde(default)]
    pub set: Vec<String>,
    /// Whether the store was not asked.
    pub offline: bool,
}

/// What stands after the rows.
#[derive(Debug, Clone, Deserialize)]
pub struct PlanTail {
    #[serde(rename = "errors")]
    repeated: Repetitions,
    /// Hash of the file that was planned; `None` when it could not be read to its end.
    pub sha256: Option<String>,
    /// Hash of the plan.
    pub hash: Option<String>,
    /// Rows rejected, and what happens to the others.
    pub totals: super::Totals,
    /// Destructive rows, where the plan says it.
    #[serde(default)]
    destructive: Option<u64>,
    /// How the job can be undone.
    #[serde(default)]
    undo: Option<String>,
}

/// The rows of a plan, counted. Those that create something need not stand in it.
#[derive(Debug)]
struct CountedRows {
    create: u64,
    change: u64,
    unchanged: u64,
    reject: u64,
    /// `None` if a row does not say whether it is, as those of earlier versions.
    destructive: Option<u64>,
}

impl Default for CountedRows {
    fn default() -> Self {
        Self {
            create: 0,
            change: 0,
            unchanged: 0,
            reject: 0,
            destructive: Some(0),
        }
    }
}

impl CountedRows {
    fn add(&mut self, row: &PlannedRow) {
        match row.action.as_str() {
            "create" => self.create += 1,
            "reject" => self.reject += 1,
            "unchanged" => self.unchanged += 1,
            _ => self.change += 1,
        }
        if row.action != "reject" {
            let both = self.destructive.zip(row.destructive);
            self.destructive = both.map(|(count, is_one)| count + u64::from(is_one));
        }
    }

    /// What the tail says of all rows that does not follow from them.
    fn misstated_by(&self, tail: &PlanTail) -> Option<&'static str> {
        let totals = &tail.totals;
        let listed = (totals.change, totals.unchanged, totals.reject);
        let rows = [totals.create, totals.change, totals.unchanged, totals.reject];
        let rows = rows.into_iter().try_fold(0, u64::checked_add);
        if listed != (self.change, self.unchanged, self.reject)
            || totals.create < self.create
            || rows != Some(totals.rows)
        {
            Some("`totals`")
        } else if tail
            .destructive
            .zip(self.destructive)
            .is_some_and(|(said, is)| said != is)
        {
            Some("`destructive`")
        } else {
            None
        }
    }
}

/// Of the faults, the rows that repeat another: they come last in a plan's hash.
#[derive(Debug, Clone, Default)]
struct Repetitions(RepeatedHash, BTreeSet<u64>);

impl<'de> Deserialize<'de> for Repetitions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de> Visitor<'de> for Repetitions {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a list of faults")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut faults: A) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        struct StatedFault {
            row: u64,
            code: String,
        }
        while let Some(fault) = faults.next_element::<StatedFault>()? {
            if fault.code == code::DUPLICATE_IN_FILE {
                self.0.row(fault.row);
                self.1.insert(fault.row);
            }
        }
        Ok(self)
    }
}

#[derive(Debug, Deserialize)]
struct PlannedRow {
    row: u64,
    action: String,
    #[serde(default)]
    changes: Vec<PlannedChange>,
    destructive: Option<bool>,
    line: Option<u64>,
    subject: Option<Subject>,
    /// Whether it is rejected since it repeats another row. The hash covers what it would be otherwise, as that is told
    /// before repetitions are known.
    #[serde(default)]
    repeats: bool,
    /// What it would be otherwise, unless that is to create something.
    #[serde(default)]
    expected: String,
}

/// A state, to be read back by [`state`].
pub(super) fn hexadecimal(state: State) -> String {
    format!("{:032x}", u128::from_be_bytes(state))
}

/// What the hash has of a row that repeats another.
pub(super) fn state(expected: &str) -> Option<State> {
    u128::from_str_radix(expected, 16).ok().map(u128::to_be_bytes)
}

#[derive(Debug, Deserialize)]
struct PlannedChange {
    field: String,
    old: String,
    new: String,
}

/// Where a plan is read from, more than once.
#[derive(Debug)]
enum PlanOrigin {
    Path(PathBuf),
    Spooled(SpooledInput),
}

impl PlanOrigin {
    fn name(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Spooled(plan) => plan.name().into(),
        }
    }

    fn lines(&self) -> std::io::Result<BufReader<PlanLines>> {
        Ok(BufReader::new(match self {
            Self::Path(path) => PlanLines::File(File::open(path)?),
            Self::Spooled(plan) => PlanLines::Spooled(plan.reader()),
        }))
    }
}

#[derive(Debug)]
enum PlanLines {
    File(File),
    Spooled(SpooledReader),
}

impl Read for PlanLines {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Spooled(plan) => plan.read(into),
        }
    }
}

/// Bytes of the longest line, and of what stands behind the rows, such as numbers of rows that repeat others.
const LONGEST_LINE: u64 = 32 << 20;
const LONGEST_REST: u64 = 64 << 20;

/// A plan, read row by row.
#[derive(Debug)]
pub struct PlanFile {
    origin: PlanOrigin,
    /// What stands before its rows.
    pub head: PlanHead,
    /// What stands after them.
    pub tail: Box<PlanTail>,
    counted: CountedRows,
    lines: BufReader<PlanLines>,
    line: u64,
    next: Option<PlannedLine>,
    ended: bool,
}

impl PlanFile {
    /// Opens a plan and reads what stands around its rows.
    pub fn open(path: &Path) -> Result<Self, PlanFileError> {
        Self::of(PlanOrigin::Path(path.to_owned()))
    }

    /// The same for a plan that came through a pipe.
    pub fn of_spooled(plan: SpooledInput) -> Result<Self, PlanFileError> {
        Self::of(PlanOrigin::Spooled(plan))
    }

    fn of(origin: PlanOrigin) -> Result<Self, PlanFileError> {
        let path = origin.name();
        let unreadable = |error| PlanFileError::Unreadable {
            path: path.clone(),
            error,
        };
        let bad = |line: u64, message: String| PlanFileError::NoPlan {
            path: path.clone(),
            line,
            message,
        };
        let mut lines = origin.lines().map_err(unreadable)?;
        let mut text = String::new();
        line_of(&mut lines, &mut text).map_err(unreadable)?;
        let head = text
            .trim_end()
            .strip_suffix(",\"rows\":[")
            .map(|head| format!("{head}}}"))
            .ok_or_else(|| bad(1, "this is no plan; `tenantry plan --out FILE` writes one".to_owned()))?;
        let head: PlanHead = serde_json::from_str(&head).map_err(|error| bad(1, error.to_string()))?;
        if head.tenantry_plan != FORMAT {
            let message = format!("a plan of format {}; this program knows {FORMAT}", head.tenantry_plan);
            return Err(bad(1, message));
        }
        let mut line = 1;
        let mut hash = PlanHash::default();
        let (mut repeats, mut counted) = (Vec::new(), CountedRows::default());
        loop {
            text.clear();
            line += 1;
            if line_of(&mut lines, &mut text).map_err(unreadable)? == 0 {
                return Err(bad(line, "the plan ends here; it was not written whole".to_owned()));
            }
            if text.starts_with(']') {
                break;
            }
            let row = row_of(&text).map_err(|error| bad(line, error.to_string()))?;
            counted.add(&row);
            let planned = PlannedLine::from(row);
            if let Some(state) = planned.state {
                hash.told(planned.row, state);
            }
            if planned.repeats {
                repeats.push((planned.row, line));
            }
        }
        let start = text.trim_start_matches([']', ',']).to_owned();
        let rest = std::io::Cursor::new(format!("{{{start}")).chain(lines.take(LONGEST_REST));
        let tail: Box<PlanTail> = serde_json::from_reader(rest).map_err(|error| bad(line, error.to_string()))?;
        if let Some(told) = &tail.hash {
            hash.all_repeated(tail.repeated.0.clone());
            let content = tail.sha256.as_deref().unwrap_or_default();
            let part = super::part(head.sheet.as_deref(), head.encoding.as_deref(), head.hidden_rows);
            if hash.finish(&head.kind, &head.parameters, part.as_deref(), content) != *told {
                let message = "the plan was changed after it was written, for its hash is another; plan the file again";
                return Err(bad(line, message.to_owned()));
            }
        }
        // A reader of such a line takes the row for one that is not carried out.
        if let Some((_, line)) = repeats.iter().find(|(row, _)| !tail.repeated.1.contains(row)) {
            let message = "the row is said to repeat another, and no fault says so; plan the file again";
            return Err(bad(*line, message.to_owned()));
        }
        let mut lines = origin.lines().map_err(unreadable)?;
        text.clear();
        line_of(&mut lines, &mut text).map_err(unreadable)?;
        Ok(Self {
            origin,
            head,
            tail,
            counted,
            lines,
            line: 1,
            next: None,
            ended: false,
        })
    }

    /// Calls `each` with the line of every row.
    pub(super) fn each_line(&self, each: &mut dyn FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut lines = self.origin.lines()?;
        let mut text = String::new();
        line_of(&mut lines, &mut text)?;
        loop {
            text.clear();
            if line_of(&mut lines, &mut text)? == 0 || text.starts_with(']') {
                return Ok(());
            }
            each(&text)?;
        }
    }

    /// Rows that repeat another one.
    pub(super) fn repeated_rows(&self) -> impl Iterator<Item = u64> {
        self.tail.repeated.1.iter().copied()
    }

    /// What the plan says of the rows up to `last`; called with ascending numbers.
    pub(crate) fn up_to(&mut self, last: u64) -> Result<BTreeMap<u64, PlannedLine>, PlanFileError> {
        let mut said = BTreeMap::new();
        while let Some(line) = self.next_line()? {
            if line.row > last {
                self.next = Some(line);
                break;
            }
            said.insert(line.row, line);
        }
        Ok(said)
    }

    /// Reads every row.
    ///
    /// # Errors
    ///
    /// A row that cannot be read.
    pub fn read_whole(&mut self) -> Result<(), PlanFileError> {
        while self.next_line()?.is_some() {}
        Ok(())
    }

    /// Why the plan is not carried out: it says something of a row that is not so, though its hash is right.
    pub(crate) fn misstated(&self, Misstated { row, what }: Misstated) -> PlanFileError {
        PlanFileError::NoPlan {
            path: self.origin.name(),
            line: self.line,
            message: format!("row {row}: {what} of the plan is not that of the planned file; plan the file again"),
        }
    }

    /// Why the plan is not carried out: it says something of all rows that is not so. The planned file has `rows`, and the job can be
    /// undone as `undo` says.
    pub(crate) fn misstates_whole(&self, rows: u64, undo: Option<&str>) -> Option<PlanFileError> {
        let of_rows = self.counted.misstated_by(&self.tail);
        let of_file = || (self.tail.totals.rows != rows).then_some("`totals`");
        let of_kind = || (self.tail.undo.is_some() && self.tail.undo.as_deref() != undo).then_some("`undo`");
        let what = of_rows.or_else(of_file).or_else(of_kind);
        what.map(|what| PlanFileError::NoPlan {
            path: self.origin.name(),
            line: self.line,
            message: format!("{what} of the plan is not that of the planned file; plan the file again"),
        })
    }

    fn next_line(&mut self) -> Result<Option<PlannedLine>, PlanFileError> {
        if self.next.is_some() {
            return Ok(self.next.take());
        }
        if self.ended {
            return Ok(None);
        }
        let mut text = String::new();
        let read = line_of(&mut self.lines, &mut text);
        read.map_err(|error| PlanFileError::Unreadable {
            path: self.origin.name(),
            error,
        })?;
        self.line += 1;
        if text.starts_with(']') || text.is_empty() {
            self.ended = true;
            return Ok(None);
        }
        let planned = planned(&text).map_err(|error| PlanFileError::NoPlan {
            path: self.origin.name(),
            line: self.line,
            message: error.to_string(),
        })?;
        Ok(Some(planned))
    }
}

/// Reads a line, which no plan has that is longer than a row can be.
fn line_of(lines: &mut impl BufRead, text: &mut String) -> std::io::Result<usize> {
    let read = lines.take(LONGEST_LINE).read_line(text)?;
    if read as u64 == LONGEST_LINE {
        let message = "a line of it is longer than that of any row";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    }
    Ok(read)
}

/// The line of a row: its number, and what the plan expects of it.
pub(super) fn planned(line: &str) -> Result<PlannedLine, serde_json::Error> {
    row_of(line).map(PlannedLine::from)
}

fn row_of(line: &str) -> Result<PlannedRow, serde_json::Error> {
    serde_json::from_str(line.trim_end().trim_end_matches(','))
}

impl From<PlannedRow> for PlannedLine {
    fn from(row: PlannedRow) -> Self {
        let changes = row
            .changes
            .iter()
            .map(|change| (change.field.as_str(), change.old.as_str(), change.new.as_str()));
        let state = match row.action.as_str() {
            "create" => None,
            "reject" if row.repeats => state(&row.expected),
            "reject" => Some(REJECTED),
            action => Some(state_of(action, changes)),
        };
        Self {
            row: row.row,
            line: row.line,
            subject: row.subject,
            destructive: row.destructive,
            state,
            repeats: row.repeats,
        }
    }
}
