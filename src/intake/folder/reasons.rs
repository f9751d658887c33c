//! What is written beside a file that was refused: `reasons.csv` for programs and spreadsheets, `reasons.txt` for people, and a
//! receipt. The file itself stays as it came, since it is to be mended.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::waiting::BesideFile;
use crate::file::WholeFile;
use crate::intake::Reason;
use crate::ledger::drops::{DroppedFile, JobOrigin};
use crate::plan::{FaultLog, RowFault};
use crate::receipt::{Durable, write_json};
use crate::table::{Form, Table};

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

impl RefusedFile {
    /// For one reason.
    pub(super) fn because(code: &str, expected: impl Into<String>) -> Self {
        Self::Because(vec![Reason::new("", code, "", expected)])
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
}

/// The names of what is written, which give way to the file's own.
struct ReasonNames {
    csv: String,
    text: String,
    receipt: String,
}

impl ReasonNames {
    fn beside(file: &str, stem: &str) -> Self {
        let usual = ["reasons.csv", "reasons.txt", "receipt.json"];
        let is_taken = usual.contains(&file.to_lowercase().as_str());
        let [csv, text, receipt] = usual.map(|name| {
            if is_taken {
                format!("{stem}.job-{name}")
            } else {
                name.to_owned()
            }
        });
        Self { csv, text, receipt }
    }
}

/// Whether this is the name of something that is written beside dropped files.
pub(super) fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let names = [
        "reasons.csv",
        "reasons.txt",
        "receipt.json",
        "results.csv",
        "results.xlsx",
        "plan.txt",
        "plan.csv",
    ];
    names.contains(&name.as_str())
        || name.starts_with('.')
        || name.ends_with(".partial")
        || name.contains(".rejects.")
        || name.contains(".job-")
        || (name.starts_with("passwords") && path.extension().is_some_and(|end| end == "age"))
}

/// Writes all that is to be said of a refused file into the directory where it lies.
pub(super) fn write(
    written: &BesideFile<'_>,
    drop: &DroppedFile,
    origin: &JobOrigin,
    refused: &mut RefusedFile,
) -> io::Result<()> {
    let BesideFile { dir, stem, bom, .. } = *written;
    let names = ReasonNames::beside(&drop.name, stem);
    let table = WholeFile::create(&dir.join(&names.csv))?;
    let mut text = WholeFile::create(&dir.join(&names.text))?;
    let summary = refused.summary();
    writeln!(text, "{} was refused: {summary}", drop.name)?;
    writeln!(
        text,
        "Nothing of it was carried out. Mend the file and drop it again.\n"
    )?;
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
    let mut rows = Table::new(table, head, Form { bom, ..Form::default() })?;
    let mut told = 0;
    let all = match refused {
        RefusedFile::Faults(faults) => {
            let all = faults.len();
            faults.each(MOST, &mut |fault| {
                if told < TOLD {
                    writeln!(text, "{fault}")?;
                }
                told += 1;
                for cell in &cells_of(fault) {
                    rows.cell(cell);
                }
                rows.end_row()
            })?;
            all
        }
        RefusedFile::Because(reasons) => {
            for reason in reasons.iter() {
                if told < TOLD {
                    writeln!(
                        text,
                        "{}{reason}",
                        if reason.path.is_empty() { drop.name.as_str() } else { "" }
                    )?;
                }
                told += 1;
                let line = reason.line.map(|line| line.to_string()).unwrap_or_default();
                let cells = [
                    drop.name.as_str(),
                    "",
                    &line,
                    &reason.path,
                    &reason.code,
                    &reason.value,
                    &reason.expected,
                    reason.suggestion.as_deref().unwrap_or_default(),
                ];
                for cell in cells {
                    rows.cell(cell);
                }
                rows.end_row()?;
            }
            reasons.len() as u64
        }
    };
    if all > TOLD.min(told) {
        writeln!(text, "… and {} more, in {}", all - TOLD.min(told), names.csv)?;
    }
    writeln!(
        text,
        "\nThe file lies here as it came, with whatever secrets it has; remove it when it is mended."
    )?;
    rows.finish()?.0.finish()?;
    text.finish()?;
    let receipt = json!({ "job": null, "state": "refused", "origin": origin, "sha256": drop.sha256, "bytes": drop.seen.size,
        "reason": summary, "faults": all, "reasons": names.csv });
    write_json(dir, &names.receipt, &receipt, Durable::Now)
        .map(std::mem::drop)
        .map_err(|error| error.error)
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
