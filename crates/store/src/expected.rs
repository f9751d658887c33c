//! The expectation of a plan about a row: a hash of its verdict, so that a row whose state has changed since is told from the
//! others. A row that is to create something, which most are, needs none.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::Verdict;
use tenantry_foundation::db::DbError;

/// The hash of a verdict.
pub type State = [u8; 16];

/// The hash of a verdict; `None` for one that creates.
pub fn state(verdict: &Verdict) -> Option<State> {
    match verdict {
        Verdict::Create => None,
        Verdict::Unchanged => Some(state_of("unchanged", std::iter::empty())),
        Verdict::Reject(problem) => Some(state_of(
            "reject",
            std::iter::once((problem.code.as_str(), problem.column.as_str(), "")),
        )),
        Verdict::Change(changes) => Some(state_of(
            "change",
            changes
                .iter()
                .map(|change| (change.field, change.old.as_str(), change.new.as_str())),
        )),
    }
}

/// The hash of an action and (field, old, new) of its changes.
pub fn state_of<'a>(action: &str, changes: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> State {
    let mut hasher = Sha256::new();
    let mut part = |text: &str| {
        // Lengths first, so that no two lists of fields read the same.
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(action);
    for (field, old, new) in changes {
        part(field);
        part(old);
        part(new);
    }
    let mut state = [0; 16];
    state.copy_from_slice(&hasher.finalize()[..16]);
    state
}

/// What a plan expects of the rows of a chunk.
#[derive(Debug, Clone, Default)]
pub struct Expected(HashMap<u64, State>);

impl Expected {
    /// Bytes of a row in the encoded form: its number, then the hash.
    pub const ENTRY: usize = 8 + 16;

    /// The row number of an encoded entry.
    pub fn row(entry: &[u8]) -> u64 {
        entry
            .iter()
            .take(8)
            .rev()
            .fold(0, |row, byte| (row << 8) | u64::from(*byte))
    }

    /// Appends a row to an encoded form.
    pub fn encode(row: u64, state: State, into: &mut Vec<u8>) {
        into.extend_from_slice(&row.to_le_bytes());
        into.extend_from_slice(&state);
    }

    /// Reads an encoded form back.
    pub fn decode(bytes: &[u8]) -> Result<Self, DbError> {
        if !bytes.len().is_multiple_of(Self::ENTRY) {
            return Err(DbError::Broken(
                "what a plan expects of a chunk is cut short".to_owned(),
            ));
        }
        let entry = |entry: &[u8]| Some((Self::row(entry), entry[8..].try_into().ok()?));
        Ok(Self(bytes.chunks_exact(Self::ENTRY).filter_map(entry).collect()))
    }

    /// Whether the row is as expected.
    pub fn meets(&self, row: u64, verdict: &Verdict) -> bool {
        self.0.get(&row).copied() == state(verdict)
    }

    /// Whether the row is expected to create something.
    pub fn creates(&self, row: u64) -> bool {
        !self.0.contains_key(&row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldChange;

    #[test]
    fn every_verdict_has_a_state_of_its_own_and_survives_encoding() {
        let change = |old: &str| Verdict::Change(vec![FieldChange::new("city", old, "Bern")]);
        let verdicts = [Verdict::Create, Verdict::Unchanged, change("Basel"), change("")];
        let mut bytes = Vec::new();
        for (row, verdict) in (1..).zip(&verdicts) {
            if let Some(state) = state(verdict) {
                Expected::encode(row, state, &mut bytes);
            }
        }
        let expected = Expected::decode(&bytes).expect("it reads back");
        for (row, _) in (1..).zip(&verdicts) {
            for (other, verdict) in (1..).zip(&verdicts) {
                assert_eq!(expected.meets(row, verdict), row == other, "{row} {verdict:?}");
            }
        }
        assert!(Expected::decode(&bytes[1..]).is_err());
    }
}
