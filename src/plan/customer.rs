//! The source of the customer of a file's rows: a column, or one customer for all rows.
//!
//! A file whose customer is fixed has no column for it, so that nobody has to wonder which of the two counts. A drop folder of one
//! customer is given files as they are, though: there a row may name its customer as well, in whatever way, and one that names
//! another customer is rejected. What is carried out is always about the fixed one.

use tenantry_jobs::header::{self, Mapping};
use tenantry_jobs::{CustomerRef, JobKind, Problem, code, key};

use super::check::BlockChecks;
use crate::input::RowView;
use crate::ledger::Parameters;

/// The column of the customer.
const CUSTOMER: &str = "customer";

/// Where the customer of rows stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CustomerColumn {
    /// In each row.
    InRows,
    /// Beside the file.
    Fixed,
    /// Beside the file, and in rows that are held against it.
    Checked,
}

impl CustomerColumn {
    /// In files with these parameters.
    pub(crate) fn of(parameters: &Parameters) -> Self {
        match (&parameters.customer, parameters.checks_customer) {
            (None, _) => Self::InRows,
            (Some(_), false) => Self::Fixed,
            (Some(_), true) => Self::Checked,
        }
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Everything that keeps the file from being read.
    pub(crate) fn recognise(self, job: &dyn JobKind, header: &[&str]) -> Result<Mapping, Vec<Problem>> {
        match self {
            Self::InRows => header::recognise(job, header, &[]),
            Self::Fixed => header::recognise(job, header, &[CUSTOMER]),
            Self::Checked => header::recognise_besides(job, header, &[CUSTOMER]),
        }
    }
}

impl BlockChecks {
    /// What a row names its customer with, where that is fixed besides.
    pub(super) fn named_besides<'r>(&self, row: &RowView<'r>) -> Option<&'r str> {
        self.customer.as_ref()?;
        let named = row.cell(self.column(CUSTOMER)?)?.trim();
        (!named.is_empty()).then_some(named)
    }

    /// Says of a row that names another customer than the fixed one that it does. `id` is the one name of a customer, however it
    /// is written.
    pub(super) fn other_customer(&self, row: &RowView<'_>, id: &dyn Fn(CustomerRef<'_>) -> String) -> Option<Problem> {
        let (fixed, named) = (self.customer.as_deref()?, self.named_besides(row)?);
        let is_same = key::domain(named) == key::domain(fixed.trim())
            || key::fold(named) == key::fold(fixed.trim())
            || id(CustomerRef::parse(named)) == id(CustomerRef::parse(fixed.trim()));
        if is_same {
            return None;
        }
        let sentence = format!("all rows of this file are of customer `{fixed}`, and this one names another");
        Some(Problem::stated(code::OTHER_CUSTOMER, CUSTOMER, named, sentence))
    }
}
