//! The states of a chunk.

use tenantry_foundation::db::DbError;

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkState {
    /// Ready to be claimed.
    Queued,
    /// A worker has it, or died over it.
    Running,
    /// Some of its rows wait for a partner or a service.
    Waiting,
    /// Every row has its outcome.
    Done,
    /// Given up.
    Failed,
    /// Stopped by request before it began.
    Cancelled,
}

impl ChunkState {
    const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word in the ledger.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub(super) fn parse(text: &str) -> Result<Self, DbError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| DbError::Broken(format!("`{text}` is no state of a chunk")))
    }
}
