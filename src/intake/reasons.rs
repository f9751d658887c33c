//! The reasons for which a file was refused, in full: a table for programs and spreadsheets, and a text for people.

use std::io::{self, Write};
use std::path::Path;

use super::Reason;
use crate::file::WholeFile;
use crate::plan::{FaultLog, RowFault};
use crate::table::{Form, Table};

/// The usual names of the two.
pub(super) const REASONS_TABLE: &str = "reasons.csv";
pub(super) const REASONS_TEXT: &str = "reasons.txt";
/// Faults written at most; what is beyond is counted.
const MOST: u64 = 100_000;
/// Faults that are told to people.
const TOLD: u64 = 100;

/// Why a file was refused.
pub(super) enum RefusedFile {
    /// Its rows, or its header.
    Faults(Box<FaultLog>),
    /// Something about it as a whole.
    Because(Vec<Reason>),
}

/// What is written, and where.
#[derive(Clone, Copy)]
pub(super) struct WrittenReasons<'w> {
    /// The table.
    pub(super) csv: &'w Path,
    /// The text.
    pub(super) text: &'w Path,
    /// The name of the file.
    pub(super) file: &'w str,
    /// The lines of the text before the reasons.
    pub(super) before: &'w str,
    /// Those after them; nothing where this is empty.
    pub(super) after: &'w str,
    /// Whether the table begins with a byte order mark.
    pub(super) bom: bool,
}

impl RefusedFile {
    /// For one reason.
    pub(super) fn because(code: &str, expected: impl Into<String>) -> Self {
        Self::Because(vec![Reason::new("", code, "", expected)])
    }

    /// How many reasons there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Faults(faults) => faults.len(),
            Self::Because(reasons) => reasons.len() as u64,
        }
    }

    /// In a phrase, for the ledger and lists.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Faults(faults) => {
                let codes: Vec<String> = faults
                    .by_code()
                    .iter()
                    .map(|(code, count)| format!("{code} {count}"))
                    .collect();
                let count = faults.len();
                format!(
                    "{count} fault{}: {}",
                    if count == 1 { "" } else { "s" },
                    codes.join(", ")
                )
            }
            Self::Because(reasons) => match reasons.as_slice() {
                [one] => format!("{}: {}", one.code, one.expected),
                several => {
                    let codes: Vec<&str> = several.iter().map(|reason| reason.code.as_str()).collect();
                    codes.join(", ")
                }
            },
        }
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, written: &WrittenReasons<'_>) -> io::Result<()> {
        let form = Form {
            bom: written.bom,
            ..Form::default()
        };
        let table = WholeFile::create(written.csv)?;
        let mut text = WholeFile::create(written.text)?;
        writeln!(text, "{}", written.before)?;
        let head = [
            "file",
            "row",
            "line",
            "column",
            "code",
            "value",
            "expected",
            "suggestion",
        ];
        let mut rows = Table::new(table, head, form)?;
        let mut told = 0;
        match self {
            Self::Faults(faults) => faults.each(MOST, &mut |fault| {
                if told < TOLD {
                    writeln!(text, "{fault}")?;
                }
                told += 1;
                for cell in &cells_of(fault) {
                    rows.cell(cell);
                }
                rows.end_row()
            })?,
            Self::Because(reasons) => {
                for reason in reasons.iter() {
                    if told < TOLD {
                        let about = if reason.path.is_empty() { written.file } else { "" };
                        writeln!(text, "{about}{reason}")?;
                    }
                    told += 1;
                    for cell in &cells_of_whole(written.file, reason) {
                        rows.cell(cell);
                    }
                    rows.end_row()?;
                }
            }
        }
        let more = self.count() - told.min(TOLD);
        if more > 0 {
            let name = written.csv.file_name().unwrap_or_default().display();
            writeln!(text, "… and {more} more, in {name}")?;
        }
        if !written.after.is_empty() {
            writeln!(text, "\n{}", written.after)?;
        }
        rows.finish()?.0.finish()?;
        text.finish()
    }
}

fn cells_of(fault: &RowFault) -> [String; 8] {
    let problem = &fault.problem;
    let column = if fault.header.is_empty() {
        problem.column.clone()
    } else {
        fault.header.clone()
    };
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    [
        fault.file.clone(),
        number(fault.row),
        number(fault.line),
        column,
        problem.code.clone(),
        problem.value.clone(),
        problem.sentence(),
        problem.suggestion.as_deref().unwrap_or_default().to_owned(),
    ]
}

fn cells_of_whole(file: &str, reason: &Reason) -> [String; 8] {
    [
        file.to_owned(),
        String::new(),
        reason.line.map(|line| line.to_string()).unwrap_or_default(),
        reason.path.clone(),
        reason.code.clone(),
        reason.value.clone(),
        reason.expected.clone(),
        reason.suggestion.clone().unwrap_or_default(),
    ]
}
