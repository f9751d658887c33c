//! Errors of a remote store, by what the runner decides on.

use std::io;
use std::time::Duration;

use tenantry_jobs::Problem;
use thiserror::Error;

use tenantry_foundation::db::DbError;
use tenantry_foundation::moment::rfc3339;

/// Why a store does not do, or say, what it was asked. Texts are whole: they name the store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It refuses, and would do so again. A row that is answered so is over.
    #[error("{0}")]
    Rejected(Problem),
    /// It has been asked too often, and may be asked again after this long. That is no fault of the row.
    #[error("the store has been asked too often; it may be asked again in {0:?}")]
    Throttled(Duration),
    /// It is away or out of order; the same may work later.
    #[error("{0}")]
    Unavailable(String),
    /// No answer came. What was asked for may have taken effect; the next attempt has to look.
    #[error("the store gave no answer, and the outcome of the row is not known yet")]
    Unknown,
    /// It denied access, and no row can be carried out before somebody changes something.
    #[error("{0}")]
    Unauthorized(String),
    /// It has accepted, and has not decided. There is nothing to see before this time, in milliseconds since the epoch.
    #[error("the store is to decide; looked at again at {}", rfc3339(*.0))]
    Deferred(i64),
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        Self::Rejected(problem)
    }
}

/// Why a row cannot go on, or a list cannot be read to its end: the store, or what is here.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger's database, in which steps are recorded.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A temporary file of this machine.
    #[error("{what}: {error}")]
    Io {
        /// What could not be done.
        what: String,
        /// Why.
        error: io::Error,
    },
}

impl From<Problem> for ApplyError {
    fn from(problem: Problem) -> Self {
        Self::Store(problem.into())
    }
}

impl ApplyError {
    /// The problem of what was rejected; any other error stays one.
    pub fn rejection(self) -> Result<Problem, Self> {
        match self {
            Self::Store(StoreError::Rejected(problem)) => Ok(problem),
            other => Err(other),
        }
    }
}
