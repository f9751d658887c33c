//! The hash of a plan: kind, parameters, content and what is expected of every row. The same file planned against the
//! same store has the same hash, however it is split into blocks; anything else has another. It can be computed anew
//! from a plan in a file, so that one that was edited is found out.

use sha2::{Digest, Sha256};

use super::{CheckedBlock, Repeated};
use crate::input::StreamHasher;
use crate::ledger::Parameters;
use crate::store::{Expected, State};

/// Grows row by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanHash {
    rows: Sha256,
    repeated: RepeatedHash,
}

/// The part of rows that repeat another, which are known only at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct RepeatedHash(Sha256);

impl RepeatedHash {
    pub(super) fn row(&mut self, row: u64) {
        self.0.update(encoded(row, REJECTED));
    }
}

fn encoded(row: u64, state: State) -> Vec<u8> {
    let mut entry = Vec::with_capacity(Expected::ENTRY);
    Expected::encode(row, state, &mut entry);
    entry
}

impl PlanHash {
    /// Adds the rows of a block.
    pub(crate) fn block(&mut self, checked: &CheckedBlock) {
        let mut rejects = checked.rejects.keys().copied().peekable();
        let expected = checked.expected();
        for entry in expected.chunks_exact(Expected::ENTRY) {
            let row = Expected::row(entry);
            while let Some(rejected) = rejects.next_if(|rejected| *rejected < row) {
                self.rejected(rejected);
            }
            self.rows.update(entry);
        }
        rejects.for_each(|row| self.rejected(row));
    }

    /// Adds rows by what is expected of them, encoded.
    pub(crate) fn expected(&mut self, expected: &[u8]) {
        self.rows.update(expected);
    }

    /// Adds a row that repeats another.
    pub(crate) fn repeated(&mut self, repeated: &Repeated) {
        self.repeated.row(repeated.fault.row);
    }

    /// Adds a row as a plan in a file tells of it.
    pub(super) fn told(&mut self, row: u64, state: State) {
        self.rows.update(encoded(row, state));
    }

    /// Adds a row that a kept plan says repeats another.
    pub(super) fn told_repeated(&mut self, row: u64) {
        self.repeated.row(row);
    }

    /// Adds all rows that repeat another.
    pub(super) fn all_repeated(&mut self, repeated: RepeatedHash) {
        self.repeated = repeated;
    }

    fn rejected(&mut self, row: u64) {
        self.told(row, REJECTED);
    }

    /// The hash, in lower-case hexadecimal.
    pub(crate) fn finish(self, kind: &str, parameters: &Parameters, part: Option<&str>, sha256: &str) -> String {
        let mut parameters = parameters.clone();
        // Who can read passwords is no part of what happens to the store.
        parameters.seal_to.clear();
        parameters.in_the_clear = false;
        parameters.reply_rows = false;
        let parameters = serde_json::to_string(&parameters).unwrap_or_default();
        let mut whole = StreamHasher::default();
        whole.pass(format!("tenantry plan 1\n{kind}\n{parameters}\n{sha256}\n").as_bytes());
        whole.pass(serde_json::json!(part).to_string().as_bytes());
        whole.pass(&self.rows.finalize());
        whole.pass(&self.repeated.0.finalize());
        whole.sha256().to_string()
    }
}

/// Stands for a row that is rejected, whatever for.
const REJECTED: State = super::check::REJECTED;
