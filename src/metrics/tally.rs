//! Rows that ended, counted before they are committed and told once they are.

use std::collections::BTreeMap;

use super::labels;
use crate::ledger::{Claim, Closing, Outcome, RowOutcome};

/// How many rows of which kinds ended how.
#[derive(Debug, Default)]
pub(crate) struct RowTally {
    /// By kind and outcome.
    outcomes: BTreeMap<(&'static str, &'static str), u64>,
    /// By kind and code.
    errors: BTreeMap<(&'static str, String), u64>,
}

impl RowTally {
    /// Of chunks that end as said. Rows of whole chunks that are not named were applied; those of a part are all named.
    pub(crate) fn of_chunks<'c>(chunks: impl IntoIterator<Item = (&'c Claim, &'c Closing)>, is_part: bool) -> Self {
        let mut tally = Self::default();
        for (claim, closing) in chunks {
            tally.named(claim, &closing.outcomes);
            let named = (closing.outcomes.len() + closing.waits.len()) as u64;
            let unnamed = if is_part {
                0
            } else {
                claim.pending.saturating_sub(named)
            };
            tally.add(labels::kind(&claim.kind), Outcome::Applied, unnamed);
        }
        tally
    }

    /// Of rows of a chunk that are recorded one by one.
    pub(crate) fn of_rows(claim: &Claim, outcomes: &[RowOutcome]) -> Self {
        let mut tally = Self::default();
        tally.named(claim, outcomes);
        tally
    }

    /// Of rows of a chunk that failed for the same reason.
    pub(crate) fn of_failed(claim: &Claim, rows: u64) -> Self {
        let mut tally = Self::default();
        let kind = labels::kind(&claim.kind);
        tally.add(kind, Outcome::Failed, rows);
        tally.add_errors(kind, "", rows);
        tally
    }

    fn named(&mut self, claim: &Claim, outcomes: &[RowOutcome]) {
        let kind = labels::kind(&claim.kind);
        for one in outcomes {
            self.add(kind, one.outcome, 1);
            if matches!(one.outcome, Outcome::Rejected | Outcome::Failed) {
                self.add_errors(kind, &one.code, 1);
            }
        }
    }

    pub(super) fn add(&mut self, kind: &'static str, outcome: Outcome, rows: u64) {
        if rows > 0 {
            *self.outcomes.entry((kind, outcome.as_str())).or_default() += rows;
        }
    }

    pub(super) fn add_errors(&mut self, kind: &'static str, code: &str, rows: u64) {
        *self.errors.entry((kind, code.to_owned())).or_default() += rows;
    }

    /// By kind and outcome.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = ((&'static str, &'static str), u64)> {
        self.outcomes.iter().map(|(of, rows)| (*of, *rows))
    }

    /// By kind and code.
    pub(super) fn errors(&self) -> impl Iterator<Item = ((&'static str, &str), u64)> {
        self.errors
            .iter()
            .map(|((kind, code), rows)| ((*kind, code.as_str()), *rows))
    }
}
