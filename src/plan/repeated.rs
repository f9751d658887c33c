//! Rows that repeat the key of an earlier one. They are known only at the end, when their cells are long gone, so
//! the values to show are read from the file once more; a file that has changed since shows none. Whom they are about is
//! looked up for many of them at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use tenantry_jobs::{Problem, Subject, code};

use super::check::{BlockChecks, called_by};
use super::{PlanError, RowFault};
use crate::db::DbError;
use crate::input::duplicates::{Duplicate, Duplicates};
use crate::input::{Block, Input, RowView};
use crate::ledger::Ledger;
use crate::store::Names;
use crate::store::sql::Customers;

/// Rows read at a time.
const BLOCK: usize = 4096;
/// Repeated rows whose customers are looked up at a time.
const NAMED_TOGETHER: usize = 512;

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

/// Who knows what those whom rows name are called.
pub(super) enum NamedBy {
    /// Nobody: the file is checked alone.
    Nobody,
    /// The ledger's own database.
    Database(Ledger),
    /// What was learnt of another store.
    Service(Arc<dyn Names>),
}

/// The rows that repeat a key, in row order.
pub(super) struct RepeatedRows {
    found: Duplicates,
    shared: Arc<BlockChecks>,
    first_rows: Vec<u64>,
    last_row: u64,
    again: SecondReading,
    named_by: NamedBy,
    /// Those that were found and say whom they are about.
    told: VecDeque<Repeated>,
}

impl RepeatedRows {
    pub(super) fn new(found: Duplicates, shared: Arc<BlockChecks>, first_rows: Vec<u64>, named_by: NamedBy) -> Self {
        Self {
            found,
            shared,
            first_rows,
            last_row: 0,
            again: SecondReading::Unopened,
            named_by,
            told: VecDeque::new(),
        }
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Result<Option<Repeated>, PlanError> {
        if self.told.is_empty() {
            while self.told.len() < NAMED_TOGETHER
                && let Some(duplicate) = self.found.next()
            {
                let repeated = self.repeated(&duplicate?);
                self.told.push_back(repeated);
            }
            // Most files repeat nothing, and then nobody is asked.
            if !self.told.is_empty() {
                self.name().await?;
            }
        }
        Ok(self.told.pop_front())
    }

    /// Has rows say what those whom they are about are called.
    async fn name(&mut self) -> Result<(), DbError> {
        let subjects = self.told.iter().filter_map(|told| told.fault.subject.as_deref());
        let names: Arc<dyn Names> = match &self.named_by {
            NamedBy::Nobody => return Ok(()),
            NamedBy::Service(names) => names.clone(),
            NamedBy::Database(ledger) => {
                let named: Vec<(String, String)> = subjects
                    .map(|subject| (subject.customer.clone(), subject.key.clone()))
                    .collect();
                let read = ledger.db().read(move |tx| {
                    let mut customers = Customers::default();
                    customers.resolve_named(tx, named.iter().map(|(customer, _)| customer.as_str()))?;
                    customers.resolve_products(tx, named.iter().map(|(_, key)| key.as_str()))?;
                    Ok(customers)
                });
                Arc::new(read.await?)
            }
        };
        for subject in self
            .told
            .iter_mut()
            .filter_map(|told| told.fault.subject.as_deref_mut())
        {
            *subject = called_by(names.as_ref(), std::mem::take(subject));
        }
        Ok(())
    }

    fn repeated(&mut self, duplicate: &Duplicate) -> Repeated {
        let (value, subject) = self.shown(duplicate).unwrap_or_default();
        let line = if self.shared.sheet.is_some() { "row" } else { "line" };
        let expected = format!("{line} {} has the same value", duplicate.first_line);
        let problem = Problem::stated(code::DUPLICATE_IN_FILE, duplicate.column, &value, expected);
        let after = self.first_rows.partition_point(|first| *first <= duplicate.row);
        let first_of_row = duplicate.row != self.last_row;
        self.last_row = duplicate.row;
        Repeated {
            chunk: after.saturating_sub(1) as i64,
            fault: RowFault {
                subject: subject.map(Box::new),
                ..self.shared.fault(duplicate.row, duplicate.line, problem)
            },
            first_of_row,
            mark: duplicate.mark,
        }
    }

    /// The value that is repeated, and whom the row says that it is about.
    fn shown(&mut self, duplicate: &Duplicate) -> Option<(String, Option<Subject>)> {
        let column = self.shared.column(duplicate.column)?;
        if matches!(self.again, SecondReading::Unopened) {
            self.again = super::open::read_from(&self.shared.source, self.shared.job, self.shared.header_line)
                .map_or(SecondReading::Lost, |input| {
                    SecondReading::Reading(Box::new(input), None)
                });
        }
        let row = self.again.row(duplicate.row, duplicate.line)?;
        let value = row.cell(column)?.trim().to_owned();
        Some((value, self.shared.subject(&row, &Customers::default())))
    }
}

/// The second reading of the file.
enum SecondReading {
    Unopened,
    Reading(Box<Input>, Option<Block>),
    Lost,
}

impl SecondReading {
    /// A row, if it still stands where it did. Rows are asked for in ascending order.
    fn row(&mut self, row: u64, line: u64) -> Option<RowView<'_>> {
        if !self.has_reached(row) {
            *self = Self::Lost;
        }
        let Self::Reading(_, Some(block)) = self else {
            return None;
        };
        let view = block.row(row.checked_sub(block.first_row())? as usize)?;
        (view.line == line).then_some(view)
    }

    /// Reads on until the row is at hand; `false` where the file has none such any more.
    fn has_reached(&mut self, row: u64) -> bool {
        let Self::Reading(input, block) = self else {
            return false;
        };
        while block
            .as_ref()
            .is_none_or(|block| block.first_row() + block.len() as u64 <= row)
        {
            match input.read_block(BLOCK) {
                Ok(Some(next)) => *block = Some(next),
                _ => return false,
            }
        }
        true
    }
}
