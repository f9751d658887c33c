//! Faults, and a log of them whose memory does not grow with the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use tenantry_jobs::{Problem, Subject, code, printable};

use crate::input::InputError;

/// Faults kept in memory, in line order; those beyond go to a temporary file.
const KEPT: usize = 10_000;

/// What stands for the name of the file where the row is given on the command line.
pub(crate) const SET: &str = "--set";

/// A problem and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFault {
    /// The file.
    pub file: String,
    /// The sheet, where the file is a workbook.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sheet: Option<String>,
    /// Row number, from 1; the header is none. 0 where the file itself is at fault.
    pub row: u64,
    /// Line of the file the row begins on, from 1; of a workbook, the row of the sheet.
    pub line: u64,
    /// Position of the column in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column_number: Option<u64>,
    /// The letters of the column, where the file is a workbook.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column_letter: Option<String>,
    /// The column's header as the file has it.
    pub header: String,
    /// Whom or what the row is about, where it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Box<Subject>>,
    /// Line of the header, where the whole column is at fault and one of its rows stands for all.
    #[serde(skip)]
    pub of_column: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

impl RowFault {
    /// A fault that ends the reading of a file.
    pub fn of_file(error: &InputError) -> Self {
        let place = match (&error.sheet, error.column()) {
            (None, Some(at)) => format!("character {at}: "),
            _ => String::new(),
        };
        Self {
            file: error.file.clone(),
            sheet: error.sheet.as_deref().map(str::to_owned),
            row: 0,
            line: error.line().unwrap_or(1),
            column_number: None,
            column_letter: None,
            header: String::new(),
            subject: None,
            of_column: None,
            problem: Problem::stated(error.code, "", "", format!("{place}{}", error.message)),
        }
    }

    /// ` for ida@nord.example (of Nord AB)`; ` (of Nord AB)` where the problem shows the name already.
    fn about(&self) -> String {
        let Some(subject) = self.subject.as_deref() else {
            return String::new();
        };
        let has_name = !(subject.key.is_empty() && subject.name.is_empty() && subject.product.is_empty());
        if has_name && subject.key != self.problem.value {
            return format!(" for {subject}");
        }
        // Of a row that says of nobody else who it is, a customer that is not known says nothing.
        if subject.key.is_empty() && subject.customer_name.is_empty() {
            return String::new();
        }
        let more = subject.beside_key();
        if more.is_empty() { more } else { format!(" ({more})") }
    }

    /// A fault of a header, which has no rows yet.
    pub fn of_header(file: &str, sheet: Option<&str>, line: u64, problem: Problem) -> Self {
        Self {
            file: file.to_owned(),
            sheet: sheet.map(str::to_owned),
            row: 0,
            line,
            column_number: None,
            column_letter: None,
            header: String::new(),
            subject: None,
            of_column: None,
            problem,
        }
    }
}

impl std::fmt::Display for RowFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The row of `--set` is written nowhere, so that it has neither lines nor columns.
        if self.file == SET {
            return write!(f, "{SET}: {} [{}]", self.problem, self.problem.code);
        }
        let Some(sheet) = &self.sheet else {
            write!(f, "{}:{}: ", printable(&self.file), self.line)?;
            if let Some(column) = self.column_number {
                write!(f, "column {column} ")?;
            }
            return write!(f, "{} [{}]{}", self.problem, self.problem.code, self.about());
        };
        write!(
            f,
            "{} sheet \"{}\" row {}",
            printable(&self.file),
            printable(sheet),
            self.line
        )?;
        let mut problem = self.problem.clone();
        if let Some(letter) = &self.column_letter {
            write!(f, ", column {letter} ({})", std::mem::take(&mut problem.column))?;
        }
        write!(f, ": {problem} [{}]{}", problem.code, self.about())
    }
}

/// Every fault of a file.
#[derive(Debug, Default)]
pub struct FaultLog {
    kept: Vec<RowFault>,
    spilled: Option<BufWriter<File>>,
    count: u64,
    by_code: BTreeMap<String, u64>,
    /// Columns that are at fault as a whole.
    columns: BTreeSet<String>,
}

impl FaultLog {
    /// Adds one. Of a column that is at fault as a whole, the first row's is told, at the header.
    pub fn push(&mut self, mut fault: RowFault) -> std::io::Result<()> {
        if let Some(header_line) = fault.of_column {
            if !self.columns.insert(fault.problem.column.clone()) {
                return Ok(());
            }
            (fault.row, fault.line, fault.subject) = (0, header_line, None);
            fault.problem.value.clear();
        }
        self.count += 1;
        *self.by_code.entry(fault.problem.code.clone()).or_default() += 1;
        if self.kept.len() < KEPT {
            self.kept.push(fault);
            return Ok(());
        }
        let file = match &mut self.spilled {
            Some(file) => file,
            None => self.spilled.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        serde_json::to_writer(&mut *file, &(&fault, fault.problem.stated))?;
        file.write_all(b"\n")
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are of each code.
    pub fn by_code(&self) -> &BTreeMap<String, u64> {
        &self.by_code
    }

    /// Whether all that is wrong is that the store does not show yet what rows need: the same file works later.
    pub fn are_for_now(&self) -> bool {
        let codes = self.by_code();
        !codes.is_empty() && codes.keys().all(|code| code == code::NOT_THERE_YET)
    }

    /// Calls `each` with up to `limit` of them: those in memory in line order, then the rest as found.
    pub fn each(&mut self, limit: u64, each: &mut dyn FnMut(&RowFault) -> std::io::Result<()>) -> std::io::Result<()> {
        self.kept.sort_by_key(|fault| (fault.line, fault.column_number));
        for fault in self.kept.iter().take(limit as usize) {
            each(fault)?;
        }
        let left = (limit as usize).saturating_sub(self.kept.len());
        if let (Some(spilled), true) = (&mut self.spilled, left > 0) {
            spilled.flush()?;
            let file = spilled.get_mut();
            file.seek(SeekFrom::Start(0))?;
            for line in BufReader::new(&mut *file).lines().take(left) {
                let (mut fault, stated): (RowFault, bool) = serde_json::from_str(&line?)?;
                fault.problem.stated = stated;
                each(&fault)?;
            }
            file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }

    /// All of them as a JSON array.
    pub fn write_json(&mut self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut first = true;
        out.write_all(b"[")?;
        self.each(u64::MAX, &mut |fault: &RowFault| {
            if !std::mem::take(&mut first) {
                out.write_all(b",")?;
            }
            serde_json::to_writer(&mut *out, fault).map_err(std::io::Error::from)
        })?;
        out.write_all(b"]")
    }
}
