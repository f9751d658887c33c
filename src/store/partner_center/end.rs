//! How rows end, and what they would do.

use tenantry_jobs::{Problem, code};

use super::failure::Failure;
use super::records::Customer;
use super::steps::Stopped;
use crate::ledger::{Artifact, Outcome, RowOutcome, RowWait};
use crate::passwords::PasswordRow;
use crate::store::{Preview, SeatNeed, Touch, Verdict, rejected, unchanged};

/// Partner Center's code for a customer without free seats of a SKU.
const OUT_OF_SEATS: &str = "60012";

/// How an attempt at a row ended.
pub(super) enum End {
    Applied {
        target: String,
        message: String,
    },
    Unchanged(String),
    Rejected(Problem),
    /// A step was refused, or has to wait.
    Stopped {
        stopped: Stopped,
        /// What was done before; empty for nothing.
        done: String,
        target: String,
    },
    /// Something stands in the way of the rest.
    Halfway {
        problem: Problem,
        /// What was done before.
        done: String,
        target: String,
    },
    /// For somebody else.
    Waits {
        message: String,
        target: String,
    },
}

impl End {
    pub(super) fn applied(target: impl Into<String>) -> Self {
        Self::Applied {
            target: target.into(),
            message: String::new(),
        }
    }

    pub(super) fn stopped(stopped: Stopped, target: impl Into<String>) -> Self {
        Self::Stopped {
            stopped,
            done: String::new(),
            target: target.into(),
        }
    }

    pub(super) fn fate(self, row: u64) -> Fate {
        let over = |outcome, code: &str, message, target| {
            Fate::Over(RowOutcome {
                row,
                outcome,
                code: code.to_owned(),
                message,
                target,
            })
        };
        match self {
            End::Applied { target, message } => over(Outcome::Applied, "", message, target),
            End::Unchanged(target) => Fate::Over(unchanged(row, target)),
            End::Rejected(problem) => Fate::Over(rejected(row, &problem)),
            End::Halfway { problem, done, target } => {
                over(Outcome::Failed, &problem.code, format!("{done}; {problem}"), target)
            }
            End::Waits { message, target } => Fate::Waits(RowWait { row, message, target }),
            End::Stopped { stopped, done, target } => {
                let Stopped { failure, is_for_now } = stopped;
                let says = format!("Partner Center: {failure}");
                if is_for_now {
                    let message = format!("waits for what is under way there; {says}");
                    return Fate::Waits(RowWait { row, message, target });
                }
                if done.is_empty() {
                    over(Outcome::Rejected, code_of(&failure), says, target)
                } else {
                    let message = format!("{done}: {says}; then `retry` goes on with the row");
                    over(Outcome::Failed, code_of(&failure), message, target)
                }
            }
        }
    }
}

/// The code rows are told.
fn code_of(failure: &Failure) -> &'static str {
    match failure.code.as_str() {
        OUT_OF_SEATS => code::NO_FREE_SEATS,
        _ => code::REFUSED,
    }
}

/// What becomes of a row.
pub enum Fate {
    /// It has ended.
    Over(RowOutcome),
    /// It has not.
    Waits(RowWait),
}

impl Fate {
    /// The row, if another attempt at it may follow.
    pub(crate) fn row_to_go_on_with(&self) -> Option<u64> {
        match self {
            Self::Over(over) => (over.outcome != Outcome::Applied).then_some(over.row),
            Self::Waits(wait) => Some(wait.row),
        }
    }
}

/// What an attempt at a row came to.
pub struct Ended {
    /// What becomes of it.
    pub fate: Fate,
    /// A password that was set, and whose it is now.
    pub password: Option<PasswordRow>,
    /// A file it made.
    pub artifact: Option<Artifact>,
}

impl Ended {
    pub(super) fn of(row: u64, end: End) -> Self {
        Self {
            fate: end.fate(row),
            password: None,
            artifact: None,
        }
    }

    /// A row that has ended so, and left nothing.
    pub fn over(outcome: RowOutcome) -> Self {
        Self {
            fate: Fate::Over(outcome),
            password: None,
            artifact: None,
        }
    }
}

/// What a row would do, and the seats it would take.
#[derive(Default)]
pub struct Previewed {
    /// What it would do.
    pub verdict: Verdict,
    /// One seat each.
    pub needs: Vec<SeatNeed>,
    pub(super) touch: Option<Touch>,
    pub(super) destructive: bool,
}

impl Previewed {
    pub(super) fn reject(problem: Problem) -> Self {
        Verdict::Reject(problem).into()
    }

    pub(super) fn touching(mut self, customer: &Customer, users: u64, of: u64) -> Self {
        self.touch = Some(Touch {
            customer: customer.number(),
            domain: customer.domain.clone(),
            users,
            of,
        });
        self
    }

    pub(super) fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    /// As plans have it, with the seats it would take.
    pub fn into_preview(self, row: u64) -> (Preview, Vec<SeatNeed>) {
        let preview = Preview {
            row,
            verdict: self.verdict,
            touch: self.touch.map(Box::new),
            destructive: self.destructive,
        };
        (preview, self.needs)
    }
}

impl From<Verdict> for Previewed {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            ..Self::default()
        }
    }
}
