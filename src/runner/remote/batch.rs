//! Outcomes that are still to be recorded, together.

use tokio::time::{Duration, Instant};

use crate::ledger::{Artifact, RowOutcome, RowWait};
use crate::passwords::PasswordRow;
use crate::store::remote::{RowEnd, RowStatus};

/// Outcomes recorded at once, and how long they may wait for each other.
const TOGETHER: usize = 200;
const PATIENCE: Duration = Duration::from_secs(2);
/// With passwords among them they wait longer, since each record is a file for somebody to open.
const PATIENCE_WITH_PASSWORDS: Duration = Duration::from_secs(30);

/// Rows that have ended and are still to be recorded.
#[derive(Default)]
pub(super) struct EndedRows {
    pub(super) outcomes: Vec<RowOutcome>,
    pub(super) passwords: Vec<PasswordRow>,
    /// Rows whose passwords among these are kept by themselves so far.
    pub(super) sealed_alone: Vec<u64>,
    /// Rows that have not ended well, and yet have a password among these.
    pub(super) handed_out: Vec<u64>,
    pub(super) artifacts: Vec<Artifact>,
    since: Option<Instant>,
}

impl EndedRows {
    pub(super) fn add(&mut self, outcome: RowOutcome) {
        self.since.get_or_insert_with(Instant::now);
        self.outcomes.push(outcome);
    }

    /// The row's wait, if it has not ended. Its password is kept if the job hands any out.
    pub(super) fn take(&mut self, ended: RowEnd, hands_out: bool) -> Option<RowWait> {
        if ended.password.is_some() {
            self.handed_out.extend(ended.status.row_to_go_on_with());
        }
        if ended.is_sealed && ended.password.is_some() {
            self.sealed_alone.push(ended.status.row());
        }
        self.passwords.extend(ended.password.filter(|_| hands_out));
        self.artifacts.extend(ended.artifact);
        match ended.status {
            RowStatus::Over(outcome) => {
                self.add(outcome);
                None
            }
            RowStatus::Waits(wait) => Some(wait),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.handed_out.is_empty()
    }

    pub(super) fn is_due(&self) -> bool {
        let patience = if self.passwords.is_empty() {
            PATIENCE
        } else {
            PATIENCE_WITH_PASSWORDS
        };
        self.outcomes.len() >= TOGETHER || self.since.is_some_and(|since| since.elapsed() >= patience)
    }
}
