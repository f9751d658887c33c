//! Row outcomes and previews of a remote store.

use tenantry_jobs::Problem;

use crate::{Preview, SeatNeed, Touch, Verdict};
use tenantry_foundation::passwords::PasswordRow;
use tenantry_ledger::{Artifact, Outcome, RowOutcome, RowWait};

/// What happens to a row.
#[derive(Debug)]
pub enum RowStatus {
    /// It has ended.
    Over(RowOutcome),
    /// It has not, and is looked at again.
    Waits(RowWait),
}

impl RowStatus {
    /// The row.
    pub fn row(&self) -> u64 {
        match self {
            Self::Over(over) => over.row,
            Self::Waits(wait) => wait.row,
        }
    }

    /// The row, if another attempt at it may follow.
    pub fn row_to_go_on_with(&self) -> Option<u64> {
        match self {
            Self::Over(over) => (over.outcome != Outcome::Applied).then_some(over.row),
            Self::Waits(wait) => Some(wait.row),
        }
    }
}

/// What an attempt at a row came to.
#[derive(Debug)]
pub struct RowEnd {
    /// What happens to it.
    pub status: RowStatus,
    /// A password that was set, and whose it is now.
    pub password: Option<PasswordRow>,
    /// Whether that was kept with the step that set it, so that what is to be kept now replaces it.
    pub is_sealed: bool,
    /// A file it made.
    pub artifact: Option<Artifact>,
}

impl RowEnd {
    /// A row that has ended so, and left nothing.
    pub fn over(outcome: RowOutcome) -> Self {
        RowStatus::Over(outcome).into()
    }
}

impl From<RowStatus> for RowEnd {
    fn from(status: RowStatus) -> Self {
        Self {
            status,
            password: None,
            is_sealed: false,
            artifact: None,
        }
    }
}

/// What is said of a row that ends badly after that many of its steps were done; nothing where none was.
pub fn partially_applied(done: usize) -> Option<String> {
    match done {
        0 => None,
        1 => Some("partially applied (1 step)".to_owned()),
        some => Some(format!("partially applied ({some} steps)")),
    }
}

/// What a row would do.
#[derive(Debug, Default)]
pub struct RowPreview {
    /// What it would do.
    pub verdict: Verdict,
    /// The seats it would take, one each.
    pub needs: Vec<SeatNeed>,
    /// The existing users it would touch.
    pub touch: Option<Touch>,
    /// Whether what it does is hard to live with if it was a mistake.
    pub destructive: bool,
    /// Something to know before it is done; empty for nothing.
    pub note: String,
}

impl RowPreview {
    /// A row that would be refused.
    pub fn reject(problem: Problem) -> Self {
        Verdict::Reject(problem).into()
    }

    /// That touches existing users.
    #[must_use]
    pub fn touching(mut self, touch: Touch) -> Self {
        self.touch = Some(touch);
        self
    }

    /// That is hard to live with if it was a mistake.
    #[must_use]
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    /// With something to know before it is done.
    #[must_use]
    pub fn noting(mut self, note: String) -> Self {
        self.note = note;
        self
    }

    /// As plans have it, with the seats it would take.
    pub fn into_preview(self, row: u64) -> (Preview, Vec<SeatNeed>) {
        let preview = Preview {
            row,
            verdict: self.verdict,
            touch: self.touch.map(Box::new),
            destructive: self.destructive,
            note: self.note,
        };
        (preview, self.needs)
    }
}

impl From<Verdict> for RowPreview {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            ..Self::default()
        }
    }
}
