//! The place of a row in its file, as people find it there.

use std::fmt;

use serde::Serialize;

use super::faults::SET;
use crate::input::column_letters;
use crate::ledger::Job;

/// `row 17, line 21`, or `sheet Users, row 17 (B17)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Place<'s> {
    /// Row number among the data rows, from 1.
    pub(crate) row: u64,
    /// Line of the file that it begins on; of a workbook, the row of the sheet. `None` where there are no lines, or where
    /// the rows are no longer kept.
    pub(crate) line: Option<u64>,
    /// The sheet, where the file is a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sheet: Option<&'s str>,
    /// The cells of a sheet that are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cells: Vec<String>,
}

impl<'s> Place<'s> {
    /// Of a row of a job; `columns` are those at fault.
    pub(crate) fn of(job: &'s Job, row: u64, line: Option<u64>, columns: &[usize]) -> Self {
        let sheet = job.input_sheet.as_deref().filter(|_| line.is_some());
        let cell = |column: &usize| Some(format!("{}{}", column_letters(*column), line?));
        Self {
            row,
            line: line.filter(|_| job.input_name != SET),
            sheet,
            cells: match sheet {
                Some(_) => columns.iter().filter_map(cell).collect(),
                None => Vec::new(),
            },
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sheet, self.line) {
            (Some(sheet), Some(line)) => write!(f, "sheet {sheet}, row {line}")?,
            (_, Some(line)) => write!(f, "row {}, line {line}", self.row)?,
            (_, None) => write!(f, "row {}", self.row)?,
        }
        if !self.cells.is_empty() {
            write!(f, " ({})", self.cells.join(", "))?;
        }
        Ok(())
    }
}
