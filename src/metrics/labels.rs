//! Labels, and the closed lists that their values are of.

use prometheus_client::encoding::EncodeLabelSet;

use crate::db::DbError;
use crate::ledger::JobState;

/// What is of no list.
const OTHER: &str = "other";

/// Declares a set of labels.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($label:ident),+ })*) => {
        $($(#[$doc])* #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $label: &'static str),+ })*
    };
}

labels! {
    Build { version }
    OfKind { kind }
    OfState { state }
    OfStateAndKind { state, kind }
    OfStatus { status }
    OfResult { result }
    OfOp { op }
    OfScope { scope }
    OfMethod { method }
    OfOperationAndStatus { operation, status }
    OfReason { reason }
    OfOutcome { kind, outcome }
    OfChunk { kind, store }
    Coded { kind, code }
    Submitted { kind, via }
}

/// A schedule, whose name its operator has given it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfSchedule {
    pub(super) schedule: String,
}

/// A folder of the configuration, by its name there, and the outcome of its files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfFolder {
    pub(super) folder: String,
    pub(super) result: &'static str,
}

/// The same, and where its files stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct InFolder {
    pub(super) folder: String,
    pub(super) state: &'static str,
}

/// A kind of job. The undo of a job is one, too.
pub(super) fn kind(name: &str) -> &'static str {
    if name == "undo" {
        return "undo";
    }
    tenantry_jobs::find(name).map_or(OTHER, |kind| kind.kind())
}

/// A state of a job.
pub(super) fn state(name: &str) -> &'static str {
    JobState::named(name).map_or(OTHER, JobState::as_str)
}

/// The code of a row.
pub(super) fn code(name: &str) -> &'static str {
    let known = tenantry_jobs::code::ALL.iter().copied();
    known.into_iter().find(|code| *code == name).unwrap_or(OTHER)
}

/// What is wrong with the ledger.
pub(super) fn ledger_error(error: &DbError) -> &'static str {
    match error {
        DbError::Unavailable(_) => "unavailable",
        DbError::Contended(_) => "contended",
        DbError::Elsewhere(_) => "elsewhere",
        DbError::Replaced(_) => "replaced",
        DbError::Closed => "closed",
        _ => OTHER,
    }
}
