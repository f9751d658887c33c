//! The customer store: where customers, users and seats live, and where changes take effect.
//!
//! A store answers two questions about a batch of changes: what would they do (`preview`), and do them
//! (`apply`). It decides per row; a row is never half applied. [`sql`] is the store in SQLite or
//! PostgreSQL, in the same database as the ledger.

pub mod sql;

use serde::Serialize;
use tenantry_jobs::{Change, Problem};

use crate::ledger::{Outcome, RowOutcome};

/// A row's number with the change it asks for.
#[derive(Debug, Clone)]
pub struct RowChange<'a> {
    /// Row number, from 1.
    pub row: u64,
    /// What the row asks for.
    pub change: Change<'a>,
}

/// What a change would do to the store as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Something that does not exist yet would be made.
    Create,
    /// These fields would change.
    Change(Vec<FieldChange>),
    /// Nothing: the store is so already.
    Unchanged,
    /// The store would refuse it.
    Reject(Problem),
}

/// One field's old and new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The native column.
    pub field: &'static str,
    /// The value now; empty when there is none.
    pub old: String,
    /// The value after; empty when there is none.
    pub new: String,
}

/// The preview of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Row number, from 1.
    pub row: u64,
    /// What would happen.
    pub verdict: Verdict,
}

/// Seats that rows of a batch need and the store has, so that a plan can add them up over a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatNeed {
    /// The row that needs one seat.
    pub row: u64,
    /// The holder and the SKU: keys of the plan's running totals.
    pub customer: i64,
    /// The SKU's GUID.
    pub sku_id: String,
    /// The SKU's part number, for messages.
    pub part_number: String,
    /// Seats nobody had when the store was asked.
    pub free: i64,
}

/// A refusal as the outcome of a row.
pub(crate) fn rejected(row: u64, problem: &Problem) -> RowOutcome {
    RowOutcome {
        row,
        outcome: Outcome::Rejected,
        code: problem.code.clone(),
        message: problem.to_string(),
        target: String::new(),
    }
}

/// "The store is so already" as the outcome of a row.
pub(crate) fn unchanged(row: u64, target: String) -> RowOutcome {
    RowOutcome {
        row,
        outcome: Outcome::Unchanged,
        code: String::new(),
        message: String::new(),
        target,
    }
}
