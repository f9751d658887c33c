//! Intakes: the ways in other than the command line. Each turns what it receives into a submission and hands it
//! to the one door.
//!
//! An intake moves bytes and knows when to let go of them; whether a job may be done is the [`Door`]'s to say.
//! Its refusals come in two sorts, and everything an intake does follows from which: the sender has to change
//! something, or nobody has and it will work later.
//!
//! - [`document`]: a job as JSON, every fault of it found at once.
//! - [`inbox`]: such documents from other programs, over Redis streams.
//! - [`folder`]: files that are put into directories.
//! - [`door`]: the door of the ledger.
//! - [`schedule`]: jobs that are submitted by themselves at certain times.

pub(crate) mod document;
pub(crate) mod door;
pub(crate) mod folder;
pub(crate) mod inbox;
mod members;
mod reasons;
mod redact;
pub(crate) mod schedule;

use std::fmt;
use std::future::Future;

use serde::Serialize;

use crate::ledger::{JobId, JobState};
use crate::submit::RecordTurn;
use tenantry_jobs::{Subject, clip, did_you_mean};

pub use document::JobDocument;
pub use door::LedgerDoor;

/// How jobs are handed in.
#[derive(Clone)]
pub struct Handing {
    /// Whether they may have been handed in before, and nobody knows why that failed.
    pub again: bool,
    /// When they may be recorded.
    pub turn: RecordTurn,
}

impl Handing {
    /// For the first time, after no others.
    pub const FIRST: Self = Self {
        again: false,
        turn: RecordTurn::NOW,
    };
}

/// Where jobs are handed in.
pub trait Door: Send + Sync + 'static {
    /// Hands a job in. Recorded once, however often it is handed in under the same key: the document's own, or
    /// `default_key` where it has none.
    fn submit(
        &self,
        document: JobDocument,
        default_key: String,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send;

    /// Whether a job is dealt with at once, and so may be handed in together with others.
    fn takes_together(&self, document: &JobDocument) -> bool {
        let _ = document;
        false
    }

    /// Hands several jobs in, in their order. The outcome of each.
    fn submit_all(
        &self,
        documents: Vec<(JobDocument, String)>,
        _handing: Handing,
    ) -> impl Future<Output = Vec<Result<Accepted, Refusal>>> + Send {
        async move {
            let mut submitted = Vec::with_capacity(documents.len());
            for (document, key) in documents {
                submitted.push(self.submit(document, key).await);
            }
            submitted
        }
    }

    /// A document was refused, here or before it came here.
    fn refused(&self, _reasons: &[Reason]) {}
}

/// The job is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Under this id.
    pub job: JobId,
    /// Whether it was not there before.
    pub is_new: bool,
    /// Where it stands.
    pub state: JobState,
    /// What its sender is told, if it does not go ahead before somebody approves it.
    pub awaiting_approval: Option<String>,
}

/// The job is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It never will be as it is: every reason.
    Invalid(Vec<Reason>),
    /// Nothing can be recorded now; the same call may work later.
    Unavailable(String),
    /// It could not be, whatever becomes of others; the same call may work later.
    Failed(String),
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Where, as a JSON path: `$.rows[2].country`.
    pub path: String,
    /// The line of the CSV text, where the document has its rows as such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Stable code, `kebab-case`.
    pub code: String,
    /// What stands there; a secret or a whole structure is never repeated.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What was expected, one phrase without a full stop.
    pub expected: String,
    /// The nearest valid choice, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Whom or what the row is about, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<Subject>>,
}

impl Reason {
    pub(crate) fn new(path: impl Into<String>, code: &str, value: &str, expected: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            code: code.to_owned(),
            value: clip(value),
            expected: expected.into(),
            suggestion: None,
            subject: None,
        }
    }

    pub(crate) fn suggest(mut self, nearest: Option<impl Into<String>>) -> Self {
        self.suggestion = nearest.map(Into::into);
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.value.is_empty() {
            write!(f, "`{}`: ", self.value)?;
        }
        f.write_str(&self.expected)?;
        match &self.suggestion {
            Some(nearest) => f.write_str(&did_you_mean(Some(nearest))),
            None => Ok(()),
        }
    }
}
