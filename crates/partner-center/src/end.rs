//! The end of an attempt at a row, in terms of Partner Center.

use tenantry_jobs::{Problem, code};

use super::failure::Failure;
use super::steps::Stopped;
use tenantry_ledger::{Outcome, RowOutcome, RowWait};
use tenantry_store::remote::RowStatus;
use tenantry_store::{rejected, unchanged};

/// Partner Center's code for a customer without free seats of a SKU.
const OUT_OF_SEATS: &str = "60012";

/// How an attempt at a row ended.
pub(super) enum End {
    Applied {
        target: String,
        message: String,
    },
    Unchanged(String),
    /// It is so already, of which something is to be known.
    UnchangedSince {
        target: String,
        message: String,
    },
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

    pub(super) fn status(self, row: u64) -> RowStatus {
        let over = |outcome, code: &str, message, target| {
            RowStatus::Over(RowOutcome {
                row,
                outcome,
                code: code.to_owned(),
                message,
                target,
                columns: Vec::new(),
            })
        };
        match self {
            End::Applied { target, message } => over(Outcome::Applied, "", message, target),
            End::Unchanged(target) => RowStatus::Over(unchanged(row, target)),
            End::UnchangedSince { target, message } => over(Outcome::Unchanged, "", message, target),
            // The row is right, and what it needs is on its way.
            End::Rejected(problem) if problem.code == code::NOT_THERE_YET => RowStatus::Waits(RowWait {
                row,
                message: format!("waits for Partner Center to show the customer; {problem}"),
                target: String::new(),
            }),
            End::Rejected(problem) => RowStatus::Over(rejected(row, &problem)),
            End::Halfway { problem, done, target } => {
                let rejected = rejected(row, &problem);
                RowStatus::Over(RowOutcome {
                    outcome: Outcome::Failed,
                    message: format!("{done}; {problem}"),
                    target,
                    ..rejected
                })
            }
            End::Waits { message, target } => RowStatus::Waits(RowWait { row, message, target }),
            End::Stopped { stopped, done, target } => {
                let Stopped { failure, is_for_now } = stopped;
                let says = format!("Partner Center: {failure}");
                if is_for_now {
                    let message = format!("waiting for an operation in progress; {says}");
                    return RowStatus::Waits(RowWait { row, message, target });
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
