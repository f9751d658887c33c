//! Lines of plans in files: what one says of its row, and whether that is so.

use tenantry_jobs::Subject;

use crate::store::State;

/// What a line of a plan says.
#[derive(Debug)]
pub(crate) struct PlannedLine {
    pub(super) row: u64,
    /// Where the row stands in the planned file.
    pub(super) line: Option<u64>,
    /// What the row is about.
    pub(super) subject: Option<Subject>,
    /// Whether what it does cannot easily be put right again, where the plan says it.
    pub(super) destructive: Option<bool>,
    /// What the hash has of the row.
    pub(super) state: Option<State>,
    pub(super) repeats: bool,
}

/// A row of which a plan says something that is not so.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misstated {
    pub(super) row: u64,
    /// What it says wrongly.
    pub(super) what: &'static str,
}

impl PlannedLine {
    /// What it says of the row that is not so, where it is carried out.
    pub(super) fn misstates(&self, line: u64, subject: Option<&Subject>, destructive: bool) -> Option<&'static str> {
        let is_other = |said: &Subject, is: &Subject| {
            // The store calls a customer by its names; where it was not asked now, there is nothing to compare them with.
            let comparable = !is.customer_name.is_empty() || said.customer_name.is_empty();
            let customer = (&said.customer, &said.customer_name) != (&is.customer, &is.customer_name);
            (&said.kind, &said.key, &said.name) != (&is.kind, &is.key, &is.name) || comparable && customer
        };
        if self.line.is_some_and(|said| said != line) {
            Some("`line`")
        } else if self.destructive.is_some_and(|said| said != destructive) {
            Some("`destructive`")
        } else if self
            .subject
            .as_ref()
            .zip(subject)
            .is_some_and(|(said, is)| is_other(said, is))
        {
            Some("`subject`")
        } else {
            None
        }
    }
}
