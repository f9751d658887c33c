//! Rows that repeat the key of an earlier one. They are known only at the end, when their cells are long gone, so
//! the values to show are read from the file once more; a file that has changed since shows none.

use std::sync::Arc;

use tenantry_jobs::{Problem, code};

use super::check::Shared;
use super::{PlanError, RowFault};
use crate::input::duplicates::{Duplicate, Duplicates};
use crate::input::{Block, Input};

/// Rows read at a time.
const BLOCK: usize = 4096;

/// A row that repeats a key.
#[derive(Debug)]
pub struct Repeated {
    /// The number of the row's block.
    pub chunk: i64,
    /// The fault to tell.
    pub fault: RowFault,
    /// Whether the row has not come before, for another of its keys.
    pub first_of_row: bool,
    pub(super) mark: u8,
}

/// The rows that repeat a key, in row order.
pub(super) struct RepeatedRows {
    found: Duplicates,
    shared: Arc<Shared>,
    first_rows: Vec<u64>,
    last_row: u64,
    again: Again,
}

impl RepeatedRows {
    pub(super) fn new(found: Duplicates, shared: Arc<Shared>, first_rows: Vec<u64>) -> Self {
        Self {
            found,
            shared,
            first_rows,
            last_row: 0,
            again: Again::Unopened,
        }
    }

    fn repeated(&mut self, duplicate: &Duplicate) -> Repeated {
        let value = self.value(duplicate).unwrap_or_default();
        let line = if self.shared.sheet.is_some() { "row" } else { "line" };
        let expected = format!("{line} {} has the same value", duplicate.first_line);
        let problem = Problem::stated(code::DUPLICATE_IN_FILE, duplicate.column, &value, expected);
        let after = self.first_rows.partition_point(|first| *first <= duplicate.row);
        let first_of_row = duplicate.row != self.last_row;
        self.last_row = duplicate.row;
        Repeated {
            chunk: after.saturating_sub(1) as i64,
            fault: self.shared.fault(duplicate.row, duplicate.line, problem),
            first_of_row,
            mark: duplicate.mark,
        }
    }

    fn value(&mut self, duplicate: &Duplicate) -> Option<String> {
        let column = self.shared.column(duplicate.column)?;
        if matches!(self.again, Again::Unopened) {
            self.again = super::read(&self.shared.source, self.shared.job)
                .map_or(Again::Lost, |input| Again::Reading(Box::new(input), None));
        }
        self.again.cell(duplicate.row, duplicate.line, column)
    }
}

impl Iterator for RepeatedRows {
    type Item = Result<Repeated, PlanError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.found.next()?;
        Some(match found {
            Ok(duplicate) => Ok(self.repeated(&duplicate)),
            Err(error) => Err(error.into()),
        })
    }
}

/// The second reading of the file.
enum Again {
    Unopened,
    Reading(Box<Input>, Option<Block>),
    Lost,
}

impl Again {
    /// A cell of a row, if the row still stands where it did. Rows are asked for in ascending order.
    fn cell(&mut self, row: u64, line: u64, column: usize) -> Option<String> {
        loop {
            let Self::Reading(input, block) = self else {
                return None;
            };
            if let Some(view) = block
                .as_ref()
                .and_then(|block| block.row((row - block.first_row()) as usize))
            {
                let cell = view.cell(column).filter(|_| view.line == line)?;
                return Some(cell.trim().to_owned());
            }
            match input.read_block(BLOCK) {
                Ok(Some(next)) => *block = Some(next),
                _ => *self = Self::Lost,
            }
        }
    }
}
