//! Rows with values that would be refused in a file, and may be what the store holds.
//!
//! Such a value is at fault only where it would change something, which the verdict on the row shows: nothing changes, or
//! fields do, of which it is one or not. It is asked for twice, when a row is planned and when it is carried out, since the store
//! may have changed in between.

use std::collections::BTreeMap;

use tenantry_jobs::{Problem, ValueDoubt};

use crate::Verdict;

/// The doubts about some rows. Most rows have none.
#[derive(Debug, Default)]
pub struct Doubts(BTreeMap<u64, Vec<ValueDoubt>>);

impl Doubts {
    /// Adds a row.
    pub fn add(&mut self, row: u64, doubts: Vec<ValueDoubt>) {
        self.0.insert(row, doubts);
    }

    /// Whether there are any about a row.
    pub fn are_of(&self, row: u64) -> bool {
        self.0.contains_key(&row)
    }

    /// Why a row that would do this is refused, if it is.
    pub fn refuse(&self, row: u64, verdict: &Verdict, is_destructive: bool) -> Option<Problem> {
        let doubts = self.0.get(&row)?;
        let mut wrong = wrong(doubts, verdict, is_destructive);
        wrong.next().map(|doubt| doubt.problem.clone())
    }
}

/// The doubts that are faults, in a row that would do this. What is hard to take back is not done to a record of a doubtful name.
pub fn wrong<'d>(
    doubts: &'d [ValueDoubt],
    verdict: &'d Verdict,
    is_destructive: bool,
) -> impl Iterator<Item = &'d ValueDoubt> + use<'d> {
    doubts.iter().filter(move |doubt| match verdict {
        Verdict::Unchanged => false,
        Verdict::Change(_) if doubt.field == ValueDoubt::NAME => is_destructive,
        Verdict::Change(changes) => changes.iter().any(|change| change.field == doubt.field),
        Verdict::Create | Verdict::Reject(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldChange;

    #[test]
    fn only_doubts_that_change_something_are_faults() {
        let doubt = |field| ValueDoubt {
            field,
            problem: Problem::new("invalid", field, "-", "a phone number"),
        };
        let doubts = [doubt("phone"), doubt(ValueDoubt::NAME)];
        let change = |field| Verdict::Change(vec![FieldChange::new(field, "1", "-")]);
        let problem = Problem::stated("unknown-customer", "", "", "nobody");
        for (verdict, is_destructive, expected) in [
            (Verdict::Unchanged, true, 0),
            (change("phone"), false, 1),
            (change("city"), false, 0),
            (change("city"), true, 1),
            (Verdict::Create, false, 2),
            (Verdict::Reject(problem), false, 2),
        ] {
            let found = wrong(&doubts, &verdict, is_destructive).count();
            assert_eq!(found, expected, "{verdict:?}");
        }
    }
}
