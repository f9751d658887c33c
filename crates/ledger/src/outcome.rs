//! Row outcomes.

use serde::{Deserialize, Serialize};

use tenantry_foundation::db::DbError;

/// How a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The store was changed as the row asks.
    Applied,
    /// The store was as the row asks already.
    Unchanged,
    /// The row cannot be applied as it stands.
    Rejected,
    /// Something other than the row went wrong, for good.
    Failed,
    /// The job was stopped before the row's turn.
    Cancelled,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 5] = [
        Self::Applied,
        Self::Unchanged,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word in the ledger and on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Unchanged => "unchanged",
            Outcome::Rejected => "rejected",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, DbError> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| DbError::Broken(format!("`{text}` is no row outcome")))
    }
}
